//===- Portable.cpp - kernels through linalg ---------------------------------===//
#include "lib/Target/Cpu/Lowering/Portable/Portable.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Target/Cpu/Lowering/Portable/PortableMath.h"
#include "lib/Target/Cpu/Lowering/Portable/PortablePhases.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/Transforms.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace tern::cpu {

//===-- codes ---------------------------------------------------------------------===//

/// Codes of signed activations are stored as code + 128 (Problem.h), tern ops count in two's complement: the top bit differs.
static Value flipTopBit(OpBuilder &b, Location loc, Value codes) {
  auto type = cast<RankedTensorType>(codes.getType());
  auto bit = DenseElementsAttr::get(RankedTensorType::get({}, type.getElementType()), b.getIntegerAttr(type.getElementType(), -128));
  Value constant = arith::ConstantOp::create(b, loc, bit);
  return nn::BinaryOp::create(b, loc, type, nn::BinaryKind::bitwise_xor, codes, constant, StringAttr());
}

static bool isSignedByte(QuantType type) {
  Format format = type.getFormat().getFormat();
  return format.elem.hasSignedCodes() && format.elem.bits == 8;
}

static void convertStoredCodes(func::FuncOp function, llvm::function_ref<bool(unsigned)> isConstant) {
  OpBuilder b(function.getContext());
  Block &body = function.getBody().front();
  for (BlockArgument argument : body.getArguments()) {
    SmallVector<BundleOp> bundles;
    for (Operation *user : argument.getUsers())
      if (auto bundle = dyn_cast<BundleOp>(user); bundle && bundle.getPlanes().front() == argument && isSignedByte(bundle.getResult().getType()))
        bundles.push_back(bundle);
    if (bundles.empty() || isConstant(argument.getArgNumber()))
      continue;
    b.setInsertionPointToStart(&body);
    Value flipped = flipTopBit(b, function.getLoc(), argument);
    for (BundleOp bundle : bundles)
      bundle->setOperand(0, flipped);
  }
  Operation *terminator = body.getTerminator();
  b.setInsertionPoint(terminator);
  for (OpOperand &operand : terminator->getOpOperands())
    if (auto unbundle = operand.get().getDefiningOp<UnbundleOp>();
        unbundle && unbundle.getPlanes().front() == operand.get() && isSignedByte(unbundle.getQ().getType()))
      operand.set(flipTopBit(b, function.getLoc(), operand.get()));
}

//===-- buffers -------------------------------------------------------------------===//

static void tidy(PassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

/// The results of a function on tensors become buffers that it writes to: arguments behind the others.
static LogicalResult passResults(func::FuncOp function) {
  Block &body = function.getBody().front();
  Operation *terminator = body.getTerminator();
  OpBuilder b(terminator);
  for (Value result : SmallVector<Value>(terminator->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(result.getType());
    if (!type)
      return function.emitError() << "has a result " << result.getType() << ", which is no tensor";
    unsigned position = function.getNumArguments();
    if (failed(function.insertArgument(position, MemRefType::get(type.getShape(), type.getElementType()), {}, result.getLoc())))
      return failure();
    auto store = bufferization::MaterializeInDestinationOp::create(b, result.getLoc(), TypeRange(), result, function.getArgument(position));
    store.setRestrict(true);
    store.setWritable(true);
  }
  terminator->setOperands({});
  function.setType(b.getFunctionType(function.getArgumentTypes(), {}));
  function.removeResAttrsAttr();
  return success();
}

/// Elementwise ops join their only reader where that reads every element once: what is computed twice is not worth a buffer.
static LogicalResult fuse(func::FuncOp function) {
  RewritePatternSet patterns(function.getContext());
  linalg::populateElementwiseOpsFusionPatterns(patterns, [](OpOperand *operand) {
    auto reader = dyn_cast<linalg::GenericOp>(operand->getOwner());
    return reader && operand->get().hasOneUse() && reader.getMatchingIndexingMap(operand).isPermutation();
  });
  return applyPatternsGreedily(function, std::move(patterns));
}

/// Sizes of arguments are those that the call has been given.
static void nameSizes(func::FuncOp function, BufferSizes &sizes) {
  function.walk([&](Operation *op) {
    auto dim = dyn_cast<ShapedDimOpInterface>(op);
    auto argument = dim ? dyn_cast<BlockArgument>(dim.getShapedValue()) : BlockArgument();
    std::optional<int64_t> axis = argument ? getConstantIntValue(dim.getDimension()) : std::nullopt;
    if (!axis || argument.getOwner() != &function.getBody().front())
      return;
    OpBuilder b(op);
    nn::SizeExpr e = sizes.argument(argument.getArgNumber(), *axis);
    if (e)
      op->getResult(0).replaceAllUsesWith(nn::SizeOp::create(b, op->getLoc(), b.getIndexType(), b.getStringAttr(e.str())));
  });
}

/// Allocations become arguments; returns their sizes in bytes.
static FailureOr<SmallVector<nn::SizeExpr>> passTemporaries(func::FuncOp function, BufferSizes &sizes) {
  nn::SizeTable &table = SizeScope::table();
  SmallVector<nn::SizeExpr> bytes;
  SmallVector<memref::AllocOp> allocs;
  function.walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
  function.walk([](memref::DeallocOp dealloc) { dealloc.erase(); });
  for (memref::AllocOp alloc : allocs) {
    nn::Sizes shape = sizes.shapeOf(alloc.getResult());
    nn::SizeExpr all = table.product(shape);
    if (!all)
      return LogicalResult(function.emitError("needs a temporary of ") << alloc.getType() << " whose size is no expression of the model's dimensions");
    Type element = alloc.getType().getElementType();
    bytes.push_back(table.mul(all, table.constant(element.isIndex() ? 8 : std::max<int64_t>(1, element.getIntOrFloatBitWidth() / 8))));
    unsigned position = function.getNumArguments();
    if (failed(function.insertArgument(position, alloc.getType(), {}, alloc.getLoc())))
      return failure();
    sizes.setShape(function.getArgument(position), shape);
    alloc.replaceAllUsesWith(function.getArgument(position));
    alloc.erase();
  }
  return bytes;
}

/// Constants of the function: named after what they hold, so that equal functions are equal texts.
static LogicalResult moveGlobals(ModuleOp from, ModuleOp to) {
  for (auto global : llvm::make_early_inc_range(from.getOps<memref::GlobalOp>())) {
    std::string text;
    llvm::raw_string_ostream os(text);
    global.getType().print(os);
    if (auto value = global.getInitialValueAttr())
      value.print(os);
    std::string name = "portable_" + llvm::utohexstr(llvm::xxh3_64bits(text));
    while (auto other = to.lookupSymbol<memref::GlobalOp>(name)) {
      if (other.getType() == global.getType() && other.getInitialValueAttr() == global.getInitialValueAttr())
        break;
      name += "_";
    }
    OpBuilder b(from.getContext());
    if (failed(SymbolTable::replaceAllSymbolUses(global.getSymNameAttr(), b.getStringAttr(name), from)))
      return failure();
    global->remove();
    if (to.lookupSymbol(name)) {
      global->destroy();
      continue;
    }
    global.setSymName(name);
    to.getBody()->push_back(global);
  }
  return success();
}

FailureOr<std::vector<Step>> lowerPortable(func::FuncOp kernel, ArrayRef<CallOperand> operands, ArrayRef<Placement> results) {
  auto module = kernel->getParentOfType<ModuleOp>();
  OwningOpRef<ModuleOp> scratch = ModuleOp::create(kernel.getLoc());
  auto function = cast<func::FuncOp>(kernel->clone());
  scratch->push_back(function);
  function.setPublic();
  auto bad = [&]() -> LogicalResult { return kernel.emitError("cannot be lowered through linalg"); };
  convertStoredCodes(function, [&](unsigned index) { return bool(operands[index].constant); });
  // What is known of the arguments, before the ops that say it go.
  SmallVector<nn::Sizes> known;
  auto sizesOfValue = [](Value value) {
    nn::Sizes sizes;
    for (SizeCode code : SizedType(value).getShape())
      sizes.push_back(sizeOf(code));
    return sizes;
  };
  for (Value argument : kernel.getArguments())
    known.push_back(sizesOfValue(argument));
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    known.push_back(sizesOfValue(result));
  if (failed(lowerToLinalg(*scratch, /*keepSizes=*/true)) || failed(passResults(function)))
    return bad();
  for (unsigned i = 0; i < operands.size(); ++i)
    function.setArgAttrs(i, NamedAttribute(StringAttr::get(function.getContext(), bufferization::BufferizationDialect::kWritableAttrName),
                                           BoolAttr::get(function.getContext(), false))); // others may read an operand later
  BufferSizes sizes(SizeScope::table());
  sizes.setArguments(known);
  PassManager tensors(kernel.getContext()), buffers(kernel.getContext()), after(kernel.getContext());
  tidy(tensors);
  tensors.addPass(memref::createResolveRankedShapeTypeResultDimsPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  buffers.addPass(createCSEPass());
  buffers.addPass(bufferization::createEmptyTensorEliminationPass());
  buffers.addPass(bufferization::createOneShotBufferizePass(bufferize));
  tidy(buffers);
  if (failed(tensors.run(*scratch)))
    return bad();
  nameSizes(function, sizes);
  if (failed(fuse(function)) || failed(buffers.run(*scratch)))
    return bad();
  function = scratch->lookupSymbol<func::FuncOp>(kernel.getName());
  nameSizes(function, sizes);
  for (auto [argument, shape] : llvm::zip(function.getArguments(), known))
    sizes.setShape(argument, shape);
  unsigned given = function.getNumArguments();
  FailureOr<SmallVector<nn::SizeExpr>> temporaries = passTemporaries(function, sizes);
  if (failed(temporaries))
    return failure();
  FailureOr<SmallVector<Phase>> phases = cutPhases(function, sizes);
  if (failed(phases))
    return bad();
  function.erase();
  tidy(after);
  if (failed(after.run(*scratch)) || failed(moveGlobals(*scratch, module)))
    return bad();

  std::vector<Step> steps;
  SymbolTable symbols(module);
  SmallVector<int> numbers(temporaries->size(), -1);
  int used = 0;
  for (Phase &phase : *phases) {
    Step step;
    for (unsigned index : phase.arguments) {
      KernelArg arg;
      arg.index = index;
      if (index < operands.size()) {
        arg.elem = operands[index].constant ? elemOf(operands[index].type.getElementType()).value_or(Elem::U8) : operands[index].place.map.elem;
      } else if (index < given) {
        arg.kind = KernelArg::Result;
        arg.index = index - operands.size();
        arg.elem = results[arg.index].map.elem;
      } else {
        arg.kind = KernelArg::Temporary;
        int &number = numbers[index - given];
        number = number < 0 ? used++ : number;
        arg.index = unsigned(number);
        arg.size = SizeScope::table().code((*temporaries)[index - given]);
      }
      step.args.push_back(arg);
    }
    phase.function->remove();
    phase.function.setPrivate();
    symbols.insert(phase.function);
    step.problem = PortableProblem{phase.function, phase.sizes, phase.tasks};
    steps.push_back(std::move(step));
  }
  return steps;
}

/// exp(x) - 1 and log(1 + x) of any x are polynomials of upstream's, where there is a fused multiply-add; the rest as expandFloatMath says.
static LogicalResult expandMath(ModuleOp module, const Isa &isa) {
  if (isa.lanes >= 8) {
    RewritePatternSet patterns(module.getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) { return llvm::is_contained({"math.expm1", "math.log1p"}, name); });
    if (failed(applyPatternsGreedily(module, std::move(patterns))))
      return failure();
  }
  for (auto function : module.getOps<func::FuncOp>())
    expandFloatMath(function, isa);
  PassManager pm(module.getContext());
  pm.enableVerifier(false); // constants of the kernel are elsewhere
  pm.addPass(createConvertMathToLibmPass());
  return pm.run(module);
}

FailureOr<Kernel> emitPortable(ModuleOp module, StringRef name, const PortableProblem &problem, const Isa &isa) {
  Kernel kernel;
  kernel.function = cast<func::FuncOp>(func::FuncOp(problem.function)->clone());
  kernel.function.setName(name);
  kernel.tasks = problem.tasks;
  OwningOpRef<ModuleOp> own = ModuleOp::create(kernel.function.getLoc());
  own->push_back(kernel.function);
  if (failed(expandMath(*own, isa)))
    return func::FuncOp(problem.function).emitError("cannot be lowered through linalg");
  for (auto function : llvm::make_early_inc_range(own->getOps<func::FuncOp>())) {
    function->remove();
    if (function == kernel.function || !module.lookupSymbol(function.getName()))
      module.push_back(function);
    else
      function->destroy(); // of the C library, declared once
  }
  return kernel;
}

} // namespace tern::cpu
