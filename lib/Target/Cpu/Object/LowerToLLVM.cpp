//===- LowerToLLVM.cpp - kernels and run functions become an object -------===//
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "lib/Target/Cpu/Math/Libm.h"
#include "dialects/Micro/Transforms/Passes.h"
#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/IndexToLLVM/IndexToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Conversion/VectorToSCF/VectorToSCF.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/SplitModule.h"
#include <thread>

using namespace mlir;
using namespace tern::cpu;

void tern::cpu::setFeatures(func::FuncOp function, const Isa &isa) {
  SmallVector<StringRef> features;
  isa.features.split(features, ',', -1, /*KeepEmpty=*/false);
  if (!features.empty())
    function->setAttr("target_features", LLVM::TargetFeaturesAttr::get(function.getContext(), features));
}

void tern::cpu::buildLowerToLLVMPipeline(OpPassManager &pm) {
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addNestedPass<func::FuncOp>(createConvertVectorToSCFPass());
  pm.addPass(micro::createMicroLower());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addNestedPass<func::FuncOp>(arith::createArithExpandOpsPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass()); // convert-vector-to-llvm leaves ub.poison
  ConvertFuncToLLVMPassOptions bare;
  bare.useBarePtrCallConv = true;
  pm.addPass(createConvertFuncToLLVMPass(bare));
  pm.addPass(createReconcileUnrealizedCastsPass());
  pm.addPass(createParallelCallsPass());
}

/// The hints of loops (PortableLoops.cpp) arrive at the branches back as attributes that the translation does not read.
static void readLoopHints(ModuleOp module) {
  module.walk([](LLVM::BrOp branch) {
    if (auto hint = branch->getAttrOfType<LLVM::LoopAnnotationAttr>("llvm.loop_annotation")) {
      branch->removeAttr("llvm.loop_annotation");
      branch.setLoopAnnotationAttr(hint);
    }
  });
}

namespace {
using Object = llvm::SmallVector<char, 0>;

std::unique_ptr<llvm::TargetMachine> makeMachine(std::string &error) {
  static bool once = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    return true;
  }();
  (void)once;
  llvm::Triple triple("x86_64-unknown-linux-gnu");
  const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  // Generic: what a function may use is its own attribute.
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, "x86-64", "", {}, llvm::Reloc::PIC_, std::nullopt, llvm::CodeGenOptLevel::Default));
}

/// Portable kernels ask for vectors where they would be worth it (PortableLoops.cpp); LLVM warns where it makes none.
void silenceMissedTransforms(llvm::LLVMContext &context) {
  context.setDiagnosticHandlerCallBack([](const llvm::DiagnosticInfo *info, void *) {
    if (info->getSeverity() == llvm::DS_Error) {
      llvm::DiagnosticPrinterRawOStream printer(llvm::errs());
      info->print(printer);
      llvm::errs() << "\n";
    }
  });
}

void emit(llvm::Module &module, llvm::TargetMachine &machine, llvm::SmallVectorImpl<char> &out,
          llvm::CodeGenFileType type) {
  llvm::raw_svector_ostream os(out);
  llvm::legacy::PassManager pm;
  machine.addPassesToEmitFile(pm, os, nullptr, type);
  pm.run(module);
}

void optimize(llvm::Module &module, llvm::TargetMachine &machine, unsigned level) {
  module.setTargetTriple(machine.getTargetTriple());
  module.setDataLayout(machine.createDataLayout());
  // Kernels are vectors in tiles already: vectorizers would only look at them, unrolling was measured to gain nothing.
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = tuning.LoopInterleaving = tuning.SLPVectorization = tuning.LoopUnrolling = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  const llvm::OptimizationLevel levels[] = {llvm::OptimizationLevel::O0, llvm::OptimizationLevel::O1,
                                            llvm::OptimizationLevel::O2, llvm::OptimizationLevel::O3};
  builder.buildPerModuleDefaultPipeline(levels[std::min(level, 3u)]).run(module, modules);
}

/// Any other call in a kernel means that a generator used an operation without an instruction on that level.
llvm::Error checkCalls(const Object &object, llvm::ArrayRef<std::string> defined) {
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(llvm::StringRef(object.data(), object.size()), "kernels"));
  if (!file)
    return file.takeError();
  for (const llvm::object::SymbolRef &symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name)
      return llvm::joinErrors(flags ? llvm::Error::success() : flags.takeError(),
                              name ? llvm::Error::success() : name.takeError());
    if (!(*flags & llvm::object::SymbolRef::SF_Undefined) || name->empty() || *name == "tern_parallel_for" ||
        *name == "memset" || *name == "memcpy" || *name == "memmove" || *name == "_GLOBAL_OFFSET_TABLE_" || isLibm(*name) || isHalfConversion(*name) ||
        llvm::is_contained(defined, *name))
      continue;
    return llvm::createStringError("the generated code calls '" + *name + "', which the runtime does not have");
  }
  return llvm::Error::success();
}

llvm::Expected<std::vector<Object>> emitParts(llvm::Module &module, unsigned jobs, unsigned level) {
  std::vector<llvm::SmallString<0>> parts;
  // Locals become hidden symbols; kept local, all kernels would stay in the part of the run functions.
  llvm::SplitModule(
      module, jobs,
      [&](std::unique_ptr<llvm::Module> part) {
        llvm::raw_svector_ostream os(parts.emplace_back());
        llvm::WriteBitcodeToFile(*part, os);
      },
      /*PreserveLocals=*/false);
  std::vector<Object> objects(parts.size());
  std::vector<std::string> errors(parts.size());
  auto work = [&](size_t i) {
    llvm::LLVMContext context;
    silenceMissedTransforms(context);
    auto part = llvm::parseBitcodeFile(llvm::MemoryBufferRef(parts[i].str(), "kernels"), context);
    std::unique_ptr<llvm::TargetMachine> machine = makeMachine(errors[i]);
    if (!part || !machine) {
      if (!part)
        errors[i] = llvm::toString(part.takeError());
      return;
    }
    optimize(**part, *machine, level);
    emit(**part, *machine, objects[i], llvm::CodeGenFileType::ObjectFile);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < parts.size(); i++)
    threads.emplace_back(work, i);
  work(0);
  for (std::thread &t : threads)
    t.join();
  for (const std::string &e : errors)
    if (!e.empty())
      return llvm::createStringError(e);
  return objects;
}
} // namespace

llvm::Expected<std::vector<Object>> tern::cpu::compileToObjects(ModuleOp module, const CompileOptions &options) {
  MLIRContext *context = module.getContext();
  PassManager pm(context);
  buildLowerToLLVMPipeline(pm);
  pm.enableVerifier(false); // once before and once after instead of after each of twenty passes
  if (failed(verify(module)) || failed(pm.run(module)) || failed(verify(module)))
    return llvm::createStringError("lowering the kernels to LLVM failed");
  readLoopHints(module);
  for (auto f : module.getOps<LLVM::LLVMFuncOp>())
    if (f.isPrivate() && !f.isExternal())
      f.setLinkage(LLVM::Linkage::Internal);
  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  llvm::LLVMContext llvmContext;
  silenceMissedTransforms(llvmContext);
  std::unique_ptr<llvm::Module> translated = translateModuleToLLVMIR(module, llvmContext, "kernels");
  if (!translated)
    return llvm::createStringError("translating the kernels to LLVM IR failed");
  std::vector<std::string> defined;
  for (llvm::GlobalObject &g : translated->global_objects())
    if (!g.isDeclaration())
      defined.push_back(g.getName().str());
  for (llvm::Function &f : *translated)
    f.addFnAttr(llvm::Attribute::NoUnwind); // no unwind tables

  std::string error;
  std::vector<Object> objects;
  if (options.jobs > 1 && !options.llvmIr && !options.assembly) {
    auto parts = emitParts(*translated, options.jobs, options.optLevel);
    if (!parts)
      return parts.takeError();
    objects = std::move(*parts);
  } else {
    std::unique_ptr<llvm::TargetMachine> machine = makeMachine(error);
    if (!machine)
      return llvm::createStringError(error);
    optimize(*translated, *machine, options.optLevel);
    if (options.llvmIr) {
      llvm::raw_string_ostream os(*options.llvmIr);
      translated->print(os, nullptr);
    }
    if (options.assembly) {
      Object text;
      emit(*llvm::CloneModule(*translated), *machine, text, llvm::CodeGenFileType::AssemblyFile);
      options.assembly->assign(text.begin(), text.end());
    }
    emit(*translated, *machine, objects.emplace_back(), llvm::CodeGenFileType::ObjectFile);
  }
  for (const Object &object : objects)
    if (llvm::Error e = checkCalls(object, defined))
      return std::move(e);
  return objects;
}

llvm::Expected<Object> tern::cpu::compileToObject(ModuleOp module, const CompileOptions &options) {
  CompileOptions one = options;
  one.jobs = 1;
  auto objects = compileToObjects(module, one);
  if (!objects)
    return objects.takeError();
  return std::move(objects->front());
}

llvm::Expected<Object> tern::cpu::emitObject(llvm::Module &module) {
  std::string error;
  std::unique_ptr<llvm::TargetMachine> machine = makeMachine(error);
  if (!machine)
    return llvm::createStringError(error);
  module.setDataLayout(machine->createDataLayout());
  module.setTargetTriple(machine->getTargetTriple());
  Object object;
  emit(module, *machine, object, llvm::CodeGenFileType::ObjectFile);
  return object;
}
