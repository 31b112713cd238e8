#include "lib/Import/TensorData.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using llvm::ArrayRef;

namespace tern::importer {

std::optional<int64_t> elementCount(ArrayRef<int64_t> shape) {
  constexpr int64_t limit = int64_t(1) << 48;
  int64_t count = 1;
  bool zero = llvm::is_contained(shape, 0);
  for (int64_t size : shape) {
    if (size < 0 || size > limit)
      return std::nullopt;
    if (!zero && (llvm::MulOverflow(count, size, count) || count > limit))
      return std::nullopt;
  }
  return zero ? 0 : count;
}

/// Sets type, shape and elements; the size in bytes, or a diagnostic.
static FailureOr<uint64_t> readHeader(TensorData &data, const onnx::TensorProto &proto, Location loc) {
  data.type = findDataType(proto.data_type());
  if (!data.type)
    return emitError(loc) << "tensor '" << proto.name() << "' has element type " << proto.data_type()
                          << "; ONNX defines 1 (float) to 28 (float6e3m2)";
  data.shape.assign(proto.dims().begin(), proto.dims().end());
  std::optional<int64_t> count = elementCount(data.shape);
  if (!count) {
    auto diag = emitError(loc) << "tensor '" << proto.name() << "' has an impossible shape [";
    llvm::interleaveComma(data.shape, diag, [&](int64_t d) { diag << d; });
    return diag << "]: a size is negative or the product exceeds 2^48";
  }
  data.elements = *count;
  return (uint64_t(*count) * data.type->bits + 7) / 8;
}

/// Stores the low bytes of each entry.
template <typename Entries> static std::vector<char> narrow(const Entries &entries, unsigned bytes) {
  std::vector<char> out(size_t(entries.size()) * bytes);
  char *to = out.data();
  for (auto entry : entries) {
    std::memcpy(to, &entry, bytes);
    to += bytes;
  }
  return out;
}

/// Elements below 8 bits, one an entry, packed as raw data are.
static std::vector<char> pack(const google::protobuf::RepeatedField<int32_t> &entries, unsigned bits) {
  std::vector<char> out((size_t(entries.size()) * bits + 7) / 8);
  for (int i = 0; i < entries.size(); i++) {
    size_t bit = bits * size_t(i);
    unsigned code = (unsigned(entries[i]) & ((1u << bits) - 1)) << (bit % 8);
    out[bit / 8] |= char(code);
    if (code > 0xff)
      out[bit / 8 + 1] |= char(code >> 8);
  }
  return out;
}

static std::vector<char> typedBytes(const DataType &type, int64_t elements, const onnx::TensorProto &proto) {
  switch (type.field) {
  case TypedField::Float:
    return narrow(proto.float_data(), 4);
  case TypedField::Double:
    return narrow(proto.double_data(), 8);
  case TypedField::Int64:
    return narrow(proto.int64_data(), 8);
  case TypedField::Uint64:
    return narrow(proto.uint64_data(), type.bits / 8);
  case TypedField::Int32:
    // Float6 comes one element an entry. The others are packed into bytes, but onnx.parser writes them so as well.
    if (type.bits < 8 && (type.bits == 6 || proto.int32_data_size() == elements))
      return pack(proto.int32_data(), type.bits);
    return narrow(proto.int32_data(), std::max(1u, type.bits / 8));
  case TypedField::String:
    break;
  }
  return {};
}

FailureOr<TensorData> readTensor(ModelFile &model, const onnx::TensorProto &proto, Location loc) {
  TensorData data;
  FailureOr<uint64_t> size = readHeader(data, proto, loc);
  if (failed(size))
    return failure();
  if (data.type->number == STRING)
    return data;
  if (proto.has_segment())
    return emitError(loc) << "tensor '" << proto.name() << "' is stored in segments, which ONNX never specified";
  FailureOr<Bytes> bytes = failure();
  if (proto.data_location() == onnx::TensorProto::EXTERNAL) {
    bytes = model.external(proto, *size, loc);
  } else if (proto.has_raw_data()) {
    bytes = model.raw(proto.raw_data(), loc);
  } else {
    auto owner = std::make_shared<std::vector<char>>(typedBytes(*data.type, data.elements, proto));
    bytes = Bytes{{owner->data(), owner->size()}, owner};
  }
  if (failed(bytes))
    return failure();
  if (bytes->data.size() != *size) {
    auto diag = emitError(loc) << "tensor '" << proto.name() << "' holds " << bytes->data.size() << " bytes, "
                               << data.type->name << "[";
    llvm::interleaveComma(data.shape, diag, [&](int64_t d) { diag << d; });
    return diag << "] needs " << *size;
  }
  data.bytes = std::move(*bytes);
  return data;
}

FailureOr<TensorData> readSparse(ModelFile &model, const onnx::SparseTensorProto &proto, Location loc) {
  FailureOr<TensorData> values = readTensor(model, proto.values(), loc);
  if (failed(values))
    return failure();
  FailureOr<TensorData> indices = readTensor(model, proto.indices(), loc);
  if (failed(indices))
    return failure();
  TensorData data;
  data.type = values->type;
  data.shape.assign(proto.dims().begin(), proto.dims().end());
  std::optional<int64_t> count = elementCount(data.shape);
  unsigned bytes = data.type->bits / 8;
  // A few indices may claim any dense size: nothing above 1 GiB is made out of a file that does not hold it.
  if (!count || bytes == 0 || *count > (int64_t(1) << 30) / bytes)
    return emitError(loc) << "sparse tensor '" << proto.values().name()
                          << "' is too large to expand, or has no byte-sized elements";
  data.elements = *count;
  int64_t n = values->elements, rank = int64_t(data.shape.size());
  bool linear = indices->shape.size() == 1;
  if (indices->type->number != INT64 || (linear ? indices->elements != n : indices->elements != n * rank))
    return emitError(loc) << "sparse tensor '" << proto.values().name() << "' needs int64 indices [" << n << "] or ["
                          << n << ", " << rank << "]";
  auto dense = std::make_shared<std::vector<char>>(size_t(*count) * bytes);
  for (int64_t i = 0; i < n; i++) {
    int64_t at = 0;
    for (int64_t d = 0; d < (linear ? 1 : rank); d++) {
      int64_t index, extent = linear ? *count : data.shape[d];
      std::memcpy(&index, indices->bytes.data.data() + 8 * (linear ? i : i * rank + d), 8);
      if (index < 0 || index >= extent)
        return emitError(loc) << "sparse tensor '" << proto.values().name() << "': index " << index << " is outside 0.."
                              << extent - 1;
      at = at * extent + index;
    }
    std::memcpy(dense->data() + at * bytes, values->bytes.data.data() + i * bytes, bytes);
  }
  data.bytes = {{dense->data(), dense->size()}, dense};
  return data;
}

/// Codes below 8 bits, one byte each, as attributes hold them.
static std::vector<char> unpack(const TensorData &data) {
  std::vector<char> out(size_t(data.elements));
  unsigned bits = data.type->bits, mask = (1u << bits) - 1;
  const auto *in = reinterpret_cast<const uint8_t *>(data.bytes.data.data());
  size_t size = data.bytes.data.size();
  for (size_t i = 0; i < out.size(); i++) {
    size_t bit = i * bits, byte = bit / 8;
    unsigned word = in[byte] | (byte + 1 < size ? in[byte + 1] << 8 : 0);
    out[i] = char(word >> (bit % 8) & mask);
  }
  return out;
}

DenseElementsAttr toAttribute(const TensorData &data, MLIRContext *context) {
  Type element = elementType(data.type->number, context);
  if (!element)
    return {};
  auto type = RankedTensorType::get(data.shape, element);
  if (data.elements == 0)
    return DenseElementsAttr::get(type, ArrayRef<Attribute>());
  if (data.type->number == BOOL) {
    SmallVector<bool> bits(llvm::map_range(data.bytes.data, [](char c) { return c != 0; }));
    return DenseElementsAttr::get(type, bits);
  }
  if (data.type->bits < 8) {
    std::vector<char> codes = unpack(data);
    return DenseElementsAttr::getFromRawBuffer(type, codes);
  }
  return DenseElementsAttr::getFromRawBuffer(type, data.bytes.data);
}

} // namespace tern::importer
