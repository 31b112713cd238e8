//===- ProgramObject.cpp - tern_generated_program as an object --------------===//
// The descriptor is plain constant data: built with the LLVM IR API, field by field as in lib/Runtime/Program.h.
//===----------------------------------------------------------------------===//
#include "lib/Target/Cpu/Lowering/Artifact/Program.h"
#include "dialects/NN/IR/SizeEmit.h"
#include "lib/Runtime/Program.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Math/Libm.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
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
                                                 b.getInt64Ty(), b.getInt64Ty(), b.getInt64Ty(), ArrayType::get(b.getPtrTy(), TERN_LEVELS),
                                                 b.getInt32Ty(), b.getInt32Ty(), b.getInt32Ty(), ArrayType::get(b.getInt32Ty(), TERN_LEVELS), b.getPtrTy(), b.getPtrTy(), b.getPtrTy(),
                                                 ArrayType::get(b.getPtrTy(), TERN_LEVELS)});
    SmallVector<Constant *> buffers, bufferCounts;
    for (const Isa &isa : isas()) {
      auto at = llvm::find(program.isas, isa.name.str());
      bool known = at != program.isas.end() && program.isOpen();
      buffers.push_back(known ? bufferArray(program.buffers[at - program.isas.begin()]) : ConstantPointerNull::get(b.getPtrTy()));
      bufferCounts.push_back(b.getInt32(known ? program.buffers[at - program.isas.begin()].size() : 0));
    }
    Constant *value = ConstantStruct::get(
        type, {b.getInt32(TERN_ABI), string(program.name), b.getInt32(program.inputs.size()), b.getInt32(program.outputs.size()), b.getInt32(program.steps.size()), inputs,
               outputs, stepArray, b.getInt64(program.arenaBytes), b.getInt64(program.weightsBytes), b.getInt64(program.weightsHash),
               ConstantArray::get(ArrayType::get(b.getPtrTy(), TERN_LEVELS), runs), b.getInt32(program.dims.size()), b.getInt32(program.numbers.size()),
               b.getInt32(program.equal.size()), ConstantArray::get(ArrayType::get(b.getInt32Ty(), TERN_LEVELS), bufferCounts), dimArray(), equalArray(),
               program.isOpen() ? static_cast<Constant *>(numbersFunction()) : ConstantPointerNull::get(b.getPtrTy()),
               ConstantArray::get(ArrayType::get(b.getPtrTy(), TERN_LEVELS), buffers)});
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
    SmallVector<Type *> types(1 + program.inputs.size() + program.outputs.size() + 2 + program.isOpen(), p);
    auto *run = Function::Create(FunctionType::get(b.getVoidTy(), types, false), GlobalValue::ExternalLinkage, ("run_" + isa.name).str(), *module);
    run->setVisibility(GlobalValue::HiddenVisibility);
    auto *wrapper = Function::Create(FunctionType::get(b.getVoidTy(), {p, p, p, p, p, p}, false), GlobalValue::InternalLinkage, ("start_" + isa.name).str(), *module);
    b.SetInsertPoint(BasicBlock::Create(context, "", wrapper));
    SmallVector<Value *> args{wrapper->getArg(0)};
    for (auto [argument, count] : {std::pair<unsigned, size_t>{1, program.inputs.size()}, {2, program.outputs.size()}})
      for (size_t i = 0; i < count; ++i)
        args.push_back(b.CreateLoad(p, b.CreateConstInBoundsGEP1_64(p, wrapper->getArg(argument), i)));
    if (program.isOpen())
      args.push_back(wrapper->getArg(5));
    args.push_back(wrapper->getArg(3));
    args.push_back(wrapper->getArg(4));
    b.CreateCall(run, args);
    b.CreateRetVoid();
    return wrapper;
  }

  Constant *dimArray() {
    StructType *type = StructType::get(context, {b.getPtrTy(), b.getInt64Ty(), b.getInt64Ty()});
    SmallVector<Constant *> values;
    for (const ProgramDim &dim : program.dims)
      values.push_back(ConstantStruct::get(type, {string(dim.name), b.getInt64(dim.low), b.getInt64(dim.high)}));
    return array(values, type);
  }

  Constant *equalArray() {
    StructType *type = StructType::get(context, {b.getInt32Ty(), b.getInt32Ty(), b.getPtrTy(), b.getPtrTy()});
    SmallVector<Constant *> values;
    for (auto [x, y] : program.equal)
      values.push_back(ConstantStruct::get(type, {b.getInt32(x), b.getInt32(y), string(program.numbers[x].str()), string(program.numbers[y].str())}));
    return array(values, type);
  }

  Constant *bufferArray(ArrayRef<ProgramBuffer> buffers) {
    StructType *type = StructType::get(context, {b.getInt32Ty(), b.getInt32Ty(), b.getInt32Ty()});
    SmallVector<Constant *> values;
    for (const ProgramBuffer &buffer : buffers)
      values.push_back(ConstantStruct::get(type, {b.getInt32(buffer.slot), b.getInt32(buffer.first), b.getInt32(buffer.last)}));
    return array(values, type);
  }

  /// void(const int64_t *dims, int64_t *numbers): all numbers of the program. One that 64 bits do not hold is INT64_MAX.
  Function *numbersFunction() {
    Type *p = b.getPtrTy(), *i64 = b.getInt64Ty();
    auto *function = Function::Create(FunctionType::get(b.getVoidTy(), {p, p}, false), GlobalValue::InternalLinkage, "numbers", *module);
    b.SetInsertPoint(BasicBlock::Create(context, "", function));
    struct Emitter : nn::SizeEmitter {
      Emitter(IRBuilder<> &b, const Program &program, Function *function) : b(b), program(program), function(function) {}
      IRBuilder<> &b;
      const Program &program;
      Function *function;
      llvm::StringMap<Value *> dims;
      Value *overflow = nullptr; ///< of the number at hand
      void *constant(int64_t v) override { return b.getInt64(v); }
      void *dim(StringRef name) override {
        Value *&value = dims[name];
        for (size_t i = 0; !value && i < program.dims.size(); ++i)
          if (program.dims[i].name == name)
            value = b.CreateLoad(b.getInt64Ty(), b.CreateConstInBoundsGEP1_64(b.getInt64Ty(), function->getArg(0), i));
        if (!value)
          value = b.getInt64(0);
        return value;
      }
      static Value *v(void *x) { return static_cast<Value *>(x); }
      Value *checked(Intrinsic::ID operation, void *x, void *y) {
        Value *both = b.CreateBinaryIntrinsic(operation, v(x), v(y));
        overflow = b.CreateOr(overflow, b.CreateExtractValue(both, 1));
        return b.CreateExtractValue(both, 0);
      }
      void *add(void *x, void *y) override { return checked(Intrinsic::sadd_with_overflow, x, y); }
      void *mul(void *x, void *y) override { return checked(Intrinsic::smul_with_overflow, x, y); }
      void *floorDiv(void *x, void *y) override {
        // Rounded down; 0 for a divisor of 0. INT64_MIN / -1 would trap: sizes are never divided by less than 0.
        Value *zero = b.getInt64(0), *none = b.CreateICmpSLE(v(y), zero), *by = b.CreateSelect(none, b.getInt64(1), v(y));
        Value *q = b.CreateSDiv(v(x), by), *r = b.CreateSRem(v(x), by);
        Value *differ = b.CreateICmpSLT(b.CreateXor(v(x), by), zero), *left = b.CreateICmpNE(r, zero);
        Value *down = b.CreateSub(q, b.CreateZExt(b.CreateAnd(differ, left), b.getInt64Ty()));
        return b.CreateSelect(none, zero, down);
      }
      void *min(void *x, void *y) override { return b.CreateSelect(b.CreateICmpSLT(v(x), v(y)), v(x), v(y)); }
      void *max(void *x, void *y) override { return b.CreateSelect(b.CreateICmpSGT(v(x), v(y)), v(x), v(y)); }
    } emitter(b, program, function);
    for (auto [i, e] : llvm::enumerate(program.numbers)) {
      emitter.overflow = b.getFalse();
      auto *value = static_cast<Value *>(nn::emitSize(e, emitter));
      value = b.CreateSelect(emitter.overflow, b.getInt64(INT64_MAX), value);
      b.CreateStore(value, b.CreateConstInBoundsGEP1_64(i64, function->getArg(1), i));
    }
    b.CreateRetVoid();
    return function;
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
