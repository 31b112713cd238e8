// The element types of ONNX tensors, up to the newest; the packaged schema may name fewer.
#ifndef TERN_IMPORT_DATATYPE_H
#define TERN_IMPORT_DATATYPE_H

#include "mlir/IR/Types.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>

namespace tern::importer {

/// The field of TensorProto that holds typed elements.
enum class TypedField : uint8_t { Float, Int32, Int64, Uint64, Double, String };

/// TensorProto.DataType.
enum DataTypeNumber : int32_t {
  FLOAT = 1,
  UINT8 = 2,
  INT8 = 3,
  UINT16 = 4,
  INT16 = 5,
  INT32 = 6,
  INT64 = 7,
  STRING = 8,
  BOOL = 9,
  FLOAT16 = 10,
  DOUBLE = 11,
  UINT32 = 12,
  UINT64 = 13,
  COMPLEX64 = 14,
  COMPLEX128 = 15,
  BFLOAT16 = 16,
  FLOAT8E4M3FN = 17,
  FLOAT8E4M3FNUZ = 18,
  FLOAT8E5M2 = 19,
  FLOAT8E5M2FNUZ = 20,
  UINT4 = 21,
  INT4 = 22,
  FLOAT4E2M1 = 23,
  FLOAT8E8M0 = 24,
  UINT2 = 25,
  INT2 = 26,
  FLOAT6E2M3 = 27,
  FLOAT6E3M2 = 28
};

struct DataType {
  int32_t number;
  llvm::StringLiteral name;
  unsigned bits; ///< of one stored element; 0: strings
  TypedField field;
};

/// Null when there is no such type.
const DataType *findDataType(int32_t number);

/// Signed integers are signless in the IR, unsigned ones are `uiN`, bool is i1. Null for strings and unknown numbers.
mlir::Type elementType(int32_t number, mlir::MLIRContext *context);

/// The number of the ONNX type that `elementType` maps to `type`, or 0.
int32_t dataTypeOf(mlir::Type type);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_DATATYPE_H
