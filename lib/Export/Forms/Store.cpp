// Codes, scales and zero points of a weight as tensors of the file.
#include "lib/Export/Exporter.h"
#include "lib/Formats/Layouts/Layout.h"
#include "lib/Formats/Pack.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/MathExtras.h"
#include <mutex>

using namespace llvm;
using namespace mlir;

namespace tern::exporter {

static int32_t codeType(unsigned bits, bool isUnsigned) {
  if (bits == 2)
    return isUnsigned ? importer::UINT2 : importer::INT2;
  if (bits == 4)
    return isUnsigned ? importer::UINT4 : importer::INT4;
  return isUnsigned ? importer::UINT8 : importer::INT8;
}

static int32_t scaleType(const CodeFormat &code) {
  return code.scale == Element::f16() ? importer::FLOAT16
                                      : code.scale == Element::bf16() ? importer::BFLOAT16 : importer::FLOAT;
}

/// ONNX packs below 8 bits over the whole tensor, first element lowest (onnx.proto, TensorProto).
static std::string packFlat(unsigned bits, std::vector<int8_t> &codes) {
  if (bits == 8)
    return std::string(reinterpret_cast<const char *>(codes.data()), codes.size());
  size_t perByte = 8 / bits;
  std::string packed((codes.size() + perByte - 1) / perByte, '\0');
  unsigned mask = (1u << bits) - 1;
  for (size_t i = 0; i < codes.size(); ++i)
    packed[i / perByte] |= char((unsigned(uint8_t(codes[i])) & mask) << (i % perByte * bits));
  return packed;
}

/// One value a block, in the order of a tensor whose axis of the grouping counts blocks.
static int64_t planeOffset(const RowLayout &layout, int64_t blocks, int64_t row, int64_t block) {
  if (layout.perChannel)
    return row;
  return row / layout.inner * blocks * layout.inner + block * layout.inner + row % layout.inner;
}

LogicalResult Exporter::encode(Constant *root, const Decision &d, ArrayRef<float> factor,
                               const std::function<void(const CodeRows &)> &sink) {
  FailureOr<importer::TensorData> data = graph.read(*root);
  if (failed(data))
    return failure();
  if (int64_t bad = countNonFinite(*data))
    return emitError(graph.loc(*d.node)) << "the weight '" << root->name << "' has " << bad
                                         << " values that are not finite; keep the op float with --exclude='" << d.name
                                         << "'";
  std::string error = encodeRows(*data, d.grouping, d.code, factor, options.jobs, sink);
  if (!error.empty())
    return emitError(graph.loc(*d.node)) << error;
  return success();
}

LogicalResult Exporter::storeQdq(Constant *root, const Decision &d, Stored &stored) {
  const CodeFormat &code = d.code;
  RowLayout layout(root->shape, d.grouping);
  int64_t blocks = divideCeil(layout.columns, d.grouping.block);
  unsigned scaleBytes = code.scale.bits / 8;
  std::vector<int8_t> codes(size_t(root->elements())), zeros(code.asymmetric ? size_t(layout.rows * blocks) : 0);
  std::string scales(size_t(layout.rows * blocks) * scaleBytes, '\0');
  auto sink = [&](const CodeRows &part) {
    for (int64_t r = 0; r < part.rows; ++r) {
      int64_t row = part.firstRow + r, offset = layout.rowOffset(row);
      const int8_t *from = part.codes + r * part.columns;
      if (layout.perChannel || layout.inner > 1)
        for (int64_t c = 0; c < part.columns; ++c)
          codes[size_t(offset + layout.columnOffset(c))] = from[c];
      else
        std::copy(from, from + part.columns, codes.begin() + offset);
      if (!d.leastScale.empty()) {
        // A channel of tiny weights beside a large bias: with a wider scale the bias fits in 32 bits.
        float scale, least = d.leastScale[size_t(row)];
        std::memcpy(&scale, part.scale + r * 4, 4);
        if (scale < least) {
          for (int64_t c = 0; c < part.columns; ++c)
            codes[size_t(offset + layout.columnOffset(c))] = int8_t(std::nearbyint(double(from[c]) * scale / least));
          std::memcpy(&scales[size_t(planeOffset(layout, blocks, row, 0)) * 4], &least, 4);
          continue;
        }
      }
      for (int64_t b = 0; b < blocks; ++b) {
        int64_t to = planeOffset(layout, blocks, row, b);
        std::memcpy(&scales[size_t(to) * scaleBytes], part.scale + (r * blocks + b) * scaleBytes, scaleBytes);
        if (part.zero)
          zeros[size_t(to)] = part.zero[r * blocks + b];
      }
    }
  };
  if (failed(encode(root, d, d.factor, sink)))
    return failure();
  // One block a row of a matrix is one scale an index of the other axis.
  SmallVector<int64_t> planeShape;
  // Gathered scales have the rank of the gathered codes.
  bool gathered = llvm::any_of(byRoot[root], [](const Decision *user) { return user->form == Form::QdqGather; });
  bool perAxis = isPerAxis(root, d.grouping) && !gathered;
  if (layout.perChannel)
    planeShape = {layout.rows};
  else if (perAxis)
    planeShape = {root->shape[size_t(1 - d.grouping.axis)]};
  else {
    planeShape.assign(root->shape.begin(), root->shape.end());
    planeShape[size_t(d.grouping.axis)] = blocks;
  }
  if (blocks == 1 && code.scale == Element::f32()) {
    stored.scaleValues.resize(size_t(layout.rows));
    std::memcpy(stored.scaleValues.data(), scales.data(), scales.size());
  }
  if (profile.quantNode) {
    // Shaped to be broadcast over the weight.
    planeShape.assign(root->shape.size(), 1);
    int64_t axis = layout.perChannel ? d.grouping.axis : 1 - d.grouping.axis;
    planeShape[size_t(axis)] = layout.rows;
    std::vector<float> zeroValues(zeros.begin(), zeros.end());
    for (float &zero : zeroValues)
      zero = zero < 0 ? zero + 256 : zero;
    Node *user = byRoot[root].front()->node;
    stored.scale = addTensor(root->scope, (root->name + "_scale").str(), scaleType(code), planeShape, scales, root, user);
    if (zeroValues.empty())
      stored.zero = addValues<float>(root->scope, (root->name + "_zero_point").str(), importer::FLOAT, {}, {0.0f}, user);
    else
      stored.zero = addValues<float>(root->scope, (root->name + "_zero_point").str(), importer::FLOAT, planeShape, zeroValues, user);
    return success();
  }
  stored.blocks = blocks;
  stored.blockSize = perAxis ? 0 : d.grouping.block;
  stored.axis = layout.perChannel ? d.grouping.axis : perAxis ? 1 - d.grouping.axis : d.grouping.axis;
  Scope *scope = root->scope;
  Node *user = byRoot[root].front()->node;
  StringRef name = root->name;
  stored.codes = addTensor(scope, (name + "_quantized").str(), codeType(code.bits, code.asymmetric), root->shape,
                           packFlat(code.bits, codes), root, user);
  stored.scale = addTensor(scope, (name + "_scale").str(), scaleType(code), planeShape, scales, root, user);
  if (code.asymmetric)
    stored.zero = addTensor(scope, (name + "_zero_point").str(), codeType(code.bits, true), planeShape,
                            packFlat(code.bits, zeros), root, user);
  return success();
}

/// The buffers of com.microsoft.MatMulNBits, packed by the layout of lib/Formats.
LogicalResult Exporter::storeNBits(Constant *root, const Decision &d, Stored &stored) {
  const CodeFormat &code = d.code;
  RowLayout layout(root->shape, d.grouping);
  int64_t block = nbitsBlock(d.grouping.block, layout.columns), bits = code.bits;
  int64_t own = divideCeil(layout.columns, d.grouping.block), blocks = divideCeil(layout.columns, block);
  unsigned scaleBytes = code.scale.bits / 8;
  Element elem = Element::ui(int(bits));
  std::vector<int64_t> planeBlock{1, block};
  Format format{elem, {{Role::Scale, code.scale, planeBlock},
                       {Role::Zero, elem, code.asymmetric ? planeBlock : std::vector<int64_t>()}}};
  std::unique_ptr<Layout> packer = matMulNBitsLayout();
  std::vector<int64_t> shape{layout.rows, layout.columns};
  std::vector<Buffer> buffers = packer->buffers(format, shape);
  std::vector<std::string> bytes;
  for (const Buffer &buffer : buffers)
    bytes.emplace_back(size_t(buffer.bytes()), '\0');
  int half = code.asymmetric ? 0 : 1 << (bits - 1);
  std::mutex lock;
  std::string error;
  auto sink = [&](const CodeRows &part) {
    // Plain planes of these rows: unsigned codes, one scale and zero point a block.
    int64_t rowBytes = packedBytes(part.columns, int(bits)), zeroBytes = packedBytes(blocks, int(bits));
    std::vector<uint8_t> codes(size_t(part.rows * rowBytes)), scales(size_t(part.rows * blocks) * scaleBytes), zeros;
    zeros.assign(code.asymmetric ? size_t(part.rows * zeroBytes) : 1, uint8_t(half));
    std::vector<int32_t> row(size_t(part.columns)), zeroRow(static_cast<size_t>(blocks));
    for (int64_t r = 0; r < part.rows; ++r) {
      const int8_t *from = part.codes + r * part.columns;
      for (int64_t c = 0; c < part.columns; ++c)
        row[size_t(c)] = uint8_t(from[c] + half);
      packCodes(int(bits), part.columns, row.data(), codes.data() + r * rowBytes);
      for (int64_t b = 0; b < blocks; ++b) {
        int64_t source = r * own + std::min(b, own - 1);
        std::memcpy(&scales[size_t(r * blocks + b) * scaleBytes], part.scale + source * scaleBytes, scaleBytes);
        zeroRow[size_t(b)] = part.zero ? uint8_t(part.zero[source]) : 0;
      }
      if (code.asymmetric)
        packCodes(int(bits), blocks, zeroRow.data(), zeros.data() + r * zeroBytes);
    }
    std::vector<int64_t> rows{part.rows, part.columns};
    std::vector<Bytes> slices;
    for (auto [buffer, data] : llvm::zip(buffers, bytes)) {
      size_t stride = data.size() / size_t(layout.rows);
      slices.emplace_back(reinterpret_cast<uint8_t *>(data.data()) + size_t(part.firstRow) * stride,
                          size_t(part.rows) * stride);
    }
    std::vector<ConstBytes> planes{codes, scales, zeros};
    std::string why = packer->pack(format, rows, planes, slices);
    if (!why.empty()) {
      std::lock_guard<std::mutex> guard(lock);
      error = why;
    }
  };
  if (failed(encode(root, d, {}, sink)))
    return failure();
  if (!error.empty())
    return emitError(graph.loc(*d.node)) << error;
  stored.blocks = blocks;
  stored.blockSize = block;
  Scope *scope = root->scope;
  Node *user = byRoot[root].front()->node;
  std::string *names[] = {&stored.codes, &stored.scale, &stored.zero};
  std::string suffixes[] = {("_Q" + Twine(bits)).str(), "_scales", "_zero_points"};
  int32_t types[] = {importer::UINT8, scaleType(code), importer::UINT8};
  for (size_t i = 0; i < buffers.size(); ++i)
    *names[i] = addTensor(scope, (root->name + suffixes[i]).str(), types[i], buffers[i].shape, bytes[i], root, user);
  return success();
}

/// Codes of MatMulInteger, [K, N] with a scale a column, and of ConvInteger, [O, I, ...] with a scale an output channel.
LogicalResult Exporter::storeInteger(Constant *root, const Decision &d, Stored &stored) {
  bool isConv = d.kind == Kind::Conv;
  RowLayout layout(root->shape, d.grouping);
  std::vector<int8_t> codes(size_t(root->elements()));
  std::vector<float> scales(size_t(layout.rows));
  auto sink = [&](const CodeRows &part) {
    for (int64_t r = 0; r < part.rows; ++r) {
      int64_t row = part.firstRow + r;
      const int8_t *from = part.codes + r * part.columns;
      for (int64_t c = 0; c < part.columns; ++c)
        codes[size_t(isConv ? layout.rowOffset(row) + layout.columnOffset(c) : c * layout.rows + row)] = from[c];
      std::memcpy(&scales[size_t(row)], part.scale + r * 4, 4);
    }
  };
  if (failed(encode(root, d, {}, sink)))
    return failure();
  SmallVector<int64_t> shape(root->shape), scaleShape{layout.rows};
  if (isConv) {
    scaleShape.assign(root->shape.size(), 1);
    scaleShape[1] = layout.rows;
  } else {
    shape = {layout.columns, layout.rows};
  }
  Scope *scope = root->scope;
  Node *user = byRoot[root].front()->node;
  StringRef name = root->name;
  stored.codes = addTensor(scope, (name + "_quantized").str(), importer::INT8, shape,
                           StringRef(reinterpret_cast<const char *>(codes.data()), codes.size()), root, user);
  stored.scale = addTensor(scope, (name + "_scale").str(), importer::FLOAT, scaleShape,
                           StringRef(reinterpret_cast<const char *>(scales.data()), scales.size() * 4), root, user);
  return success();
}

/// Of codes that others read too: MatMulInteger takes them transposed where it has to. Constant folding does that once.
void Exporter::shareInteger(Constant *root, const Decision &d, const Stored &qdq, Stored &stored) {
  Scope *scope = root->scope;
  Node *at = firstUser(scope, byRoot[root]);
  stored.codes = qdq.codes;
  bool isConv = d.kind == Kind::Conv;
  int64_t rows = int64_t(qdq.scaleValues.size());
  if (!isConv && d.grouping.axis == 1) {
    stored.codes = graph.freshName((root->name + "_quantized_transposed").str());
    NodeBuilder transpose("Transpose", "", {qdq.codes}, {stored.codes}, stored.codes);
    transpose.integers("perm", {1, 0});
    addBefore(at, transpose);
  }
  SmallVector<int64_t> shape{rows};
  if (isConv) {
    shape.assign(root->shape.size(), 1);
    shape[1] = rows;
  }
  stored.scale = addValues<float>(scope, (root->name + "_scale").str(), importer::FLOAT, shape, qdq.scaleValues, at);
}

bool Exporter::isPerAxis(const Constant *root, const Grouping &grouping) {
  return grouping.perChannel || (root->shape.size() == 2 && grouping.block >= root->shape[size_t(grouping.axis)]);
}

int64_t Exporter::nbitsBlock(int64_t block, int64_t columns) {
  if (block < columns || (isPowerOf2_64(uint64_t(block)) && block >= 16 && block <= 256))
    return block;
  // One scale a row, repeated. The kernel rounds the activation in the same blocks: narrow ones cost little and round finer.
  return std::clamp<int64_t>(int64_t(PowerOf2Ceil(uint64_t(columns))), 16, 32);
}

} // namespace tern::exporter
