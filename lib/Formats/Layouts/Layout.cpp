#include "lib/Formats/Layouts/Layout.h"

#include <cstdio>

namespace tern {

Layout::~Layout() = default;

int64_t Buffer::bytes() const {
  int64_t entries = 1;
  for (int64_t extent : shape)
    entries *= extent;
  return entries * ((type.bits + 7) / 8);
}

std::string Layout::verify(const Format &format, Span<const int64_t> shape) const {
  if (std::string error = tern::verify(format, shape); !error.empty())
    return error;
  std::string error = check(format, shape);
  return error.empty() ? "" : str() + ": " + error;
}

std::vector<Buffer> Layout::buffers(const Format &format, Span<const int64_t> shape) const {
  assert(verify(format, shape).empty() && "the layout must fit the format");
  return list(format, shape);
}

static std::string isStatic(const Layout &layout, Span<const int64_t> shape) {
  for (int64_t extent : shape)
    if (extent < 0)
      return layout.str() + ": only tensors of static shape have bytes";
  return "";
}

template <typename B>
static std::string checkPlaneBytes(const Format &format, Span<const int64_t> shape, Span<const B> planes) {
  std::vector<PlaneShape> wanted = planeShapes(shape, format);
  if (planes.size() != wanted.size())
    return "format " + format.str() + " has " + std::to_string(wanted.size()) + " planes; found " +
           std::to_string(planes.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (int64_t(planes[i].size()) != wanted[i].bytes)
      return std::string("plane '") + str(wanted[i].role) + "' of " + format.str() + " has " +
             std::to_string(wanted[i].bytes) + " bytes; found " + std::to_string(planes[i].size());
  return "";
}

template <typename B>
static std::string checkBuffers(const Layout &layout, const std::vector<Buffer> &wanted, Span<const B> buffers) {
  if (buffers.size() != wanted.size())
    return layout.str() + " has " + std::to_string(wanted.size()) + " buffers for this format; found " +
           std::to_string(buffers.size());
  for (size_t i = 0; i < wanted.size(); ++i)
    if (int64_t(buffers[i].size()) != wanted[i].bytes())
      return "buffer '" + wanted[i].name + "' of " + layout.str() + " has " + std::to_string(wanted[i].bytes()) +
             " bytes; found " + std::to_string(buffers[i].size());
  return "";
}

/// Why these bytes are none of a tensor in the layout; "": they are.
template <typename P, typename B, typename List>
static std::string mismatch(const Layout &layout, const Format &format, Span<const int64_t> shape, Span<const P> planes, Span<const B> buffers,
                         List list) {
  if (std::string error = layout.verify(format, shape); !error.empty())
    return error;
  if (std::string error = isStatic(layout, shape); !error.empty())
    return error;
  if (std::string error = checkPlaneBytes(format, shape, planes); !error.empty())
    return error;
  return checkBuffers(layout, list(), buffers);
}

std::string Layout::pack(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                         Span<const Bytes> buffers) const {
  if (std::string error = mismatch(*this, format, shape, planes, buffers, [&] { return list(format, shape); }); !error.empty())
    return error;
  std::string error = write(format, shape, planes, buffers);
  return error.empty() ? "" : str() + ": " + error;
}

std::string Layout::unpack(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                           Span<const Bytes> planes) const {
  if (std::string error = mismatch(*this, format, shape, planes, buffers, [&] { return list(format, shape); }); !error.empty())
    return error;
  std::string error = read(format, shape, buffers, planes);
  return error.empty() ? "" : str() + ": " + error;
}

std::unique_ptr<Layout> parseLayout(const std::string &text, std::string &error) {
  std::vector<std::unique_ptr<Layout>> known;
  known.push_back(matMulNBitsLayout());
  known.push_back(onnxLayout());
  for (int type = 0; type < kGgmlTypes; ++type)
    known.push_back(ggmlLayout(GgmlType(type)));
  known.push_back(autoAwqLayout());
  known.push_back(gptqLayout(1));
  known.push_back(gptqLayout(2));
  known.push_back(fp6LlmLayout());
  int bm = 0, kfactor = 0, end = 0;
  if (std::sscanf(text.c_str(), "#tern.tmac<bm = %d, kfactor = %d>%n", &bm, &kfactor, &end) == 2 &&
      size_t(end) == text.size())
    known.push_back(tmacLayout(bm, kfactor));
  std::string names;
  for (std::unique_ptr<Layout> &layout : known) {
    std::string name = layout->str();
    if (name == text)
      return std::move(layout);
    names += name + ", ";
  }
  error = "unknown layout '" + text + "'; known are " + names + "#tern.tmac<bm = 256, kfactor = 16>";
  return nullptr;
}

} // namespace tern
