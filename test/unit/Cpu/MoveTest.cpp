//===- MoveTest.cpp - copies and changes of layout ------------------------===//
#include "Dynamic.h"
#include "Naive.h"
#include <cstring>
#include <numeric>

using namespace mlir;
using namespace tern::cpu;
using namespace tern::cpu::test;

namespace {

void run(const CopyProblem &p) {
  int64_t bytes = bytesOf(p.elem), inLow = p.inBase, inHigh = p.inBase, outHigh = p.outBase;
  for (size_t d = 0; d < p.sizes.size(); d++) {
    (p.inStrides[d] < 0 ? inLow : inHigh) += (p.sizes[d] - 1) * p.inStrides[d];
    outHigh += (p.sizes[d] - 1) * p.outStrides[d];
  }
  ASSERT_GE(inLow, 0);
  Buffer in((inHigh + 1) * bytes), want((outHigh + 1) * bytes);
  Random random(5);
  for (int64_t i = 0; i < in.size(); i++)
    in.data<uint8_t>()[i] = uint8_t(random.next() >> 20);
  std::vector<int64_t> at(p.sizes.size());
  int64_t total = std::accumulate(p.sizes.begin(), p.sizes.end(), int64_t(1), std::multiplies<int64_t>());
  for (int64_t e = 0; e < total; e++) {
    int64_t rest = e, from = p.inBase, to = p.outBase;
    for (size_t d = p.sizes.size(); d--;) {
      from += rest % p.sizes[d] * p.inStrides[d];
      to += rest % p.sizes[d] * p.outStrides[d];
      rest /= p.sizes[d];
    }
    std::memcpy(want.data<char>() + to * bytes, in.data<char>() + from * bytes, bytes);
  }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitCopy(m, "copy", p, isa); });
    ASSERT_TRUE(kernel.ok());
    Buffer got((outHigh + 1) * bytes);
    kernel.run({&in, &got});
    EXPECT_EQ(std::memcmp(got.data<char>(), want.data<char>(), want.size()), 0) << print(p) << " " << isa.name.str();
  }
}

/// Permutation of a dense array.
CopyProblem permute(Elem elem, llvm::SmallVector<int64_t, 6> sizes, llvm::ArrayRef<int> order) {
  CopyProblem p;
  p.elem = elem;
  llvm::SmallVector<int64_t, 6> strides(sizes.size(), 1), out(sizes.size(), 1);
  for (size_t d = sizes.size() - 1; d--;)
    strides[d] = strides[d + 1] * sizes[d + 1];
  for (int d : order) {
    p.sizes.push_back(sizes[d]);
    p.inStrides.push_back(strides[d]);
  }
  for (size_t d = sizes.size() - 1; d--;)
    out[d] = out[d + 1] * p.sizes[d + 1];
  p.outStrides = out;
  return p;
}

TEST(Copy, TransposesEveryElement) {
  for (Elem e : {Elem::F32, Elem::U8, Elem::I64, Elem::I16})
    for (auto sizes : {std::pair(16, 16), std::pair(33, 47), std::pair(5, 70), std::pair(64, 6), std::pair(3, 40),
                       std::pair(40, 3), std::pair(2, 2)})
      run(permute(e, {sizes.first, sizes.second}, {1, 0}));
}

TEST(Copy, Permutations) {
  run(permute(Elem::F32, {2, 5, 9, 21}, {0, 2, 3, 1}));
  run(permute(Elem::F32, {2, 5, 9, 21}, {0, 3, 1, 2}));
  run(permute(Elem::F32, {3, 4, 5, 6}, {3, 2, 1, 0}));
  run(permute(Elem::U8, {3, 4, 5, 6}, {2, 0, 3, 1}));
  run(permute(Elem::I64, {3, 4, 5, 6}, {1, 0, 2, 3}));
  run(permute(Elem::F32, {96, 40, 32}, {1, 0, 2}));
}

TEST(Copy, SlicesAndBroadcasts) {
  CopyProblem slice{Elem::F32, {5, 7, 13}, {400, 20, 1}, {91, 13, 1}, 43, 2};
  run(slice);
  CopyProblem strided{Elem::U8, {5, 21}, {100, 3}, {40, 1}, 1, 3};
  run(strided);
  CopyProblem reversed{Elem::F32, {4, 37}, {40, -1}, {37, 1}, 36, 0};
  run(reversed);
  CopyProblem expand{Elem::F32, {6, 9, 35}, {1, 0, 0}, {315, 35, 1}, 0, 0};
  run(expand);
  CopyProblem rows{Elem::I64, {6, 5}, {0, 1}, {5, 1}, 2, 1};
  run(rows);
  CopyProblem scalar{Elem::I64, {}, {}, {}, 2, 1};
  run(scalar);
  CopyProblem scatter{Elem::F32, {9, 11}, {11, 1}, {33, 3}, 0, 1};
  run(scatter);
}

TEST(Copy, LongRowsAreShared) {
  CopyProblem flat{Elem::F32, {300001}, {1}, {1}, 3, 5};
  run(flat);
  run(permute(Elem::F32, {3, 50000}, {1, 0}));
  run(permute(Elem::F32, {50000, 3}, {1, 0}));
  run(permute(Elem::U8, {40, 20011}, {1, 0}));
}

Map image(Elem elem, int64_t n, int64_t h, int64_t w, int64_t c, bool planar = false) {
  Map m;
  m.elem = elem;
  m.n = n, m.h = h, m.w = w, m.c = m.cs = c;
  m.planar = planar;
  return m;
}

void run(const RelayoutProblem &p, Open open = {}) {
  Dynamic<RelayoutProblem> asked = dynamicPictures(p, open);
  ASSERT_EQ(refuse(p), "");
  Random random(9);
  Operands operands(p.expr, p.out, random);
  Activation in(p.in, random), want(p.out);
  size_t input = 0;
  while (!p.expr.inputs.empty() && p.expr.inputs[input].kind != ExprInput::Tensor)
    input++;
  for (int64_t n = 0; n < p.out.n; n++)
    for (int64_t y = 0; y < p.out.h; y++)
      for (int64_t x = 0; x < p.out.w; x++)
        for (int64_t c = 0; c < p.out.c; c++) {
          std::vector<Number> values;
          for (size_t i = 0; i < p.expr.inputs.size(); i++)
            values.push_back(
                i == input ? in.get(n, y, x, c)
                           : operands.inputs[i]->get(0, 0, 0, p.expr.inputs[i].kind == ExprInput::Channel ? c : 0));
          if (values.empty())
            values.push_back(in.get(n, y, x, c));
          want.set(n, y, x, c, evaluate(p.expr, values));
        }
  for (const Isa &isa : hostIsas()) {
    CompiledKernel kernel(isa, [&](ModuleOp m, const Isa &isa) { return emitRelayout(m, "relayout", asked.problem, isa); });
    ASSERT_TRUE(kernel.ok());
    Activation got(p.out);
    std::vector<Buffer *> args;
    for (size_t i = 0; i < std::max<size_t>(1, operands.inputs.size()); i++)
      args.push_back(i == input ? &in.buffer : &operands.inputs[i]->buffer);
    args.push_back(&got.buffer);
    kernel.run(args, asked.sizes);
    if (p.out.elem == Elem::U8 && p.out.cs == 4 && p.out.c < 4) // the fourth byte may be anything
      for (int64_t i = 0; i < p.out.pixels(); i++) {
        int64_t n = i / (p.out.h * p.out.w), y = i / p.out.w % p.out.h, x = i % p.out.w;
        for (int64_t c = p.out.c; c < 4; c++)
          got.buffer.data<uint8_t>()[offsetOf(p.out, n, y, x, c)] =
              want.buffer.data<uint8_t>()[offsetOf(p.out, n, y, x, c)];
      }
    expectEqual(got, want, 0, print(asked.problem) + " " + isa.name.str());
  }
}

/// (x + channel) quantized, or dequantized, or unchanged.
RelayoutProblem relayout(Map in, Map out) {
  RelayoutProblem p;
  p.in = in, p.out = out;
  ExprNode e;
  if (in.elem == Elem::F32 && out.elem == Elem::U8) {
    p.expr.inputs = {{ExprInput::Tensor, in}, {ExprInput::Channel, {}}, {ExprInput::Scalar, {}}};
    e.op = ExprOp::Add, e.args = {0, 1};
    p.expr.nodes.push_back(e);
    e.op = ExprOp::Quant, e.args = {3, 2}, e.a = 114;
    p.expr.nodes.push_back(e);
  } else if (in.elem == Elem::U8 && out.elem == Elem::F32) {
    p.expr.inputs = {{ExprInput::Tensor, in}, {ExprInput::Channel, {}}};
    e.op = ExprOp::Dequant, e.args = {0, 1}, e.a = 7;
    p.expr.nodes.push_back(e);
  }
  return p;
}

TEST(Relayout, PlanarToNhwc) {
  for (int64_t c : {1, 2, 3, 4, 5, 16, 37})
    for (Elem out : {Elem::F32, Elem::U8}) {
      Map to = image(out, 2, 5, 19, c);
      if (out == Elem::U8)
        to.cs = (c + 3) / 4 * 4;
      to.top = to.left = 1, to.right = 2, to.bottom = 1;
      run(relayout(image(Elem::F32, 2, 5, 19, c, true), to));
    }
  run(relayout(image(Elem::F32, 1, 7, 7, 40, true), image(Elem::F32, 1, 7, 7, 40)));
  run(relayout(image(Elem::U8, 1, 7, 7, 3, true), image(Elem::U8, 1, 7, 7, 3)));
  run(relayout(image(Elem::F32, 1, 224, 224, 3, true), image(Elem::F32, 1, 224, 224, 3)));
  Map wide = image(Elem::F32, 1, 9, 21, 3);
  wide.cs = 11, wide.base = 5;
  run(relayout(image(Elem::F32, 1, 9, 21, 3, true), wide));
}

TEST(Relayout, NhwcToPlanar) {
  for (int64_t c : {1, 2, 3, 4, 5, 16, 37})
    for (Elem in : {Elem::F32, Elem::U8}) {
      Map from = image(in, 2, 5, 19, c);
      if (in == Elem::U8)
        from.cs = (c + 3) / 4 * 4;
      from.top = from.left = 1, from.right = 2, from.bottom = 1;
      run(relayout(from, image(Elem::F32, 2, 5, 19, c, true)));
    }
  run(relayout(image(Elem::U8, 1, 31, 7, 3), image(Elem::F32, 1, 31, 7, 3, true)));
  run(relayout(image(Elem::U8, 1, 7, 7, 24), image(Elem::U8, 1, 7, 7, 24, true)));
}

TEST(Relayout, OpenPictures) {
  for (int64_t c : {1, 3, 4, 5, 37})
    for (Elem e : {Elem::F32, Elem::U8})
      for (int64_t w : {1, 7, 19, 35}) {
        Map nhwc = image(e, 1, 5, w, c), planar = image(Elem::F32, 1, 5, w, c, true);
        nhwc.cs = e == Elem::U8 ? (c + 3) / 4 * 4 : c;
        nhwc.top = nhwc.left = 1, nhwc.right = 2;
        run(relayout(planar, nhwc), {true, true});
        run(relayout(nhwc, planar), {w > 7, true});
      }
}

TEST(Relayout, RefusalsSayWhy) {
  EXPECT_EQ(refuse(relayout(image(Elem::F32, 1, 2, 2, 3), image(Elem::F32, 1, 2, 2, 3))),
            "both sides have the same layout");
  EXPECT_EQ(refuse(relayout(image(Elem::F32, 1, 2, 2, 3), image(Elem::F32, 1, 2, 2, 4, true))),
            "the sizes of the two sides differ");
}

} // namespace
