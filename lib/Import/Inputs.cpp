// Importer: types of the arguments and sizes of their dimensions.
#include "lib/Import/Importer.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace tern::importer {

using Dimension = onnx::TensorShapeProto::Dimension;

StringRef symbolOf(const Dimension &dim) {
  StringRef symbol = dim.dim_param();
  return symbol == "?" || symbol == "None" || symbol == "-1" ? StringRef() : symbol;
}

/// A size that the file does not give: a symbol, nothing, or a negative number.
static bool isOpen(const Dimension &dim) { return !dim.has_dim_value() || dim.dim_value() < 0; }

static std::string placeOf(StringRef input, int axis) { return (input + "." + Twine(axis)).str(); }

/// Null when the type is not a tensor with elements that the IR has.
static const onnx::TypeProto::Tensor *tensorOf(const onnx::ValueInfoProto *info, MLIRContext *context) {
  if (!info || !info->type().has_tensor_type() || !elementType(info->type().tensor_type().elem_type(), context))
    return nullptr;
  return &info->type().tensor_type();
}

/// The calibration data give every size of the input.
static bool isWhole(ArrayRef<int64_t> hint) {
  return llvm::all_of(hint, [](int64_t size) { return size >= 0; });
}

Type Importer::declaredType(StringRef name) const {
  const onnx::TypeProto::Tensor *tensor = tensorOf(graph.info(name), context);
  if (!tensor)
    return {};
  Type element = elementType(tensor->elem_type(), context);
  if (!tensor->has_shape())
    return UnrankedTensorType::get(element);
  SmallVector<int64_t> shape;
  for (const Dimension &dim : tensor->shape().dim()) {
    auto bound = isOpen(dim) && !symbolOf(dim).empty() ? sizes.find(symbolOf(dim)) : sizes.end();
    shape.push_back(!isOpen(dim) ? dim.dim_value() : bound != sizes.end() ? bound->second : ShapedType::kDynamic);
  }
  return RankedTensorType::get(shape, element);
}

/// Sizes of symbols that the options or the calibration data give.
LogicalResult Importer::bindSymbols() {
  for (const auto &entry : options.dims)
    if (entry.getValue() <= 0)
      return emitError(model.loc()) << "--dim " << entry.getKey() << "=" << entry.getValue()
                                    << ": a size is at least 1";
  anyOpen = !options.bounds.empty();
  for (const std::string &name : inputs) {
    const onnx::TypeProto::Tensor *tensor = tensorOf(graph.info(name), context);
    if (!tensor || !tensor->has_shape())
      continue;
    for (const Dimension &dim : tensor->shape().dim())
      if (isOpen(dim))
        symbols.insert(symbolOf(dim));
    for (int axis = 0; axis < tensor->shape().dim_size(); axis++) {
      const Dimension &dim = tensor->shape().dim(axis);
      StringRef symbol = symbolOf(dim);
      std::optional<int64_t> hinted = hintOf(name, axis, tensor->shape().dim_size());
      bool bound = options.dims.count(symbol) || options.dims.count(placeOf(name, axis)) || hinted;
      anyOpen |= isOpen(dim) && !bound && axis > 0;
      if (!isOpen(dim) || symbol.empty())
        continue;
      SmallVector<int64_t, 2> given;
      for (const std::string &flag : {symbol.str(), placeOf(name, axis)})
        if (auto it = options.dims.find(flag); it != options.dims.end())
          given.push_back(it->second);
      if (given.empty() && hinted)
        given.push_back(*hinted);
      for (int64_t size : given) {
        auto [it, fresh] = sizes.try_emplace(symbol, size);
        if (!fresh && it->second != size)
          return emitError(model.loc()) << "dimension '" << symbol << "' is " << it->second << ", but " << size
                                        << " at axis " << axis << " of input '" << name << "'";
      }
    }
  }
  return success();
}

/// The size expression of an open dimension; "" when it has to be bound. A symbol may itself be written as one,
/// "past_sequence_length + 1", when all that it names are dimensions of inputs.
std::string Importer::openText(StringRef flag, StringRef symbol) {
  auto isOpenDim = [&](StringRef name) { return (options.open && anyOpen) || options.bounds.count(name); };
  nn::SizeTable &table = sizeAnalysis.table;
  // A range of one number is that number, which may be 0 here.
  auto onlySize = [&](StringRef name) {
    auto limits = options.bounds.find(name);
    bool one = limits != options.bounds.end() && limits->second.first == limits->second.second;
    return one ? table.constant(limits->second.first) : nn::SizeExpr();
  };
  nn::SizeExpr written = symbol.empty() ? nn::SizeExpr() : table.parse(symbol);
  if (written && written.dim().empty()) {
    bool known = true;
    for (StringRef name : table.dimsOf(written))
      known &= symbols.contains(name);
    if (known) {
      bool open = llvm::all_of(table.dimsOf(written), [&](StringRef name) { return isOpenDim(name) || sizes.count(name); });
      nn::SizeExpr bound = table.substitute(written, [&](StringRef name) {
        auto it = sizes.find(name);
        return it == sizes.end() ? onlySize(name) : table.constant(it->second);
      });
      return open ? bound.str().str() : "";
    }
  }
  if (!isOpenDim(flag))
    return "";
  if (nn::SizeExpr only = onlySize(flag))
    return only.str().str();
  auto limits = options.bounds.find(flag);
  if (limits != options.bounds.end())
    table.setBounds(flag, limits->second.first, limits->second.second);
  else
    table.setBounds(flag, 0, INT64_MAX);
  return table.dim(flag).str().str();
}

/// The size that the calibration data give an axis.
std::optional<int64_t> Importer::hintOf(StringRef input, int axis, int rank) const {
  auto hint = options.hints.find(input);
  if (hint == options.hints.end() || int(hint->second.size()) != rank || hint->second[size_t(axis)] < 0)
    return std::nullopt;
  return hint->second[size_t(axis)];
}

/// The type of an argument. Flags that are missing are added to `open`, batches that are taken as 1 to `assumed`.
FailureOr<Type> Importer::bindInput(StringRef name, std::vector<std::string> &open, std::vector<std::string> &assumed) {
  if (auto it = cutTypes.find(name); it != cutTypes.end())
    return it->second;
  const onnx::ValueInfoProto *info = graph.info(name);
  const onnx::TypeProto::Tensor *tensor = tensorOf(info, context);
  auto hint = options.hints.find(name);
  if (!tensor)
    return emitError(model.loc()) << "input '" << name
                                  << "' is not a tensor of numbers; cut the model behind it with --inputs";
  Type element = elementType(tensor->elem_type(), context);
  if (!tensor->has_shape()) {
    if (hint != options.hints.end() && isWhole(hint->second))
      return Type(RankedTensorType::get(hint->second, element));
    return emitError(model.loc()) << "input '" << name
                                  << "' has no shape in the model; calibration data would give it one";
  }
  int rank = tensor->shape().dim_size();
  if (hint != options.hints.end() && int(hint->second.size()) != rank)
    return emitError(model.loc()) << "input '" << name << "' has " << rank << " dimensions, its calibration data have "
                                  << hint->second.size();
  SmallVector<int64_t> shape;
  SmallVector<std::string> texts(size_t(rank), "");
  for (int axis = 0; axis < rank; axis++) {
    const Dimension &dim = tensor->shape().dim(axis);
    StringRef symbol = symbolOf(dim);
    std::string place = placeOf(name, axis), flag = symbol.empty() ? place : symbol.str();
    if (!isOpen(dim)) {
      shape.push_back(dim.dim_value());
    } else if (auto it = sizes.find(symbol); !symbol.empty() && it != sizes.end()) {
      shape.push_back(it->second);
    } else if (auto it = options.dims.find(place); it != options.dims.end()) {
      shape.push_back(it->second);
    } else if (auto size = hintOf(name, axis, rank)) {
      shape.push_back(*size);
    } else if (std::string text = openText(flag, symbol); !text.empty()) {
      nn::SizeExpr e = sizeAnalysis.table.parse(text);
      shape.push_back(e.constant().value_or(ShapedType::kDynamic));
      texts[size_t(axis)] = e.constant() ? "" : e.str().str();
    } else if (axis == 0) {
      std::string batch = symbol.empty() ? std::string() : ("'" + symbol + "' ").str();
      assumed.push_back(
          ("input '" + name + "': the batch " + batch + "is open and taken as 1; --dim " + flag + "=N sets it, --dim " + flag + "=1..8 leaves it open").str());
      shape.push_back(1);
      if (!symbol.empty())
        sizes[symbol] = 1;
    } else {
      shape.push_back(ShapedType::kDynamic);
      if (!llvm::is_contained(open, flag))
        open.push_back(flag);
    }
  }
  if (llvm::any_of(texts, [](const std::string &text) { return !text.empty(); })) {
    openDims[name] = texts;
    return Type(RankedTensorType::get(shape, element));
  }
  if (!elementCount(shape) && open.empty())
    return emitError(model.loc()) << "input '" << name << "' has more than 2^48 elements";
  return Type(RankedTensorType::get(shape, element));
}

/// Every --dim must name a dimension.
LogicalResult Importer::checkDimNames() {
  std::vector<std::string> known;
  auto add = [&](const onnx::ValueInfoProto &info, bool isInput) {
    const auto &dims = info.type().tensor_type().shape().dim();
    for (int axis = 0; axis < dims.size(); axis++) {
      if (!isOpen(dims[axis]))
        continue;
      if (!symbolOf(dims[axis]).empty())
        known.push_back(symbolOf(dims[axis]).str());
      if (isInput)
        known.push_back(placeOf(info.name(), axis));
    }
  };
  for (const auto &info : model.proto().graph().input())
    add(info, true);
  for (const std::string &name : options.inputs)
    if (const onnx::ValueInfoProto *info = graph.info(name))
      add(*info, true);
  SmallVector<StringRef> given;
  for (const auto &entry : options.dims)
    given.push_back(entry.getKey());
  for (const auto &entry : options.bounds)
    given.push_back(entry.getKey());
  for (StringRef name : given) {
    if (llvm::is_contained(known, name))
      continue;
    auto diag = emitError(model.loc()) << "--dim " << name << ": the model has no such open dimension";
    std::string near = nearestName(name, SmallVector<StringRef>(known.begin(), known.end()));
    if (!near.empty())
      return diag << "; did you mean '" << near << "'?";
    return known.empty() ? diag : diag << "; there are '" << llvm::join(known, "', '") << "'";
  }
  return success();
}

/// Types of arguments in the middle of the graph: what the model computes there, unless the file declares it
/// completely.
LogicalResult Importer::inferCutInputs() {
  ImportOptions inner;
  inner.dims = options.dims;
  inner.hints = options.hints;
  inner.bounds = options.bounds;
  inner.open = options.open;
  for (const std::string &name : options.inputs) {
    auto declared = dyn_cast_or_null<RankedTensorType>(declaredType(name));
    if (graph.input(name) || (declared && declared.hasStaticShape()))
      continue;
    auto hint = options.hints.find(name);
    if (hint != options.hints.end() && isWhole(hint->second)) {
      const onnx::TypeProto::Tensor *tensor = tensorOf(graph.info(name), context);
      cutTypes[name] = RankedTensorType::get(hint->second,
                                             tensor ? elementType(tensor->elem_type(), context) : builder.getF32Type());
      continue;
    }
    inner.outputs.push_back(name);
  }
  if (inner.outputs.empty())
    return success();
  auto whole = Importer(model, inner, context, decisions, /*typesOnly=*/true).run();
  if (failed(whole))
    return failure();
  auto main = cast<func::FuncOp>((*whole)->lookupSymbol("main"));
  for (auto [name, type] : llvm::zip(inner.outputs, main.getResultTypes())) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (!tensor || !tensor.hasStaticShape())
      return emitError(model.loc()) << "--inputs: the shape of '" << name << "' is not known";
    cutTypes[name] = type;
  }
  return success();
}

FailureOr<SmallVector<Type>> Importer::bindInputs() {
  if ((!typesOnly && failed(checkDimNames())) || failed(bindSymbols()) || failed(inferCutInputs()))
    return failure();
  SmallVector<Type> types;
  std::vector<std::string> open, assumed;
  for (const std::string &name : inputs) {
    FailureOr<Type> type = bindInput(name, open, assumed);
    if (failed(type))
      return failure();
    types.push_back(*type);
  }
  if (open.empty()) {
    for (const std::string &remark : assumed)
      emitRemark(model.loc()) << remark;
    return types;
  }
  auto diag = emitError(model.loc()) << "the model has dimensions without a size; add";
  for (const std::string &flag : open)
    diag << " --dim " << flag << "=N";
  return diag << " (or calibration data)";
}

} // namespace tern::importer
