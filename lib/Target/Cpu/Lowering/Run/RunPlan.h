//===- RunPlan.h - the steps of the run functions ---------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_RUN_RUNPLAN_H
#define TERN_TARGET_CPU_LOWERING_RUN_RUNPLAN_H

#include "dialects/NN/IR/NN.h"
#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/Calls/KernelLowering.h"
#include "lib/Target/Cpu/Lowering/Artifact/WeightsFile.h"
#include "mlir/IR/SymbolTable.h"

namespace tern::cpu {

/// The part of a sequence that belongs to one step of a loop.
struct Slice {
  unsigned frame = 0;     ///< of the loop
  nn::SizeExpr bytes;     ///< from one element to the next
  nn::SizeExpr backwards; ///< set: the number of steps; the first step has the last element
};

/// Where the bytes of an operand lie.
struct Storage {
  enum Kind : uint8_t { Input, Output, Buffer, Weights } kind = Buffer;
  int64_t index = 0; ///< input or output number, buffer number, byte offset in the weights
  llvm::SmallVector<Slice, 1> slices;

  bool operator==(const Storage &other) const { return kind == other.kind && index == other.index && slices.empty() && other.slices.empty(); }
};

/// What steps run inside of: a guard or a loop.
struct Frame {
  enum Kind : uint8_t { Guard, Loop } kind = Guard;
  Storage condition; ///< of a guard; of a loop: its next one
  bool on = true;    ///< what the condition of a guard has to be
  bool hasCondition = true;
  nn::SizeExpr count;           ///< of a loop; null: it has none
  std::optional<Storage> trips; ///< of a loop: one i64, at most so many steps
  std::optional<Storage> step;  ///< of a loop: where its body reads the number of the step
};

/// One call of a kernel in the run functions.
struct PlannedStep {
  Step step;
  nn::Sizes sizes;       ///< of the slots of the problem
  nn::SizeExpr pictures; ///< set: the kernel is that of one picture and runs for each
  llvm::SmallVector<nn::SizeExpr> strides; ///< of step.args, in bytes from one picture to the next
  llvm::SmallVector<Storage> storage;      ///< of step.args
  llvm::SmallVector<unsigned, 2> frames;   ///< outermost first
  mlir::Location loc;
  mlir::DictionaryAttr info; ///< cpu.step
};

/// What every run function does, whatever its instruction set.
struct RunPlan {
  std::vector<PlannedStep> steps;
  std::vector<Frame> frames;
  llvm::SmallVector<nn::SizeExpr> buffers; ///< bytes
  WeightsFile weights;
};

/// Lowers the calls and loops of @main to steps, and decides where the values lie. Failures are reported at the calls.
class RunPlanner {
public:
  explicit RunPlanner(mlir::func::FuncOp main) : main(main), symbols(main->getParentOfType<mlir::ModuleOp>()) {}

  mlir::LogicalResult run(RunPlan &into);

private:
  using Codes = std::optional<std::pair<double, int64_t>>; ///< scale and stored zero point
  /// A call with what is known of its operands and results.
  struct PlacedCall {
    CallOp call;
    mlir::func::FuncOp kernel;
    std::string name;
    llvm::SmallVector<CallOperand> operands;
    llvm::SmallVector<Placement> results;
    llvm::SmallVector<Storage> temporaries;
  };

  // Where values lie.
  void placeOutputs();
  void copyOutputs();
  std::optional<int64_t> addConstant(mlir::ElementsAttr constant);
  Storage newBuffer(nn::SizeExpr bytes);
  void findEmbedded();
  Storage storageOf(mlir::Value value, const Map &map);
  double paddingOf(mlir::Value value);
  mlir::Value loadedPaddingOf(mlir::Value value);
  mlir::FailureOr<Storage> sourceOf(mlir::Value value);

  // What runs under conditions.
  void readConditions(mlir::Block &block);
  size_t enterGuards(mlir::Operation *op);
  unsigned guardFrame(mlir::Value condition, bool on);
  mlir::LogicalResult planBranch(CallOp call, mlir::DenseI64ArrayAttr parts);

  // Loops.
  mlir::LogicalResult plan(nn::LoopOp loop);
  mlir::LogicalResult yield(nn::LoopOp loop, llvm::StringRef name, const Frame &frame);
  bool isWrittenLast(nn::LoopOp loop, unsigned state);
  Storage elementStorage(mlir::Value sequence, Storage whole, unsigned frame, nn::SizeExpr count, bool reversed);
  mlir::LogicalResult copy(mlir::Value value, const Storage &to, llvm::StringRef name);
  void copy(SizedType type, const Storage &from, const Storage &to, mlir::Location loc, llvm::StringRef name);

  // Calls -> steps.
  mlir::LogicalResult plan(mlir::Block &block);
  mlir::LogicalResult plan(CallOp call);
  mlir::LogicalResult readPlaces(PlacedCall &placed);
  mlir::FailureOr<std::vector<Step>> lower(PlacedCall &placed);
  void fillHalos(PlacedCall &placed, bool loaded);
  mlir::LogicalResult place(PlacedCall &placed, Step step, llvm::StringRef name, bool last);
  void push(Step step, llvm::SmallVector<Storage> where, mlir::Location loc, llvm::StringRef name, std::optional<Placement> place, SizedType type,
            int64_t output, Codes codes, nn::SizeExpr pictures = {}, llvm::SmallVector<nn::SizeExpr> strides = {},
            unsigned named = 0);

  mlir::func::FuncOp main;
  mlir::SymbolTable symbols;
  RunPlan *made = nullptr;
  llvm::DenseMap<mlir::Value, Storage> storage;
  llvm::DenseMap<mlir::Value, mlir::Value> embeddedIn; ///< operand -> result of a concat
  llvm::SmallVector<unsigned> copied;                  ///< outputs that need a copy
  llvm::DenseMap<int64_t, mlir::Value> conditions;     ///< by number, of the block that is being planned
  llvm::SmallVector<unsigned, 2> open;                 ///< frames of the steps that are being planned
};

/// Texts of all sizes, "" where one is static.
mlir::ArrayAttr sizesAttr(SizedType type);

} // namespace tern::cpu
#endif
