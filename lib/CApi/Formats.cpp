//===- Formats.cpp - the C interface of lib/Formats -------------------------===//
#include "tern-c/formats.h"
#include "lib/Formats/Catalogue.h"
#include "lib/Formats/Layouts/Layout.h"
#include "lib/Quantize/Method.h"
#include "lib/Target/Cpu/Table/FormatRows.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <cstdlib>
#include <cstring>

using namespace tern;
using llvm::json::Array;
using llvm::json::Object;

static char *copy(const std::string &text) {
  char *string = static_cast<char *>(std::malloc(text.size() + 1));
  if (string)
    std::memcpy(string, text.c_str(), text.size() + 1);
  return string;
}

static int32_t finish(const std::string &sentence, char **error) {
  if (error)
    *error = sentence.empty() ? nullptr : copy(sentence);
  return sentence.empty() ? 0 : 1;
}

static std::string text(llvm::json::Value value) { return llvm::formatv("{0}", value).str(); }

namespace {
/// A format and a shape that fit each other, or why not.
struct Subject {
  Format format;
  std::vector<int64_t> shape;
  std::string error;

  Subject(const char *spelling, const int64_t *extents, size_t rank) : shape(extents, extents + rank) {
    Result<Format> parsed = parseFormat(spelling ? spelling : "");
    format = parsed.value;
    error = parsed.error;
    for (int64_t extent : shape)
      if (error.empty() && extent < 0)
        error = "extents are at least 0; found " + std::to_string(extent);
    if (error.empty())
      error = verify(format, shape);
  }

  template <typename B, typename P> std::vector<B> planes(P *const *pointers) const {
    std::vector<B> result;
    size_t i = 0;
    for (const PlaneShape &plane : planeShapes(shape, format))
      result.push_back({static_cast<decltype(B().data())>(pointers[i++]), size_t(plane.bytes)});
    return result;
  }
};
} // namespace

int32_t tern_format_info(const char *format, const int64_t *shape, size_t rank, char **json, char **error) {
  Subject subject(format, shape, rank);
  if (!subject.error.empty())
    return finish(subject.error, error);
  Array planes;
  for (const PlaneShape &plane : planeShapes(subject.shape, subject.format))
    planes.push_back(Object{{"role", str(plane.role)},
                            {"type", plane.type.str()},
                            {"bits", int64_t(plane.type.bits)},
                            {"signed", plane.type.hasSignedCodes()},
                            {"float", plane.type.isFloat()},
                            {"shape", Array(plane.shape)},
                            {"bytes", plane.bytes}});
  *json = copy(text(Object{{"format", subject.format.str()},
                           {"elem", subject.format.elem.str()},
                           {"bits", bitsPerElement(subject.format, subject.shape)},
                           {"bytes", planeBytes(subject.shape, subject.format)},
                           {"planes", std::move(planes)}}));
  return finish("", error);
}

int32_t tern_encode(const char *format, const char *encode, const char *method, const int64_t *shape, size_t rank,
                    const float *x, void *const *planes, char **error) {
  Subject subject(format, shape, rank);
  if (!subject.error.empty())
    return finish(subject.error, error);
  Result<Encode> by = parseEncode(encode ? encode : "");
  if (!by)
    return finish(by.error, error);
  std::vector<Bytes> bytes = subject.planes<Bytes>(planes);
  if (by->rule == Rule::Given && !method)
    return finish(encodeCodes(subject.format, *by, subject.shape, x, bytes), error);
  if (method)
    return finish(quantizeWeight(method, x, subject.shape, subject.format, *by, bytes), error);
  return finish(encodeTensor(subject.format, *by, subject.shape, x, bytes), error);
}

int32_t tern_decode(const char *format, const int64_t *shape, size_t rank, const void *const *planes, float *out,
                    char **error) {
  Subject subject(format, shape, rank);
  if (!subject.error.empty())
    return finish(subject.error, error);
  return finish(decode(subject.format, subject.shape, subject.planes<ConstBytes>(planes), out), error);
}

/// An element whose entries have values of their own.
static std::string planeType(const char *type, Element &element) {
  Result<Element> parsed = parseElement(type ? type : "");
  element = parsed.value;
  if (!parsed)
    return parsed.error;
  if (std::string error = verify(element); !error.empty())
    return error;
  bool needsOthers = element.kind == ElementKind::Lut || element.isUnion() || element.kind == ElementKind::Pair;
  return needsOthers ? "entries of " + element.str() + " have no value of their own; decode the tensor" : "";
}

int32_t tern_plane_values(const char *type, int64_t rows, int64_t cols, const void *packed, float *values,
                          char **error) {
  Element element;
  std::string problem = planeType(type, element);
  if (problem.empty())
    decodeEntries(element, rows, cols, static_cast<const uint8_t *>(packed), values);
  return finish(problem, error);
}

int32_t tern_plane_pack(const char *type, int64_t rows, int64_t cols, const float *values, void *packed, char **error) {
  Element element;
  std::string problem = planeType(type, element);
  if (problem.empty())
    encodeEntries(element, rows, cols, values, static_cast<uint8_t *>(packed));
  return finish(problem, error);
}

//===-- layouts -------------------------------------------------------------===//

static std::unique_ptr<Layout> layoutFor(const char *name, Subject &subject) {
  if (!subject.error.empty())
    return nullptr;
  std::unique_ptr<Layout> layout = parseLayout(name ? name : "", subject.error);
  if (layout)
    subject.error = layout->verify(subject.format, subject.shape);
  return subject.error.empty() ? std::move(layout) : nullptr;
}

template <typename B, typename P>
static std::vector<B> buffersOf(const Layout &layout, const Subject &subject, P *const *pointers) {
  std::vector<B> result;
  size_t i = 0;
  for (const Buffer &buffer : layout.buffers(subject.format, subject.shape))
    result.push_back({static_cast<decltype(B().data())>(pointers[i++]), size_t(buffer.bytes())});
  return result;
}

int32_t tern_layout_info(const char *layout, const char *format, const int64_t *shape, size_t rank, char **json,
                         char **error) {
  Subject subject(format, shape, rank);
  std::unique_ptr<Layout> known = layoutFor(layout, subject);
  if (!known)
    return finish(subject.error, error);
  Array buffers;
  for (const Buffer &buffer : known->buffers(subject.format, subject.shape))
    buffers.push_back(Object{
        {"name", buffer.name}, {"type", buffer.type.str()}, {"shape", Array(buffer.shape)}, {"bytes", buffer.bytes()}});
  *json = copy(text(Object{{"layout", known->str()}, {"buffers", std::move(buffers)}}));
  return finish("", error);
}

int32_t tern_layout_pack(const char *layout, const char *format, const int64_t *shape, size_t rank,
                         const void *const *planes, void *const *buffers, char **error) {
  Subject subject(format, shape, rank);
  std::unique_ptr<Layout> known = layoutFor(layout, subject);
  if (!known)
    return finish(subject.error, error);
  return finish(known->pack(subject.format, subject.shape, subject.planes<ConstBytes>(planes),
                            buffersOf<Bytes>(*known, subject, buffers)),
                error);
}

int32_t tern_layout_unpack(const char *layout, const char *format, const int64_t *shape, size_t rank,
                           const void *const *buffers, void *const *planes, char **error) {
  Subject subject(format, shape, rank);
  std::unique_ptr<Layout> known = layoutFor(layout, subject);
  if (!known)
    return finish(subject.error, error);
  return finish(known->unpack(subject.format, subject.shape, buffersOf<ConstBytes>(*known, subject, buffers),
                              subject.planes<Bytes>(planes)),
                error);
}

char *tern_formats(void) {
  Array all;
  for (const KnownFormat &known : knownFormats()) {
    Format format = *parseFormat(known.format);
    cpu::FormatRows rows = cpu::rowsWith(format);
    all.push_back(Object{{"name", known.name},
                         {"format", known.format},
                         {"encode", known.encode},
                         {"layout", known.layout},
                         {"bits", bitsPerElement(format)},
                         {"kernels", Object{{"cpu", Object{{"x", Array(rows.x)}, {"w", Array(rows.w)}}}}}});
  }
  return copy(text(std::move(all)));
}
