//===- Program.cpp - the description of a lowered model ---------------------===//
#include "lib/Target/Cpu/Lowering/Program.h"
#include "lib/Runtime/Program.h"
#include "lib/Support/GrowingFile.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/LowerToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace tern::cpu {

int32_t dtypeOf(Type type) {
  if (type.isF32())
    return TERN_F32;
  if (type.isF16())
    return TERN_F16;
  if (type.isBF16())
    return TERN_BF16;
  if (type.isF64())
    return TERN_F64;
  if (isa<Float8E4M3FNType>(type))
    return TERN_F8E4M3FN;
  if (isa<Float8E4M3FNUZType>(type))
    return TERN_F8E4M3FNUZ;
  if (isa<Float8E5M2Type>(type))
    return TERN_F8E5M2;
  if (isa<Float8E5M2FNUZType>(type))
    return TERN_F8E5M2FNUZ;
  if (isa<Float4E2M1FNType>(type))
    return TERN_F4E2M1;
  if (isa<Float8E8M0FNUType>(type))
    return TERN_F8E8M0;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return 0;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 2:
    return isUnsigned ? TERN_U2 : TERN_I2;
  case 4:
    return isUnsigned ? TERN_U4 : TERN_I4;
  case 1:
    return TERN_BOOL;
  case 8:
    return isUnsigned ? TERN_U8 : TERN_I8;
  case 16:
    return isUnsigned ? TERN_U16 : TERN_I16;
  case 32:
    return isUnsigned ? TERN_U32 : TERN_I32;
  case 64:
    return isUnsigned ? TERN_U64 : TERN_I64;
  }
  return 0;
}

std::string identifierOf(StringRef name) {
  std::string id;
  for (char c : name)
    id += llvm::isAlnum(c) ? c : '_';
  if (id.empty() || llvm::isDigit(id.front()))
    id = "model_" + id;
  return id;
}

static FailureOr<std::vector<ProgramTensor>> signatureOf(ModuleOp module, StringRef attribute) {
  std::vector<ProgramTensor> tensors;
  auto entries = module->getAttrOfType<ArrayAttr>(attribute);
  if (!entries)
    return module.emitError() << "has no '" << attribute << "'; run cpu-emit-kernels and cpu-plan-memory first";
  for (Attribute entry : entries) {
    auto dictionary = cast<DictionaryAttr>(entry);
    auto type = cast<RankedTensorType>(dictionary.getAs<TypeAttr>("type").getValue());
    ProgramTensor tensor;
    tensor.name = dictionary.getAs<StringAttr>("name").str();
    tensor.dtype = dtypeOf(type.getElementType());
    if (!tensor.dtype)
      return module.emitError() << "'" << tensor.name << "' has type " << type << ", which has no place in the C interface";
    tensor.dims.assign(type.getShape().begin(), type.getShape().end());
    tensor.bytes = type.getNumElements() * bytesOf(*elemOf(type.getElementType()));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// Offset in the arena of a memref that a step writes.
static uint64_t arenaOffset(Value memref, Value arena) {
  auto view = memref.getDefiningOp<memref::ViewOp>();
  APInt shift;
  if (!view || view.getSource() != arena || !matchPattern(view.getByteShift(), m_ConstantInt(&shift)))
    return UINT64_MAX;
  return shift.getZExtValue();
}

static ProgramStep stepOf(func::CallOp call, Value arena) {
  auto info = call->getAttrOfType<DictionaryAttr>("cpu.step");
  ProgramStep step;
  auto number = [&](StringRef key) { return info.getAs<IntegerAttr>(key).getInt(); };
  step.name = info.getAs<StringAttr>("name").str();
  step.row = info.getAs<StringAttr>("row").str();
  step.kernel = call.getCallee().take_until([](char c) { return c == '.'; }).str();
  step.macs = number("macs");
  step.bytes = number("bytes");
  step.outputIndex = int32_t(number("output"));
  if (int64_t result = number("result"); result >= 0)
    step.outputOffset = arenaOffset(call.getOperand(result), arena);
  if (auto place = info.getAs<StringAttr>("place")) {
    auto type = cast<RankedTensorType>(info.getAs<TypeAttr>("type").getValue());
    step.hasPlace = true;
    step.place = *parsePlacement(place.getValue());
    step.dims.assign(type.getShape().begin(), type.getShape().end());
    step.dtype = step.place.map.elem == Elem::U8 ? TERN_U8 : dtypeOf(type.getElementType());
  }
  if (auto scale = info.getAs<FloatAttr>("scale")) {
    step.scale = float(scale.getValueAsDouble());
    step.zero = int32_t(number("zero"));
  }
  return step;
}

FailureOr<ArrayRef<char>> weightsOf(ModuleOp module) {
  auto resource = module->getAttrOfType<DenseResourceElementsAttr>("cpu.weights");
  AsmResourceBlob *blob = resource ? resource.getRawHandle().getBlob() : nullptr;
  if (!blob)
    return module.emitError("has no 'cpu.weights'; run cpu-emit-kernels first");
  return blob->getData();
}

/// tern_hash; what has been read need not stay in memory.
static uint64_t hashOf(ArrayRef<char> bytes) {
  uint64_t lanes[8];
  tern_hash_begin(lanes);
  size_t whole = bytes.size() & ~size_t(63), step = size_t(16) << 20;
  for (size_t at = 0; at < whole; at += step) {
    ArrayRef<char> piece = bytes.slice(at, std::min(step, whole - at));
    tern_hash_add(lanes, piece.data(), piece.size());
    GrowingFile::releaseAnywhere(piece);
  }
  return tern_hash_end(lanes, reinterpret_cast<const unsigned char *>(bytes.data()) + whole, bytes.size());
}

FailureOr<Program> readProgram(ModuleOp module, StringRef name) {
  Program program;
  program.name = identifierOf(name);
  auto inputs = signatureOf(module, "cpu.inputs"), outputs = signatureOf(module, "cpu.outputs");
  auto weights = weightsOf(module);
  auto arena = module->getAttrOfType<IntegerAttr>("cpu.arena_bytes");
  if (failed(inputs) || failed(outputs) || failed(weights))
    return failure();
  if (!arena)
    return module.emitError("has no 'cpu.arena_bytes'; run cpu-plan-memory first");
  program.inputs = std::move(*inputs);
  program.outputs = std::move(*outputs);
  program.arenaBytes = arena.getInt();
  program.weightsBytes = weights->size();
  program.weightsHash = hashOf(*weights);
  for (const Isa &isa : isas()) {
    auto function = module.lookupSymbol<func::FuncOp>(("run_" + isa.name).str());
    if (!function)
      continue;
    program.isas.push_back(isa.name.str());
    program.steps.clear();
    Value arenaArgument = function.getArgument(function.getNumArguments() - 2);
    for (auto call : function.getOps<func::CallOp>())
      program.steps.push_back(stepOf(call, arenaArgument));
  }
  if (program.isas.empty())
    return module.emitError("has no run function; run cpu-emit-kernels first");
  return program;
}

static StringRef cTypeOf(int32_t dtype) {
  switch (dtype) {
  case TERN_F32: return "float";
  case TERN_F64: return "double";
  case TERN_U8: case TERN_BOOL: return "uint8_t";
  case TERN_I8: return "int8_t";
  case TERN_I2: case TERN_I4: return "int8_t";
  case TERN_U16: case TERN_F16: case TERN_BF16: return "uint16_t";
  case TERN_I16: return "int16_t";
  case TERN_I32: return "int32_t";
  case TERN_I64: return "int64_t";
  case TERN_U32: return "uint32_t";
  case TERN_U64: return "uint64_t";
  }
  return "void";
}

std::string headerOf(const Program &program) {
  std::string text, upper = StringRef(program.name).upper();
  llvm::raw_string_ostream os(text);
  auto shape = [](const ProgramTensor &t) {
    return "[" + llvm::join(llvm::map_range(t.dims, [](int64_t d) { return std::to_string(d); }), ", ") + "]";
  };
  os << "/* Generated by quant-compile. C99; link with libmodel.so, keep weights.bin beside it. */\n#ifndef " << upper << "_H\n#define " << upper
     << "_H\n#include \"tern-c/artifact.h\"\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n#define " << upper << "_ABI " << TERN_ABI << "\n";
  for (auto [index, t] : llvm::enumerate(program.inputs))
    os << "#define " << upper << "_IN_" << StringRef(identifierOf(t.name)).upper() << " " << index << " /* " << cTypeOf(t.dtype) << " " << shape(t) << " \"" << t.name << "\" */\n";
  for (auto [index, t] : llvm::enumerate(program.outputs))
    os << "#define " << upper << "_OUT_" << StringRef(identifierOf(t.name)).upper() << " " << index << " /* " << cTypeOf(t.dtype) << " " << shape(t) << " \"" << t.name << "\" */\n";
  os << "\n/* Maps weights.bin (NULL: beside the library) and picks the instruction set. Shared by threads. NULL and *error on failure. */\n"
     << "tern_model *" << program.name << "_open(const char *weights_path, const tern_options *options, tern_error *error);\n"
     << "/* Allocates all memory that runs need. One context a thread. */\n"
     << "static inline tern_context *" << program.name << "_context(tern_model *model, tern_error *error) {\n"
     << "  return tern_context_open(model, NULL, 0, error);\n}\n"
     << "/* Computes the outputs. No allocation, no lock, no check. Returns 0. */\n"
     << "static inline int " << program.name << "_run(tern_context *context";
  SmallVector<std::string> ins, outs;
  for (auto [index, t] : llvm::enumerate(program.inputs)) {
    ins.push_back("in" + std::to_string(index));
    os << ", const " << cTypeOf(t.dtype) << " *" << ins.back();
  }
  for (auto [index, t] : llvm::enumerate(program.outputs)) {
    outs.push_back("out" + std::to_string(index));
    os << ", " << cTypeOf(t.dtype) << " *" << outs.back();
  }
  auto list = [](ArrayRef<std::string> names) { return names.empty() ? std::string("NULL") : llvm::join(llvm::map_range(names, [](const std::string &n) { return "(void *)" + n; }), ", "); };
  os << ") {\n  void *const inputs[] = {" << list(ins) << "};\n  void *const outputs[] = {" << list(outs) << "};\n"
     << "  return tern_run_pointers(context, inputs, outputs);\n}\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return text;
}

} // namespace tern::cpu
