//===- ProgramObject.cpp - tern_generated_program as an object --------------===//
// The descriptor is plain constant data: built with the LLVM IR API, field by field as in lib/Runtime/Program.h.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Lowering/Program.h"
#include "lib/Runtime/Program.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Libm.h"
#include "lib/Target/Cpu/LowerToLLVM.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

using namespace llvm;

namespace tern::cpu {

namespace {
class Descriptor {
public:
  explicit Descriptor(const Program &program) : program(program), module(std::make_unique<Module>("program", context)), b(context) {}

  std::unique_ptr<Module> build() {
    // Input and output structs: name, dtype, rank, dims, bytes.
    Constant *inputs = tensors(program.inputs), *outputs = tensors(program.outputs);
    SmallVector<Constant *> steps;
    for (const ProgramStep &step : program.steps)
      steps.push_back(stepConstant(step));
    Constant *stepArray = array(steps, stepType());
    SmallVector<Constant *> runs;
    for (const Isa &isa : isas())
      runs.push_back(is_contained(program.isas, isa.name.str()) ? static_cast<Constant *>(runWrapper(isa)) : ConstantPointerNull::get(b.getPtrTy()));
    StructType *type = StructType::get(context, {b.getInt32Ty(), b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty(), b.getInt32Ty(), b.getPtrTy(), b.getPtrTy(), b.getPtrTy(),
                                                 b.getInt64Ty(), b.getInt64Ty(), b.getInt64Ty(), ArrayType::get(b.getPtrTy(), TERN_LEVELS)});
    Constant *value = ConstantStruct::get(
        type, {b.getInt32(TERN_ABI), string(program.name), b.getInt32(program.inputs.size()), b.getInt32(program.outputs.size()), b.getInt32(program.steps.size()), inputs,
               outputs, stepArray, b.getInt64(program.arenaBytes), b.getInt64(program.weightsBytes), b.getInt64(program.weightsHash),
               ConstantArray::get(ArrayType::get(b.getPtrTy(), TERN_LEVELS), runs)});
    auto *global = new GlobalVariable(*module, type, true, GlobalValue::ExternalLinkage, value, "tern_generated_program");
    global->setVisibility(GlobalValue::HiddenVisibility);
    openFunction();
    return std::move(module);
  }

  LLVMContext context;

private:
  Constant *string(StringRef text) { return b.CreateGlobalString(text, "", 0, module.get()); }

  Constant *array(ArrayRef<Constant *> values, Type *type) {
    if (values.empty())
      return ConstantPointerNull::get(b.getPtrTy());
    auto *arrayType = ArrayType::get(type, values.size());
    return new GlobalVariable(*module, arrayType, true, GlobalValue::PrivateLinkage, ConstantArray::get(arrayType, values));
  }

  Constant *dims(ArrayRef<int64_t> extents) {
    SmallVector<Constant *> values;
    for (int64_t extent : extents)
      values.push_back(b.getInt64(extent));
    return array(values, b.getInt64Ty());
  }

  Constant *tensors(ArrayRef<ProgramTensor> list) {
    StructType *type = StructType::get(context, {b.getPtrTy(), b.getInt32Ty(), b.getInt32Ty(), b.getPtrTy(), b.getInt64Ty()});
    SmallVector<Constant *> values;
    for (const ProgramTensor &t : list)
      values.push_back(ConstantStruct::get(type, {string(t.name), b.getInt32(t.dtype), b.getInt32(t.dims.size()), dims(t.dims), b.getInt64(t.bytes)}));
    return array(values, type);
  }

  StructType *stepType() {
    Type *p = b.getPtrTy(), *i32 = b.getInt32Ty(), *i64 = b.getInt64Ty();
    return StructType::get(context, {p, p, p, i64, i64, i64, i32, i32, i32, p, i32, i64, ArrayType::get(i64, 4), b.getFloatTy(), i32});
  }

  Constant *stepConstant(const ProgramStep &step) {
    const Map &map = step.place.map;
    bool pictures = step.hasPlace && step.place.form == Form::Channels;
    // Rows with padding are one picture row whose channels are the last dimension: no layout of artifact.h, shown as no tensor.
    bool shown = step.hasPlace && (pictures || map.cs == map.c);
    Constant *halo = ConstantArray::get(ArrayType::get(b.getInt64Ty(), 4), {b.getInt64(pictures ? map.top : 0), b.getInt64(pictures ? map.left : 0),
                                                                            b.getInt64(pictures ? map.bottom : 0), b.getInt64(pictures ? map.right : 0)});
    return ConstantStruct::get(stepType(), {string(step.name), string(step.kernel), string(step.row), b.getInt64(step.macs), b.getInt64(step.bytes),
                                            b.getInt64(shown ? step.outputOffset : UINT64_MAX), b.getInt32(step.outputIndex), b.getInt32(step.dtype),
                                            b.getInt32(step.dims.size()), dims(step.dims), b.getInt32(pictures ? TERN_LAYOUT_NHWC : TERN_LAYOUT_PLAIN),
                                            b.getInt64(pictures ? map.cs : 0), halo, ConstantFP::get(b.getFloatTy(), step.scale), b.getInt32(step.zero)});
  }

  /// run_<isa> takes every pointer as an argument of its own; the runtime passes arrays.
  Function *runWrapper(const Isa &isa) {
    Type *p = b.getPtrTy();
    SmallVector<Type *> types(1 + program.inputs.size() + program.outputs.size() + 2, p);
    auto *run = Function::Create(FunctionType::get(b.getVoidTy(), types, false), GlobalValue::ExternalLinkage, ("run_" + isa.name).str(), *module);
    run->setVisibility(GlobalValue::HiddenVisibility);
    auto *wrapper = Function::Create(FunctionType::get(b.getVoidTy(), {p, p, p, p, p}, false), GlobalValue::InternalLinkage, ("start_" + isa.name).str(), *module);
    b.SetInsertPoint(BasicBlock::Create(context, "", wrapper));
    SmallVector<Value *> args{wrapper->getArg(0)};
    for (auto [argument, count] : {std::pair<unsigned, size_t>{1, program.inputs.size()}, {2, program.outputs.size()}})
      for (size_t i = 0; i < count; ++i)
        args.push_back(b.CreateLoad(p, b.CreateConstInBoundsGEP1_64(p, wrapper->getArg(argument), i)));
    args.push_back(wrapper->getArg(3));
    args.push_back(wrapper->getArg(4));
    b.CreateCall(run, args);
    b.CreateRetVoid();
    return wrapper;
  }

  /// <name>_open calls the tern_model_open of this library, whichever others the process has loaded.
  void openFunction() {
    Type *p = b.getPtrTy();
    auto *type = FunctionType::get(p, {p, p, p}, false);
    auto *target = Function::Create(type, GlobalValue::ExternalLinkage, "tern_model_open", *module);
    auto *open = Function::Create(type, GlobalValue::ExternalLinkage, program.name + "_open", *module);
    b.SetInsertPoint(BasicBlock::Create(context, "", open));
    b.CreateRet(b.CreateCall(target, {open->getArg(0), open->getArg(1), open->getArg(2)}));
  }

  const Program &program;
  std::unique_ptr<Module> module;
  IRBuilder<> b;
};
} // namespace

Expected<SmallVector<char, 0>> programObject(const Program &program) {
  Descriptor descriptor(program);
  std::unique_ptr<Module> module = descriptor.build();
  return emitObject(*module);
}

Expected<SmallVector<char, 0>> libmObject() {
  LLVMContext context;
  Module module("libm", context);
  IRBuilder<> b(context);
  for (StringRef name : kLibm)
    for (StringRef suffix : {"", "f"}) {
      auto *function = Function::Create(FunctionType::get(b.getVoidTy(), false), GlobalValue::ExternalLinkage, name + suffix, module);
      b.SetInsertPoint(BasicBlock::Create(context, "", function));
      b.CreateRetVoid();
    }
  return emitObject(module);
}

} // namespace tern::cpu
