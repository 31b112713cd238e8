//===- Model.cpp - the reference evaluation of a model without a program ------===//
#include "lib/Import/DataType.h"
#include "lib/Import/Import.h"
#include "lib/Pipelines/Compilation.h"
#include "lib/Reference/Reference.h"
#include "tools/quant-run/Run.h"
#include "tools/quant-run/Session.h"

using namespace llvm;

namespace tern::run {

/// Name, type and sizes of an argument or result, with storage for what the C structure points to.
struct Port {
  std::string name;
  std::vector<int64_t> dims;
  tern_tensor_info info{};

  Port(std::string name, mlir::RankedTensorType type) : name(std::move(name)), dims(type.getShape()) {
    info.dtype = importer::dataTypeOf(type.getElementType());
    info.rank = int32_t(dims.size());
    info.bytes = uint64_t(type.getNumElements() * nn::elementBytes(type.getElementType()));
  }
  tern_tensor_info get() const {
    tern_tensor_info result = info;
    result.name = name.c_str();
    result.dims = dims.data();
    return result;
  }
};

static Error readDims(const RunOptions &options, ImportOptions &import) {
  for (const std::string &dim : options.dims) {
    auto [name, size] = StringRef(dim).rsplit('=');
    if (name.empty() || size.getAsInteger(10, import.dims[name]))
      return createStringError("--dim: '" + dim + "' is not NAME=N, for instance batch=4");
  }
  return Error::success();
}

/// Open sizes are those of the first feed, but for the batch: samples lie one after the other along it.
static Error readHints(const RunOptions &options, Session &session, ImportOptions &import) {
  if (options.inputs.empty())
    return Error::success();
  CompileOptions compile;
  compile.model = options.folder;
  auto signature = readSignature(options.folder, session.context, compile);
  if (failed(signature))
    return session.error();
  auto reader = calib::SampleReader::open(options.inputs);
  if (!reader)
    return createStringError("--input: " + reader.error());
  std::vector<std::string> names;
  for (const ModelInput &input : signature->inputs)
    names.push_back(input.name);
  auto shapes = reader->peek(names);
  if (!shapes)
    return createStringError("--input: " + shapes.error());
  for (const auto &[input, array] : zip(signature->inputs, *shapes)) {
    std::vector<int64_t> shape = array.shape;
    if (shape.size() + 1 == input.shape.size())
      shape.insert(shape.begin(), 1);
    if (shape.size() != input.shape.size() || !is_contained(input.shape, -1))
      continue;
    if (input.shape.front() == -1)
      shape.front() = 1;
    import.hints[input.name].assign(shape.begin(), shape.end());
  }
  return Error::success();
}

Error runModel(const RunOptions &options) {
  Session session(options.folder);
  session.context.printOpOnDiagnostic(false);
  ImportOptions import;
  if (Error error = joinErrors(readDims(options, import), readHints(options, session, import)))
    return error;
  auto module = importOnnx(options.folder, session.context, import);
  if (failed(module))
    return session.error();
  auto main = (*module)->lookupSymbol<mlir::func::FuncOp>("main");
  std::vector<Port> ports;
  for (const auto &[index, type] : enumerate(main.getArgumentTypes())) {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
    auto name = main.getArgAttrOfType<mlir::StringAttr>(unsigned(index), "tern.name");
    if (!tensor || !tensor.hasStaticShape())
      return createStringError(formatv("input '{0}' has no known size; give it with --dim or --input", name.getValue()));
    ports.emplace_back(name.str(), tensor);
  }
  std::vector<tern_tensor_info> infos;
  for (const Port &port : ports)
    infos.push_back(port.get());
  Expected<Feeds> feeds = Feeds::open(options, infos);
  if (!feeds)
    return feeds.takeError();
  if (feeds->isRandom() && !infos.empty())
    errs() << "no --input: normal random numbers, seed " << options.seed << "\n";
  reference::Interpreter interpreter(**module);
  Outputs all;
  int64_t count = 0;
  for (;; ++count) {
    Expected<std::optional<Buffers>> inputs = feeds->next();
    if (!inputs)
      return inputs.takeError();
    if (!*inputs)
      break;
    SmallVector<reference::Value> values;
    for (const auto &[type, bytes] : zip(main.getArgumentTypes(), **inputs))
      values.push_back(reference::Tensor::of<char>(mlir::cast<mlir::RankedTensorType>(type), bytes));
    auto results = interpreter.run(main, values);
    if (mlir::failed(results))
      return session.error();
    for (const auto &[index, result] : enumerate(*results)) {
      const reference::Tensor &tensor = reference::asTensor(result);
      auto name = main.getResultAttrOfType<mlir::StringAttr>(unsigned(index), "tern.name");
      Port port(name ? name.str() : "output" + std::to_string(index), tensor.getType());
      all.add(index, arrayOf(port.get(), std::vector<char>(tensor.bytes().begin(), tensor.bytes().end())));
    }
  }
  return all.finish(options, count);
}

} // namespace tern::run
