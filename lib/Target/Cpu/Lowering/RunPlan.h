//===- RunPlan.h - the steps of the run functions ---------------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_RUNPLAN_H
#define TERN_TARGET_CPU_LOWERING_RUNPLAN_H

#include "dialects/NN/IR/SizeAnalysis.h"
#include "dialects/Tern/IR/Tern.h"
#include "lib/Target/Cpu/Lowering/KernelLowering.h"
#include "lib/Target/Cpu/Lowering/WeightsFile.h"
#include "mlir/IR/SymbolTable.h"

namespace tern::cpu {

/// Where the bytes of an operand lie.
struct Storage {
  enum Kind : uint8_t { Input, Output, Buffer, Weights } kind = Buffer;
  int64_t index = 0; ///< input or output number, buffer number, byte offset in the weights
};

/// One call of a kernel in the run functions.
struct PlannedStep {
  Step step;
  nn::Sizes sizes;       ///< of the slots of the problem
  nn::SizeExpr pictures; ///< set: the kernel is that of one picture and runs for each
  llvm::SmallVector<nn::SizeExpr> strides; ///< of step.args, in bytes from one picture to the next
  llvm::SmallVector<Storage> storage;      ///< of step.args
  mlir::Location loc;
  mlir::DictionaryAttr info; ///< cpu.step
};

/// What every run function does, whatever its instruction set.
struct RunPlan {
  std::vector<PlannedStep> steps;
  llvm::SmallVector<nn::SizeExpr> buffers; ///< bytes
  WeightsFile weights;
};

/// Lowers the calls of @main to steps, and decides where the values lie. Failures are reported at the calls.
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

  // Calls -> steps.
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
};

/// Texts of all sizes, "" where one is static.
mlir::ArrayAttr sizesAttr(SizedType type);

} // namespace tern::cpu
#endif
