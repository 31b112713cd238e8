//===- RunFunction.cpp - the plan as a function of one instruction set ------===//
#include "lib/Target/Cpu/Lowering/Run/RunFunction.h"
#include "lib/Target/Cpu/Object/LowerToLLVM.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace tern::cpu {

/// Static types of buffers whose size is only known at run time: what matters is the pointer.
constexpr int64_t kOpenBytes = int64_t(1) << 40;

int64_t SizeNumbers::slot(nn::SizeExpr e) {
  auto [it, isNew] = slots.try_emplace(e.node, int64_t(all.size()));
  if (isNew)
    all.push_back(e);
  return it->second;
}

int64_t SizeNumbers::list(ArrayRef<nn::SizeExpr> list) {
  auto *at = std::search(all.begin(), all.end(), list.begin(), list.end());
  if (at != all.end())
    return at - all.begin();
  int64_t first = all.size();
  for (nn::SizeExpr e : list) {
    slots.try_emplace(e.node, int64_t(all.size()));
    all.push_back(e);
  }
  return first;
}

//===-- memory --------------------------------------------------------------------===//

Value RunFunction::index(int64_t value) { return arith::ConstantIndexOp::create(b, loc, value); }

Value RunFunction::base(const Storage &where) {
  switch (where.kind) {
  case Storage::Input:
    return body->getArgument(1 + where.index);
  case Storage::Output:
    return body->getArgument(1 + main.getNumArguments() + where.index);
  case Storage::Weights:
    return body->getArguments().back();
  case Storage::Buffer:
    break;
  }
  return allocations[where.index];
}

Value RunFunction::viewNumbers(int64_t slot) {
  Value numbers = body->getArgument(body->getNumArguments() - 2);
  return memref::ViewOp::create(b, loc, MemRefType::get({int64_t(1) << 30}, b.getIndexType()), numbers, index(8 * slot), ValueRange());
}

Value RunFunction::number(nn::SizeExpr e) {
  if (std::optional<int64_t> constant = e.constant())
    return index(*constant);
  return memref::LoadOp::create(b, loc, firstNumber, index(sizes.slot(e)));
}

static MemRefType bytesType(Builder &b, int64_t bytes) { return MemRefType::get({std::max<int64_t>(bytes, 1)}, b.getI8Type()); }

Value RunFunction::allocate(nn::SizeExpr bytes) {
  if (std::optional<int64_t> constant = bytes.constant(); constant && !isOpen)
    return memref::AllocOp::create(b, loc, bytesType(b, *constant));
  auto alloc = memref::AllocOp::create(b, loc, bytesType(b, kOpenBytes));
  alloc->setAttr("cpu.bytes", b.getI64IntegerAttr(sizes.slot(bytes)));
  return alloc;
}

/// The bytes of an operand, `more` bytes behind its begin.
Value RunFunction::view(const Storage &where, MemRefType type, Value more) {
  Value shift = index(where.kind == Storage::Weights ? where.index : 0);
  auto add = [&](Value bytes) {
    APInt known;
    bool isZero = matchPattern(shift, m_ConstantInt(&known)) && known.isZero();
    shift = isZero ? bytes : arith::AddIOp::create(b, loc, shift, bytes).getResult();
  };
  for (const Slice &slice : where.slices) {
    auto *frame = llvm::find_if(open, [&](const OpenFrame &frame) { return frame.number == slice.frame; });
    assert(frame != open.end() && "an element of a sequence is only read inside of its loop");
    Value step = frame->step;
    if (slice.backwards)
      step = arith::SubIOp::create(b, loc, arith::SubIOp::create(b, loc, number(slice.backwards), index(1)), step);
    add(arith::MulIOp::create(b, loc, step, number(slice.bytes)));
  }
  if (more)
    add(more);
  return memref::ViewOp::create(b, loc, type, base(where), shift, ValueRange());
}

Value RunFunction::load(const Storage &where, Type type) {
  return memref::LoadOp::create(b, loc, view(where, MemRefType::get({1}, type)), index(0));
}

//===-- frames --------------------------------------------------------------------===//

Value RunFunction::truth(const Storage &where, bool on) {
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 8);
  return arith::CmpIOp::create(b, loc, on ? arith::CmpIPredicate::ne : arith::CmpIPredicate::eq, load(where, b.getI8Type()), zero);
}

/// Leaves and opens frames until exactly these are open.
void RunFunction::enter(ArrayRef<unsigned> frames) {
  size_t common = 0;
  while (common < open.size() && common < frames.size() && open[common].number == frames[common])
    ++common;
  if (common < open.size()) {
    b.setInsertionPointAfter(open[common].op);
    open.resize(common);
  }
  for (unsigned number : frames.drop_front(common))
    openFrame(number);
}

void RunFunction::openFrame(unsigned number) {
  const Frame &frame = plan.frames[number];
  if (frame.kind == Frame::Guard) {
    auto branch = scf::IfOp::create(b, loc, truth(frame.condition, frame.on), /*withElseRegion=*/false);
    open.push_back({number, branch, {}});
    b.setInsertionPoint(branch.thenBlock()->getTerminator());
    return;
  }
  Value most = frame.count ? this->number(frame.count) : Value();
  if (frame.trips) {
    Value trips = arith::IndexCastOp::create(b, loc, b.getIndexType(), load(*frame.trips, b.getI64Type()));
    most = most ? arith::MinSIOp::create(b, loc, most, trips).getResult() : trips;
  }
  Value step;
  if (!frame.hasCondition) {
    auto loop = scf::ForOp::create(b, loc, index(0), most, index(1));
    step = loop.getInductionVar();
    open.push_back({number, loop, step});
    b.setInsertionPoint(loop.getBody()->getTerminator());
  } else {
    Type type = b.getIndexType();
    auto loop = scf::WhileOp::create(b, loc, TypeRange{type}, ValueRange{index(0)});
    Block *before = b.createBlock(&loop.getBefore(), {}, type, loc);
    Value goesOn = truth(frame.condition, true);
    if (most)
      goesOn = arith::AndIOp::create(b, loc, goesOn, arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, before->getArgument(0), most));
    scf::ConditionOp::create(b, loc, goesOn, before->getArguments());
    step = b.createBlock(&loop.getAfter(), {}, type, loc)->getArgument(0);
    auto end = scf::YieldOp::create(b, loc, arith::AddIOp::create(b, loc, step, index(1)).getResult());
    open.push_back({number, loop, step});
    b.setInsertionPoint(end);
  }
  if (frame.step)
    memref::StoreOp::create(b, loc, arith::IndexCastOp::create(b, loc, b.getI64Type(), step), view(*frame.step, MemRefType::get({1}, b.getI64Type())), index(0));
}

//===-- steps ---------------------------------------------------------------------===//

void RunFunction::call(const PlannedStep &planned, const Kernel &kernel, size_t number) {
  loc = planned.loc;
  enter(planned.frames);
  OpBuilder::InsertionGuard guard(b);
  scf::ForOp loop;
  if (planned.pictures) {
    loop = scf::ForOp::create(b, loc, index(0), this->number(planned.pictures), index(1));
    b.setInsertionPoint(loop.getBody()->getTerminator());
  }
  func::FuncOp callee = kernel.function;
  SmallVector<Value> args;
  auto typeOfNext = [&] { return cast<MemRefType>(callee.getArgumentTypes()[args.size()]); };
  for (const Storage &where : planned.storage) {
    nn::SizeExpr stride = loop && args.size() < planned.strides.size() ? planned.strides[args.size()] : nn::SizeExpr();
    Value picture;
    if (stride && !stride.isConstant(0))
      picture = arith::MulIOp::create(b, loc, loop.getInductionVar(), this->number(stride));
    args.push_back(view(where, typeOfNext(), picture));
  }
  nn::SizeTable &table = SizeScope::table();
  const nn::Sizes &own = planned.sizes;
  nn::SizeExpr tasks = table.constant(kernel.tasks.constant);
  for (const TaskCount::Factor &factor : kernel.tasks.factors) {
    nn::SizeExpr all = table.constant(1);
    for (int64_t size : factor.sizes)
      all = table.mul(all, isDynamic(size) ? own[size_t(slotOf(size))] : table.constant(size));
    tasks = table.mul(tasks, table.ceilDiv(all, table.constant(factor.chunk)));
  }
  if (!own.empty())
    args.push_back(viewNumbers(sizes.list(own)));
  // The scratch has the same size at every level of a static program, so that all levels share one arena plan.
  if (kernel.scratchBytes)
    args.push_back(memref::ViewOp::create(b, loc, typeOfNext(), allocate(table.mul(table.constant(kernel.scratchBytes), tasks)), index(0), ValueRange()));
  args.push_back(this->number(tasks));
  auto call = func::CallOp::create(b, loc, callee, args);
  call->setAttr(parallelAttr, b.getI32IntegerAttr(number));
  call->setAttr("cpu.step", planned.info);
}

func::FuncOp RunFunction::emit(const Isa &isa, ArrayRef<const Kernel *> kernels) {
  SmallVector<Type> types{LLVM::LLVMPointerType::get(b.getContext())};
  auto tensorBytes = [](Type type) -> int64_t {
    auto tensor = cast<RankedTensorType>(type);
    if (!tensor.hasStaticShape())
      return kOpenBytes;
    return tensor.getNumElements() * bytesOf(elemOf(tensor.getElementType()).value_or(Elem::U8));
  };
  for (Type type : main.getArgumentTypes())
    types.push_back(bytesType(b, tensorBytes(type)));
  for (Type type : main.getResultTypes())
    types.push_back(bytesType(b, tensorBytes(type)));
  if (isOpen)
    types.push_back(bytesType(b, kOpenBytes));
  types.push_back(bytesType(b, plan.weights.size()));
  b.setInsertionPointToEnd(main->getParentOfType<ModuleOp>().getBody());
  auto function = func::FuncOp::create(b, loc, ("run_" + isa.name).str(), b.getFunctionType(types, {}));
  body = function.addEntryBlock();
  b.setInsertionPointToStart(body);
  if (isOpen)
    firstNumber = viewNumbers(0);
  for (nn::SizeExpr bytes : plan.buffers)
    allocations.push_back(allocate(bytes));
  for (auto [number, planned] : llvm::enumerate(plan.steps))
    call(planned, *kernels[number], number);
  enter({});
  func::ReturnOp::create(b, main.getLoc());
  return function;
}

} // namespace tern::cpu
