//===- GemmWeights.cpp - the constant weight of a matrix product -----------===//
#include "lib/Target/Cpu/Lowering/Weights/GemmWeights.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Support/GrowingFile.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {

bool WeightReader::refuse(const Twine &reason) {
  why = reason.str();
  return false;
}

bool WeightReader::read(Value weight, bool isTransposed, ArrayRef<CallOperand> operands, bool codes, GemmProblem &problem) {
  transposed = isTransposed;
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    weight = dequantize.getQ();
  SmallVector<Value> sources{weight};
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (auto bundle = weight.getDefiningOp<BundleOp>()) {
    quantized = true;
    type = bundle.getResult().getType().getExpressedTensor();
    format = bundle.getResult().getType().getFormat().getFormat();
    sources.assign(bundle.getPlanes().begin(), bundle.getPlanes().end());
  }
  if (!type || type.getRank() != 2 || (!quantized && !type.getElementType().isF32()))
    return refuse("a weight that is no [n, k] matrix of f32 or codes");
  if (transposed && quantized)
    return refuse("a quantized weight that is [k, n]");
  n = type.getDimSize(transposed), k = type.getDimSize(!transposed);
  for (Value source : sources) {
    int index = operandIndex(source);
    ElementsAttr attr = index >= 0 ? operands[index].constant : constantOf(source);
    if (!attr)
      return refuse("a weight that is not constant");
    if (std::optional<ArrayRef<char>> bytes = rawBytes(attr)) {
      raw.push_back(*bytes);
      continue;
    }
    std::optional<std::vector<char>> bytes = bytesOfConstant(attr);
    if (!bytes)
      return refuse("the data of a weight is gone");
    owned.push_back(std::move(*bytes));
    raw.push_back(owned.back());
  }
  if (!quantized) {
    if (codes)
      return refuse("codes times float weights");
    problem.bits = 32;
    return true;
  }
  if (readPlanes(problem) && readZeros(problem, codes)) {
    problem.group = group;
    return true;
  }
  if (codes)
    return false;
  // Float activations take the decoded weight.
  problem.bits = 32, problem.group = 0, problem.zeros = false;
  perOutput.clear();
  why.clear();
  return true;
}

/// Scales and zero points: one for each output, or one for each group of channels of an output.
bool WeightReader::readPlanes(const GemmProblem &) {
  int bits = format.elem.bits;
  if (!format.elem.isInteger() || bits < 2 || bits > 8)
    return refuse("weights of format " + format.str() + "; packed weights have integer codes of 2 to 8 bits");
  std::vector<PlaneShape> all = planeShapes(Span<const int64_t>({n, k}), format);
  for (auto [plane, shape, bytes] : llvm::zip(format.planes, ArrayRef(all).drop_front(), ArrayRef(raw).drop_front())) {
    if (plane.role != Role::Scale && plane.role != Role::Zero)
      return refuse("weights with a plane '" + std::string(str(plane.role)) + "'");
    int64_t block = plane.block.empty() || plane.block[1] == kWhole ? k : plane.block[1];
    if (block < k)
      group = group ? std::min(group, block) : block;
    if (!plane.block.empty() && plane.block[0] != 1 && plane.block[0] != kWhole)
      return refuse("weights of which several outputs share a scale");
    int64_t columns = shape.shape.empty() ? 1 : shape.shape.back(), rows = 1;
    for (int64_t size : ArrayRef(shape.shape).drop_back(!shape.shape.empty()))
      rows *= size;
    std::vector<float> decoded(rows * columns);
    if (int64_t(bytes.size()) < rows * ::tern::packedBytes(columns, shape.type.bits))
      return refuse("a parameter plane of another size");
    decodeEntries(shape.type, rows, columns, reinterpret_cast<const uint8_t *>(bytes.data()), decoded.data());
    planes.push_back(std::move(decoded));
    shapes.push_back(shape);
  }
  for (const Plane &plane : format.planes)
    if (group && !plane.block.empty() && plane.block[1] != kWhole && plane.block[1] < k && plane.block[1] % group)
      return refuse("groups of channels that do not divide each other");
  if (group)
    for (int64_t row = 0, groups = llvm::divideCeil(k, group); row < n; ++row)
      for (int64_t g = 0; g < groups; ++g) {
        float scale = 1;
        for (size_t p = 0; p < planes.size(); ++p)
          if (format.planes[p].role == Role::Scale)
            scale *= entry(p, row, g * group);
        scales.push_back(scale);
      }
  else
    for (int64_t row = 0; row < n; ++row) {
      float scale = 1;
      for (size_t p = 0; p < planes.size(); ++p)
        if (format.planes[p].role == Role::Scale)
          scale *= entry(p, row, 0);
      perOutput.push_back(scale);
    }
  return true;
}

float WeightReader::entry(size_t plane, int64_t row, int64_t column) const {
  const std::vector<int64_t> &block = format.planes[plane].block, &shape = shapes[plane].shape;
  if (block.empty())
    return planes[plane][0];
  int64_t r = block[0] == kWhole ? 0 : row / block[0], c = block[1] == kWhole ? 0 : column / block[1];
  return planes[plane][r * shape[1] + c];
}

/// Stored bits and the shift of the codes: signed codes without zero points where all of them are the same, else codes from 0.
bool WeightReader::readZeros(GemmProblem &problem, bool codes) {
  int bits = format.elem.bits;
  int64_t lo = format.elem.hasSignedCodes() ? -(int64_t(1) << (bits - 1)) : 0, hi = lo + (int64_t(1) << bits) - 1;
  problem.bits = bits > 4 ? 8 : bits > 2 ? 4 : 2;
  // Scales that are f16 as they are stored stay so.
  auto isHalf = [](float s) { return f16ToF32(f32ToF16(s)) == s; };
  problem.groupScale = llvm::all_of(scales, isHalf) ? Elem::F16 : Elem::F32;
  int64_t first = 0;
  bool same = true;
  std::vector<int64_t> all;
  for (size_t p = 0; p < planes.size(); ++p)
    if (format.planes[p].role == Role::Zero)
      for (int64_t row = 0, groups = group ? llvm::divideCeil(k, group) : 1; row < n; ++row)
        for (int64_t g = 0; g < groups; ++g)
          all.push_back(int64_t(entry(p, row, g * std::max<int64_t>(group, 1))));
  if (!all.empty())
    first = all[0], same = llvm::all_of(all, [&](int64_t z) { return z == all[0]; });
  int64_t least = -(int64_t(1) << (problem.bits - 1)), most = -least - 1;
  if (same && lo - first >= least && hi - first <= most) {
    shift = -int(first);
    return true;
  }
  if (problem.bits == 8 && codes && same && !group && !problem.xGroup) {
    shift = lo == 0 ? -128 : 0;
    weightZero = first + shift;
    return true;
  }
  if (problem.bits == 8)
    return refuse("8-bit weights with zero points that differ, or unsigned ones whose zero point is not 128");
  // Codes from 0, one zero point each.
  problem.zeros = true;
  shift = -int(lo);
  if (all.empty())
    all.assign(n * (group ? llvm::divideCeil(k, group) : 1), 0);
  for (int64_t zero : all) {
    if (zero < lo || zero > hi)
      return refuse("zero points beyond the codes");
    zeros.push_back(uint8_t(zero - lo));
  }
  return true;
}

void WeightReader::release() {
  std::vector<float>().swap(values);
  for (ArrayRef<char> bytes : raw)
    GrowingFile::releaseAnywhere(bytes);
}

GemmWeights WeightReader::plain(const GemmProblem &problem) {
  GemmWeights w;
  if (problem.floatWeights()) {
    w.transposed = transposed;
    w.values = ArrayRef(reinterpret_cast<const float *>(raw[0].data()), raw[0].size() / sizeof(float));
    if (quantized) {
      values.resize(n * k);
      SmallVector<ConstBytes> bytes;
      for (ArrayRef<char> plane : raw)
        bytes.push_back({reinterpret_cast<const uint8_t *>(plane.data()), plane.size()});
      decode(format, Span<const int64_t>({n, k}), Span<const ConstBytes>(bytes.data(), bytes.size()), values.data());
      w.values = values;
    }
    return w;
  }
  int bits = format.elem.bits;
  bool isSigned = format.elem.hasSignedCodes();
  int64_t rowBytes = ::tern::packedBytes(k, bits);
  w.codes = [this, bits, isSigned, rowBytes](int64_t row, int8_t *to) {
    unpackCodes(bits, isSigned, k, reinterpret_cast<const uint8_t *>(raw[0].data()) + row * rowBytes, to);
    for (int64_t i = 0; shift && i < k; ++i)
      to[i] = int8_t(to[i] + shift);
  };
  w.scales = scales;
  w.zeros = zeros;
  return w;
}

} // namespace tern::cpu
