//===- Program.h - the description of a lowered model ----------------------===//
#ifndef TERN_TARGET_CPU_LOWERING_ARTIFACT_PROGRAM_H
#define TERN_TARGET_CPU_LOWERING_ARTIFACT_PROGRAM_H

#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"
#include <string>
#include <vector>

namespace tern::cpu {

/// An input or output of the model, dense in ONNX order.
struct ProgramTensor {
  std::string name;
  int32_t dtype = 0; ///< ONNX number (artifact.h)
  std::vector<int64_t> dims;
  uint64_t bytes = 0;
};

/// One kernel call, as tern_step describes it (artifact.h).
struct ProgramStep {
  std::string name, kernel, row;
  uint64_t macs = 0, bytes = 0, outputOffset = UINT64_MAX;
  int32_t outputIndex = -1, dtype = 0;
  std::vector<int64_t> dims;
  bool hasPlace = false;
  Placement place;
  float scale = 0;
  int32_t zero = 0;
};

/// A dimension that is chosen when a context is opened, and what it may be.
struct ProgramDim {
  std::string name;
  int64_t low = 0, high = INT64_MAX;
};

/// A buffer of a program with open sizes: the number of its bytes, and the first and last op that use it.
struct ProgramBuffer {
  int64_t slot, first, last;
};

/// What the runtime has to know of the generated code.
struct Program {
  std::string name;   ///< of the model, a C identifier
  std::vector<ProgramTensor> inputs, outputs;
  std::vector<ProgramStep> steps;
  std::vector<std::string> isas; ///< levels with a run function
  /// Open sizes: a size below 0 in `dims` of a tensor or step is -(slot + 1), and so are `macs` of a step; its
  /// `outputOffset` is a slot. Slots are of `numbers`, then of the offsets of the buffers.
  std::vector<ProgramDim> dims;
  std::vector<nn::SizeExpr> numbers;
  std::vector<std::pair<int64_t, int64_t>> equal; ///< slots of numbers that have to agree
  std::vector<std::vector<ProgramBuffer>> buffers; ///< of each of `isas`
  bool isOpen() const { return !dims.empty(); }
  uint64_t arenaBytes = 0, weightsBytes = 0, weightsHash = 0;
};

/// Reads the module that cpu-plan-memory leaves. Failure is reported at the module.
mlir::FailureOr<Program> readProgram(mlir::ModuleOp module, llvm::StringRef name);
/// The bytes of weights.bin.
mlir::FailureOr<llvm::ArrayRef<char>> weightsOf(mlir::ModuleOp module);

/// The object that defines tern_generated_program and <name>_open; it refers to the run_<isa> functions of the kernels' object.
llvm::Expected<llvm::SmallVector<char, 0>> programObject(const Program &program);

/// An object that defines the names of Libm.h without meaning: linked into a stub of libm.so.6, which says where they come from.
llvm::Expected<llvm::SmallVector<char, 0>> libmObject();

/// The generated C header of the model.
std::string headerOf(const Program &program);

/// A C identifier made from a file name.
std::string identifierOf(llvm::StringRef name);

/// Number of an element type (artifact.h); 0: none.
int32_t dtypeOf(mlir::Type type);

} // namespace tern::cpu
#endif
