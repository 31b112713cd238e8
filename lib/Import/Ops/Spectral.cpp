// Windows, Fourier transforms, filters of spectra.
#include "lib/Import/Decisions.h"
#include "lib/Import/Ops/Compose.h"
#include "lib/Import/DataType.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// a0 - a1 cos(2 pi k / N) + a2 cos(4 pi k / N)
static LogicalResult importWindow(Node &n) {
  auto size = n.constantInts(0);
  if (!size)
    return n.keep("its size is computed from data");
  if (size->size() != 1 || size->front() < 0 || size->front() > (1 << 24))
    return n.error() << "size is no number of elements";
  double a[3] = {0.5, 0.5, 0};
  if (n.opType() == "HammingWindow")
    a[0] = 25.0 / 46, a[1] = 1 - 25.0 / 46;
  else if (n.opType() == "BlackmanWindow")
    a[0] = 0.42, a[1] = 0.5, a[2] = 0.08;
  int64_t count = size->front();
  double period = n.integer("periodic", 1) ? double(count) : double(count - 1);
  Type element = elementType(int32_t(n.integer("output_datatype", 1)), n.importer.context);
  if (!element || !element.isIntOrFloat())
    return n.keep("its element type is no number");
  SmallVector<double> values;
  for (int64_t k = 0; k < count; k++) {
    double x = period ? 2 * M_PI * double(k) / period : 0;
    values.push_back(a[0] - a[1] * std::cos(x) + a[2] * std::cos(2 * x));
  }
  Compose c{n};
  return n.result(c.cast(c.reals(n.builder().getF64Type(), values, {count}), element, n.name()));
}

/// cos and -+ sin of 2 pi k n / length: [inputs, outputs]. `toReal`: an input stands for its mirror image as well.
static std::pair<Value, Value> fourier(const Compose &c, Type element, int64_t inputs, int64_t outputs, int64_t length,
                                       bool inverse, bool toReal = false) {
  SmallVector<double> real, imaginary;
  for (int64_t i = 0; i < inputs; i++)
    for (int64_t k = 0; k < outputs; k++) {
      double x = 2 * M_PI * double(i * k % length) / double(length), scale = inverse ? 1.0 / double(length) : 1;
      if (toReal && i > 0 && 2 * i != length)
        scale *= 2;
      real.push_back(std::cos(x) * scale);
      imaginary.push_back((inverse ? std::sin(x) : -std::sin(x)) * scale);
    }
  return {c.reals(element, real, {inputs, outputs}), c.reals(element, imaginary, {inputs, outputs})};
}

/// DFT of [..., N, ..., 1 or 2] along an axis as products with the Fourier matrix.
static LogicalResult dft(Node &n, int64_t axis) {
  auto given = n.hasInput(1) ? n.constantInts(1) : Ints();
  if (!given)
    return n.keep("its length is computed from data");
  int64_t rank = n.rank(0), parts = n.type(0).getShape().back();
  axis = n.axis(axis, rank);
  if (n.hasFailed())
    return failure();
  if (rank < 2 || axis == rank - 1 || (parts != 1 && parts != 2))
    return n.error() << "input of type " << n.type(0)
                     << "; DFT takes [..., 1 or 2], the last dimension real and imaginary parts";
  if (n.type(0).isDynamicDim(unsigned(axis)))
    return n.keepOpen("the number of its samples is only known at run time");
  bool inverse = n.integer("inverse", 0), onesided = n.integer("onesided", 0);
  int64_t size = n.type(0).getDimSize(axis), length = !given->empty() ? given->front() : inverse && onesided ? 2 * (size - 1) : size;
  if (length < 1 || length > (1 << 16))
    return n.keep("its length is 0 or beyond 65536");
  Compose c{n};
  Ints perm = allAxes(rank), back(size_t(rank), 0);
  perm.erase(perm.begin() + axis);
  perm.push_back(axis); // [..., parts, N]
  for (auto [to, from] : llvm::enumerate(perm))
    back[size_t(from)] = int64_t(to);
  Value x = c.transpose(n.operand(0), perm);
  // One side is enough of a signal that is real: the given half stands for both, and the inverse has real parts only.
  bool toReal = inverse && onesided;
  int64_t used = std::min(size, toReal ? length / 2 + 1 : length), outputs = onesided && !inverse ? length / 2 + 1 : length, last = rank - 1;
  x = c.slice(x, last, 0, used);
  auto [cosine, sine] = fourier(c, n.type(0).getElementType(), used, outputs, length, inverse, toReal);
  Value re = c.slice(x, last - 1, 0, 1), real = c.matmul(re, cosine), imaginary = c.matmul(re, sine);
  if (parts == 2) {
    Value im = c.slice(x, last - 1, 1, 1);
    real = c.sub(real, c.matmul(im, sine));
    imaginary = c.add(imaginary, c.matmul(im, cosine));
  }
  if (toReal)
    return n.result(c.transpose(real, back, n.name()));
  return n.result(c.transpose(c.concat({real, imaginary}, last - 1), back, n.name()));
}
static LogicalResult importDftAttrs(Node &n) { return dft(n, n.integer("axis", 1)); }
static LogicalResult importDft(Node &n) {
  auto axis = n.hasInput(2) ? n.constantInts(2) : Ints{-2};
  if (!axis)
    return n.keep("its axis is computed from data");
  return dft(n, axis->size() == 1 ? axis->front() : -2);
}

/// Frames of [B, L(, 1 or 2)], `frame_step` apart, times the window, as products with the Fourier matrix: [B, frames, bins, 2].
static LogicalResult importStft(Node &n) {
  auto step = n.constantInts(1), given = n.hasInput(3) ? n.constantInts(3) : std::optional<Ints>(Ints());
  if (!step || step->size() != 1 || !given)
    return n.keep("the step or the length of its frames is computed from data");
  int64_t rank = n.rank(0), parts = rank == 3 ? n.type(0).getDimSize(2) : 1;
  if ((rank != 2 && rank != 3) || (parts != 1 && parts != 2))
    return n.error() << "signal of type " << n.type(0) << "; STFT takes [batch, length] and [batch, length, 1 or 2]";
  bool hasWindow = n.hasInput(2);
  if (hasWindow && (n.rank(2) != 1 || n.type(2).isDynamicDim(0)))
    return n.error() << "window of type " << n.type(2) << "; it has one dimension of known size";
  Compose c{n};
  nn::SizeExpr size = n.sizes(0)[1];
  int64_t hop = step->front(), length = !given->empty() ? given->front() : hasWindow ? n.type(2).getDimSize(0) : 0;
  if (hop < 1 || length < 1 || length > (1 << 16) || (hasWindow && n.type(2).getDimSize(0) != length) || !atLeast(n, size, c.size(length)))
    return n.error() << "frames of " << length << " samples, " << hop << " apart, of a signal of " << size.str()
                     << "; a frame has at least one and at most all samples, and the window has as many";
  bool onesided = n.integer("onesided", 1);
  if (onesided && parts == 2)
    return n.keep("it is one-sided on complex samples");
  nn::SizeExpr frames = c.plus(c.quotient(c.minus(size, length), hop), 1);
  int64_t bins = onesided ? length / 2 + 1 : length;
  Value starts = c.places(frames, 0, 2), places = c.add(c.mul(starts, c.number(starts, double(hop))), c.places(length, 1, 2));
  auto [cosine, sine] = fourier(c, n.type(0).getElementType(), length, bins, length, false);
  auto part = [&](int64_t which) {
    Value x = rank == 3 ? c.reshape(c.slice(n.operand(0), 2, which, 1), Shape{c.sizes(n.operand(0))[0], size}) : n.operand(0);
    x = c.gather(x, places, 1); // [B, frames, length]
    return hasWindow ? c.mul(x, n.operand(2)) : x;
  };
  Value re = part(0), real = c.matmul(re, cosine), imaginary = c.matmul(re, sine);
  if (parts == 2) {
    Value im = part(1);
    real = c.sub(real, c.matmul(im, sine));
    imaginary = c.add(imaginary, c.matmul(im, cosine));
  }
  Shape pair{c.sizes(n.operand(0))[0], frames, bins, 1};
  return n.result(c.concat({c.reshape(real, pair), c.reshape(imaginary, pair)}, 3, n.name()));
}

/// Triangles of the mel scale over the bins of a spectrum: [dft_length / 2 + 1, num_mel_bins].
static LogicalResult importMelWeights(Node &n) {
  auto count = n.constantInts(0), length = n.constantInts(1), rate = n.constantInts(2);
  auto low = n.constantFloats(3), high = n.constantFloats(4);
  if (!count || !length || !rate || !low || !high)
    return n.keep("one of its parameters is computed from data");
  if (count->size() != 1 || length->size() != 1 || rate->size() != 1 || low->size() != 1 || high->size() != 1)
    return n.error() << "a parameter is no single number";
  int64_t filters = count->front(), bins = length->front() / 2 + 1;
  if (filters < 1 || filters > (1 << 16) || length->front() < 1 || length->front() > (1 << 20) || rate->front() < 1)
    return n.error() << filters << " filters of " << length->front() << " samples at " << rate->front()
                     << " Hz; all are at least 1, 65536 filters and 2^20 samples at most";
  Type element = elementType(int32_t(n.integer("output_datatype", 1)), n.importer.context);
  if (!element || !element.isIntOrFloat())
    return n.keep("its element type is no number");
  auto mel = [](double hertz) { return 2595 * std::log10(1 + hertz / 700); };
  double first = mel(low->front()), width = (mel(high->front()) - first) / double(filters + 2);
  SmallVector<int64_t> edges; // the bins at which triangles begin, peak and end
  for (int64_t i = 0; i < filters + 2; i++) {
    double hertz = 700 * (std::pow(10, (first + double(i) * width) / 2595) - 1);
    edges.push_back(int64_t(std::floor(double(length->front() + 1) * hertz / double(rate->front()))));
  }
  SmallVector<double> weights(size_t(bins * filters), 0);
  for (int64_t i = 0; i < filters; i++) {
    int64_t begin = edges[i], peak = edges[i + 1], end = edges[i + 2];
    auto set = [&](int64_t bin, double weight) {
      if (bin >= 0 && bin < bins)
        weights[size_t(bin * filters + i)] = weight;
    };
    if (begin == peak)
      set(peak, 1);
    for (int64_t bin = begin; bin <= peak && begin != peak; bin++)
      set(bin, double(bin - begin) / double(peak - begin));
    for (int64_t bin = peak; bin < end; bin++)
      set(bin, double(end - bin) / double(end - peak));
  }
  Compose c{n};
  return n.result(c.cast(c.reals(n.builder().getF64Type(), weights, {bins, filters}), element, n.name()));
}

static constexpr Rule kRules[] = {
    {"HannWindow", 17, 1, 1, importWindow},     {"HammingWindow", 17, 1, 1, importWindow}, {"BlackmanWindow", 17, 1, 1, importWindow},
    {"DFT", 17, 1, 2, importDftAttrs},          {"DFT", 20, 1, 3, importDft},              {"STFT", 17, 2, 4, importStft},
    {"MelWeightMatrix", 17, 5, 5, importMelWeights},
};
ArrayRef<Rule> spectralRules() { return kRules; }

} // namespace tern::importer
