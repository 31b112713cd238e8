#include "lib/Target/Cpu/Lowering/Sizes/SizedType.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Problems/Problem.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

using namespace mlir;
using tern::nn::SizeExpr;
using tern::nn::Sizes;
using tern::nn::SizeTable;

namespace tern::cpu {

static thread_local SizeTable *current = nullptr;

SizeScope::SizeScope(MLIRContext *context) : outer(current) { current = &SizeTable::of(context); }
SizeScope::~SizeScope() { current = outer; }
SizeTable &SizeScope::table() {
  assert(current && "sizes are computed outside of a SizeScope");
  return *current;
}

SizeExpr sizeOf(SizeCode code) { return SizeScope::table().fromCode(code); }

/// Sizes beyond 64 bits cannot occur at run time either: they count as 0.
static SizeCode codeOf(SizeExpr e) { return e ? SizeScope::table().code(e) : 0; }

SizeCode times(SizeCode a, SizeCode b) {
  if (a >= 0 && b >= 0)
    return a * b;
  return codeOf(SizeScope::table().mul(sizeOf(a), sizeOf(b)));
}

SizeCode plus(SizeCode a, SizeCode b) {
  if (a >= 0 && b >= 0)
    return a + b;
  return codeOf(SizeScope::table().add(sizeOf(a), sizeOf(b)));
}

SizeCode product(ArrayRef<SizeCode> sizes) {
  SizeCode all = 1;
  for (SizeCode size : sizes)
    all = times(all, size);
  return all;
}

SizeExpr offsetExpr(int64_t offset) {
  SizeTable &table = SizeScope::table();
  return isDynamicOffset(offset) ? table.byNumber(slotOfOffset(offset)) : table.constant(offset);
}

int64_t offsetOf(SizeExpr e) {
  if (!e)
    return 0;
  std::optional<int64_t> constant = e.constant();
  return constant ? *constant : dynamicOffset(SizeScope::table().numberOf(e));
}

int64_t addOffsets(int64_t a, int64_t b) {
  if (!isDynamicOffset(a) && !isDynamicOffset(b))
    return a + b;
  return offsetOf(SizeScope::table().add(offsetExpr(a), offsetExpr(b)));
}

int64_t mulOffsets(int64_t a, int64_t b) {
  if (!isDynamicOffset(a) && !isDynamicOffset(b))
    return a * b;
  return offsetOf(SizeScope::table().mul(offsetExpr(a), offsetExpr(b)));
}

//===-- types -------------------------------------------------------------------===//

/// Texts of the open sizes of a value: those of its op from the first one of this result on.
static SmallVector<StringRef> textsOf(Value value) {
  SmallVector<StringRef> texts;
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    auto function = cast<func::FuncOp>(argument.getOwner()->getParentOp());
    auto dims = function.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "tern.dims");
    auto type = cast<RankedTensorType>(value.getType());
    for (auto [axis, size] : llvm::enumerate(type.getShape()))
      if (ShapedType::isDynamic(size))
        texts.push_back(dims && axis < dims.size() ? cast<StringAttr>(dims[axis]).getValue() : StringRef());
    return texts;
  }
  auto sizes = value.getDefiningOp()->getAttrOfType<ArrayAttr>(nn::kSizesAttr);
  size_t next = 0;
  for (Value result : value.getDefiningOp()->getResults()) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    for (int64_t i = 0; type && i < int64_t(type.getNumDynamicDims()); ++i, ++next)
      if (result == value)
        texts.push_back(sizes && next < sizes.size() ? cast<StringAttr>(sizes[next]).getValue() : StringRef());
  }
  return texts;
}

/// What the body of a loop gets has the sizes of what the loop was given.
static SizedType ofBody(BlockArgument argument, nn::LoopOp loop) {
  unsigned number = argument.getArgNumber() - 1, states = loop.getStates().size(), sequences = loop.getSequences().size();
  if (number < states)
    return SizedType(loop.getStates()[number]);
  if (number >= states + sequences)
    return SizedType(loop.getCaptures()[number - states - sequences]);
  SizedType whole(loop.getSequences()[number - states]);
  return SizedType(whole.getShape().drop_front(), whole.getElementType());
}

SizedType::SizedType(Value value) : SizedType(cast<RankedTensorType>(value.getType())) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.hasStaticShape())
    return;
  auto argument = dyn_cast<BlockArgument>(value);
  if (auto loop = argument ? dyn_cast<nn::LoopOp>(argument.getOwner()->getParentOp()) : nn::LoopOp()) {
    *this = ofBody(argument, loop);
    return;
  }
  SmallVector<StringRef> texts = textsOf(value);
  SmallVector<SizeCode> codes(type.getShape());
  size_t next = 0;
  for (SizeCode &code : codes)
    if (ShapedType::isDynamic(code)) {
      SizeExpr e = next < texts.size() ? SizeScope::table().parse(texts[next]) : SizeExpr();
      code = codeOf(e);
      ++next;
    }
  *this = SizedType(codes, type.getElementType());
}

SizedType::SizedType(ArrayRef<SizeCode> sizes, Type element)
    : shape(DenseI64ArrayAttr::get(element.getContext(), sizes).asArrayRef()), element(element) {}

bool SizedType::hasStaticShape() const { return llvm::none_of(shape, [](SizeCode size) { return isDynamic(size); }); }

RankedTensorType SizedType::tensor() const {
  SmallVector<int64_t> sizes;
  for (SizeCode size : shape)
    sizes.push_back(isDynamic(size) ? ShapedType::kDynamic : size);
  return RankedTensorType::get(sizes, element);
}

//===-- the whole program ---------------------------------------------------------===//

static bool isOpen(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && !tensor.hasStaticShape();
}

bool hasOpenSizes(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal())
    return false;
  if (llvm::any_of(main.getArgumentTypes(), isOpen))
    return true;
  return main.walk([](Operation *op) { return llvm::any_of(op->getResultTypes(), isOpen) ? WalkResult::interrupt() : WalkResult::advance(); })
      .wasInterrupted();
}

static LogicalResult record(nn::SizeAnalysis &sizes, Operation *op) {
  SmallVector<Sizes> all;
  for (Value result : op->getResults()) {
    all.push_back(isa<RankedTensorType>(result.getType()) ? sizes.shapeOf(result) : Sizes());
    if (!isOpen(result.getType()))
      continue;
    for (auto [axis, size] : llvm::enumerate(all.back()))
      if (!size)
        return op->emitOpError() << "yields " << result.getType() << ", and nothing tells the size of dimension " << axis
                                 << "; bind the open dimensions that it depends on with --dim NAME=N";
  }
  nn::setSizes(op, all);
  return success();
}

/// The values of a block, of its loops and of the kernels it calls.
static LogicalResult bindSizes(Block &block, nn::SizeAnalysis &sizes, SymbolTable &symbols) {
  Builder b(block.getParentOp()->getContext());
  for (Operation &op : block) {
    auto call = dyn_cast<CallOp>(op);
    auto kernel = call ? symbols.lookup<func::FuncOp>(call.getCallee()) : func::FuncOp();
    if (kernel && !kernel.isExternal()) {
      for (auto [index, pair] : llvm::enumerate(llvm::zip(kernel.getArguments(), call.getIns()))) {
        auto [argument, operand] = pair;
        if (!isa<RankedTensorType>(argument.getType()))
          continue;
        Sizes known = sizes.shapeOf(operand);
        sizes.setShape(argument, known);
        SmallVector<StringRef> texts;
        for (SizeExpr size : known)
          texts.push_back(size.constant() ? StringRef() : size.str());
        if (isOpen(argument.getType()))
          kernel.setArgAttr(unsigned(index), "tern.dims", b.getStrArrayAttr(texts));
      }
      for (Operation &inner : kernel.getBody().front().without_terminator())
        if (failed(record(sizes, &inner)))
          return failure();
      for (auto [result, inside] : llvm::zip(call.getOuts(), kernel.getBody().front().getTerminator()->getOperands()))
        sizes.setShape(result, sizes.shapeOf(inside));
    }
    if (auto loop = dyn_cast<nn::LoopOp>(op); loop && failed(bindSizes(loop.block(), sizes, symbols)))
      return failure();
    if (failed(record(sizes, &op)))
      return failure();
  }
  return success();
}

LogicalResult bindSizes(ModuleOp module) {
  if (!hasOpenSizes(module))
    return success();
  auto main = module.lookupSymbol<func::FuncOp>("main");
  nn::SizeAnalysis sizes(module.getContext());
  if (failed(sizes.readArguments(cast<FunctionOpInterface>(main.getOperation()))))
    return failure();
  SymbolTable symbols(module);
  return bindSizes(main.getBody().front(), sizes, symbols);
}

} // namespace tern::cpu
