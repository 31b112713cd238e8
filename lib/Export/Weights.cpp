#include "lib/Export/Weights.h"
#include "lib/Quantize/Method.h"
#include "llvm/ADT/STLExtras.h"
#include <atomic>
#include <mutex>
#include <thread>

using namespace llvm;
using tern::importer::TensorData;

namespace tern::exporter {

//===-- what an op reads ----------------------------------------------------===//

/// Whether a value depends on constants only.
static bool isConstantExpression(const OnnxGraph &graph, Scope *scope, StringRef name, int depth) {
  if (name.empty() || graph.constantOf(scope, name))
    return true;
  Node *node = depth > 0 ? graph.producerOf(scope, name) : nullptr;
  return node && !node->inputs.empty() && llvm::all_of(node->inputs, [&](StringRef input) {
    return isConstantExpression(graph, node->scope, input, depth - 1);
  });
}

std::optional<WeightView> viewConstant(OnnxGraph &graph, Scope *scope, StringRef name, std::string &why) {
  WeightView view;
  SmallVector<Node *> path; // the op's end first
  int32_t type = 0;
  for (int step = 0; step < 16; ++step) {
    if (Constant *constant = graph.constantOf(scope, name)) {
      view.root = constant;
      break;
    }
    Node *node = graph.producerOf(scope, name);
    if (!node || node->inputs.empty() || node->outputs.empty() || node->outputs[0] != name) {
      why = "no factor is a constant: both are computed at run time";
      return std::nullopt;
    }
    if (node->is("DequantizeLinear") || node->is("DequantizeLinear", "com.microsoft")) {
      why = "its weight is quantized already";
      return std::nullopt;
    }
    bool casts = node->is("Cast");
    if (Constant *derived = graph.derive(scope, name)) {
      view.root = derived;
      break;
    }
    if (!casts && !node->is("Identity") && !node->is("Transpose")) {
      why = isConstantExpression(graph, node->scope, node->outputs[0], 8)
                ? "its weight is computed from constants by " + node->op.str() + "; fold it first"
                : "no factor is a constant: both are computed at run time";
      return std::nullopt;
    }
    if (casts && !type)
      type = int32_t(graph.integer(*node, "to", 0));
    path.push_back(node);
    scope = node->scope;
    name = node->inputs[0];
  }
  if (!view.root) {
    why = "its weight is computed through too many steps";
    return std::nullopt;
  }
  view.path.assign(path.rbegin(), path.rend());
  view.type = type ? type : view.root->type;
  for (size_t i = 0; i < view.root->shape.size(); ++i)
    view.perm.push_back(int64_t(i));
  for (Node *node : view.path) {
    if (!node->is("Transpose"))
      continue;
    SmallVector<int64_t> perm = graph.integers(*node, "perm"), next;
    if (perm.empty())
      next.assign(view.perm.rbegin(), view.perm.rend());
    else if (perm.size() == view.perm.size() &&
             llvm::all_of(perm, [&](int64_t axis) { return axis >= 0 && axis < view.rank(); }))
      for (int64_t axis : perm)
        next.push_back(view.perm[size_t(axis)]);
    else {
      why = "its weight has another rank than Transpose '" + node->label + "' expects";
      return std::nullopt;
    }
    view.perm = next;
  }
  if (!view.root->isFloat()) {
    const auto *type = importer::findDataType(view.root->type);
    why = "its weight is " + (type ? type->name.str() : "of unknown type") + ", not float";
    return std::nullopt;
  }
  return view;
}

//===-- rows ----------------------------------------------------------------===//

RowLayout::RowLayout(ArrayRef<int64_t> shape, const Grouping &grouping) : perChannel(grouping.perChannel) {
  int64_t all = 1;
  for (auto [axis, extent] : llvm::enumerate(shape)) {
    all *= extent;
    if (int64_t(axis) > grouping.axis)
      inner *= extent;
  }
  size = shape[size_t(grouping.axis)];
  rows = perChannel ? size : size ? all / size : 0;
  columns = rows ? all / rows : 0;
}

Format CodeFormat::format(int64_t block, int64_t columns) const {
  std::vector<int64_t> blocks{1, block >= columns ? kWhole : block};
  Format format{asymmetric ? Element::ui(int(bits)) : Element::si(int(bits)), {{Role::Scale, scale, blocks}}};
  if (asymmetric)
    format.planes.push_back({Role::Zero, Element::ui(int(bits)), blocks});
  return format;
}

Encode CodeFormat::encode() const {
  int64_t half = int64_t(1) << (bits - 1);
  if (asymmetric)
    return Encode(Rule::Minmax, 0, 2 * half - 1);
  // With few codes the sign of the largest weight decides which end gets the odd one.
  return bits < 8 ? Encode(Rule::SignedAbsmax, -half, half - 1) : Encode(Rule::Absmax, 1 - half, half - 1);
}

float loadFloat(int32_t type, const char *data, int64_t index) {
  if (type == importer::FLOAT) {
    float value;
    std::memcpy(&value, data + 4 * index, 4);
    return value;
  }
  if (type == importer::DOUBLE) {
    double value;
    std::memcpy(&value, data + 8 * index, 8);
    return float(value);
  }
  uint16_t half;
  std::memcpy(&half, data + 2 * index, 2);
  return type == importer::FLOAT16 ? f16ToF32(half) : bf16ToF32(half);
}

namespace {
/// Reads elements in the order of rows.
template <int32_t type> void gather(const char *data, const RowLayout &layout, int64_t first, int64_t count, float *out) {
  int64_t columns = layout.columns;
  // Neighbouring rows are neighbours in memory: walk along them, eight columns of cache lines at a time.
  if (layout.inner > 1 && !layout.perChannel) {
    constexpr int64_t kTile = 16;
    for (int64_t c0 = 0; c0 < columns; c0 += kTile) {
      int64_t c1 = std::min(columns, c0 + kTile);
      for (int64_t r = 0; r < count; ++r) {
        int64_t offset = layout.rowOffset(first + r);
        for (int64_t c = c0; c < c1; ++c)
          out[r * columns + c] = loadFloat(type, data, offset + c * layout.inner);
      }
    }
    return;
  }
  for (int64_t r = 0; r < count; ++r) {
    int64_t offset = layout.rowOffset(first + r);
    // Runs of neighbours.
    int64_t run = layout.perChannel ? layout.inner : layout.columns;
    for (int64_t c = 0; c < columns; c += run) {
      int64_t at = offset + layout.columnOffset(c);
      for (int64_t i = 0; i < run; ++i)
        out[r * columns + c + i] = loadFloat(type, data, at + i);
    }
  }
}

void gatherRows(const TensorData &data, const RowLayout &layout, int64_t first, int64_t count, float *out) {
  const char *bytes = data.bytes.data.data();
  switch (data.type->number) {
  case importer::FLOAT:
    return gather<importer::FLOAT>(bytes, layout, first, count, out);
  case importer::FLOAT16:
    return gather<importer::FLOAT16>(bytes, layout, first, count, out);
  case importer::BFLOAT16:
    return gather<importer::BFLOAT16>(bytes, layout, first, count, out);
  default:
    return gather<importer::DOUBLE>(bytes, layout, first, count, out);
  }
}

/// Floats that one step of a thread holds: 1 MiB.
constexpr int64_t kStep = 1 << 18;
} // namespace

std::string encodeRows(const TensorData &data, const Grouping &grouping, const CodeFormat &code,
                       ArrayRef<float> factor, unsigned jobs, const std::function<void(const CodeRows &)> &sink) {
  RowLayout layout(data.shape, grouping);
  if (layout.rows == 0 || layout.columns == 0)
    return "";
  int64_t columns = layout.columns, blocks = (columns + grouping.block - 1) / grouping.block;
  Format format = code.format(grouping.block, columns);
  Encode encode = code.encode();
  // Rows that share cache lines stay together.
  int64_t step = std::max<int64_t>(1, kStep / columns);
  if (layout.inner > 1 && !layout.perChannel)
    step = std::max<int64_t>(16, step / 16 * 16);
  std::atomic<int64_t> next{0};
  std::mutex lock;
  std::string error;
  auto work = [&] {
    std::vector<float> x;
    std::vector<int8_t> codes, zeros;
    std::vector<std::vector<uint8_t>> storage;
    for (int64_t first; (first = next.fetch_add(step)) < layout.rows;) {
      int64_t rows = std::min(step, layout.rows - first);
      x.resize(size_t(rows * columns));
      gatherRows(data, layout, first, rows, x.data());
      if (!factor.empty())
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t c = 0; c < columns; ++c)
            x[size_t(r * columns + c)] *= factor[size_t(first + r)];
      std::vector<int64_t> shape{rows, columns};
      std::vector<PlaneShape> shapes = planeShapes(shape, format);
      storage.resize(shapes.size());
      std::vector<Bytes> planes;
      for (auto [bytes, plane] : llvm::zip(storage, shapes)) {
        bytes.resize(size_t(plane.bytes));
        planes.push_back(bytes);
      }
      std::string why = quantizeWeight(code.method, x.data(), shape, format, encode, planes);
      if (!why.empty()) {
        std::lock_guard<std::mutex> guard(lock);
        error = why;
        return;
      }
      codes.resize(size_t(rows * columns));
      int64_t rowBytes = packedBytes(columns, int(code.bits)), zeroBytes = packedBytes(blocks, int(code.bits));
      for (int64_t r = 0; r < rows; ++r)
        unpackCodes(int(code.bits), !code.asymmetric, columns, storage[0].data() + r * rowBytes,
                    codes.data() + r * columns);
      if (code.asymmetric) {
        zeros.resize(size_t(rows * blocks));
        for (int64_t r = 0; r < rows; ++r)
          unpackCodes(int(code.bits), false, blocks, storage[2].data() + r * zeroBytes, zeros.data() + r * blocks);
      }
      sink({first, rows, columns, blocks, codes.data(), storage[1].data(), code.asymmetric ? zeros.data() : nullptr});
    }
  };
  unsigned threads = unsigned(std::clamp<int64_t>((layout.rows + step - 1) / step, 1, std::max(1u, jobs)));
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < threads; ++i)
    pool.emplace_back(work);
  work();
  for (std::thread &thread : pool)
    thread.join();
  return error;
}

int64_t countNonFinite(const TensorData &data) {
  int64_t count = 0, n = data.elements;
  const char *bytes = data.bytes.data.data();
  for (int64_t i = 0; i < n; ++i) {
    float value = loadFloat(data.type->number, bytes, i);
    count += (bitsOf(value) & 0x7fffffff) >= 0x7f800000;
  }
  return count;
}

} // namespace tern::exporter
