//===- ByteTable.cpp - functions of one byte by table ---------------------===//
#include "lib/Target/Cpu/ByteTable.h"
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

ByteTable::ByteTable(KernelBuilder &k, const Expr &expr, ExprVector &program) : k(k) {
  for (int64_t quarter = 0; quarter < 4; quarter++) {
    Values parts;
    for (int64_t part = 0; part < 4; part++) {
      Values inputs;
      for (const ExprInput &input : expr.inputs) {
        // Codes in the order of their bits: those of s8 from 128 on are negative.
        SmallVector<int32_t> codes;
        for (int64_t i = 0; i < 16; i++) {
          int64_t bits = 64 * quarter + 16 * part + i;
          codes.push_back(int32_t(input.map.elem == Elem::S8 ? int8_t(bits) : bits));
        }
        auto type = cast<VectorType>(k.i32Type(16));
        inputs.push_back(input.kind == ExprInput::Scalar
                             ? Value()
                             : k.constant(DenseElementsAttr::get(type, ArrayRef<int32_t>(codes))));
      }
      parts.push_back(program.evaluateWith(inputs, 16));
    }
    quarters.push_back(k.concat(parts));
  }
}

Value ByteTable::lookup(Value codes) {
  auto half = [&](Value low, Value high) -> Value {
    return LLVM::CallIntrinsicOp::create(k.builder(), k.loc(), codes.getType(),
                                         k.builder().getStringAttr("llvm.x86.avx512.vpermi2var.qi.512"),
                                         ValueRange{low, codes, high})
        .getResults();
  };
  // The permutation ignores the highest bit.
  Value upper = arith::CmpIOp::create(k.builder(), k.loc(), arith::CmpIPredicate::slt, codes, k.zero(Elem::S8, width));
  return k.select(upper, half(quarters[2], quarters[3]), half(quarters[0], quarters[1]));
}
