//===- Program.cpp - the description of a lowered model ---------------------===//
#include "lib/Target/Cpu/Lowering/Artifact/Program.h"
#include "lib/Runtime/Program.h"
#include "lib/Runtime/RuntimeObject.h"
#include "lib/Support/GrowingFile.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
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

/// Sizes in which an open one is -(slot + 1).
static std::vector<int64_t> dimsOf(RankedTensorType type, ArrayAttr sizes, const llvm::StringMap<int64_t> &slots) {
  std::vector<int64_t> dims(type.getShape().begin(), type.getShape().end());
  for (auto [axis, size] : llvm::enumerate(dims))
    if (ShapedType::isDynamic(size))
      size = -slots.lookup(sizes ? cast<StringAttr>(sizes[axis]).getValue() : StringRef()) - 1;
  return dims;
}

static FailureOr<std::vector<ProgramTensor>> signatureOf(ModuleOp module, StringRef attribute, const llvm::StringMap<int64_t> &slots) {
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
    tensor.dims = dimsOf(type, dictionary.getAs<ArrayAttr>("sizes"), slots);
    tensor.bytes = type.hasStaticShape() ? type.getNumElements() * bytesOf(*elemOf(type.getElementType())) : 0;
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// Offset in the arena of a memref that a step writes; with open sizes the slot of that number.
static uint64_t arenaOffset(Value memref, Value arena) {
  auto view = memref.getDefiningOp<memref::ViewOp>();
  APInt shift;
  Value by = view ? view.getByteShift() : Value();
  if (auto sum = by ? by.getDefiningOp<arith::AddIOp>() : arith::AddIOp())
    by = sum.getLhs(); // the first of several pictures
  auto load = by && view.getSource() == arena ? by.getDefiningOp<memref::LoadOp>() : memref::LoadOp();
  if (load && matchPattern(load.getIndices().front(), m_ConstantInt(&shift)))
    return shift.getZExtValue();
  if (!view || view.getSource() != arena || !matchPattern(view.getByteShift(), m_ConstantInt(&shift)))
    return UINT64_MAX;
  return shift.getZExtValue();
}

static ProgramStep stepOf(func::CallOp call, Value arena, const llvm::StringMap<int64_t> &slots) {
  auto info = call->getAttrOfType<DictionaryAttr>("cpu.step");
  ProgramStep step;
  auto number = [&](StringRef key) { return info.getAs<IntegerAttr>(key).getInt(); };
  step.name = info.getAs<StringAttr>("name").str();
  step.row = info.getAs<StringAttr>("row").str();
  step.kernel = call.getCallee().take_until([](char c) { return c == '.'; }).str();
  step.macs = number("macs");
  if (auto macs = info.getAs<StringAttr>("dynamic_macs"))
    step.macs = uint64_t(-slots.lookup(macs.getValue()) - 1);
  step.bytes = number("bytes");
  step.outputIndex = int32_t(number("output"));
  if (int64_t result = number("result"); result >= 0)
    step.outputOffset = arenaOffset(call.getOperand(result), arena);
  if (auto place = info.getAs<StringAttr>("place")) {
    auto type = cast<RankedTensorType>(info.getAs<TypeAttr>("type").getValue());
    step.hasPlace = true;
    step.place = *parsePlacement(place.getValue());
    // An operand of a concat lies inside of its buffer. With open sizes the offset is a number of the table, and this one stands above it.
    int64_t base = step.place.map.base;
    if (isDynamicOffset(base))
      step.outputOffset = UINT64_MAX;
    else if (step.outputOffset != UINT64_MAX)
      step.outputOffset += uint64_t(base * bytesOf(step.place.map.elem)) << (slots.empty() ? 0 : 32);
    step.dims = dimsOf(type, info.getAs<ArrayAttr>("sizes"), slots);
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
  SizeScope scope(module.getContext());
  nn::SizeTable &table = SizeScope::table();
  llvm::StringMap<int64_t> slots;
  if (auto numbers = module->getAttrOfType<ArrayAttr>("cpu.sizes"))
    for (Attribute text : numbers) {
      program.numbers.push_back(table.parse(cast<StringAttr>(text).getValue()));
      slots.try_emplace(cast<StringAttr>(text).getValue(), int64_t(program.numbers.size()) - 1);
    }
  auto bounds = module->getAttrOfType<DictionaryAttr>("tern.bounds");
  if (auto dims = module->getAttrOfType<ArrayAttr>("cpu.dims"))
    for (Attribute name : dims) {
      ProgramDim dim{cast<StringAttr>(name).str()};
      if (auto limits = bounds ? bounds.getAs<DenseI64ArrayAttr>(dim.name) : DenseI64ArrayAttr()) {
        dim.low = limits[0];
        dim.high = limits[1];
      }
      program.dims.push_back(dim);
    }
  if (auto equal = module->getAttrOfType<ArrayAttr>("tern.equal"); equal && program.isOpen())
    for (Attribute pair : equal) {
      auto texts = cast<ArrayAttr>(pair);
      auto slot = [&](Attribute text) { return slots.lookup(table.parse(cast<StringAttr>(text).getValue()).str()); };
      program.equal.push_back({slot(texts[0]), slot(texts[1])});
    }
  auto inputs = signatureOf(module, "cpu.inputs", slots), outputs = signatureOf(module, "cpu.outputs", slots);
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
    function.walk([&](func::CallOp call) { program.steps.push_back(stepOf(call, arenaArgument, slots)); });
    if (auto described = module->getAttrOfType<DenseI64ArrayAttr>(("cpu.buffers." + isa.name).str())) {
      program.buffers.emplace_back();
      ArrayRef<int64_t> all = described.asArrayRef();
      for (size_t i = 0; i + 2 < all.size(); i += 3)
        program.buffers.back().push_back({all[i], all[i + 1], all[i + 2]});
    }
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

/// A name inside of a C comment, which it must not end.
static std::string commented(StringRef name) {
  std::string text;
  for (char c : name) {
    if (!text.empty() && ((text.back() == '*' && c == '/') || (text.back() == '/' && c == '*')))
      text += ' ';
    text += llvm::isPrint(c) || (c & 0x80) ? c : ' ';
  }
  return text;
}

std::string headerOf(const Program &program) {
  std::string text, upper = StringRef(program.name).upper();
  llvm::raw_string_ostream os(text);
  auto shape = [&](const ProgramTensor &t) {
    return "[" + llvm::join(llvm::map_range(t.dims, [&](int64_t d) { return d < 0 ? program.numbers[size_t(-d - 1)].str().str() : std::to_string(d); }), ", ") + "]";
  };
  os << "/* Generated by quant-compile. C99, needs no other header; link with libmodel.so, keep weights.bin beside it.\n"
     << " * First the interface of all models, at the end the functions of this one. */\n#ifndef " << upper << "_H\n#define " << upper
     << "_H\n\n" << StringRef(tern_artifact_header, tern_artifact_header_size) << "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n#define " << upper << "_ABI " << TERN_ABI << "\n";
  llvm::StringSet<> taken; // names may differ in characters that C has not
  auto define = [&](StringRef kind, StringRef name, size_t index) {
    std::string macro = upper + "_" + kind.str() + "_" + StringRef(identifierOf(name)).upper();
    while (!taken.insert(macro).second)
      macro += "_" + std::to_string(index);
    os << "#define " << macro << " " << index << " /* ";
  };
  auto tensors = [&](StringRef kind, ArrayRef<ProgramTensor> list) {
    for (auto [index, t] : llvm::enumerate(list)) {
      define(kind, t.name, index);
      os << cTypeOf(t.dtype) << " " << commented(shape(t)) << " \"" << commented(t.name) << "\" */\n";
    }
  };
  tensors("IN", program.inputs);
  tensors("OUT", program.outputs);
  for (auto [index, dim] : llvm::enumerate(program.dims)) {
    define("DIM", dim.name, index);
    os << "\"" << commented(dim.name) << "\", ";
    if (dim.high == INT64_MAX)
      os << "at least " << dim.low << " */\n";
    else
      os << dim.low << ".." << dim.high << " */\n";
  }
  if (program.isOpen())
    os << "#define " << upper << "_DIMS " << program.dims.size() << "\n";
  os << "\n/* Maps weights.bin (NULL: beside the library) and picks the instruction set. Shared by threads. NULL and *error on failure. */\n"
     << "tern_model *" << program.name << "_open(const char *weights_path, const tern_options *options, tern_error *error);\n"
     << "/* Allocates all memory that runs need. One context a thread. */\n"
     << "static inline tern_context *" << program.name << "_context(tern_model *model, "
     << (program.isOpen() ? "const int64_t dims[" + std::to_string(program.dims.size()) + "], " : std::string()) << "tern_error *error) {\n"
     << "  return tern_context_open(model, " << (program.isOpen() ? "dims, " + std::to_string(program.dims.size()) : std::string("NULL, 0"))
     << ", error);\n}\n"
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
