//===- Artifact.cpp - the outlined module becomes a folder -------------------===//
#include "lib/Target/Cpu/Lowering/Artifact/Artifact.h"
#include "lib/Runtime/RuntimeObject.h"
#include "lib/Support/GrowingFile.h"
#include "lib/Support/Manifest.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "lib/Target/Cpu/Lowering/Artifact/Link.h"
#include "lib/Target/Cpu/Lowering/Passes.h"
#include "lib/Target/Cpu/Lowering/Artifact/Program.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

using namespace mlir;

namespace tern::cpu {
#define GEN_PASS_DEF_TERNEMIT
#include "lib/Target/Cpu/Lowering/Passes.h.inc"

void buildCpuPipeline(OpPassManager &pm, const std::string &isas, bool layouts) {
  if (layouts)
    pm.addPass(createCpuAssignLayouts());
  pm.addPass(createCpuGuardCalls());
  CpuEmitKernelsOptions emit;
  emit.isas = isas;
  pm.addPass(createCpuEmitKernels(emit));
  pm.addPass(createCpuPlanMemory());
}

std::string foreignFile(StringRef folder) {
  std::string first;
  std::error_code ec;
  for (llvm::sys::fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) {
    StringRef name = llvm::sys::path::filename(it->path());
    bool ours = llvm::is_contained<StringRef>(
        {"compile.json", "libmodel.so", "manifest.json", "model.h", "model.mlir", "model.o", "plan.json", "weights.bin"}, name);
    if (!ours && (first.empty() || name < first))
      first = name.str();
  }
  return first;
}

namespace {

/// A folder that appears under its name only when it is complete.
class Folder {
public:
  explicit Folder(StringRef final) : final(final.rtrim('/')), temporary((this->final + ".tmp." + Twine(llvm::sys::Process::getProcessId())).str()) {}
  ~Folder() {
    if (!temporary.empty())
      llvm::sys::fs::remove_directories(temporary);
  }

  llvm::Error create() {
    llvm::sys::fs::remove_directories(temporary);
    if (std::error_code ec = llvm::sys::fs::create_directories(temporary, true, llvm::sys::fs::all_all))
      return llvm::createStringError("cannot create the folder " + temporary + ": " + ec.message() + "; choose another place with -o");
    if (llvm::sys::fs::exists(final) && !llvm::sys::fs::is_directory(final))
      return llvm::createStringError(final + " is a file; a program is a folder: remove it or choose another name with -o");
    if (std::string foreign = foreignFile(final); !foreign.empty())
      return llvm::createStringError(final + " holds '" + foreign + "', which is no part of a compiled program; remove it or choose another name with -o");
    return llvm::Error::success();
  }

  std::string path(StringRef name) const { return temporary + "/" + name.str(); }

  llvm::Error write(StringRef name, ArrayRef<char> bytes) {
    std::error_code ec;
    llvm::raw_fd_ostream os(path(name), ec);
    if (!ec) {
      for (size_t at = 0, step = size_t(16) << 20; at < bytes.size(); at += step) {
        ArrayRef<char> piece = bytes.slice(at, std::min(step, bytes.size() - at));
        os.write(piece.data(), piece.size());
        GrowingFile::releaseAnywhere(piece); // written bytes need not stay in memory
      }
      os.close();
      ec = os.error();
      os.clear_error();
    }
    if (ec)
      return llvm::createStringError("cannot write " + path(name) + ": " + ec.message());
    return llvm::Error::success();
  }

  /// The old folder goes only when the new one can take its place.
  llvm::Error commit() {
    std::string old = temporary + ".old";
    bool replaces = llvm::sys::fs::exists(final);
    if (replaces)
      if (std::error_code ec = llvm::sys::fs::rename(final, old))
        return llvm::createStringError("cannot replace " + final + ": " + ec.message());
    if (std::error_code ec = llvm::sys::fs::rename(temporary, final)) {
      if (replaces)
        llvm::sys::fs::rename(old, final);
      return llvm::createStringError("cannot create " + final + ": " + ec.message());
    }
    if (replaces)
      llvm::sys::fs::remove_directories(old);
    temporary.clear();
    return llvm::Error::success();
  }

private:
  std::string final, temporary;
};

Manifest manifestOf(const Program &program) {
  Manifest manifest;
  manifest.name = program.name;
  manifest.isa = program.isas;
  auto tensors = [&](const std::vector<ProgramTensor> &list) {
    std::vector<ManifestTensor> result;
    for (const ProgramTensor &t : list) {
      ManifestTensor tensor{t.name, t.dtype, t.dims, {}};
      for (int64_t &size : tensor.shape)
        if (size < 0)
          tensor.sizes.resize(t.dims.size());
      for (auto [axis, size] : llvm::enumerate(tensor.shape))
        if (size < 0) {
          tensor.sizes[axis] = program.numbers[size_t(-size - 1)].str().str();
          size = -1;
        }
      result.push_back(std::move(tensor));
    }
    return result;
  };
  manifest.inputs = tensors(program.inputs);
  manifest.outputs = tensors(program.outputs);
  manifest.weightsBytes = program.weightsBytes;
  manifest.weightsHash = program.weightsHash;
  manifest.arenaBytes = program.arenaBytes;
  for (const ProgramDim &dim : program.dims)
    manifest.dims.push_back({dim.name, dim.low, dim.high});
  return manifest;
}

llvm::Error writeFolder(ModuleOp module, const Program &program, ArrayRef<char> weights, const ArtifactOptions &options) {
  Folder folder(options.out);
  if (llvm::Error error = folder.create())
    return error;
  if (llvm::Error error = folder.write("weights.bin", weights))
    return error;
  CompileOptions compile;
  compile.jobs = options.jobs;
  auto kernels = compileToObjects(module, compile);
  if (!kernels)
    return kernels.takeError();
  auto description = programObject(program);
  if (!description)
    return description.takeError();
  std::vector<std::string> objects;
  auto object = [&](StringRef name, ArrayRef<char> bytes) {
    objects.push_back(folder.path(name));
    return folder.write(name, bytes);
  };
  for (auto [index, part] : llvm::enumerate(*kernels))
    if (llvm::Error error = object(llvm::formatv("kernels{0}.o", index).str(), part))
      return error;
  if (llvm::Error error = object("program.o", *description))
    return error;
  if (llvm::Error error = object("runtime.o", ArrayRef(reinterpret_cast<const char *>(tern_runtime_object), tern_runtime_object_size)))
    return error;
  // A stub stands for libm, which portable kernels may call: the linker learns its name, and needs no C library of its own.
  auto libm = libmObject();
  if (!libm)
    return libm.takeError();
  std::vector<std::string> shared = objects;
  shared.push_back(folder.path("libm.so"));
  if (llvm::Error error = folder.write("libm.o", *libm))
    return error;
  if (llvm::Error error = linkShared({folder.path("libm.o")}, shared.back(), "libm.so.6"))
    return error;
  if (llvm::Error error = linkShared(shared, folder.path("libmodel.so"), "libmodel.so"))
    return error;
  for (StringRef name : {"libm.o", "libm.so"})
    llvm::sys::fs::remove(folder.path(name));
  if (options.object)
    if (llvm::Error error = linkRelocatable(objects, folder.path("model.o")))
      return error;
  for (const std::string &path : objects)
    llvm::sys::fs::remove(path);
  std::string manifest = llvm::formatv("{0:2}\n", manifestOf(program).toJSON());
  if (llvm::Error error = folder.write("manifest.json", manifest))
    return error;
  if (llvm::Error error = folder.write("model.h", headerOf(program)))
    return error;
  for (const auto &[name, contents] : options.files)
    if (llvm::Error error = folder.write(name, contents))
      return error;
  return folder.commit();
}

} // namespace

LogicalResult writeArtifact(ModuleOp module, const ArtifactOptions &options) {
  auto program = readProgram(module, options.name);
  auto weights = weightsOf(module);
  if (failed(program) || failed(weights))
    return failure();
  for (StringRef name : {"cpu.weights", "cpu.inputs", "cpu.outputs", "cpu.arena_bytes"})
    module->removeAttr(name);
  if (llvm::Error error = writeFolder(module, *program, *weights, options))
    return module.emitError(llvm::toString(std::move(error)));
  return success();
}

namespace {
struct TernEmitPass : impl::TernEmitBase<TernEmitPass> {
  using TernEmitBase::TernEmitBase;
  void getDependentDialects(DialectRegistry &registry) const override {
    // The passes of the target run inside this one.
    OpPassManager pm(ModuleOp::getOperationName());
    buildCpuPipeline(pm, isas);
    buildLowerToLLVMPipeline(pm);
    pm.getDependentDialects(registry);
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    impl::TernEmitBase<TernEmitPass>::getDependentDialects(registry);
  }
  void runOnOperation() override {
    ArtifactOptions options;
    options.out = out;
    options.name = name.empty() ? llvm::sys::path::stem(StringRef(out).rtrim('/')).str() : name;
    options.isas = isas;
    if (auto plan = getOperation()->getAttrOfType<StringAttr>("tern.plan"))
      options.files.push_back({"plan.json", plan.str()});
    getOperation()->removeAttr("tern.plan");
    if (out.empty()) {
      getOperation().emitError("tern-emit needs the folder to write: tern-emit{out=model.tern}");
      return signalPassFailure();
    }
    if (!getOperation()->hasAttr("cpu.arena_bytes")) {
      OpPassManager pm(ModuleOp::getOperationName());
      buildCpuPipeline(pm, isas);
      if (failed(runPipeline(pm, getOperation())))
        return signalPassFailure();
    }
    if (failed(writeArtifact(getOperation(), options)))
      signalPassFailure();
  }
};
} // namespace

LogicalResult emitCpuArtifact(ModuleOp outlined, const ArtifactOptions &options) {
  PassManager pm(outlined.getContext());
  buildCpuPipeline(pm, options.isas);
  if (failed(pm.run(outlined)))
    return failure();
  return writeArtifact(outlined, options);
}

} // namespace tern::cpu
