//===- Conv.cpp - nn.conv, nn.conv_transpose and the loops under them -----===//
#include "lib/Reference/Ops.h"

using namespace mlir;

namespace tern::reference {

/// The last three entries, 1 (or `fill`) where there are fewer.
static std::array<int64_t, 3> lastThree(ArrayRef<int64_t> values, int64_t fill) {
  std::array<int64_t, 3> result{fill, fill, fill};
  std::copy(values.begin(), values.end(), result.begin() + (3 - values.size()));
  return result;
}

ConvShape convShape(ArrayRef<int64_t> x, ArrayRef<int64_t> w, ArrayRef<int64_t> result, ArrayRef<int64_t> strides,
                    ArrayRef<int64_t> pads, ArrayRef<int64_t> dilations, int64_t group) {
  ConvShape shape;
  shape.batch = x[0];
  shape.inChannels = x[1];
  shape.outChannels = result[1];
  shape.group = group;
  shape.in = lastThree(x.drop_front(2), 1);
  shape.kernel = lastThree(w.drop_front(2), 1);
  shape.out = lastThree(result.drop_front(2), 1);
  shape.stride = lastThree(strides, 1);
  shape.dilation = lastThree(dilations, 1);
  shape.padLow = lastThree(pads.take_front(strides.size()), 0);
  return shape;
}

namespace {
/// The positions o in [begin, end) for which o * stride + offset lies in [0, size).
struct Span1 {
  int64_t begin, end;
  Span1(int64_t positions, int64_t size, int64_t stride, int64_t offset) {
    begin = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    end = std::min(positions, offset >= size ? 0 : (size - 1 - offset) / stride + 1);
  }
};
} // namespace

static int64_t volume(const std::array<int64_t, 3> &size) { return size[0] * size[1] * size[2]; }

/// Calls fn(kernel element, offset of its position in the input) for all elements of the kernel in memory order.
template <typename Fn> static void forKernel(const ConvShape &s, Fn fn) {
  int64_t element = 0;
  for (int64_t kz = 0; kz < s.kernel[0]; ++kz)
    for (int64_t ky = 0; ky < s.kernel[1]; ++ky)
      for (int64_t kx = 0; kx < s.kernel[2]; ++kx)
        fn(element++, std::array<int64_t, 3>{kz * s.dilation[0] - s.padLow[0], ky * s.dilation[1] - s.padLow[1],
                                             kx * s.dilation[2] - s.padLow[2]});
}

/// One kernel element over one plane: to[o] += factor * from[o * stride + offset], or the reverse of it.
template <bool kTransposed, typename T>
static void accumulatePlane(const ConvShape &s, const std::array<int64_t, 3> &offset, T factor, const T *from, T *to) {
  // `small` walks with stride 1, `large` with the stride of the op.
  const auto &small = kTransposed ? s.in : s.out, &large = kTransposed ? s.out : s.in;
  Span1 zs(small[0], large[0], s.stride[0], offset[0]), ys(small[1], large[1], s.stride[1], offset[1]),
      xs(small[2], large[2], s.stride[2], offset[2]);
  for (int64_t z = zs.begin; z < zs.end; ++z)
    for (int64_t y = ys.begin; y < ys.end; ++y) {
      int64_t smallRow = (z * small[1] + y) * small[2];
      int64_t largeRow =
          ((z * s.stride[0] + offset[0]) * large[1] + y * s.stride[1] + offset[1]) * large[2] + offset[2];
      int64_t step = s.stride[2];
      const T *in = from + (kTransposed ? smallRow : largeRow);
      T *out = to + (kTransposed ? largeRow : smallRow);
      if (step == 1)
        for (int64_t x = xs.begin; x < xs.end; ++x)
          out[x] = addWrapping(out[x], mulWrapping(factor, in[x]));
      else
        for (int64_t x = xs.begin; x < xs.end; ++x) {
          T &sum = out[kTransposed ? x * step : x];
          sum = addWrapping(sum, mulWrapping(factor, in[kTransposed ? x : x * step]));
        }
    }
}

template <typename T> void convolve(const ConvShape &s, const T *x, const T *w, T *y) {
  int64_t inPlane = volume(s.in), outPlane = volume(s.out), kernel = volume(s.kernel);
  int64_t inGroup = s.inChannels / s.group, outGroup = s.outChannels / s.group;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.outChannels; ++o) {
      T *to = y + (n * s.outChannels + o) * outPlane;
      for (int64_t c = 0; c < inGroup; ++c) {
        const T *from = x + (n * s.inChannels + o / outGroup * inGroup + c) * inPlane;
        const T *weights = w + (o * inGroup + c) * kernel;
        forKernel(s, [&](int64_t k, const auto &offset) { accumulatePlane<false>(s, offset, weights[k], from, to); });
      }
    }
}
template void convolve(const ConvShape &, const double *, const double *, double *);
template void convolve(const ConvShape &, const int64_t *, const int64_t *, int64_t *);

template <typename T> void convolveTransposed(const ConvShape &s, const T *x, const T *w, T *y) {
  int64_t inPlane = volume(s.in), outPlane = volume(s.out), kernel = volume(s.kernel);
  int64_t inGroup = s.inChannels / s.group, outGroup = s.outChannels / s.group;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.outChannels; ++o) {
      T *to = y + (n * s.outChannels + o) * outPlane;
      for (int64_t i = 0; i < inGroup; ++i) {
        int64_t c = o / outGroup * inGroup + i;
        const T *from = x + (n * s.inChannels + c) * inPlane;
        const T *weights = w + (c * outGroup + o % outGroup) * kernel;
        forKernel(s, [&](int64_t k, const auto &offset) { accumulatePlane<true>(s, offset, weights[k], from, to); });
      }
    }
}
template void convolveTransposed(const ConvShape &, const double *, const double *, double *);
template void convolveTransposed(const ConvShape &, const int64_t *, const int64_t *, int64_t *);

template <typename OpTy> static FailureOr<Tensor> evaluate(OpTy op, Operands in, bool isTransposed) {
  RankedTensorType type = op.getType();
  ConvShape shape = convShape(asTensor(in[0]).getShape(), asTensor(in[1]).getShape(), type.getShape(), op.getStrides(),
                              op.getPads(), op.getDilations(), op.getGroup());
  return withNumber(type.getElementType(), [&](auto zero) -> Tensor {
    using T = decltype(zero);
    std::vector<T> x = toNumbers<T>(asTensor(in[0])), w = toNumbers<T>(asTensor(in[1])), y(type.getNumElements());
    isTransposed ? convolveTransposed<T>(shape, x.data(), w.data(), y.data())
                 : convolve<T>(shape, x.data(), w.data(), y.data());
    if (in.size() > 2) {
      std::vector<T> bias = toNumbers<T>(asTensor(in[2]));
      int64_t plane = volume(shape.out);
      for (size_t i = 0; i < y.size(); ++i)
        y[i] = addWrapping(y[i], bias[i / plane % shape.outChannels]);
    }
    return fromNumbers(type, y);
  });
}

FailureOr<Tensor> evaluateConv(nn::ConvOp op, Operands in) { return evaluate(op, in, false); }
FailureOr<Tensor> evaluateConvTranspose(nn::ConvTransposeOp op, Operands in) { return evaluate(op, in, true); }

} // namespace tern::reference
