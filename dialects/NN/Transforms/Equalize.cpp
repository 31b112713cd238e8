//===- Equalize.cpp - activations whose channels get one range ------------===//
#include "dialects/NN/Transforms/Equalize.h"
#include "lib/Search/Scheme.h"

using namespace mlir;

namespace tern::nn {

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

int64_t channelGroups(Operation *reader) {
  auto conv = dyn_cast<ConvOp>(reader);
  return conv ? conv.getGroup() : 1;
}

/// The channels that a reader's weight has a column for.
static int64_t channelsOf(Operation *reader) {
  RankedTensorType weight = typeOf(reader->getOperand(1));
  return isa<MatmulOp>(reader) ? weight.getShape().back() : weight.getDimSize(1) * channelGroups(reader);
}

std::vector<Equalizable> findEqualizable(func::FuncOp function, function_ref<bool(Operation *)> isStatic) {
  std::vector<Equalizable> found;
  for (const ActivationGroup &group : findActivations(function, isStatic)) {
    // A value of its own: no moves on the way, no other values of the same scale.
    Operation *def = group.roots.size() == 1 ? group.roots.front().getDefiningOp() : nullptr;
    if (!def || def->getNumResults() != 1 || def->getBlock() != &function.front())
      continue;
    Equalizable value{group.name, group.roots.front(), {}, 0, 0};
    bool fits = true;
    for (Operation *user : value.value.getUsers()) {
      bool reads = isa<ConvOp, MatmulOp>(user) && llvm::is_contained(group.consumers, user) &&
                   user->getOperand(0) == value.value && llvm::count(user->getOperands(), value.value) == 1;
      if (!reads) {
        fits = false;
        break;
      }
      int64_t axis = isa<MatmulOp>(user) ? typeOf(value.value).getRank() - 1 : 1, channels = channelsOf(user);
      fits &= value.readers.empty() || (axis == value.axis && channels == value.channels);
      value.axis = axis, value.channels = channels;
      value.readers.push_back(user);
    }
    if (!fits || value.readers.empty())
      continue;
    llvm::sort(value.readers, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
    found.push_back(std::move(value));
  }
  return found;
}

static Value constant(OpBuilder &builder, Location loc, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  auto type = RankedTensorType::get(shape, builder.getF32Type());
  return arith::ConstantOp::create(builder, loc, type, DenseElementsAttr::get(type, values));
}

/// The weight times the factors of the channels it is multiplied with.
static void scaleWeight(Operation *reader, ArrayRef<float> factors) {
  OpBuilder builder(reader);
  Location loc = reader->getLoc();
  Value weight = reader->getOperand(1);
  RankedTensorType type = typeOf(weight);
  SmallVector<int64_t> shape(type.getRank(), 1);
  SmallVector<float> values(factors);
  if (isa<MatmulOp>(reader)) {
    shape.back() = factors.size();
  } else {
    int64_t perGroup = shape[1] = type.getDimSize(1);
    if (int64_t groups = channelGroups(reader); groups > 1) {
      shape[0] = type.getDimSize(0);
      values.clear();
      for (int64_t o = 0; o < shape[0]; ++o)
        llvm::append_range(values, factors.slice(o / (shape[0] / groups) * perGroup, perGroup));
    }
  }
  reader->setOperand(1, BinaryOp::create(builder, loc, BinaryKind::mul, weight, constant(builder, loc, shape, values), StringAttr()));
}

FailureOr<SmallVector<Value>> equalize(func::FuncOp function, ArrayRef<PlanEqualization> equalizations) {
  SmallVector<Value> quotients;
  if (equalizations.empty())
    return quotients;
  llvm::StringMap<Equalizable> byName;
  std::vector<std::string> names;
  for (Equalizable &value : findEqualizable(function, [](Operation *op) { return whyNotQuantizable(op).empty(); })) {
    names.push_back(value.name);
    byName[value.name] = std::move(value);
  }
  for (const PlanEqualization &each : equalizations) {
    auto found = byName.find(each.name);
    if (found == byName.end()) {
      InFlightDiagnostic diag = function.emitError("the plan equalizes '")
                                << each.name << "', which is no value that only quantized ops read, or one that it has equalized before";
      if (std::vector<std::string> near = nearestNames(each.name, names, 1); !near.empty())
        diag << "; did you mean '" << near.front() << "'?";
      return diag;
    }
    Equalizable value = std::move(found->second);
    byName.erase(found);
    if (int64_t(each.factors.size()) != value.channels)
      return function.emitError("the plan equalizes '") << each.name << "' with " << each.factors.size()
                                                        << " factors; it has " << value.channels << " channels";
    OpBuilder builder(value.readers.front());
    builder.setInsertionPointAfterValue(value.value);
    Location loc = value.value.getLoc();
    SmallVector<int64_t> shape(typeOf(value.value).getRank() - value.axis, 1);
    shape.front() = value.channels;
    SmallVector<float> inverse = llvm::to_vector(llvm::map_range(each.factors, [](float factor) { return 1 / factor; }));
    Value quotient = BinaryOp::create(builder, loc, BinaryKind::mul, value.value, constant(builder, loc, shape, inverse),
                                      builder.getStringAttr(each.name + ".equalized"));
    for (Operation *reader : value.readers) {
      reader->setOperand(0, quotient);
      scaleWeight(reader, each.factors);
    }
    quotients.push_back(quotient);
  }
  return quotients;
}

} // namespace tern::nn
