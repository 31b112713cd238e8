//===- Compile.h - from an ONNX model to a program ------------------------===//
// What quant-compile, libtern.so and embedders call. Prints nothing: errors are diagnostics of the context, everything
// else goes to a CompileListener.
//===----------------------------------------------------------------------===//
#ifndef TERN_COMPILE_H
#define TERN_COMPILE_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace tern {

/// How a compilation ended: the exit codes of quant-compile.
enum class CompileStatus : uint8_t {
  Done = 0,
  BadInput = 1,       ///< model, data or options; or the output folder cannot be written
  LimitsNotMet = 2,   ///< a plan within the limits does not exist
  KernelsMissing = 3, ///< requireKernels, and an op has no kernel of its own
  Internal = 4        ///< a mistake of the compiler
};

/// Everything that may be said about a compilation. The names of the fields are also the keys of the JSON form.
struct CompileOptions {
  std::string model; ///< path of the .onnx file
  std::string out;   ///< folder of the program; empty: <model>.tern here. With planOnly: a .json file, or a folder. With
                     ///< an onnx-* output alone also an .onnx file
  std::string target = "x86-64"; ///< which instruction sets get code; targetNames()
  std::string scheme = "w8a8";   ///< float, w8a8, w4a8, w4a16, w8a16, w2a16; also with :32, :64, :128, :channel, :asym
  std::string method = "auto";   ///< how codes of weights are chosen: auto, or a method of lib/Quantize
  std::vector<std::string> calibration;     ///< .npz, .npy, .pb files or folders of them; without: dynamic activations
  std::string ranges = "mse";               ///< minmax, mse, entropy, percentile:P
  std::string equalize = "auto"; ///< on, off: channels of static activations get one range where that wins much; auto: with 8-bit weights
  int64_t samples = 0;                      ///< of the calibration data; 0: all
  std::vector<std::string> dims;            ///< "NAME=N": sizes of open dimensions
  std::vector<std::string> inputs, outputs; ///< cut the model at these values
  std::vector<std::string> overrides;       ///< "RE=SCHEME", later ones win
  std::vector<std::string> excludes;        ///< regular expressions of ops that stay float
  std::string plan;                         ///< path of a plan.json whose decisions are taken
  bool planOnly = false;                    ///< stop after writing plan.json
  /// "so" (the program), "obj" (also model.o), "mlir" (also model.mlir), "onnx-qdq", "onnx-nbits" (a quantized ONNX file
  /// in these forms). Empty: so. Only onnx-*: no program is made, and any model that parses will do.
  std::vector<std::string> emit;
  std::string qdqProfile = "ort"; ///< who reads the ONNX file: ort, tensorrt, openvino, tflite, qonnx
  bool requireKernels = false;              ///< portable code for an op is an error
  int64_t jobs = 0;                         ///< threads of the compiler; 0: one for each cpu
  int64_t seed = 0;                         ///< of everything random
  std::string dumpIr;                       ///< stage whose module goes to CompileListener::ir
  bool force = false;                       ///< compile also what is up to date
  bool measure = true;                      ///< run the program once it is written, for the figures of the last line

  llvm::json::Value toJSON() const;
  /// Unknown keys and wrong types are errors that name what is allowed.
  static llvm::Expected<CompileOptions> parse(llvm::StringRef json);

  /// Calls visit(key, field) for every field.
  template <class Self, class Visit> static void fields(Self &self, Visit visit) {
    visit("model", self.model);
    visit("out", self.out);
    visit("target", self.target);
    visit("scheme", self.scheme);
    visit("method", self.method);
    visit("calibration", self.calibration);
    visit("ranges", self.ranges);
    visit("equalize", self.equalize);
    visit("samples", self.samples);
    visit("dims", self.dims);
    visit("inputs", self.inputs);
    visit("outputs", self.outputs);
    visit("overrides", self.overrides);
    visit("excludes", self.excludes);
    visit("plan", self.plan);
    visit("planOnly", self.planOnly);
    visit("emit", self.emit);
    visit("qdqProfile", self.qdqProfile);
    visit("requireKernels", self.requireKernels);
    visit("jobs", self.jobs);
    visit("seed", self.seed);
    visit("dumpIr", self.dumpIr);
    visit("force", self.force);
    visit("measure", self.measure);
  }
};

/// Told what goes on; every function may be empty.
struct CompileListener {
  std::function<void(llvm::StringRef stage, llvm::StringRef text)> done; ///< a stage has ended: its line
  std::function<void(llvm::StringRef stage, double part, double secondsLeft)>
      progress;                                   ///< 0 to 1; secondsLeft < 0: unknown
  std::function<void(llvm::StringRef text)> note; ///< something the user should know
  std::function<void(llvm::StringRef text)> ir;   ///< the module of dumpIr
};

struct CompileSummary {
  CompileStatus status = CompileStatus::Internal;
  std::string out; ///< what was written
  bool upToDate = false;
  std::string exported; ///< the quantized ONNX file, where no program was made
};

/// The targets and what each means, and the stages of dumpIr.
std::vector<std::pair<std::string, std::string>> targetNames();
std::vector<std::string> stageNames();

/// What the options write: `out`, or the default. While a compilation runs, its temporary folders are <that>.tmp.<process id> and
/// tern-compile-<process id>-* where the system has such.
std::string outputOf(const CompileOptions &options);

/// Compiles a model. The context needs the dialects of registerAll(). After a failure one error diagnostic says why and
/// nothing has been written.
mlir::LogicalResult compile(const CompileOptions &options, mlir::MLIRContext &context,
                            const CompileListener &listener = {}, CompileSummary *summary = nullptr);

/// The QDQ form, which defines what a program computes: import, prepare, the plan of `options.plan` (or of the scheme,
/// with dynamic activations), quantize. For lib/Reference.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> quantizedModule(const CompileOptions &options,
                                                                   mlir::MLIRContext &context);

/// "WHERE: KIND: WHAT" of a diagnostic and its notes, one a line; WHERE is the file and the node of the model.
std::string diagnosticText(mlir::Diagnostic &diagnostic, llvm::StringRef model);

} // namespace tern
#endif
