// Constant tensors of a model: raw data in the mapped file, external data, typed fields, sparse tensors.
#ifndef TERN_IMPORT_TENSORDATA_H
#define TERN_IMPORT_TENSORDATA_H

#include "lib/Import/DataType.h"
#include "lib/Import/ModelFile.h"
#include "mlir/IR/BuiltinAttributes.h"

namespace tern::importer {

/// A constant tensor. `bytes` are little endian, row-major, elements below 8 bits packed LSB first over the whole
/// tensor, bool one byte each: as ONNX stores raw data.
struct TensorData {
  const DataType *type = nullptr;
  llvm::SmallVector<int64_t> shape;
  int64_t elements = 0;
  Bytes bytes;
};

/// Elements of a shape; nothing when a size is negative or the product exceeds 2^48.
std::optional<int64_t> elementCount(llvm::ArrayRef<int64_t> shape);

/// Reads a tensor; data that the file holds as they are needed is not copied. One diagnostic when it is malformed.
mlir::FailureOr<TensorData> readTensor(ModelFile &model, const onnx::TensorProto &proto, mlir::Location loc);
mlir::FailureOr<TensorData> readSparse(ModelFile &model, const onnx::SparseTensorProto &proto, mlir::Location loc);

/// A tensor that holds a copy of `values`.
template <typename T> TensorData ownTensor(int32_t type, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<T> values) {
  auto owner = std::make_shared<std::vector<T>>(values.begin(), values.end());
  TensorData data;
  data.type = findDataType(type);
  data.shape.assign(shape.begin(), shape.end());
  data.elements = int64_t(values.size());
  data.bytes = {{reinterpret_cast<const char *>(owner->data()), owner->size() * sizeof(T)}, owner};
  return data;
}

/// Copies into an attribute. Null for strings.
mlir::DenseElementsAttr toAttribute(const TensorData &data, mlir::MLIRContext *context);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_TENSORDATA_H
