//===- ByteTable.cpp - functions of one byte by table ---------------------===//
#include "lib/Target/Cpu/Math/ByteTable.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace tern::cpu;

static bool isByte(Elem elem) { return elem == Elem::U8 || elem == Elem::S8; }

bool ByteTable::serves(const Expr &expr, Elem out, const Isa &isa) {
  int64_t tensors = 0;
  for (const ExprInput &input : expr.inputs) {
    if (input.kind == ExprInput::Tensor && isByte(input.map.elem))
      tensors++;
    else if (input.kind != ExprInput::Scalar)
      return false;
  }
  return isa.level == 2 && isByte(out) && tensors == 1 && !expr.nodes.empty();
}

ByteTable::ByteTable(KernelBuilder &k, bool isSigned, llvm::function_ref<Value(Value)> evaluate) : k(k) {
  for (int64_t quarter = 0; quarter < 4; quarter++) {
    Values parts;
    for (int64_t part = 0; part < 4; part++) {
      // Codes in the order of their bits: signed ones from 128 on are negative.
      SmallVector<int32_t> codes;
      for (int64_t i = 0; i < 16; i++) {
        int64_t bits = 64 * quarter + 16 * part + i;
        codes.push_back(int32_t(isSigned ? int8_t(bits) : bits));
      }
      auto type = cast<VectorType>(k.i32Type(16));
      parts.push_back(evaluate(k.constant(DenseElementsAttr::get(type, ArrayRef<int32_t>(codes)))));
    }
    quarters.push_back(k.concat(parts));
  }
}

static bool readsSigned(const Expr &expr) {
  return llvm::any_of(expr.inputs,
                      [](const ExprInput &in) { return in.kind == ExprInput::Tensor && in.map.elem == Elem::S8; });
}

ByteTable::ByteTable(KernelBuilder &k, const Expr &expr, ExprVector &program)
    : ByteTable(k, readsSigned(expr), [&](Value codes) {
        Values inputs;
        for (const ExprInput &input : expr.inputs)
          inputs.push_back(input.kind == ExprInput::Scalar ? Value() : codes);
        return program.evaluateWith(inputs, 16);
      }) {}

Value ByteTable::lookup(Value codes) {
  int64_t n = k.lanesOf(codes);
  if (n < width) {
    SmallVector<int64_t> lanes(width, -1); // poison
    for (int64_t i = 0; i < n; i++)
      lanes[i] = i;
    codes = k.shuffle(codes, codes, lanes);
  }
  auto half = [&](Value low, Value high) -> Value {
    return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), codes.getType(),
                                         k.builder().getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
                                         ValueRange{low, codes, high})
        .getResults();
  };
  // The permutation ignores the highest bit.
  Value upper = arith::CmpIOp::create(k.builder(), k.loc(), arith::CmpIPredicate::slt, codes, k.zero(Elem::S8, width));
  return k.slice(k.select(upper, half(quarters[2], quarters[3]), half(quarters[0], quarters[1])), 0, n);
}

//===- Epilogues ----------------------------------------------------------===//

SplitEpilogue::SplitEpilogue(const Expr &epilogue, Elem out, const Isa &isa, int64_t elements) : head(epilogue) {
  int inputs = epilogue.inputs.size(), nodes = epilogue.nodes.size();
  // Every task evaluates the tail 16 times.
  if (isa.level != 2 || !isByte(out) || elements < 32768)
    return;
  for (int m = 0; m + 1 < nodes; m++) {
    const ExprNode &byte = epilogue.nodes[m];
    bool unsignedCodes = byte.lo >= 0 && byte.hi <= 255, signedCodes = byte.lo >= -128 && byte.hi <= 127;
    if ((byte.op != ExprOp::Requant && byte.op != ExprOp::Quant) || (!unsignedCodes && !signedCodes))
      continue;
    bool alone = true;
    for (int j = m + 1; j < nodes; j++)
      for (int arg : epilogue.nodes[j].args)
        alone &= arg >= inputs + m || (arg < inputs && epilogue.inputs[arg].kind == ExprInput::Scalar);
    if (!alone)
      continue;
    head.nodes.resize(m + 1);
    tail.inputs = epilogue.inputs;
    tail.inputs.push_back({ExprInput::Acc, {}});
    for (int j = m + 1; j < nodes; j++) {
      ExprNode node = epilogue.nodes[j];
      for (int &arg : node.args)
        if (arg >= inputs)
          arg -= m; // the byte becomes input number `inputs`
      tail.nodes.push_back(node);
    }
    isSplit = true;
    isSigned = !unsignedCodes;
    return;
  }
}

ByteTable SplitEpilogue::table(KernelBuilder &k, ExprVector &program) const {
  return ByteTable(k, isSigned, [&](Value codes) {
    Values inputs;
    for (const ExprInput &input : tail.inputs)
      inputs.push_back(input.kind == ExprInput::Scalar ? Value() : codes);
    return program.evaluateWith(inputs, 16);
  });
}
