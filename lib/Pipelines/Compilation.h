//===- Compilation.h - the driver behind compile() --------------------------===//
// Private to lib/Pipelines: one object a compilation, one method a stage.
//===----------------------------------------------------------------------===//
#ifndef TERN_PIPELINES_COMPILATION_H
#define TERN_PIPELINES_COMPILATION_H

#include "dialects/NN/Transforms/Planning.h"
#include "lib/Calibrate/Data.h"
#include "lib/Calibrate/Equalize.h"
#include "lib/Calibrate/Range.h"
#include "lib/Import/Import.h"
#include "lib/Search/Plan.h"
#include "lib/Search/Scheme.h"
#include "lib/Support/Artifact.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "tern/Compile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include <chrono>

namespace tern {

struct ExportRange;
struct ExportReport;
struct FloatProgram;

/// The tensors of a run, in the order of inputs or outputs.
using Buffers = std::vector<std::vector<char>>;

/// "; did you mean 'a'? Allowed are a, b"
std::string nearest(llvm::StringRef name, llvm::ArrayRef<std::string> known);

/// SHA-256 of a file in hex.
llvm::Expected<std::string> hashFile(llvm::StringRef path);
/// The same of calibration data: of every file in a folder.
llvm::Expected<std::string> hashFiles(llvm::ArrayRef<std::string> paths);

/// An input of the model as the file declares it.
struct ModelInput {
  std::string name;
  std::vector<int64_t> shape;       ///< -1: an open size
  std::vector<std::string> symbols; ///< "" where there is none
};
struct ModelSignature {
  std::vector<ModelInput> inputs;
  std::vector<std::string> externalFiles; ///< paths of external data
};
mlir::FailureOr<ModelSignature> readSignature(llvm::StringRef model, mlir::MLIRContext &context,
                                              const CompileOptions &options);

/// What is remembered of the float program: some inputs and the outputs on them.
struct FloatRuns {
  std::vector<Buffers> inputs, outputs;    ///< [sample][tensor]
  std::vector<std::vector<int64_t>> sizes; ///< [sample][open dimension of the program]
};

class Compilation {
public:
  Compilation(const CompileOptions &options, mlir::MLIRContext &context, const CompileListener &listener,
              CompileSummary &summary)
      : options(options), context(context), listener(listener), summary(summary) {}

  mlir::LogicalResult run();
  /// The QDQ form.
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> quantized();

private:
  // The stages, in order. A stage that fails has emitted an error and set the status, if it is not BadInput.
  mlir::LogicalResult check();
  mlir::LogicalResult checkOutput();
  /// The model's inputs, the calibration data, and which open dimensions the data bind (CompileData.cpp).
  mlir::LogicalResult openData();
  mlir::LogicalResult bindToData();
  /// What an array for an input of the float program has to be; -1 where it says the size.
  calib::InputSpec specOf(const tern_tensor_info &input) const;
  /// Chooses the sizes of a program with open ones: those of a sample.
  static llvm::Error bindTo(Artifact &program, const calib::Sample &sample);
  mlir::LogicalResult hashModel();
  mlir::LogicalResult import();
  mlir::LogicalResult prepare();
  mlir::LogicalResult calibrate();
  /// Equalizes channels where that wins much (CompileEqualize.cpp). `channels`: what each value that may be equalized has
  /// shown, by name. `observe` runs the data once more on the values of decisions.equalizations, by name.
  mlir::LogicalResult equalize(const llvm::StringMap<calib::ChannelSketch> &channels,
                               llvm::function_ref<mlir::LogicalResult(llvm::StringMap<calib::Sketch> &)> observe);
  mlir::LogicalResult checkNames();
  mlir::LogicalResult plan();
  mlir::LogicalResult lower();
  mlir::LogicalResult emit();
  mlir::LogicalResult writePlanOnly();
  // Quantized ONNX (CompileExport.cpp).
  mlir::LogicalResult checkExport();
  mlir::LogicalResult checkExportOutput();
  mlir::LogicalResult runExport();
  mlir::LogicalResult exportModel(llvm::StringRef path);
  /// Runs the float model on the calibration data and looks at these values of it.
  mlir::LogicalResult observe(llvm::ArrayRef<std::string> values, bool symmetric, llvm::StringMap<ExportRange> &ranges);
  /// The float program of a calibration (FloatProgram.h): written, opened with the data bound to it, and run on every
  /// sample; `look` sees inputs and outputs.
  mlir::LogicalResult emitFloat(mlir::ModuleOp lowered, FloatProgram &program);
  mlir::LogicalResult openFloat(FloatProgram &program);
  mlir::LogicalResult runSamples(FloatProgram &program, llvm::function_ref<mlir::LogicalResult(int64_t, Buffers &, Buffers &)> look);
  mlir::LogicalResult checkFinite(const llvm::StringMap<calib::Sketch> &sketches, llvm::StringRef advice);
  void doneCalibrating(int64_t samples, size_t ranges);
  std::string exportPath() const;
  mlir::LogicalResult writeText(llvm::StringRef path, llvm::StringRef text);
  bool emits(llvm::StringRef what) const { return llvm::is_contained(options.emit, what); }
  /// A quantized ONNX file and no program.
  bool exportsOnly() const;
  void measure();

  /// Passes and the verifier; a module that is wrong afterwards is the compiler's mistake.
  mlir::LogicalResult runPasses(mlir::ModuleOp module, llvm::StringRef stage,
                                llvm::function_ref<void(mlir::OpPassManager &)> build);
  mlir::LogicalResult fail(const llvm::Twine &message);
  void done(llvm::StringRef stage, const llvm::Twine &text);
  void note(const llvm::Twine &text);
  void progress(llvm::StringRef stage, int64_t step, int64_t steps);
  void dump(llvm::StringRef stage, mlir::ModuleOp module);
  /// The scheme asks for activations as codes, whose ranges calibration would find.
  bool usesStaticActivations() const;
  nn::PlanRequest request() const;
  void reportExport(const ExportReport &report, llvm::StringRef path);
  bool isFloat() const { return scheme.isFloat() && overrides.empty() && options.plan.empty(); }

  /// Everything that the result depends on.
  llvm::json::Object stamp() const;
  /// compile.json: the stamp, and the sizes of open dimensions.
  std::string compileJson();
  bool isUpToDate();

  const CompileOptions &options;
  mlir::MLIRContext &context;
  const CompileListener &listener;
  CompileSummary &summary;

  Scheme scheme;
  std::vector<Override> overrides;
  calib::RangeOptions rangeOptions;
  std::string out, modelHash, dataHash;
  std::string isas;
  unsigned jobs = 1;
  ModelSignature signature;
  ImportOptions importOptions;
  std::optional<calib::SampleReader> data;
  /// Rows of a calibration sample along an open batch; 0: all that a file has.
  int64_t batchRows = 0;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  int64_t floatBytes = 0, modelOps = 0;
  Plan decisions;
  FloatRuns floatRuns;
  std::chrono::steady_clock::time_point stageStart;
};

} // namespace tern
#endif
