//===- NN.cpp - the nn dialect --------------------------------------------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/Shapes.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tern::nn;

#include "dialects/NN/IR/NNDialect.cpp.inc"
#include "dialects/NN/IR/NNEnums.cpp.inc"
#include "dialects/NN/IR/NNInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/NN/IR/NNAttributes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/NN/IR/NNOps.cpp.inc"

void NNDialect::initialize() {
  sizes = std::make_shared<SizeTable>();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/NN/IR/NNAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/NN/IR/NNOps.cpp.inc"
      >();
}

LogicalResult SizesOp::verify() {
  auto type = getResult().getType();
  if (type.getRank() > 1 || !type.hasStaticShape() || !isa<IntegerType>(type.getElementType()) ||
      type.getNumElements() != int64_t(getValues().size()))
    return emitOpError() << "has " << getValues().size() << " values and the type " << type
                         << "; it is an integer tensor of rank 0 or 1 with one element a value";
  for (Attribute value : getValues())
    if (!SizeTable::of(getContext()).parse(cast<StringAttr>(value).getValue()))
      return emitOpError() << value << " is no size expression";
  return success();
}

/// arith.constant, unless the value is so large that it has to stay an expression or a resource (W2).
Operation *NNDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (elements && !elements.isSplat() && elements.getElementType().isIntOrFloat() &&
      elements.getNumElements() > kMaxFoldBytes / std::max<int64_t>(elementBytes(elements.getElementType()), 1))
    return nullptr;
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

// `?` and a size are compatible in every op whose types are inferred.
#define TERN_COMPATIBLE(OP)                                                                                            \
  bool OP::isCompatibleReturnTypes(TypeRange inferred, TypeRange actual) { return areCompatible(inferred, actual); }
TERN_COMPATIBLE(MatmulOp)
TERN_COMPATIBLE(ConvOp)
TERN_COMPATIBLE(ConvTransposeOp)
TERN_COMPATIBLE(PoolOp)
TERN_COMPATIBLE(BatchNormOp)
TERN_COMPATIBLE(SoftmaxOp)
TERN_COMPATIBLE(LayerNormOp)
TERN_COMPATIBLE(RmsNormOp)
TERN_COMPATIBLE(GroupNormOp)
TERN_COMPATIBLE(AttentionOp)
TERN_COMPATIBLE(RopeOp)
TERN_COMPATIBLE(UnaryOp)
TERN_COMPATIBLE(BinaryOp)
TERN_COMPATIBLE(CompareOp)
TERN_COMPATIBLE(SelectOp)
TERN_COMPATIBLE(ClipOp)
TERN_COMPATIBLE(ReduceOp)
TERN_COMPATIBLE(TransposeOp)
TERN_COMPATIBLE(SliceOp)
TERN_COMPATIBLE(ConcatOp)
TERN_COMPATIBLE(PadOp)
TERN_COMPATIBLE(GatherOp)
TERN_COMPATIBLE(ShapeOp)
TERN_COMPATIBLE(RnnOp)
TERN_COMPATIBLE(ArgReduceOp)
TERN_COMPATIBLE(TopkOp)
TERN_COMPATIBLE(CumulateOp)
TERN_COMPATIBLE(GatherElementsOp)
TERN_COMPATIBLE(GatherNdOp)
TERN_COMPATIBLE(ScatterElementsOp)
TERN_COMPATIBLE(ScatterNdOp)
#undef TERN_COMPATIBLE
