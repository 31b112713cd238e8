// What the block types of ggml have in common (ggml-common.h, ggml-quants.c of llama.cpp): rows of whole blocks.
#include "Ggml.h"

namespace tern {

static const GgmlTraits &traitsOf(GgmlType type) {
  static const GgmlTraits *const all[kGgmlTypes] = {&ggmlQ4_0, &ggmlQ4_1,  &ggmlQ8_0,  &ggmlQ4K,
                                                    &ggmlQ6K,  &ggmlIq4nl, &ggmlMxfp4, &ggmlNvfp4};
  return *all[int(type)];
}

const char *str(GgmlType type) { return traitsOf(type).name; }

Format ggmlFormat(GgmlType type, size_t rank) {
  Format format = *parseFormat(traitsOf(type).format);
  for (Plane &plane : format.planes)
    if (!plane.block.empty()) {
      int64_t last = plane.block.back();
      plane.block.assign(rank, 1);
      plane.block.back() = last;
    }
  return format;
}

namespace {

class Ggml : public Layout {
public:
  explicit Ggml(GgmlType type) : type(type), traits(traitsOf(type)) {}
  std::string str() const override { return std::string("#tern.ggml<") + traits.name + ">"; }

protected:
  /// The same format with a scale of the whole tensor, which nvfp4 keeps outside of the blocks.
  static bool hasTensorScale(const Format &format) {
    return format.planes.size() == 2 && format.planes.back() == Plane{Role::Scale, Element::f32(), {}};
  }

  std::string check(const Format &format, Span<const int64_t> shape) const override {
    if (shape.empty())
      return "blocks run along the last axis; found a scalar";
    Format wanted = ggmlFormat(type, shape.size());
    if (format == wanted)
      return "";
    Format scaled = wanted;
    scaled.planes.push_back({Role::Scale, Element::f32(), {}});
    if (type == GgmlType::NVFP4 && format == scaled)
      return "";
    return "the format is " + wanted.str() + (type == GgmlType::NVFP4 ? ", or also scale<f32>" : "") + "; found " +
           format.str();
  }

  std::vector<Buffer> list(const Format &format, Span<const int64_t> shape) const override {
    std::vector<int64_t> rows(shape.begin(), shape.end());
    rows.back() = ceilDiv(rows.back(), traits.elements) * traits.bytes;
    std::vector<Buffer> result = {{"blocks", Element::ui(8), rows}};
    if (type == GgmlType::NVFP4 && hasTensorScale(format))
      result.push_back({"scale", Element::f32(), {}});
    return result;
  }

  /// Codes and parameters of a row, padded to whole blocks.
  struct Row {
    std::vector<int32_t> codes;
    std::vector<std::vector<int32_t>> params;
    std::vector<int64_t> perBlock; // entries of a plane in a block; 0: the same for all blocks

    GgmlBlock at(int64_t block, int elements) {
      GgmlBlock b{codes.data() + block * elements, {}};
      for (size_t p = 0; p < params.size() && p < 4; ++p)
        b.params[p] = params[p].data() + block * perBlock[p];
      return b;
    }
  };

  Row makeRow(const Format &format, int64_t blocks) const {
    Row row;
    row.codes.assign(size_t(blocks * traits.elements), traits.padCode);
    for (const Plane &plane : format.planes) {
      int64_t perBlock = plane.block.empty() ? 0 : traits.elements / plane.block.back();
      row.perBlock.push_back(perBlock);
      row.params.emplace_back(size_t(perBlock ? perBlock * blocks : 1), 0);
    }
    return row;
  }

  std::string write(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> planes,
                    Span<const Bytes> buffers) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    if (std::string error = checkPlanes(planes); !error.empty())
      return error;
    Matrix m(shape);
    int64_t blocks = ceilDiv(m.cols, traits.elements);
    Row row = makeRow(format, blocks);
    for (int64_t r = 0; r < m.rows; ++r) {
      for (size_t p = 0; p < shapes.size(); ++p)
        if (p == 0 || row.perBlock[p - 1])
          PlaneRows(shapes[p]).read(planes[p], r, p ? row.params[p - 1].data() : row.codes.data());
      // The bits of a signed code above its width do not matter: writers mask.
      for (int64_t b = 0; b < blocks; ++b)
        traits.write(row.at(b, traits.elements), buffers[0].data() + (r * blocks + b) * traits.bytes);
    }
    if (buffers.size() == 2)
      std::memcpy(buffers[1].data(), planes[2].data(), 4);
    return "";
  }

  std::string read(const Format &format, Span<const int64_t> shape, Span<const ConstBytes> buffers,
                   Span<const Bytes> planes) const override {
    std::vector<PlaneShape> shapes = planeShapes(shape, format);
    Matrix m(shape);
    int64_t blocks = ceilDiv(m.cols, traits.elements);
    Row row = makeRow(format, blocks);
    for (int64_t r = 0; r < m.rows; ++r) {
      for (int64_t b = 0; b < blocks; ++b)
        traits.read(buffers[0].data() + (r * blocks + b) * traits.bytes, row.at(b, traits.elements));
      for (size_t p = 0; p < shapes.size(); ++p)
        if (p == 0 || row.perBlock[p - 1])
          PlaneRows(shapes[p]).write(p ? row.params[p - 1].data() : row.codes.data(), r, planes[p]);
    }
    if (type == GgmlType::IQ4_NL)
      std::memcpy(planes[1].data(), kIq4nl, 16);
    if (buffers.size() == 2)
      std::memcpy(planes[2].data(), buffers[1].data(), 4);
    return "";
  }

private:
  /// What the format can say and the blocks cannot.
  std::string checkPlanes(Span<const ConstBytes> planes) const {
    if (type == GgmlType::IQ4_NL && std::memcmp(planes[1].data(), kIq4nl, 16) != 0)
      return "the table is -127, -104, ..., 113 (docs/FORMATS.md 3.2); found another one";
    if (type == GgmlType::NVFP4)
      for (uint8_t scale : planes[1])
        if (scale & 0x80)
          return "scales have no sign; found a negative one";
    return "";
  }

  GgmlType type;
  const GgmlTraits &traits;
};

} // namespace

std::unique_ptr<Layout> ggmlLayout(GgmlType type) { return std::make_unique<Ggml>(type); }

} // namespace tern
