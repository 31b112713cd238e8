#include "Harness.h"
#include "dialects/Micro/IR/Micro.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "lib/Target/Cpu/Lowering/Portable/Portable.h"
#include "lib/Target/Cpu/Lowering/Sizes/ProblemQueries.h"
#include "mlir/IR/Verifier.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include "test/unit/Cpu/CallWith.h"

using namespace mlir;
using namespace tern::cpu;

namespace tern::test {

PortableTest::PortableTest() : context(MLIRContext::Threading::DISABLED) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registry.insert<nn::NNDialect, TernDialect, micro::MicroDialect>();
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
}

/// {name} -> ? or a number.
static std::string bound(StringRef text, const std::map<std::string, int64_t> *sizes) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{' || text.find('}', i) == StringRef::npos || !llvm::all_of(text.slice(i + 1, text.find('}', i)), llvm::isAlnum)) {
      result += text[i];
      continue;
    }
    size_t end = text.find('}', i);
    bool inType = i && text[i - 1] != ' '; // not in the array of an attribute
    result += sizes ? std::to_string(sizes->at(text.slice(i + 1, end).str())) : inType ? "?" : std::to_string(ShapedType::kDynamic);
    i = end;
  }
  return result;
}

static std::string moduleText(StringRef body, ArrayRef<StringRef> operands, ArrayRef<StringRef> results,
                              const std::map<std::string, int64_t> *sizes) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "func.func @main(";
  for (auto [i, type] : llvm::enumerate(operands)) {
    os << (i ? ", " : "") << "%" << i << ": " << bound(type, sizes);
    if (!sizes && type.contains('{')) {
      // Names of the open dimensions, in order.
      SmallVector<StringRef> dims;
      type.slice(type.find('<') + 1, type.rfind('>')).split(dims, 'x');
      os << " {tern.dims = [";
      for (auto [d, dim] : llvm::enumerate(ArrayRef(dims).drop_back()))
        os << (d ? ", " : "") << '"' << (dim.starts_with("{") ? dim.drop_front().drop_back() : StringRef()) << '"';
      os << "]}";
    }
  }
  os << ") -> (";
  llvm::interleaveComma(results, os, [&](StringRef type) { os << bound(type, sizes); });
  os << ") {\n" << bound(body, sizes) << "\n}";
  return text;
}

namespace {
/// The compiled steps of one level.
struct Program {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::vector<void *> functions;
  std::vector<TaskCount> tasks;
};
} // namespace

static Program compile(ModuleOp source, ArrayRef<Step> steps, const Isa &isa) {
  Program program;
  OwningOpRef<ModuleOp> module = cast<ModuleOp>(source->clone());
  for (Operation &op : llvm::make_early_inc_range(*module->getBody()))
    if (auto function = dyn_cast<func::FuncOp>(op); function && !function.isExternal())
      function.erase();
  std::vector<std::string> names;
  for (auto [i, step] : llvm::enumerate(steps)) {
    names.push_back("step" + std::to_string(i));
    auto kernel = emitPortable(*module, names.back(), std::get<PortableProblem>(step.problem), isa);
    if (failed(kernel)) {
      ADD_FAILURE() << "no kernel";
      return program;
    }
    setFeatures(kernel->function, isa);
    kernel->function.setPublic();
    program.tasks.push_back(kernel->tasks);
  }
  EXPECT_TRUE(succeeded(verify(*module)));
  auto object = compileToObject(*module);
  if (!object) {
    ADD_FAILURE() << llvm::toString(object.takeError());
    return program;
  }
  program.jit = llvm::cantFail(llvm::orc::LLJITBuilder().create());
  program.jit->getMainJITDylib().addGenerator(llvm::cantFail(
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(program.jit->getDataLayout().getGlobalPrefix())));
  llvm::cantFail(program.jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy({object->data(), object->size()}, "steps")));
  for (const std::string &name : names)
    program.functions.push_back(llvm::cantFail(program.jit->lookup(name)).toPtr<void *>());
  return program;
}

void PortableTest::check(StringRef body, ArrayRef<StringRef> operands, ArrayRef<StringRef> results, ArrayRef<Sizes> runs, double tolerance) {
  std::string text = moduleText(body, operands, results, nullptr);
  SCOPED_TRACE(text);
  auto module = parseSourceString<ModuleOp>(text, &context);
  ASSERT_TRUE(module);
  SizeScope scope(&context);
  auto kernel = module->lookupSymbol<func::FuncOp>("main");
  // As bindSizes() does.
  nn::SizeAnalysis analysis(&context);
  ASSERT_TRUE(succeeded(analysis.readArguments(kernel)));
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    SmallVector<nn::Sizes> all;
    for (Value result : op.getResults())
      all.push_back(isa<RankedTensorType>(result.getType()) ? analysis.shapeOf(result) : nn::Sizes());
    if (!op.hasAttr(nn::kSizesAttr))
      nn::setSizes(&op, all);
  }
  std::vector<CallOperand> given;
  for (Value argument : kernel.getArguments()) {
    CallOperand operand;
    operand.type = SizedType(argument);
    operand.place = {Form::Plain, plainMap(operand.type)};
    given.push_back(operand);
  }
  std::vector<Placement> places;
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    places.push_back({Form::Plain, plainMap(SizedType(result))});
  auto steps = lowerPortable(kernel, given, places);
  ASSERT_TRUE(succeeded(steps));
  kernels = steps->size();
  mostTasks = 0;
  std::vector<std::vector<nn::SizeExpr>> slots;
  for (Step &step : *steps) {
    slots.emplace_back();
    for (int64_t number : slotsOf(step.problem))
      slots.back().push_back(SizeScope::table().byNumber(number));
  }
  for (const Isa &isa : ArrayRef<Isa>(isas().begin(), isas().begin() + hostIsa().level + 1)) {
    SCOPED_TRACE(isa.name.str());
    Program program = compile(*module, *steps, isa);
    ASSERT_TRUE(bool(program.jit));
    for (const Sizes &sizes : runs) {
      std::string named;
      for (auto &[name, size] : sizes)
        named += name + "=" + std::to_string(size) + " ";
      SCOPED_TRACE(named);
      auto fixed = parseSourceString<ModuleOp>(moduleText(body, operands, results, &sizes), &context);
      ASSERT_TRUE(fixed);
      auto main = fixed->lookupSymbol<func::FuncOp>("main");
      SmallVector<reference::Value> inputs;
      for (Type type : main.getArgumentTypes())
        inputs.push_back(randomTensor(cast<RankedTensorType>(type)));
      auto expected = reference::Interpreter(*fixed).run("main", inputs);
      ASSERT_TRUE(succeeded(expected));
      std::vector<reference::Tensor> made;
      for (const reference::Value &value : *expected)
        made.push_back(reference::Tensor(reference::asTensor(value).getType()));
      auto number = [&](nn::SizeExpr e) {
        return SizeScope::table().evaluate(e, [&](StringRef name) { return sizes.at(name.str()); });
      };
      std::vector<std::vector<char>> temporaries(64);
      for (auto [i, step] : llvm::enumerate(*steps)) {
        SmallVector<uint64_t> args;
        for (const KernelArg &arg : step.args) {
          char *at = nullptr;
          if (arg.kind == KernelArg::Operand) {
            at = const_cast<char *>(reinterpret_cast<const char *>(reference::asTensor(inputs[arg.index]).bytes().data()));
          } else if (arg.kind == KernelArg::Result) {
            at = reinterpret_cast<char *>(made[arg.index].mutableData().data());
          } else {
            ASSERT_LT(arg.index, temporaries.size());
            std::vector<char> &memory = temporaries[arg.index];
            if (memory.empty())
              memory.resize(size_t(number(sizeOf(arg.size))) + 64, char(0xA5));
            at = memory.data();
          }
          args.push_back(reinterpret_cast<uint64_t>(at));
        }
        std::vector<int64_t> numbers;
        for (nn::SizeExpr e : slots[i])
          numbers.push_back(number(e));
        if (!numbers.empty())
          args.push_back(reinterpret_cast<uint64_t>(numbers.data()));
        int64_t tasks = program.tasks[i].count(numbers);
        mostTasks = std::max(mostTasks, tasks);
        args.push_back(0);
        for (int64_t task = tasks; task-- > 0;) { // backwards: a kernel must not need the order
          args.back() = uint64_t(task);
          tern::test::callWith(program.functions[i], args);
        }
      }
      for (auto [want, have] : llvm::zip(*expected, made))
        expectClose(reference::asTensor(want), have, tolerance);
    }
  }
}

void PortableTest::checkOp(StringRef op, ArrayRef<StringRef> operands, StringRef result, ArrayRef<Sizes> runs, double tolerance) {
  std::string body;
  llvm::raw_string_ostream os(body);
  os << "  %r = " << op << " : (" << llvm::join(operands, ", ") << ") -> " << result << "\n  return %r : " << result;
  check(body, operands, result, runs, tolerance);
}

} // namespace tern::test
