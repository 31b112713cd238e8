//===- Portable.cpp - kernels through linalg ---------------------------------===//
#include "lib/Target/Cpu/Lowering/Portable.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "lib/Target/Cpu/LowerToLLVM.h"
#include "mlir/Conversion/MathToLibm/MathToLibm.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace tern::cpu {

/// linalg on tensors to linalg on buffers; results become arguments.
static void buildPortable(PassManager &pm) {
  auto tidy = [&] {
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createCSEPass());
  };
  pm.addPass(createTernToLinalg());
  tidy();
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  bufferization::BufferResultsToOutParamsPassOptions outParams;
  outParams.modifyPublicFunctions = true;
  outParams.hoistStaticAllocs = true;
  pm.addPass(bufferization::createBufferResultsToOutParamsPass(outParams));
  tidy();
}

/// Copies become loops, too: of views that are not dense, LLVM's lowering would call a library.
static void expandCopies(ModuleOp module) {
  module.walk([](memref::CopyOp copy) {
    OpBuilder b(copy);
    linalg::CopyOp::create(b, copy.getLoc(), copy.getSource(), copy.getTarget());
    copy.erase();
  });
}

static void buildLoops(PassManager &pm) {
  auto tidy = [&] {
    pm.addPass(createCanonicalizerPass());
    pm.addPass(createCSEPass());
  };
  pm.addNestedPass<func::FuncOp>(createConvertLinalgToLoopsPass());
  pm.addPass(createConvertMathToLibmPass()); // scalar loops: the C library has what has no instruction (Libm.h)
  tidy();
}

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

FailureOr<Kernel> emitPortable(ModuleOp module, StringRef name, func::FuncOp function, const Isa &isa) {
  OwningOpRef<ModuleOp> scratch = ModuleOp::create(function.getLoc());
  auto copy = cast<func::FuncOp>(function->clone());
  scratch->push_back(copy);
  copy.setPublic();
  copy.setName(name);
  // Weights are constants in two's complement: their arguments are marked by the caller's operands, here by the attribute.
  auto constants = function->getAttrOfType<DenseI32ArrayAttr>("cpu.constants");
  convertStoredCodes(copy, [&](unsigned index) { return constants && llvm::is_contained(constants.asArrayRef(), int32_t(index)); });
  for (unsigned i = 0; i < copy.getNumArguments(); ++i)
    copy.setArgAttrs(i, NamedAttribute(StringAttr::get(function.getContext(), bufferization::BufferizationDialect::kWritableAttrName),
                                       BoolAttr::get(function.getContext(), false))); // others may read an operand later
  PassManager pm(function.getContext());
  buildPortable(pm);
  PassManager loops(function.getContext());
  buildLoops(loops);
  if (failed(pm.run(*scratch)))
    return function.emitError("cannot be lowered through linalg");
  expandCopies(*scratch);
  if (failed(loops.run(*scratch)))
    return function.emitError("cannot be lowered through linalg");
  copy = scratch->lookupSymbol<func::FuncOp>(name);
  if (!copy || copy.getNumResults())
    return function.emitError("has results that are no buffers after bufferization");
  WalkResult allocations = copy.walk([](memref::AllocOp) { return WalkResult::interrupt(); });
  Kernel kernel;
  OpBuilder b(function.getContext());
  if (allocations.wasInterrupted()) {
    // Temporaries become one scratch argument: nothing is allocated in a run.
    int64_t bytes = 0;
    SmallVector<memref::AllocOp> allocs;
    copy.walk([&](memref::AllocOp alloc) { allocs.push_back(alloc); });
    copy.walk([&](memref::DeallocOp dealloc) { dealloc.erase(); });
    SmallVector<int64_t> offsets;
    for (memref::AllocOp alloc : allocs) {
      if (!alloc.getType().hasStaticShape())
        return alloc.emitError("has a size that is only known at run time");
      offsets.push_back(bytes);
      int64_t width = std::max<int64_t>(1, alloc.getType().getElementTypeBitWidth() / 8);
      bytes += llvm::alignTo(alloc.getType().getNumElements() * width, 64);
    }
    auto type = MemRefType::get({bytes}, b.getI8Type());
    unsigned position = copy.getNumArguments();
    if (failed(copy.insertArgument(position, type, {}, copy.getLoc())))
      return failure();
    for (auto [alloc, offset] : llvm::zip(allocs, offsets)) {
      b.setInsertionPoint(alloc);
      Value shift = arith::ConstantIndexOp::create(b, alloc.getLoc(), offset);
      Value view = memref::ViewOp::create(b, alloc.getLoc(), alloc.getType(), copy.getArgument(position), shift, ValueRange());
      alloc.replaceAllUsesWith(view);
      alloc.erase();
    }
    kernel.scratchBytes = bytes;
  }
  if (failed(copy.insertArgument(copy.getNumArguments(), b.getIndexType(), {}, copy.getLoc())))
    return failure();
  copy->remove();
  copy.setPrivate();
  module.push_back(copy);
  for (Operation &op : llvm::make_early_inc_range(*scratch->getBody())) {
    // Functions of the C library that the kernel calls are declared once.
    if (auto declaration = dyn_cast<func::FuncOp>(op); declaration && declaration.isExternal() && !module.lookupSymbol(declaration.getName())) {
      declaration->remove();
      module.push_back(declaration);
    }
    if (auto global = dyn_cast<memref::GlobalOp>(op)) {
      // Constants of the kernel: unique names in the module.
      std::string unique = (name + "." + global.getSymName()).str();
      if (failed(SymbolTable::replaceAllSymbolUses(global.getSymNameAttr(), b.getStringAttr(unique), copy)))
        return failure();
      global->remove();
      global.setSymName(unique);
      module.push_back(global);
    }
  }
  kernel.function = copy;
  kernel.tasks = 1;
  return kernel;
}

} // namespace tern::cpu
