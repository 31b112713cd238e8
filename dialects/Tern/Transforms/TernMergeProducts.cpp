//===- TernMergeProducts.cpp - products of one x as one product -----------===//
#include "dialects/NN/IR/NN.h"
#include "dialects/NN/Transforms/Constants.h"
#include "dialects/Tern/IR/Tern.h"
#include "dialects/Tern/Transforms/Conditions.h"
#include "dialects/Tern/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include <map>

using namespace mlir;

namespace tern {
#define GEN_PASS_DEF_TERNMERGEPRODUCTS
#include "dialects/Tern/Transforms/Passes.h.inc"
} // namespace tern

using namespace tern;

static RankedTensorType tensorOf(Value value) { return cast<RankedTensorType>(value.getType()); }

namespace {
/// A product with a constant weight.
struct Product {
  nn::MatmulOp op;
  QuantizeOp weight; ///< null: the weight stays float
};

/// A product whose result is only divided into heads: [.., H * D] -> [.., H, D]. Of a single row, whose transposition is a reshape, the heads may lie in
/// front of other dimensions: [1, 1, H * D] -> [1, H, 1, D].
struct Projection : Product {
  SmallVector<nn::ReshapeOp, 1> splits;
  int64_t axis = -1; ///< of the heads
  ArrayRef<int64_t> shape() { return splits.front().getType().getShape(); }
  int64_t heads() { return shape()[axis]; }
  /// What the parts of a merged product share.
  int64_t form() { return shape().back() | axis << 32 | int64_t(shape().size()) << 48; }
};
} // namespace

/// Each row of the weight is encoded on its own, so that the codes of several below one another are those of each.
static bool hasRowsOfTheirOwn(QuantizeOp quantize) {
  Format format = quantize.getResult().getType().getFormat().getFormat();
  StringRef method = quantize.getMethodAttr() ? quantize.getMethodAttr().getValue() : StringRef("rtn");
  return quantize.getPlanes().empty() && method.starts_with("rtn") && llvm::all_of(format.planes, [](const Plane &plane) {
           bool simple = plane.role == Role::Scale || plane.role == Role::Zero || plane.role == Role::Min;
           return simple && !plane.block.empty() && plane.block.front() == 1;
         });
}

/// All readers are heads: attention, rotary embeddings, and transpositions in front of them, which read parts of a wider
/// tensor where they lie. Of a single row also caches, into which it is copied.
static bool isReadByHeads(Value value, bool isRow) {
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    if (isRow && isa<nn::ConcatOp>(user))
      return true;
    if (auto transpose = dyn_cast<nn::TransposeOp>(user)) {
      bool keepsHeads = transpose.getPerm().back() == int64_t(transpose.getPerm().size()) - 1;
      return keepsHeads && transpose->hasOneUse() && isa<nn::AttentionOp, nn::RopeOp>(*transpose->getUsers().begin());
    }
    return isa<nn::AttentionOp, nn::RopeOp>(user);
  });
}

static std::optional<Product> productOf(nn::MatmulOp op) {
  if (op.getTransposeA() || !op.getTransposeB() || tensorOf(op.getRhs()).getRank() != 2 || op.getResult().use_empty() ||
      !tensorOf(op.getResult()).getElementType().isF32())
    return std::nullopt;
  Product product{op, {}};
  if (auto dequantize = op.getRhs().getDefiningOp<DequantizeOp>()) {
    product.weight = dequantize.getQ().getDefiningOp<QuantizeOp>();
    if (!product.weight || !hasRowsOfTheirOwn(product.weight) || !nn::isConstantExpression(product.weight.getX()))
      return std::nullopt;
  } else if (!nn::isConstantExpression(op.getRhs())) {
    return std::nullopt;
  }
  if (op.getBias() && !nn::isConstantExpression(op.getBias()))
    return std::nullopt;
  for (StringRef attr : {"tern.probe", "tern.codes"})
    if (op->hasAttr(attr))
      return std::nullopt;
  return product;
}

/// The dimension of `to` that the heads of `from` become; -1: there is none.
static int64_t axisOfHeads(ArrayRef<int64_t> from, ArrayRef<int64_t> to, bool isRow) {
  if (to.size() < 2 || ShapedType::isDynamic(to.back()))
    return -1;
  int64_t axis = int64_t(to.size()) - 2;
  if (to.size() == from.size() + 1 && to.drop_back(2) == from.drop_back())
    return to[axis] * to.back() == from.back() ? axis : -1;
  while (axis >= 0 && to[axis] == 1)
    --axis;
  return isRow && axis >= 0 && to[axis] * to.back() == from.back() ? axis : -1;
}

static std::optional<Projection> projectionOf(nn::MatmulOp op) {
  std::optional<Product> product = productOf(op);
  if (!product)
    return std::nullopt;
  Projection projection{*product, {}};
  ArrayRef<int64_t> from = op.getType().getShape();
  bool isRow = llvm::all_of(from.drop_back(), [](int64_t size) { return size == 1; });
  for (Operation *user : op->getUsers()) {
    auto split = dyn_cast<nn::ReshapeOp>(user);
    int64_t axis = split ? axisOfHeads(from, split.getType().getShape(), isRow) : -1;
    if (axis < 0 || !isReadByHeads(split.getResult(), isRow) || split->hasAttr("tern.codes") || split->hasAttr("tern.probe"))
      return std::nullopt;
    if (!projection.splits.empty() && split.getType() != projection.splits.front().getType())
      return std::nullopt;
    projection.axis = axis;
    projection.splits.push_back(split);
  }
  return projection;
}

/// What two products must share to be one. form: of what their outputs are divided into.
static SmallVector<const void *> keyOf(Product p, int64_t form) {
  Value x = p.op.getLhs();
  if (auto dequantize = x.getDefiningOp<DequantizeOp>())
    x = dequantize.getQ();
  SmallVector<const void *> key{x.getAsOpaquePointer(), p.op->getBlock(), p.op->getAttr("tern.choice").getAsOpaquePointer(),
                                reinterpret_cast<const void *>(uintptr_t(form)),
                                reinterpret_cast<const void *>(uintptr_t(bool(p.op.getBias()))),
                                p.op.getLhs().getType().getAsOpaquePointer()};
  if (QuantizeOp weight = p.weight) {
    key.push_back(weight.getResult().getType().getFormat().getAsOpaquePointer());
    key.push_back(weight.getByAttr() ? weight.getByAttr().getAsOpaquePointer() : nullptr);
    key.push_back(weight.getMethodAttr() ? weight.getMethodAttr().getAsOpaquePointer() : nullptr);
  }
  return key;
}

/// The sizes of a result that are not known are those of another op's result with the same leading dimensions.
static void copySizes(Operation *from, Operation *to) {
  if (Attribute sizes = from->getDiscardableAttr("nn.sizes"))
    to->setDiscardableAttr("nn.sizes", sizes);
}

/// A constant expression is computed before `place`.
static void hoist(Value value, Operation *place) {
  Operation *op = value.getDefiningOp();
  if (!op || op->getBlock() != place->getBlock() || op->isBeforeInBlock(place))
    return;
  for (Value operand : op->getOperands())
    hoist(operand, place);
  op->moveBefore(place);
}

/// A name without the path that it shares with another: "0.self.key" beside "0.self.query" is "key".
static StringRef lastPart(StringRef name, StringRef other) {
  size_t shared = 0;
  for (size_t i = 0; i < std::min(name.size(), other.size()) && name[i] == other[i]; ++i)
    if (name[i] == '.' || name[i] == '/')
      shared = i + 1;
  return name.drop_front(shared);
}

/// One product with the outputs of all parts one behind the other, in front of the first part.
static nn::MatmulOp productOfAll(ArrayRef<Product> parts) {
  Product first = parts.front();
  OpBuilder builder(first.op);
  Location loc = first.op.getLoc();
  std::string name;
  SmallVector<Value> weights, biases;
  for (Product part : parts) {
    QuantizeOp quantize = part.weight;
    nn::MatmulOp op = part.op;
    name += name.empty() ? nn::nameOf(op).str() : ("+" + lastPart(nn::nameOf(op), nn::nameOf(first.op))).str();
    weights.push_back(quantize ? quantize.getX() : op.getRhs());
    hoist(weights.back(), first.op);
    if (op.getBias()) {
      biases.push_back(op.getBias());
      hoist(op.getBias(), first.op);
    }
  }
  Value weight = nn::ConcatOp::create(builder, loc, weights, int64_t(0), StringAttr());
  StringAttr nameAttr = builder.getStringAttr(name);
  if (QuantizeOp like = first.weight) {
    QuantType type = like.getResult().getType();
    auto wide = RankedTensorType::get(tensorOf(weight).getShape(), tensorOf(like.getX()).getElementType());
    auto merged = QuantType::get(wide, type.getFormat());
    auto quantize = QuantizeOp::create(builder, loc, merged, weight, ValueRange(), like.getByAttr(), like.getMethodAttr(), nameAttr);
    weight = DequantizeOp::create(builder, loc, wide, quantize.getResult(), StringAttr());
  }
  Value bias = biases.empty() ? Value() : nn::ConcatOp::create(builder, loc, biases, int64_t(0), StringAttr()).getResult();
  auto product = nn::MatmulOp::create(builder, loc, first.op.getLhs(), weight, bias, /*transpose_a=*/false, /*transpose_b=*/true, nameAttr);
  for (NamedAttribute attr : first.op->getDiscardableAttrs())
    product->setDiscardableAttr(attr.getName(), attr.getValue());
  return product;
}

/// Part of a value along one axis: all of the others.
static nn::SliceOp sliceOf(OpBuilder &builder, Value value, int64_t axis, int64_t start, int64_t count, StringAttr name) {
  SmallVector<int64_t> sizes(tensorOf(value).getShape()), starts(sizes.size(), 0), steps(sizes.size(), 1);
  for (int64_t &size : sizes)
    size = ShapedType::isDynamic(size) ? -1 : size;
  starts[axis] = start;
  sizes[axis] = count;
  return nn::SliceOp::create(builder, value.getLoc(), value, starts, sizes, steps, name);
}

static void merge(MutableArrayRef<Projection> parts) {
  SmallVector<Product> products(parts.begin(), parts.end());
  nn::MatmulOp product = productOfAll(products);
  OpBuilder builder(parts.front().op);
  int64_t heads = 0;
  for (Projection &part : parts)
    heads += part.heads();
  nn::ReshapeOp like = parts.front().splits.front();
  SmallVector<int64_t> shape(like.getType().getShape());
  int64_t axis = parts.front().axis;
  shape[axis] = heads;
  auto split = nn::ReshapeOp::create(builder, product.getLoc(), like.getType().clone(shape), product.getResult(), StringAttr());
  copySizes(like, split);
  int64_t start = 0;
  for (Projection &part : parts) {
    for (nn::ReshapeOp old : part.splits) {
      auto slice = sliceOf(builder, split.getResult(), axis, start, part.heads(), old.getNameAttr());
      copySizes(old, slice);
      old.getResult().replaceAllUsesWith(slice.getResult());
    }
    start += part.heads();
  }
  for (Projection &part : parts) {
    for (nn::ReshapeOp old : part.splits)
      old.erase();
    part.op.erase();
  }
}

/// The product that ends in this operand of a gate: only functions of one value lie between, and nothing else reads any of them.
static std::optional<Product> gatePart(Value value) {
  while (value.hasOneUse()) {
    Operation *op = value.getDefiningOp();
    if (auto matmul = dyn_cast_or_null<nn::MatmulOp>(op))
      return productOf(matmul);
    if (!isa_and_nonnull<nn::UnaryOp, nn::ClipOp>(op) || op->hasAttr("tern.probe") || op->hasAttr("tern.codes"))
      return std::nullopt;
    value = op->getOperand(0);
  }
  return std::nullopt;
}

/// gate(x w0) * (x w1): both products become one, whose halves meet in its epilogue (Grouping.cpp).
static bool mergeGate(nn::BinaryOp gate) {
  std::optional<Product> a = gatePart(gate.getLhs()), b = gatePart(gate.getRhs());
  if (!a || !b || a->op == b->op)
    return false;
  if (b->op->getBlock() == a->op->getBlock() && b->op->isBeforeInBlock(a->op))
    std::swap(a, b);
  int64_t size = a->op.getType().getShape().back();
  if (ShapedType::isDynamic(size) || b->op.getType() != a->op.getType() || keyOf(*a, size) != keyOf(*b, size))
    return false;
  nn::MatmulOp product = productOfAll({*a, *b});
  OpBuilder builder(a->op);
  int64_t axis = a->op.getType().getRank() - 1;
  for (auto [part, start] : {std::pair(*a, int64_t(0)), std::pair(*b, size)}) {
    nn::MatmulOp op = part.op;
    auto half = sliceOf(builder, product.getResult(), axis, start, size, StringAttr());
    copySizes(op, half);
    op.getResult().replaceAllUsesWith(half.getResult());
  }
  a->op.erase();
  b->op.erase();
  return true;
}

namespace {
struct TernMergeProducts : tern::impl::TernMergeProductsBase<TernMergeProducts> {
  void runOnOperation() override {
    llvm::MapVector<SmallVector<const void *>, SmallVector<Projection>, std::map<SmallVector<const void *>, unsigned>> groups;
    getOperation().walk([&](Block *block) {
      Conditions conditions(*block);
      for (auto op : block->getOps<nn::MatmulOp>()) {
        std::optional<Projection> projection = projectionOf(op);
        if (!projection)
          continue;
        // They are one when they matter under the same conditions.
        SmallVector<const void *> key = keyOf(*projection, projection->form());
        for (const Literal &literal : conditions.of(op)) {
          key.push_back(literal.condition.getAsOpaquePointer());
          key.push_back(reinterpret_cast<const void *>(uintptr_t(literal.on)));
        }
        groups[key].push_back(*projection);
      }
    });
    for (auto &[key, parts] : groups) {
      if (parts.size() < 2)
        continue;
      merge(parts);
      products += parts.size();
    }
    SmallVector<nn::BinaryOp> gates;
    getOperation().walk([&](nn::BinaryOp op) { gates.push_back(op); });
    for (nn::BinaryOp gate : gates)
      products += mergeGate(gate) ? 2 : 0;
  }
};
} // namespace
