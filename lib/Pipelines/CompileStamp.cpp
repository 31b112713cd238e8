//===- CompileStamp.cpp - what a program was made of, and is it still -------===//
#include "dialects/NN/Transforms/Activations.h"
#include "lib/Import/ModelFile.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Support/Json.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/xxhash.h"
#include <dlfcn.h>

using namespace llvm;

namespace tern {

Expected<std::string> hashFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(path + ": cannot be read: " + buffer.getError().message());
  ArrayRef<uint8_t> bytes(reinterpret_cast<const uint8_t *>((*buffer)->getBufferStart()), (*buffer)->getBufferSize());
  return toHex(SHA256::hash(bytes), /*LowerCase=*/true);
}

Expected<std::string> hashFiles(ArrayRef<std::string> paths) {
  SHA256 hash;
  auto add = [&](StringRef path, StringRef name) -> Error {
    Expected<std::string> one = hashFile(path);
    if (!one)
      return one.takeError();
    hash.update(name);
    hash.update("\n" + *one + "\n");
    return Error::success();
  };
  for (const std::string &path : paths) {
    if (!sys::fs::is_directory(path)) {
      if (Error error = add(path, sys::path::filename(path)))
        return std::move(error);
      continue;
    }
    std::vector<std::string> files;
    std::error_code ec;
    for (sys::fs::recursive_directory_iterator it(path, ec), end; it != end && !ec; it.increment(ec))
      if (!sys::fs::is_directory(it->path()))
        files.push_back(it->path());
    llvm::sort(files);
    for (const std::string &file : files)
      if (Error error = add(file, StringRef(file).drop_front(path.size())))
        return std::move(error);
  }
  return toHex(hash.final(), /*LowerCase=*/true);
}

/// Identifies this build of the compiler by the binary that it lies in.
static std::string compilerIdentity() {
  static const std::string identity = [] {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void *>(&compilerIdentity), &info) || !info.dli_fname)
      return std::string();
    // The dynamic linker gives the main program the name it was called by.
    std::string path = info.dli_fname;
    if (!sys::fs::exists(path) || StringRef(path).find('/') == StringRef::npos)
      path = "/proc/self/exe";
    auto buffer = MemoryBuffer::getFile(path, false, false);
    return buffer ? formatv("{0:x-16}", xxh3_64bits((*buffer)->getBuffer())).str() : std::string();
  }();
  return identity;
}

/// The path as seen from the folder of the program, so that the same folders elsewhere give the same bytes.
static std::string relativeTo(StringRef folder, StringRef path) {
  SmallString<256> from(folder), to(path);
  if (sys::fs::make_absolute(from) || sys::fs::make_absolute(to))
    return path.str();
  sys::path::remove_dots(from, true);
  sys::path::remove_dots(to, true);
  auto a = sys::path::begin(from), aEnd = sys::path::end(from), b = sys::path::begin(to), bEnd = sys::path::end(to);
  while (a != aEnd && b != bEnd && *a == *b)
    ++a, ++b;
  SmallString<256> result;
  for (; a != aEnd; ++a)
    sys::path::append(result, "..");
  for (; b != bEnd; ++b)
    sys::path::append(result, *b);
  return std::string(result);
}

json::Object Compilation::stamp() const {
  // What the bytes do not depend on stays out.
  CompileOptions kept = options;
  kept.model = relativeTo(out, options.model);
  kept.calibration.clear();
  kept.out.clear();
  kept.dumpIr.clear();
  kept.jobs = 0;
  kept.force = false;
  kept.measure = true;
  json::Object inputs{{"model", modelHash}};
  if (!dataHash.empty())
    inputs["calibration"] = dataHash;
  if (!options.plan.empty()) {
    Expected<std::string> hash = hashFile(options.plan);
    inputs["plan"] = hash ? *hash : (consumeError(hash.takeError()), std::string());
    kept.plan = "plan.json";
  }
  json::Object external;
  for (const std::string &path : signature.externalFiles) {
    Expected<std::string> hash = hashFile(path);
    external[sys::path::filename(path)] = hash ? *hash : (consumeError(hash.takeError()), std::string());
  }
  if (!external.empty())
    inputs["external"] = std::move(external);
  return json::Object{{"compiler", compilerIdentity()}, {"options", kept.toJSON()}, {"sha256", std::move(inputs)}};
}

std::string Compilation::compileJson() {
  json::Object dims;
  mlir::func::FuncOp main = nn::mainFunction(*module);
  for (const ModelInput &input : signature.inputs)
    for (mlir::BlockArgument argument : main.getArguments()) {
      auto name = main.getArgAttrOfType<mlir::StringAttr>(argument.getArgNumber(), "tern.name");
      auto type = mlir::dyn_cast<mlir::RankedTensorType>(argument.getType());
      if (!name || name.getValue() != input.name || !type || size_t(type.getRank()) != input.shape.size())
        continue;
      for (size_t axis = 0; axis < input.shape.size(); ++axis)
        if (input.shape[axis] < 0 && !type.isDynamicDim(axis))
          dims[input.symbols[axis].empty() ? input.name + "." + std::to_string(axis) : input.symbols[axis]] =
              type.getDimSize(axis);
    }
  return formatv("{0:2}\n", json::Value(json::Object{{"stamp", stamp()}, {"dims", std::move(dims)}})).str();
}

bool Compilation::isUpToDate() {
  if (options.force || options.planOnly || !options.dumpIr.empty() || compilerIdentity().empty())
    return false;
  auto written = MemoryBuffer::getFile(out + "/compile.json");
  if (!written)
    return false;
  Expected<json::Value> value = parseJson((*written)->getBuffer());
  if (!value) {
    consumeError(value.takeError());
    return false;
  }
  const json::Object *root = value->getAsObject(), *previous = root ? root->getObject("stamp") : nullptr;
  return previous && *previous == stamp() && sys::fs::exists(out + "/manifest.json") &&
         sys::fs::exists(out + "/libmodel.so") && sys::fs::exists(out + "/weights.bin");
}

mlir::FailureOr<ModelSignature> readSignature(StringRef model, mlir::MLIRContext &context,
                                              const CompileOptions &options) {
  auto file = importer::ModelFile::open(model, context);
  if (failed(file))
    return mlir::failure();
  const onnx::GraphProto &graph = (*file)->proto().graph();
  ModelSignature signature;
  StringSet<> constants, external;
  auto visit = [&](const onnx::TensorProto &tensor) {
    for (const auto &entry : tensor.external_data())
      if (entry.key() == "location")
        external.insert(entry.value());
  };
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    constants.insert(tensor.name());
    visit(tensor);
  }
  for (const auto &tensor : graph.sparse_initializer())
    constants.insert(tensor.values().name());
  for (const auto &node : graph.node())
    for (const auto &attribute : node.attribute())
      if (attribute.has_t())
        visit(attribute.t());
  auto add = [&](const onnx::ValueInfoProto &info) {
    ModelInput input{info.name(), {}, {}};
    for (const auto &dim : info.type().tensor_type().shape().dim()) {
      bool isOpen = !dim.has_dim_value() || dim.dim_value() < 0;
      input.shape.push_back(isOpen ? -1 : dim.dim_value());
      // As the importer reads them: several writers name all unknown sizes alike.
      StringRef symbol = dim.dim_param();
      input.symbols.push_back(isOpen && symbol != "?" && symbol != "None" && symbol != "-1" ? symbol.str() : "");
    }
    signature.inputs.push_back(std::move(input));
  };
  for (const onnx::ValueInfoProto &info : graph.input())
    if (options.inputs.empty() ? !constants.contains(info.name()) : is_contained(options.inputs, info.name()))
      add(info);
  for (const auto &entry : external) {
    SmallString<256> path(sys::path::parent_path(model));
    sys::path::append(path, entry.getKey());
    signature.externalFiles.push_back(std::string(path));
  }
  llvm::sort(signature.externalFiles);
  return signature;
}

} // namespace tern
