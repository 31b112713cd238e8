//===- StoredCodes.cpp - two's complement at the borders, code + 128 inside -===//
#include "lib/Target/Cpu/Lowering/Weights/StoredCodes.h"
#include "dialects/NN/IR/NN.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Weights/Constants.h"

using namespace mlir;

namespace tern::cpu {
namespace {

enum class Form : uint8_t { Any, Plain, Stored };

bool isByte(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isSignlessInteger(8);
}

bool hasSignedBytes(QuantType type) {
  Format format = type.getFormat().getFormat();
  return format.elem.hasSignedCodes() && format.elem.bits == 8;
}

/// Ops that give codes as they take them.
bool isMovement(Operation *op) {
  return isa<nn::ReshapeOp, nn::TransposeOp, nn::SliceOp, nn::ConcatOp, nn::ExpandOp, nn::GatherOp>(op);
}

/// Maxima are taken of stored codes, whose order as unsigned numbers is that of the values.
bool isMaxPool(Operation *op) {
  auto pool = dyn_cast<nn::PoolOp>(op);
  return pool && pool.getKind() == nn::PoolKind::max;
}

/// The form in which a kernel reads a value of its body; Any: it only moves it.
Form formRead(Value value) {
  Form form = Form::Any;
  for (OpOperand &use : value.getUses()) {
    Operation *user = use.getOwner();
    if (auto bundle = dyn_cast<BundleOp>(user)) {
      if (use.getOperandNumber() == 0 && hasSignedBytes(bundle.getResult().getType()))
        return Form::Stored;
      form = Form::Plain;
    } else if (isMaxPool(user)) {
      return Form::Stored;
    } else if (isMovement(user)) {
      Form inner = isa<nn::GatherOp>(user) && use.getOperandNumber() == 1 ? Form::Plain : formRead(user->getResult(0));
      if (inner == Form::Stored)
        return inner;
      form = std::max(form, inner);
    } else if (!isa<func::ReturnOp>(user)) {
      form = Form::Plain;
    }
  }
  return form;
}

/// The form of a value that a kernel returns; arguments it was only moved from are collected.
Form formMade(Value value, SmallVectorImpl<unsigned> &moved) {
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    moved.push_back(argument.getArgNumber());
    return formRead(argument);
  }
  Operation *op = value.getDefiningOp();
  if (auto unbundle = dyn_cast<UnbundleOp>(op))
    return cast<OpResult>(value).getResultNumber() == 0 && hasSignedBytes(unbundle.getQ().getType()) ? Form::Stored : Form::Plain;
  if (isMaxPool(op))
    return Form::Stored;
  if (!isMovement(op))
    return Form::Plain;
  Form form = Form::Any;
  for (Value operand : isa<nn::ConcatOp>(op) ? op->getOperands() : op->getOperands().take_front())
    form = std::max(form, formMade(operand, moved));
  return form;
}

class Matching {
public:
  explicit Matching(func::FuncOp main) : main(main), module(main->getParentOfType<ModuleOp>()), symbols(module) {}

  void run() { run(main.getBody().front()); }

private:
  /// What a loop gets, hands on and gives back is plain.
  void run(Block &block) {
    for (Operation &op : llvm::make_early_inc_range(block)) {
      if (auto call = dyn_cast<CallOp>(op))
        match(call);
      else if (isa<nn::ReshapeOp>(op))
        forms[op.getResult(0)] = formOf(op.getOperand(0));
      else if (isa<func::ReturnOp, nn::YieldOp, nn::LoopOp>(op))
        for (OpOperand &operand : op.getOpOperands())
          bring(operand, Form::Plain);
      if (auto loop = dyn_cast<nn::LoopOp>(op))
        run(loop.block());
    }
  }

  Form formOf(Value value) const {
    auto found = forms.find(value);
    return found == forms.end() ? Form::Plain : found->second; // inputs of the model, constants
  }

  void match(CallOp call) {
    auto kernel = symbols.lookup<func::FuncOp>(call.getCallee());
    if (!kernel || kernel.isExternal())
      return;
    for (OpOperand &operand : call->getOpOperands())
      if (isByte(operand.get().getType()))
        if (Form wanted = formRead(kernel.getArgument(operand.getOperandNumber())); wanted != Form::Any)
          bring(operand, wanted);
    for (auto [result, value] : llvm::zip(call.getOuts(), kernel.getBody().front().getTerminator()->getOperands())) {
      if (!isByte(result.getType()))
        continue;
      SmallVector<unsigned> moved;
      Form form = formMade(value, moved);
      if (form == Form::Any) {
        for (unsigned index : moved)
          form = std::max(form, formOf(call.getOperand(index)));
        for (unsigned index : moved) // operands of a concat agree
          bring(call->getOpOperand(index), form);
      }
      forms[result] = form;
    }
  }

  /// Codes of weights stay in two's complement: kernels that read constants know.
  void bring(OpOperand &operand, Form wanted) {
    Value value = operand.get();
    if (!isByte(value.getType()) || formOf(value) == wanted || constantOf(value))
      return;
    Value &flipped = copies[value];
    if (!flipped)
      flipped = flip(operand.getOwner(), value);
    forms[flipped] = wanted;
    operand.set(flipped);
  }

  Value flip(Operation *before, Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    Location loc = value.getLoc();
    OpBuilder b(module.getContext());
    b.setInsertionPointToEnd(module.getBody());
    std::string name = "k.flip_sign_" + std::to_string(copies.size());
    auto kernel = func::FuncOp::create(b, loc, name, b.getFunctionType({type}, {type}));
    kernel.setPrivate();
    Block *body = kernel.addEntryBlock();
    b.setInsertionPointToEnd(body);
    auto bit = DenseElementsAttr::get(RankedTensorType::get({}, type.getElementType()), b.getI8IntegerAttr(-128));
    Value constant = arith::ConstantOp::create(b, loc, bit);
    Value result = nn::BinaryOp::create(b, loc, type, nn::BinaryKind::bitwise_xor, body->getArgument(0), constant, StringAttr());
    func::ReturnOp::create(b, loc, result);
    symbols.insert(kernel);
    b.setInsertionPoint(before);
    auto call = CallOp::create(b, loc, TypeRange{type}, FlatSymbolRefAttr::get(kernel), ValueRange{value}, StringAttr(),
                               b.getStringAttr(kernel.getName().drop_front(2)), ArrayAttr(), ArrayAttr());
    return call.getOuts().front();
  }

  func::FuncOp main;
  ModuleOp module;
  SymbolTable symbols;
  llvm::DenseMap<Value, Form> forms;
  llvm::DenseMap<Value, Value> copies;
};

} // namespace

void matchStoredCodes(func::FuncOp main) { Matching(main).run(); }

} // namespace tern::cpu
