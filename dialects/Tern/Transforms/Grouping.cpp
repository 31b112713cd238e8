//===- Grouping.cpp - which ops of a function share a kernel --------------===//
#include "dialects/Tern/Transforms/Grouping.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace tern {

static bool isF32(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor && tensor.getElementType().isF32();
}
static bool isI32(Value value) {
  auto tensor = dyn_cast<RankedTensorType>(value.getType());
  return tensor && tensor.getElementType().isSignlessInteger(32);
}
static ArrayRef<int64_t> shapeOf(Value value) {
  if (auto quant = dyn_cast<QuantType>(value.getType()))
    return quant.getShape();
  return cast<RankedTensorType>(value.getType()).getShape();
}
static bool isConstant(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<arith::ConstantOp, ml_program::GlobalLoadConstOp>(op);
}

static bool isGlobal(nn::ReduceOp op);
static bool isReadable(Value operand, ArrayRef<int64_t> result);

/// An elementwise op that the kernels of pictures and rows do not broadcast; the one that does reads and writes plain numbers.
static bool broadcastsFreely(Operation *op) {
  return isElementwise(op) && !isa<QuantizeOp, RequantizeOp>(op) &&
         llvm::any_of(op->getOperands(), [&](Value operand) { return !isReadable(operand, shapeOf(op->getResult(0))); });
}

/// Kernels that read floats in memory only.
static bool readsFloats(Operation *user) {
  if (auto reduce = dyn_cast<nn::ReduceOp>(user))
    return !isGlobal(reduce);
  if (auto matmul = dyn_cast<nn::MatmulOp>(user)) {
    Operation *rhs = matmul.getRhs().getDefiningOp();
    return !isConstant(matmul.getRhs()) && !(rhs && isa<DequantizeOp>(rhs) && shapeOf(matmul.getRhs()).size() == 2);
  }
  return broadcastsFreely(user) || isa<nn::AttentionOp, nn::RopeOp, nn::SoftmaxOp, nn::GroupNormOp, nn::ArgReduceOp, nn::SelectOp, nn::CompareOp,
                                       nn::TopkOp, nn::CumulateOp, nn::GatherElementsOp, nn::GatherNdOp, nn::ExpandOp>(user);
}

bool staysOutside(Operation *user) {
  return isa<nn::ReshapeOp, nn::LoopOp>(user) || user->hasTrait<OpTrait::IsTerminator>() || readsFloats(user);
}

bool isOutsideDequantize(Operation *op) {
  return isa<DequantizeOp>(op) && !op->use_empty() && llvm::all_of(op->getUsers(), staysOutside);
}

bool isView(Operation *op) { return isa<BundleOp, UnbundleOp, DequantizeOp>(op) && !isOutsideDequantize(op); }

/// Kinds without a vector form stay alone with the portable kernel.
static bool hasVectorForm(nn::UnaryKind kind) {
  using K = nn::UnaryKind;
  switch (kind) {
  case K::relu:
  case K::leaky_relu:
  case K::sigmoid:
  case K::hard_sigmoid:
  case K::hard_swish:
  case K::tanh:
  case K::exp:
  case K::log:
  case K::sqrt:
  case K::rsqrt:
  case K::reciprocal:
  case K::neg:
  case K::abs:
  case K::floor:
  case K::ceil:
  case K::round:
  case K::sign:
  case K::erf:
  case K::gelu:
  case K::gelu_tanh:
  case K::silu:
  case K::elu:
  case K::softplus:
    return true;
  default:
    return false;
  }
}
static bool hasVectorForm(nn::BinaryKind kind) {
  using K = nn::BinaryKind;
  return llvm::is_contained({K::add, K::sub, K::mul, K::div, K::pow, K::min, K::max, K::prelu}, kind);
}

bool isElementwise(Operation *op) {
  return TypeSwitch<Operation *, bool>(op)
      .Case<RequantizeOp>([](auto) { return true; })
      .Case<QuantizeOp>([](QuantizeOp quantize) { return !quantize.getPlanes().empty() && isF32(quantize.getX()); })
      .Case<nn::ClipOp>([](auto clip) { return isF32(clip.getResult()); })
      .Case<nn::UnaryOp>([](auto unary) { return isF32(unary.getResult()) && hasVectorForm(unary.getKind()); })
      .Case<nn::BinaryOp>([](auto binary) { return isF32(binary.getResult()) && hasVectorForm(binary.getKind()); })
      .Case<nn::CastOp>([](auto cast) { return isF32(cast.getResult()) && (isF32(cast.getX()) || isI32(cast.getX())); })
      .Default([](Operation *) { return false; });
}

/// Reduction over exactly all spatial axes of a picture.
static bool isGlobal(nn::ReduceOp op) {
  int64_t rank = shapeOf(op.getX()).size();
  using K = nn::ReduceKind;
  return rank >= 3 && int64_t(op.getAxes().size()) == rank - 2 && op.getAxes().front() == 2 &&
         llvm::is_contained({K::sum, K::mean, K::max, K::min}, op.getKind()) && isF32(op.getResult());
}

/// A norm of f32 rows of a known length.
template <typename Norm> static bool isRowNorm(Norm norm) {
  ArrayRef<int64_t> shape = shapeOf(norm.getX());
  return isF32(norm.getResult()) && int64_t(norm.getAxis()) == int64_t(shape.size()) - 1 && !ShapedType::isDynamic(shape.back());
}

bool acceptsEpilogue(Operation *anchor) {
  return TypeSwitch<Operation *, bool>(anchor)
      .Case<nn::ConvOp, nn::ConvTransposeOp, nn::PoolOp, nn::ResizeOp>([](Operation *op) {
        int64_t rank = shapeOf(op->getResult(0)).size();
        return (rank == 3 || rank == 4) && isF32(op->getResult(0));
      })
      .Case<ConvOp>([](ConvOp conv) { return shapeOf(conv.getResult()).size() <= 4; })
      .Case<MatmulOp>([](MatmulOp matmul) { return shapeOf(matmul.getW()).size() == 2; })
      .Case<nn::MatmulOp>([](nn::MatmulOp matmul) {
        Operation *weight = matmul.getRhs().getDefiningOp();
        return isF32(matmul.getResult()) && shapeOf(matmul.getRhs()).size() == 2 && !matmul.getTransposeA() && weight &&
               (isConstant(matmul.getRhs()) || isa<DequantizeOp>(weight));
      })
      .Case<nn::ReduceOp>([](nn::ReduceOp reduce) { return isGlobal(reduce); })
      .Case<nn::LayerNormOp, nn::RmsNormOp>([](auto norm) { return isRowNorm(norm); })
      .Default([](Operation *) { return false; });
}

llvm::SmallVector<Value, 2> halvesOf(Value value) {
  ArrayRef<int64_t> shape = shapeOf(value);
  llvm::SmallVector<Value, 2> halves(2);
  if (shape.empty() || ShapedType::isDynamic(shape.back()) || shape.back() % 2)
    return {};
  int64_t half = shape.back() / 2;
  for (Operation *user : value.getUsers()) {
    auto slice = dyn_cast<nn::SliceOp>(user);
    if (!slice || slice->hasAttr(kProbe) || shapeOf(slice.getResult()).drop_back() != shape.drop_back() || shapeOf(slice.getResult()).back() != half ||
        llvm::any_of(slice.getSteps(), [](int64_t step) { return step != 1; }) ||
        llvm::any_of(slice.getStarts().drop_back(), [](int64_t start) { return start != 0; }))
      return {};
    int64_t start = slice.getStarts().back();
    if ((start != 0 && start != half) || halves[start / half])
      return {};
    halves[start / half] = slice.getResult();
  }
  return halves[0] && halves[1] ? halves : llvm::SmallVector<Value, 2>();
}

/// Run-time quantization with scales along rows.
static bool quantizesRows(Operation *op) {
  auto quantize = dyn_cast<QuantizeOp>(op);
  if (!quantize || !quantize.getPlanes().empty() || !isF32(quantize.getX()))
    return false;
  Format format = quantize.getResult().getType().getFormat().getFormat();
  const Plane *scale = format.find(Role::Scale);
  return format.planes.size() == 1 && scale && !scale->block.empty() &&
         llvm::all_of(ArrayRef<int64_t>(scale->block).drop_back(), [](int64_t extent) { return extent == 1; });
}

/// An operand that a vector program reads while it computes a result of this shape: the same shape, one number, one
/// number a channel (constants; gates of a picture) or one a pixel.
static bool isReadable(Value operand, ArrayRef<int64_t> result) {
  ArrayRef<int64_t> shape = shapeOf(operand);
  if (shape == result || isConstant(operand) || llvm::all_of(shape, [](int64_t size) { return size == 1; }))
    return true;
  if (shape.size() != result.size() || shape.size() < 2)
    return false;
  bool gate = shape[0] == result[0] && shape[1] == result[1], pixel = shape[0] == result[0] && shape[1] == 1;
  for (size_t i = 2; i < shape.size(); ++i) {
    gate &= shape[i] == 1;
    pixel &= shape[i] == result[i];
  }
  bool row = shape.drop_back() == result.drop_back() && shape.back() == 1;
  return (shape.size() >= 3 && (gate || pixel)) || row;
}

/// The same while a matrix product computes its rows: the same shape, one number, one number an output (constants) or one
/// a row.
static bool isReadableInRows(Value operand, ArrayRef<int64_t> result) {
  ArrayRef<int64_t> shape = shapeOf(operand);
  auto isOne = [](int64_t size) { return size == 1; };
  if (shape == result || llvm::all_of(shape, isOne))
    return true;
  // Scales of this run times constant ones are a vector that no constant is.
  if (!shape.empty() && llvm::all_of(shape.drop_back(), isOne) && shape.back() == result.back() && !ShapedType::isDynamic(shape.back()))
    return true;
  if (isConstant(operand))
    return false;
  return shape.size() == result.size() && shape.drop_back() == result.drop_back() && shape.back() == 1;
}

namespace {
class Grouping {
public:
  std::vector<std::unique_ptr<Group>> run(Block &block) {
    for (Operation &op : block.without_terminator())
      if (!isView(&op) && !isa<arith::ConstantOp, ml_program::GlobalLoadConstOp, nn::ReshapeOp, nn::LoopOp, CallOp>(op))
        add(&op);
    llvm::erase_if(groups, [](const auto &group) { return group->ops.empty(); });
    for (auto &group : groups)
      mergeReader(group.get());
    auto tidy = [&] {
      llvm::erase_if(groups, [](const auto &group) { return group->ops.empty(); });
      for (auto &group : groups)
        llvm::sort(group->ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    };
    tidy();
    for (auto &group : groups)
      takeHalves(*group);
    tidy();
    for (auto &group : groups)
      fuseRows(*group);
    tidy();
    llvm::sort(groups, [](const auto &a, const auto &b) { return a->last()->isBeforeInBlock(b->last()); });
    return std::move(groups);
  }

private:
  void add(Operation *op) {
    Group *group = isElementwise(op) ? groupToJoin(op) : nullptr;
    if (group) {
      takeInputs(op, group);
    } else {
      groups.push_back(std::make_unique<Group>());
      group = groups.back().get();
      if (!isElementwise(op))
        group->anchor = op;
    }
    group->ops.push_back(op);
    groupOf[op] = group;
  }

  /// The kernel that computes an operand and that `op` may end, or null.
  Group *joinable(Value operand, Operation *op) {
    Operation *producer = operand.getDefiningOp();
    Group *group = producer ? groupOf.lookup(producer) : nullptr;
    return group && group->last() == producer && canJoin(*group, operand, op) ? group : nullptr;
  }

  /// Kernels with an anchor first, among them the one that ends last.
  Group *groupToJoin(Operation *op) {
    Group *best = nullptr;
    auto isBetter = [](Group *a, Group *b) {
      if (bool(a->anchor) != bool(b->anchor))
        return bool(a->anchor);
      return b->last()->isBeforeInBlock(a->last());
    };
    for (Value operand : op->getOperands())
      if (Group *group = joinable(operand, op); group && (!best || isBetter(group, best)))
        best = group;
    return best;
  }

  /// Elementwise kernels that only `op` reads are computed where they are read: their result never lies in memory.
  void takeInputs(Operation *op, Group *group) {
    for (Value operand : op->getOperands()) {
      Group *input = joinable(operand, op);
      if (!input || input == group || input->anchor)
        continue;
      for (Operation *moved : input->ops)
        groupOf[moved] = group;
      group->ops.append(input->ops);
      input->ops.clear();
    }
  }

  /// x * f(x): the readers of a value are several ops, but one elementwise kernel; it becomes part of the kernel of the
  /// value.
  void mergeReader(Group *group) {
    while (!group->ops.empty() && group->last()->getNumResults() == 1) {
      Value value = group->last()->getResult(0);
      if (value.use_empty() || !isOpen(*group))
        return;
      Group *reader = groupOf.lookup(*value.getUsers().begin());
      if (!reader || reader == group || reader->anchor)
        return;
      for (Operation *user : value.getUsers())
        if (groupOf.lookup(user) != reader)
          return;
      for (Operation *op : reader->ops)
        if (!fits(op, value, isProduct(*group)) || !mayQuantize(*group, op))
          return;
      for (Operation *op : reader->ops)
        groupOf[op] = group;
      group->ops.append(reader->ops);
      reader->ops.clear();
    }
  }

  /// Something outside reads another result than the last one.
  bool escapes(const Group &group) {
    return llvm::any_of(group.ops, [&](Operation *op) {
      return op != group.last() && llvm::any_of(op->getUsers(), [&](Operation *user) { return groupOf.lookup(user) != &group; });
    });
  }

  /// A gated product: one elementwise kernel reads both halves of the outputs and nothing else does; it becomes the end of the product's kernel.
  void takeHalves(Group &group) {
    if (group.ops.empty() || !isa_and_nonnull<MatmulOp, nn::MatmulOp>(group.anchor) || !isOpen(group) || !isF32(group.last()->getResult(0)))
      return;
    llvm::SmallVector<Value, 2> halves = halvesOf(group.last()->getResult(0));
    if (halves.empty() || escapes(group))
      return;
    // What lies between, scales for example, is computed for each half: no operand has both.
    ArrayRef<int64_t> both = shapeOf(group.last()->getResult(0));
    for (Operation *op : group.ops)
      for (Value operand : op == group.anchor ? ValueRange() : ValueRange(op->getOperands())) {
        ArrayRef<int64_t> own = shapeOf(operand);
        if (groupOf.lookup(operand.getDefiningOp()) != &group && !isConstant(operand) && !own.empty() && own.back() == both.back())
          return;
      }
    Group *reader = nullptr;
    for (Value half : halves) {
      if (groupOf.lookup(half.getDefiningOp())->ops.size() != 1)
        return;
      for (Operation *user : half.getUsers()) {
        Group *own = groupOf.lookup(user);
        if (!own || own->anchor || (reader && own != reader))
          return;
        reader = own;
      }
    }
    if (!reader || escapes(*reader))
      return;
    ArrayRef<int64_t> shape = shapeOf(halves.front());
    for (Operation *op : reader->ops) {
      if (shapeOf(op->getResult(0)) != shape)
        return;
      for (Value operand : op->getOperands())
        if (!llvm::is_contained(halves, operand) && !isReadableInRows(operand, shape))
          return;
    }
    for (Value half : halves)
      move(*groupOf[half.getDefiningOp()], group);
    move(*reader, group);
  }

  /// More ops may be computed on the result of a kernel.
  static bool isOpen(const Group &group) {
    return (!group.anchor || acceptsEpilogue(group.anchor)) && !isa<QuantType>(group.last()->getResult(0).getType()) &&
           !group.last()->hasAttr(kProbe);
  }
  /// An elementwise op can be computed where `value` is; `rows`: by a matrix product.
  static bool fits(Operation *op, Value value, bool rows) {
    ArrayRef<int64_t> shape = shapeOf(op->getResult(0));
    return shapeOf(value) == shape && llvm::all_of(op->getOperands(), [&](Value operand) {
             return operand == value || isReadable(operand, shape) || (rows && isReadableInRows(operand, shape));
           });
  }
  /// Kernels that broadcast freely yield plain numbers.
  static bool mayQuantize(const Group &group, Operation *op) {
    return !isa<QuantizeOp, RequantizeOp>(op) || llvm::none_of(group.ops, broadcastsFreely);
  }
  static bool isProduct(const Group &group) { return isa_and_nonnull<MatmulOp, nn::MatmulOp>(group.anchor); }

  //===-- rows ---------------------------------------------------------------===//

  /// Kernels of rows take more than an epilogue: heads are read through slices and transposes and written through the latter, a norm computes the sum
  /// it normalizes, and what computes rows also quantizes them.
  void fuseRows(Group &group) {
    if (group.ops.empty() || !group.anchor)
      return;
    TypeSwitch<Operation *>(group.anchor)
        .Case<nn::AttentionOp>([&](nn::AttentionOp op) {
          for (Value operand : {op.getQ(), op.getK(), op.getV()})
            takeTranspose(operand, group);
          addTranspose(group);
        })
        .Case<nn::RopeOp>([&](nn::RopeOp op) {
          takeTranspose(op.getX(), group);
          addTranspose(group);
        })
        .Case<nn::LayerNormOp, nn::RmsNormOp>([&](auto norm) {
          Group *producer = rowProducer(norm.getX(), group);
          if (producer && !producer->anchor && isRowNorm(norm))
            move(*producer, group);
        })
        .Case<QuantizeOp>([&](QuantizeOp quantize) {
          if (!quantizesRows(quantize) || group.ops.size() != 1)
            return;
          Group *producer = rowProducer(quantize.getX(), group);
          if (!producer || (producer->anchor && !isa<nn::LayerNormOp, nn::RmsNormOp>(producer->anchor)))
            return;
          move(group, *producer);
          if (!producer->anchor)
            producer->anchor = quantize;
        });
  }

  void move(Group &from, Group &to) {
    for (Operation *op : from.ops)
      groupOf[op] = &to;
    to.ops.append(from.ops);
    from.ops.clear();
    llvm::sort(to.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  }

  /// A transpose that keeps the elements of a head neighbours and is in no kernel with other ops.
  nn::TransposeOp alone(Operation *op) {
    auto transpose = dyn_cast_or_null<nn::TransposeOp>(op);
    if (!transpose || transpose->hasAttr(kProbe) || groupOf.lookup(transpose)->ops.size() != 1)
      return {};
    ArrayRef<int64_t> perm = transpose.getPerm();
    return perm.empty() || perm.back() != int64_t(perm.size()) - 1 ? nn::TransposeOp() : transpose;
  }
  void takeTranspose(Value operand, Group &group) {
    nn::TransposeOp transpose = alone(operand.getDefiningOp());
    Operation *reader = group.anchor;
    if (transpose && llvm::all_of(transpose->getUsers(), [&](Operation *user) { return user == reader; })) {
      move(*groupOf[transpose], group);
      operand = transpose.getX();
      reader = transpose;
    }
    // Some heads of a wider tensor.
    auto slice = operand.getDefiningOp<nn::SliceOp>();
    if (slice && !slice->hasAttr(kProbe) && groupOf.lookup(slice)->ops.size() == 1 && cutsHeads(slice) &&
        llvm::all_of(slice->getUsers(), [&](Operation *user) { return user == reader; }))
      move(*groupOf[slice], group);
  }
  /// A slice that leaves the elements of heads neighbours and whose place is known.
  static bool cutsHeads(nn::SliceOp slice) {
    int64_t rank = slice.getSteps().size();
    bool isWhole = rank > 1 && slice.getStarts()[rank - 1] == 0 && shapeOf(slice.getResult()).back() == shapeOf(slice.getX()).back();
    return isWhole && llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; }) &&
           llvm::none_of(slice.getStarts(), ShapedType::isDynamic) && !ShapedType::isDynamic(shapeOf(slice.getX()).back()) &&
           llvm::all_of(llvm::seq<int64_t>(0, rank), [&](int64_t d) {
             // An offset along a dimension needs sizes behind it that are known.
             return slice.getStarts()[d] == 0 || llvm::none_of(shapeOf(slice.getX()).drop_front(d + 1), ShapedType::isDynamic);
           });
  }
  void addTranspose(Group &group) {
    Value result = group.anchor->getResult(0);
    if (!result.hasOneUse() || group.last() != group.anchor || group.anchor->hasAttr(kProbe))
      return;
    if (nn::TransposeOp transpose = alone(*result.getUsers().begin()))
      move(*groupOf[transpose], group);
  }

  /// The kernel that ends in these f32 rows, when `reader` may compute them, too: whatever else reads them comes later,
  /// and all of its operands are rows of that shape, one number, constants or one value a row.
  Group *rowProducer(Value rows, const Group &reader) {
    Operation *op = rows.getDefiningOp();
    Group *producer = op ? groupOf.lookup(op) : nullptr;
    if (!producer || producer == &reader || producer->last() != op || !isF32(rows) || !isOpen(*producer))
      return nullptr;
    ArrayRef<int64_t> shape = shapeOf(rows);
    if (shape.size() < 2 || ShapedType::isDynamic(shape.back()))
      return nullptr;
    for (Operation *user : rows.getUsers())
      if (groupOf.lookup(user) != &reader && user->getBlock() == op->getBlock() && user->isBeforeInBlock(reader.last()))
        return nullptr;
    for (Operation *inside : producer->ops) {
      if (shapeOf(inside->getResult(0)) != shape)
        return nullptr;
      if (inside == producer->anchor)
        continue;
      for (Value operand : inside->getOperands()) {
        ArrayRef<int64_t> own = shapeOf(operand);
        bool row = own.size() == shape.size() && own.drop_back() == shape.drop_back() && own.back() == 1;
        if (own != shape && !row && !isConstant(operand) && !llvm::all_of(own, [](int64_t size) { return size == 1; }))
          return nullptr;
      }
    }
    return producer;
  }

  bool canJoin(const Group &group, Value value, Operation *op) {
    if (!mayQuantize(group, op))
      return false;
    if (isProduct(group) &&
        !llvm::all_of(op->getOperands(), [&](Value operand) {
          return operand == value || isReadableInRows(operand, shapeOf(op->getResult(0)));
        }))
      return false;
    return isOpen(group) && llvm::all_of(value.getUsers(), [&](Operation *user) { return user == op; }) &&
           fits(op, value, isProduct(group));
  }

  std::vector<std::unique_ptr<Group>> groups;
  llvm::DenseMap<Operation *, Group *> groupOf;
};
} // namespace

std::vector<std::unique_ptr<Group>> groupOps(Block &block) { return Grouping().run(block); }

} // namespace tern
