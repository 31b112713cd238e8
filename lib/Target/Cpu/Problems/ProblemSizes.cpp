// The sizes of every problem, in the order in which ProblemPrint.cpp prints them.
#include "lib/Target/Cpu/Problems/Problem.h"

namespace tern::cpu {

void visitSizes(Map &m, SizeVisitor visit) {
  for (int64_t *size : {&m.n, &m.h, &m.w, &m.c, &m.cs})
    visit.size(*size);
  visit.offset(m.base);
}

void visitMaps(Expr &e, llvm::function_ref<void(Map &)> visit) {
  for (ExprInput &input : e.inputs)
    if (input.kind == ExprInput::Tensor || input.kind == ExprInput::Pixelwise || input.kind == ExprInput::Row)
      visit(input.map);
}

void visitSizes(Expr &e, SizeVisitor visit) {
  visitMaps(e, [&](Map &map) { visitSizes(map, visit); });
}

template <typename Problem> static void visitInOut(Problem &q, SizeVisitor visit) {
  visitSizes(q.in, visit);
  visitSizes(q.out, visit);
}

void visitSizes(ConvProblem &q, SizeVisitor visit) {
  visitInOut(q, visit);
  visitSizes(q.epilogue, visit);
}

void visitSizes(EltwiseProblem &q, SizeVisitor visit) {
  visitSizes(q.out, visit);
  visitSizes(q.expr, visit);
}

void visitSizes(RelayoutProblem &q, SizeVisitor visit) {
  visitInOut(q, visit);
  visitSizes(q.expr, visit);
}

void visitSizes(PoolProblem &q, SizeVisitor visit) {
  visitInOut(q, visit);
  visitSizes(q.epilogue, visit);
}

void visitSizes(GlobalReduceProblem &q, SizeVisitor visit) {
  visitInOut(q, visit);
  visitSizes(q.epilogue, visit);
}

void visitSizes(SoftmaxProblem &q, SizeVisitor visit) { visitInOut(q, visit); }

void visitSizes(ResizeProblem &q, SizeVisitor visit) {
  visitInOut(q, visit);
  visitSizes(q.epilogue, visit);
}

void visitSizes(CopyProblem &q, SizeVisitor visit) {
  for (int64_t &size : q.sizes)
    visit.size(size);
  for (int64_t &stride : q.inStrides)
    visit.offset(stride);
  for (int64_t &stride : q.outStrides)
    visit.offset(stride);
  visit.offset(q.inBase);
  visit.offset(q.outBase);
}

void visitSizes(FillProblem &q, SizeVisitor visit) { visitSizes(q.out, visit); }

void visitSizes(DynamicQuantProblem &q, SizeVisitor visit) { visitInOut(q, visit); }

} // namespace tern::cpu
