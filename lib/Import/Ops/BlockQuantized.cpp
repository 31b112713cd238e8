// Weights in blocks: MatMulNBits, GatherBlockQuantized, MatMulBnb4 of com.microsoft.
#include "lib/Formats/Catalogue.h"
#include "lib/Import/Ops/Quantized.h"
#include "lib/Import/Ops/Rules.h"

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {
using namespace quantized;
namespace {

/// The zero point that weights without one have: the middle of the codes.
Value middleCode(Node &n, int bits, RankedTensorType type) {
  auto value = n.builder().getIntegerAttr(type.getElementType(), int8_t(uint8_t(1u << (bits - 1))));
  return n.constantValue(DenseElementsAttr::get(type, value));
}

/// A format of unsigned codes with one scale and zero point a block, and its planes. The zero points are the packed
/// plane or floats.
struct BlockFormat {
  QuantType type;
  SmallVector<Value> planes; // without codes

  BlockFormat(Node &n, ArrayRef<int64_t> shape, const Element &element, Type expressed, const Block &block, int scales,
              int zeros, bool zeroIsMiddle) {
    if (n.hasFailed())
      return;
    Format format;
    format.elem = element;
    std::optional<Element> scale = elementOf(n.type(scales).getElementType());
    bool hasZero = n.hasInput(zeros);
    bool isFloat = hasZero && isa<FloatType>(n.type(zeros).getElementType());
    format.planes.push_back({Role::Scale, scale.value_or(Element::f32()), block});
    if (hasZero)
      format.planes.push_back({Role::Zero, isFloat ? *elementOf(n.type(zeros).getElementType()) : element, block});
    else if (zeroIsMiddle)
      format.planes.push_back({Role::Zero, element, {}});
    std::string error = verify(format, Span<const int64_t>(shape.data(), shape.size()));
    if (!scale || !error.empty()) {
      n.error() << (scale ? error : "its scale has no type of a format");
      return;
    }
    type = QuantType::get(RankedTensorType::get(shape, expressed), FormatAttr::get(n.importer.context, format));
    SmallVector<RankedTensorType> types = type.getPlaneTypes();
    if (!checkCount(n, scales, types[1].getNumElements()))
      return;
    planes.push_back(n.reshape(n.operand(scales), types[1].getShape()));
    if (hasZero) {
      if (!checkCount(n, zeros, isBytes(n, zeros) || isFloat ? types[2].getNumElements() : types[1].getNumElements()))
        return;
      planes.push_back(isFloat               ? n.reshape(n.operand(zeros), types[2].getShape())
                       : isBytes(n, zeros) ? bytesPlane(n, zeros, types[2])
                                           : planeOf(n, zeros, element.bits, types[2]));
    } else if (zeroIsMiddle) {
      planes.push_back(middleCode(n, element.bits, types[2]));
    }
  }

  static bool isBytes(Node &n, int input) { return n.type(input).getElementType().isInteger(8); }

private:
  static bool checkCount(Node &n, int input, int64_t wanted) {
    if (n.type(input).getNumElements() == wanted)
      return true;
    n.error() << "'" << n.inputName(input) << "' has " << n.type(input).getNumElements() << " elements, " << wanted
              << " are needed for these sizes, bits and blocks";
    return false;
  }
};

/// A positive attribute that the op needs.
int64_t needed(Node &n, StringRef name) {
  int64_t value = n.integer(name, 0);
  if (value <= 0 && !n.hasFailed())
    n.error() << "attribute '" << name << "' is " << (n.hasAttr(name) ? std::to_string(value) : "missing")
              << "; it must be positive";
  return std::max<int64_t>(value, 1);
}

/// Whether column k belongs to block k / size for every k.
bool isInOrder(ArrayRef<int64_t> groups, int64_t size) {
  for (auto [k, group] : llvm::enumerate(groups))
    if (group != int64_t(k) / size)
      return false;
  return true;
}

/// x times a weight [N, K] (or [K, N] without `transposed`); a vector is a row.
LogicalResult product(Node &n, Value weight, bool transposed, int bias) {
  Value x = n.operand(0);
  bool isVector = n.rank(0) == 1;
  if (isVector)
    x = n.reshapeTo(x, {n.importer.sizeAnalysis.table.constant(1), n.sizes(0)[0]});
  Value y = n.create<nn::MatmulOp>(x, weight, n.hasInput(bias) ? n.operand(bias) : Value(), false, transposed, n.name());
  if (!y || !isVector)
    return n.result(y);
  return n.result(n.reshape(y, tensorType(y).getShape().drop_front()));
}

/// MatMulNBits<K, N, bits, block_size>(x, codes, scales, zero points, g_idx, bias). Codes are [N, blocks, bytes], low
/// bits first: a row is the packed row of a plane, with the last block filled up.
LogicalResult importMatMulNBits(Node &n) {
  int64_t k = needed(n, "K"), rows = needed(n, "N"), bits = n.integer("bits", 4), size = needed(n, "block_size");
  if (n.hasFailed())
    return failure();
  if (bits < 1 || bits > 8 || size * bits % 8 != 0)
    return n.error() << "bits is " << bits << " and block_size " << size << "; up to 8 bits in blocks of whole bytes";
  if (n.integer("weight_prepacked", 0))
    return n.keep("its weight is packed for one device");
  nn::SizeAnalysis &sizes = n.importer.sizeAnalysis;
  if (n.type(0).getShape().empty() || !sizes.unify(n.sizes(0).back(), sizes.table.constant(k)))
    return n.error() << "x of type " << n.type(0) << " has no rows of K = " << k;
  int64_t blocks = llvm::divideCeil(k, size), stored = blocks * size * bits / 8, used = llvm::divideCeil(k * bits, 8);
  if (n.type(1).getNumElements() == 0)
    return n.keep("its weight is left out");
  if (!BlockFormat::isBytes(n, 1) || n.type(1).getNumElements() != rows * stored)
    return n.error() << "codes of type " << n.type(1) << "; for N = " << rows << ", K = " << k << " they are " << rows
                     << " x " << blocks << " blocks of " << size * bits / 8 << " bytes";
  if (n.hasInput(4)) {
    std::optional<Ints> groups = n.constantInts(4);
    if (!groups || int64_t(groups->size()) < k || !isInOrder(ArrayRef(*groups).take_front(size_t(k)), size))
      return n.keep("g_idx reorders its blocks");
  }
  BlockFormat format(n, {rows, k}, Element::ui(int(bits)), n.type(0).getElementType(), {1, size}, 2, 3, true);
  if (n.hasFailed())
    return failure();
  RankedTensorType plane = format.type.getPlaneTypes()[0];
  SmallVector<Value> planes{used == stored ? bytesPlane(n, 1, plane) : bytesPlane(n, 1, plane, stored)};
  planes.append(format.planes);
  return product(n, dequantize(n, bundle(n, format.type, planes)), true, 5);
}

/// GatherBlockQuantized<bits, block_size, quantize_axis, gather_axis>(data, indices, scales, zero points). uint8 data
/// hold codes of `bits` bits, packed along the last axis.
LogicalResult importGatherBlockQuantized(Node &n) {
  int64_t rank = n.rank(0), bits = n.integer("bits", 4), size = n.integer("block_size", 128);
  int64_t gather = n.axis(n.integer("gather_axis", 0), rank), along = n.axis(n.integer("quantize_axis", 1), rank);
  if (n.hasFailed())
    return failure();
  bool packed = BlockFormat::isBytes(n, 0) && n.type(0).getElementType().isUnsignedInteger();
  if (packed && bits != 2 && bits != 4 && bits != 8)
    return n.error() << "bits is " << bits << "; 2, 4 and 8 are defined";
  Element element = packed ? Element::ui(int(bits)) : codeElement(n.type(0).getElementType());
  if (!verify(element).empty())
    return n.keep("its codes have no type of a format");
  SmallVector<int64_t> shape(n.type(0).getShape());
  if (packed)
    shape.back() *= 8 / bits;
  Block block(shape.size(), 1);
  block[size_t(along)] = size == 0 ? kWhole : size;
  ArrayRef<int64_t> scales = n.type(2).getShape();
  for (size_t i = 0; i < shape.size() && scales.size() == shape.size(); i++)
    if (int64_t(i) != along && scales[i] == 1 && shape[i] != 1)
      block[i] = kWhole;
  if (size < 0)
    return n.error() << "block_size is " << size << "; it is positive, or 0 for the whole axis";
  BlockFormat format(n, shape, element, n.type(2).getElementType(), block, 2, 3, packed);
  if (n.hasFailed())
    return failure();
  RankedTensorType plane = format.type.getPlaneTypes()[0];
  SmallVector<Value> planes{packed ? bytesPlane(n, 0, plane) : planeOf(n, 0, element.bits, plane)};
  if (!planes[0])
    return n.hasFailed() ? failure() : n.keep("its codes are computed");
  planes.append(format.planes);
  Value table = dequantize(n, bundle(n, format.type, planes));
  return n.result(n.create<GatherOp>(table, n.operand(1), gather, n.name()));
}

/// The bytes of a constant input with the halves of each swapped: these weights have the first code in the upper half.
std::optional<TensorData> swappedHalves(Node &n, int input) {
  const Known &known = *n.known(input);
  if (known.value)
    return std::nullopt;
  ArrayRef<char> bytes = known.data ? ArrayRef<char>(known.data->bytes.data) : known.attr.getRawData();
  int64_t count = n.type(input).getNumElements();
  std::vector<uint8_t> swapped;
  for (int64_t i = 0; i < count; i++) {
    auto byte = uint8_t(bytes[int64_t(bytes.size()) == count ? i : 0]);
    swapped.push_back(uint8_t(byte << 4 | byte >> 4));
  }
  return ownTensor<uint8_t>(UINT8, {count}, swapped);
}

/// MatMulBnb4<K, N, block_size, quant_type, transB>(x, codes, absmax). Blocks run over the flattened [N, K] weight.
LogicalResult importMatMulBnb4(Node &n) {
  int64_t k = needed(n, "K"), rows = needed(n, "N"), size = needed(n, "block_size"), kind = n.integer("quant_type", 1);
  if (n.hasFailed())
    return failure();
  if (kind != 0 && kind != 1)
    return n.error() << "quant_type is " << kind << "; 0 (FP4) and 1 (NF4) are defined";
  if (k % 2 != 0 || (k % size != 0 && size % k != 0))
    return n.keep("its blocks do not end with the rows of the weight");
  if (!BlockFormat::isBytes(n, 1) || n.type(1).getNumElements() != rows * k / 2)
    return n.error() << "codes of type " << n.type(1) << "; for N = " << rows << ", K = " << k << " they are "
                     << rows * k / 2 << " bytes";
  std::optional<TensorData> codes = swappedHalves(n, 1);
  if (!codes)
    return n.keep("its codes are computed");
  Format format;
  format.elem = Element::lut(4);
  Block block = k % size == 0 ? Block{1, size} : Block{size / k, kWhole};
  std::optional<Element> scale = elementOf(n.type(2).getElementType());
  if (!scale || !scale->isFloat())
    return n.keep("its scale has no type of a format");
  format.planes = {{Role::Table, Element::f32(), {}}, {Role::Scale, *scale, block}};
  SmallVector<int64_t> shape{rows, k};
  if (std::string error = verify(format, Span<const int64_t>(shape.data(), 2)); !error.empty())
    return n.keep(error);
  auto type = QuantType::get(RankedTensorType::get(shape, n.type(0).getElementType()),
                             FormatAttr::get(n.importer.context, format));
  SmallVector<RankedTensorType> types = type.getPlaneTypes();
  if (n.type(2).getNumElements() != types[2].getNumElements())
    return n.error() << "absmax of type " << n.type(2) << "; there are " << types[2].getNumElements() << " blocks";
  codes->shape.assign(types[0].getShape().begin(), types[0].getShape().end());
  std::string name = (n.inputName(1) + ".codes").str();
  Value plane = isWeight(*codes) ? n.importer.loadWeight(name, *codes, types[0], n.loc())
                                 : n.constantValue(DenseElementsAttr::getFromRawBuffer(types[0], codes->bytes.data));
  Value table = n.constantValue(DenseElementsAttr::get(types[1], ArrayRef<float>(kind == 0 ? kBitsandbytesFp4 : kBitsandbytesNf4)));
  Value absmax = n.reshape(n.operand(2), types[2].getShape());
  return product(n, dequantize(n, bundle(n, type, {plane, table, absmax})), n.integer("transB", 1), -1);
}

constexpr Rule kRules[] = {
    {"MatMulNBits", 1, 3, 6, importMatMulNBits, "com.microsoft"},
    {"GatherBlockQuantized", 1, 3, 4, importGatherBlockQuantized, "com.microsoft"},
    {"MatMulBnb4", 1, 3, 3, importMatMulBnb4, "com.microsoft"},
};
} // namespace

ArrayRef<Rule> blockQuantizedRules() { return kRules; }

} // namespace tern::importer
