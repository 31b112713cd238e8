#include "lib/Import/DataType.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;

namespace tern::importer {

static constexpr DataType kTypes[] = {
    {FLOAT, "float", 32, TypedField::Float},
    {UINT8, "uint8", 8, TypedField::Int32},
    {INT8, "int8", 8, TypedField::Int32},
    {UINT16, "uint16", 16, TypedField::Int32},
    {INT16, "int16", 16, TypedField::Int32},
    {INT32, "int32", 32, TypedField::Int32},
    {INT64, "int64", 64, TypedField::Int64},
    {STRING, "string", 0, TypedField::String},
    {BOOL, "bool", 8, TypedField::Int32},
    {FLOAT16, "float16", 16, TypedField::Int32},
    {DOUBLE, "double", 64, TypedField::Double},
    {UINT32, "uint32", 32, TypedField::Uint64},
    {UINT64, "uint64", 64, TypedField::Uint64},
    {COMPLEX64, "complex64", 64, TypedField::Float},
    {COMPLEX128, "complex128", 128, TypedField::Double},
    {BFLOAT16, "bfloat16", 16, TypedField::Int32},
    {FLOAT8E4M3FN, "float8e4m3fn", 8, TypedField::Int32},
    {FLOAT8E4M3FNUZ, "float8e4m3fnuz", 8, TypedField::Int32},
    {FLOAT8E5M2, "float8e5m2", 8, TypedField::Int32},
    {FLOAT8E5M2FNUZ, "float8e5m2fnuz", 8, TypedField::Int32},
    {UINT4, "uint4", 4, TypedField::Int32},
    {INT4, "int4", 4, TypedField::Int32},
    {FLOAT4E2M1, "float4e2m1", 4, TypedField::Int32},
    {FLOAT8E8M0, "float8e8m0", 8, TypedField::Int32},
    {UINT2, "uint2", 2, TypedField::Int32},
    {INT2, "int2", 2, TypedField::Int32},
    {FLOAT6E2M3, "float6e2m3", 6, TypedField::Int32},
    {FLOAT6E3M2, "float6e3m2", 6, TypedField::Int32},
};

const DataType *findDataType(int32_t number) {
  return number >= 1 && number <= int32_t(std::size(kTypes)) ? &kTypes[number - 1] : nullptr;
}

Type elementType(int32_t number, MLIRContext *context) {
  auto uint = [&](unsigned bits) { return IntegerType::get(context, bits, IntegerType::Unsigned); };
  auto sint = [&](unsigned bits) { return IntegerType::get(context, bits); };
  switch (number) {
  case FLOAT:
    return Float32Type::get(context);
  case UINT8:
    return uint(8);
  case INT8:
    return sint(8);
  case UINT16:
    return uint(16);
  case INT16:
    return sint(16);
  case INT32:
    return sint(32);
  case INT64:
    return sint(64);
  case BOOL:
    return sint(1);
  case FLOAT16:
    return Float16Type::get(context);
  case DOUBLE:
    return Float64Type::get(context);
  case UINT32:
    return uint(32);
  case UINT64:
    return uint(64);
  case COMPLEX64:
    return ComplexType::get(Float32Type::get(context));
  case COMPLEX128:
    return ComplexType::get(Float64Type::get(context));
  case BFLOAT16:
    return BFloat16Type::get(context);
  case FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case UINT4:
    return uint(4);
  case INT4:
    return sint(4);
  case FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case UINT2:
    return uint(2);
  case INT2:
    return sint(2);
  case FLOAT6E2M3:
    return Float6E2M3FNType::get(context);
  case FLOAT6E3M2:
    return Float6E3M2FNType::get(context);
  default:
    return {};
  }
}

int32_t dataTypeOf(Type type) {
  for (const DataType &t : kTypes)
    if (elementType(t.number, type.getContext()) == type)
      return t.number;
  return 0;
}

} // namespace tern::importer
