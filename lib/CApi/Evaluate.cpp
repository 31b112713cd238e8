//===- Evaluate.cpp - the C interface of the reference ----------------------===//
#include "tern-c/evaluate.h"
#include "lib/CApi/Text.h"
#include "lib/Import/DataType.h"
#include "lib/Import/Import.h"
#include "lib/Reference/Reference.h"
#include "lib/Support/Json.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "tern/Compile.h"
#include "tern/Register.h"
#include <deque>

using namespace tern;
using llvm::StringRef;

static mlir::DialectRegistry allDialects() {
  mlir::DialectRegistry registry;
  registerAll(registry);
  return registry;
}

/// A tensor as C sees it, with the storage behind its pointers.
struct Described {
  std::string name;
  llvm::SmallVector<int64_t> dims;
  tern_value value{};

  void set(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes) {
    dims.assign(type.getShape().begin(), type.getShape().end());
    for (int64_t &dim : dims)
      dim = mlir::ShapedType::isDynamic(dim) ? -1 : dim;
    value = {name.c_str(),  importer::dataTypeOf(type.getElementType()), int32_t(dims.size()), dims.data(), bytes.data(),
             bytes.size()};
  }
};

struct tern_evaluator {
  tern_evaluator() : context(allDialects()), handler(&context, [this](mlir::Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && message.empty())
      message = mlir::isa<mlir::UnknownLoc>(diagnostic.getLocation()) ? diagnostic.str() : diagnosticText(diagnostic, model);
  }) {
    context.printOpOnDiagnostic(false);
  }

  bool open(StringRef json);
  bool run(llvm::ArrayRef<tern_value> given);

  mlir::MLIRContext context;
  std::string model, message, kept;
  mlir::ScopedDiagnosticHandler handler;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp main;
  std::deque<Described> inputs, outputs; // never move: their values point into them
  llvm::SmallVector<reference::Value> results;

private:
  bool fail(const llvm::Twine &text) {
    message = text.str();
    return false;
  }
  bool describe(std::deque<Described> &list, mlir::TypeRange types, llvm::function_ref<StringRef(unsigned)> name);
};

bool tern_evaluator::describe(std::deque<Described> &list, mlir::TypeRange types,
                              llvm::function_ref<StringRef(unsigned)> name) {
  for (auto [i, type] : llvm::enumerate(types)) {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
    list.emplace_back();
    list.back().name = name(unsigned(i)).str();
    if (tensor)
      list.back().set(tensor, {});
    else
      list.back().value = {list.back().name.c_str(), 0, -1, nullptr, nullptr, 0};
  }
  return true;
}

/// Sizes of open dimensions: {"shapes": {"x": [1, 3]}}.
static bool readShapes(llvm::json::Object &object, ImportOptions &options) {
  auto found = object.find("shapes");
  if (found == object.end())
    return true;
  const llvm::json::Object *shapes = found->second.getAsObject();
  if (!shapes)
    return false;
  for (const auto &[name, list] : *shapes) {
    const llvm::json::Array *sizes = list.getAsArray();
    if (!sizes)
      return false;
    llvm::SmallVector<int64_t> shape;
    for (const llvm::json::Value &size : *sizes)
      shape.push_back(size.getAsInteger().value_or(-1));
    options.hints[StringRef(name)] = shape;
  }
  object.erase(found);
  return true;
}

bool tern_evaluator::open(StringRef json) {
  ImportOptions options;
  llvm::Expected<llvm::json::Value> parsed = parseJson(json);
  if (!parsed)
    return fail(llvm::toString(parsed.takeError()));
  llvm::json::Object *object = parsed->getAsObject();
  if (!object || !readShapes(*object, options))
    return fail("the options are no JSON object, or shapes is no object of lists of integers");
  std::string rest;
  llvm::raw_string_ostream(rest) << *parsed;
  llvm::Expected<CompileOptions> compile = CompileOptions::parse(rest);
  if (!compile)
    return fail(llvm::toString(compile.takeError()));
  model = compile->model;
  options.inputs = compile->inputs;
  options.outputs = compile->outputs;
  for (const std::string &dim : compile->dims) {
    auto [name, size] = StringRef(dim).rsplit('=');
    if (name.empty() || size.getAsInteger(10, options.dims[name]))
      return fail("'" + dim + "' is not NAME=N, for instance batch=4");
  }
  auto imported = importOnnx(model, context, options);
  if (failed(imported))
    return false;
  module = std::move(*imported);
  main = module->lookupSymbol<mlir::func::FuncOp>("main");
  llvm::raw_string_ostream lines(kept);
  module->walk([&](nn::OnnxOp op) {
    auto reason = op->getAttrOfType<mlir::StringAttr>("tern.reason");
    lines << op.getOpType() << ": " << (reason ? reason.getValue() : StringRef("there is no rule for it")) << "\n";
  });
  auto nameOf = [](mlir::StringAttr name) { return name ? name.getValue() : StringRef(); };
  return describe(inputs, main.getArgumentTypes(),
                  [&](unsigned i) { return nameOf(main.getArgAttrOfType<mlir::StringAttr>(i, "tern.name")); }) &&
         describe(outputs, main.getResultTypes(),
                  [&](unsigned i) { return nameOf(main.getResultAttrOfType<mlir::StringAttr>(i, "tern.name")); });
}

bool tern_evaluator::run(llvm::ArrayRef<tern_value> given) {
  message.clear();
  if (given.size() != inputs.size())
    return fail("the model has " + llvm::Twine(inputs.size()) + " inputs, " + llvm::Twine(given.size()) + " are given");
  llvm::SmallVector<reference::Value> values;
  for (auto [index, value] : llvm::enumerate(given)) {
    auto wanted = mlir::dyn_cast<mlir::RankedTensorType>(main.getArgumentTypes()[index]);
    mlir::Type element = importer::elementType(value.dtype, &context);
    auto shape = llvm::ArrayRef(value.dims, size_t(std::max(0, value.rank)));
    if (!wanted || !element || llvm::any_of(shape, [](int64_t size) { return size < 0; }))
      return fail("input '" + inputs[index].name + "' is no tensor that can be given");
    auto type = mlir::RankedTensorType::get(shape, element);
    reference::Tensor tensor(type);
    if (!nn::areCompatible({wanted}, {type}) || tensor.bytes().size() != value.bytes) {
      std::string text;
      llvm::raw_string_ostream(text) << "input '" << inputs[index].name << "' is " << type << " of " << value.bytes
                                     << " bytes; the model takes " << wanted;
      return fail(text);
    }
    std::memcpy(tensor.mutableData().data(), value.data, value.bytes);
    values.push_back(tensor);
  }
  auto computed = reference::Interpreter(*module).run(main, values);
  if (failed(computed))
    return message.empty() ? fail("the evaluation failed without a reason; this is a mistake of the compiler") : false;
  results = std::move(*computed);
  for (auto [output, result] : llvm::zip(outputs, results))
    output.set(reference::asTensor(result).getType(), reference::asTensor(result).bytes());
  return true;
}

static void give(char **error, StringRef text) {
  if (error)
    *error = text.empty() ? nullptr : capi::copyText(text);
}

tern_evaluator *tern_evaluator_open(const char *options, char **error) {
  auto evaluator = std::make_unique<tern_evaluator>();
  bool isOpen = evaluator->open(options ? options : "");
  give(error, isOpen ? StringRef() : evaluator->message.empty() ? StringRef("the model cannot be read") : StringRef(evaluator->message));
  return isOpen ? evaluator.release() : nullptr;
}

void tern_evaluator_close(tern_evaluator *evaluator) { delete evaluator; }
size_t tern_evaluator_input_count(const tern_evaluator *evaluator) { return evaluator->inputs.size(); }
size_t tern_evaluator_output_count(const tern_evaluator *evaluator) { return evaluator->outputs.size(); }

const tern_value *tern_evaluator_input(const tern_evaluator *evaluator, size_t index) {
  return index < evaluator->inputs.size() ? &evaluator->inputs[index].value : nullptr;
}

const tern_value *tern_evaluator_output(const tern_evaluator *evaluator, size_t index) {
  return index < evaluator->outputs.size() ? &evaluator->outputs[index].value : nullptr;
}

const char *tern_evaluator_kept(const tern_evaluator *evaluator) { return evaluator->kept.c_str(); }

char *tern_evaluator_ir(const tern_evaluator *evaluator) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(16).elideLargeResourceString(16).useLocalScope();
  mlir::ModuleOp module = *evaluator->module;
  module->print(stream, flags);
  return capi::copyText(text);
}

int32_t tern_evaluator_run(tern_evaluator *evaluator, const tern_value *inputs, size_t count, char **error) {
  bool isDone = evaluator->run({inputs, count});
  give(error, isDone ? "" : evaluator->message);
  return isDone ? TERN_COMPILE_DONE : TERN_COMPILE_BAD_INPUT;
}
