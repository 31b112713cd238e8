// Quantized ONNX out: a model file with the weights of some ops replaced by codes.
//
// Works on the file itself, for any model that parses: no op needs a rule, no size has to be known. What is not touched
// is byte-identical.
#ifndef TERN_EXPORT_EXPORT_H
#define TERN_EXPORT_EXPORT_H

#include "lib/Search/Plan.h"
#include "lib/Search/Scheme.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Support/LLVM.h"
#include "llvm/ADT/StringMap.h"
#include <functional>
#include <string>
#include <vector>

namespace tern {

/// The range of a value of the model, for codes that are fixed at export.
struct ExportRange {
  double lo = 0, hi = 0;
};

struct ExportOptions {
  std::string out;    ///< path of the .onnx file; external data, if any, lie beside it as <out>.data
  bool qdq = false;   ///< standard ONNX: QuantizeLinear, DequantizeLinear, MatMulInteger, ConvInteger
  bool nbits = false; ///< com.microsoft: MatMulNBits, GatherBlockQuantized. Both: these where they exist
  std::string profile = "ort"; ///< who reads it; exportProfiles()
  Scheme scheme;
  std::string method = "auto"; ///< of lib/Quantize; auto: rtn-mse with 2 bits or 4 a channel, else rtn
  std::vector<Override> overrides;
  std::vector<std::string> excludes;
  /// Decisions that are taken instead of those of the scheme.
  const Plan *plan = nullptr;
  bool partialPlan = false; ///< ops that the plan does not name stay float, and nobody is told; names it alone has are left out
  /// Ranges of activations by the name of the value. Without: activations are quantized at run time.
  llvm::StringMap<ExportRange> ranges;
  llvm::StringMap<ExportRange> rangesByOp; ///< the same by the name of an op that reads the value
  std::string calibrationNote; ///< for the metadata: which data the ranges come from
  unsigned jobs = 1;
  /// Bytes from which on tensor data go to a file of their own; protobuf ends at 2 GiB.
  uint64_t externalFrom = 1500000000;
  bool planOnly = false; ///< decide, and write nothing
  std::function<void(double part)> progress;
};

/// What became of an op that has a weight, or why an op has none.
struct ExportRemark {
  std::string op;   ///< name
  std::string kind; ///< ONNX op type
  std::string text;
  bool isWarning = false;
};

struct ExportReport {
  Plan plan; ///< every op that has a weight; `why` for those that stay float
  std::vector<ExportRemark> remarks;
  /// Ops without a weight by kind, with their counts.
  std::vector<std::pair<std::string, int64_t>> withoutWeight;
  int64_t quantized = 0, left = 0, dynamic = 0, fixed = 0;
  int64_t oldOpset = 0, newOpset = 0;
  uint64_t oldBytes = 0, newBytes = 0; ///< of the files, external data included
  bool hasExternalData = false;
};

/// The profiles of ExportOptions and what each means.
std::vector<std::pair<std::string, std::string>> exportProfiles();

/// Reads `model`, writes `options.out`.
/// Fails with one diagnostic; then nothing has been written.
mlir::LogicalResult exportOnnx(llvm::StringRef model, mlir::MLIRContext &context, const ExportOptions &options,
                               ExportReport &report);

/// The values of the main graph whose ranges an export with static activations takes, as these options decide.
mlir::FailureOr<std::vector<std::string>> exportActivations(llvm::StringRef model, mlir::MLIRContext &context,
                                                            const ExportOptions &options);

} // namespace tern
#endif // TERN_LIB_EXPORT_EXPORT_H
