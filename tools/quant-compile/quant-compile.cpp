//===- quant-compile.cpp - an ONNX model becomes a program ------------------===//
#include "lib/Target/Cpu/Table/KernelTable.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "tern/Compile.h"
#include "tern/Register.h"
#include "tools/support/Flags.h"
#include "tools/support/Interrupt.h"
#include "tools/support/Progress.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

using namespace tern;
using namespace tern::tools;
using llvm::StringRef;

namespace {
struct Verbosity {
  bool verbose = false, quiet = false;
};
} // namespace

static void addFlags(CommandLine &line, CompileOptions &options, Verbosity &verbosity) {
  auto more = [&](Flag flag) {
    flag.more = true;
    line.add(std::move(flag));
  };
  line.add({"o", "DIR", "folder of the program (default <model>.tern)", storeText(options.out)});
  line.add({"scheme", "S",
            "float, w8a8 (default), w4a8, w4a16, w8a16, w2a16;\nbelow 8 bits also :32 (default), :64, :128 or :channel",
            storeText(options.scheme)});
  line.add({"calib", "FILE|DIR", ".npz, .npy or .pb; repeatable. Without: dynamic activations",
            appendText(options.calibration)});
  line.add({"target", "T", "instruction sets of the code; --target=help lists them", storeText(options.target)});
  line.add({"override", "RE=SCHEME", "another scheme for ops by name; repeatable", appendText(options.overrides)});
  more({"exclude", "RE", "ops that stay float; repeatable", appendText(options.excludes)});
  more({"plan", "FILE", "take the decisions of this plan.json", storeText(options.plan)});
  more({"plan-only", "", "stop after writing plan.json (-o FILE.json or folder)", setTrue(options.planOnly)});
  more({"ranges", "HOW", "of activations: mse (default), minmax, entropy, percentile:P", storeText(options.ranges)});
  more({"equalize", "on|off", "channels of activations with one scale get one range by factors on the weights,\nwhere the data say that it wins much (default: on with 8-bit weights; the factors\nare 4 bytes a channel)", storeText(options.equalize)});
  more({"samples", "N", "use the first N samples of the calibration data", storeNumber(options.samples, 1, INT64_MAX)});
  more({"dim", "NAME=N|LO..HI", "size of an open dimension, or what it may be when the program runs;\nrepeatable. A batch that is the only open one is 1 without a flag:\nfixed sizes are faster in convolutional nets", appendText(options.dims)});
  more({"inputs", "A,B", "cut the model: these values become its inputs", appendCommas(options.inputs)});
  more({"outputs", "C,D", "cut the model: these values become its outputs", appendCommas(options.outputs)});
  line.add({"emit", "LIST", "so (default): a program; onnx-qdq, onnx-nbits: a quantized ONNX file;\nobj, mlir: also model.o, model.mlir",
            appendCommas(options.emit)});
  more({"qdq-profile", "P", "who reads the ONNX file: ort (default), tensorrt, openvino, tflite, qonnx", storeText(options.qdqProfile)});
  more({"method", "M", "codes of weights: auto (default), rtn, rtn-mse", storeText(options.method)});
  more({"require-kernels", "", "portable code for an op is an error (exit code 3)", setTrue(options.requireKernels)});
  more({"jobs", "N", "threads of the compiler (default: one for each cpu)", storeNumber(options.jobs, 1, 1024)});
  more({"seed", "N", "of everything random", storeNumber(options.seed, 0, INT64_MAX)});
  more({"dump-ir", "STAGE", "print the module after " + llvm::join(stageNames(), ", "), storeText(options.dumpIr)});
  more({"force", "", "compile also what is up to date", setTrue(options.force)});
  more({"v", "", "say more: every diagnostic of the compiler", setTrue(verbosity.verbose)});
  more({"q", "", "say nothing but errors", setTrue(verbosity.quiet)});
}

static int compileWith(const CompileOptions &options, const Verbosity &verbosity) {
  mlir::DialectRegistry registry;
  registerAll(registry);
  mlir::MLIRContext context(registry);
  Lines lines(verbosity.quiet);
  bool reported = false;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    bool isError = diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error;
    // The first error says it; what follows from it is for those who look for a mistake of the compiler.
    if (isError && reported && !verbosity.verbose)
      return;
    reported |= isError;
    std::string text = diagnosticText(diagnostic, options.model);
    if (mlir::isa<mlir::UnknownLoc>(diagnostic.getLocation()))
      text = "quant-compile: " + text;
    if (isError || diagnostic.getSeverity() == mlir::DiagnosticSeverity::Warning)
      lines.message(text);
    else
      lines.line(text);
  });

  CompileListener listener;
  listener.done = [&](StringRef stage, StringRef text) {
    lines.line(llvm::formatv(stage == "wrote" ? "{0,-6}{1}" : "{0,-11}{1}", stage, text).str());
  };
  listener.progress = [&](StringRef stage, double part, double left) { lines.progress(stage, part, left); };
  listener.note = [&](StringRef text) { lines.line(("note       " + text).str()); };
  listener.ir = [&](StringRef text) { llvm::outs() << text << "\n"; };
  CompileSummary summary;
  if (failed(compile(options, context, listener, &summary)))
    return int(summary.status);
  if (summary.upToDate)
    lines.line(summary.out + "/ is up to date");
  if (summary.exported.empty())
    lines.line(options.planOnly ? "next: quant-compile " + options.model + " --plan=" + summary.out
                                : "next: quant-run " + summary.out + " --bench");
  return 0;
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  CommandLine line("quant-compile", "quant-compile MODEL.onnx [-o DIR] [flags]",
                   "exit codes: 0 done, 1 bad input or option, 2 limits cannot be met, 3 --require-kernels violated, 4 "
                   "internal error");
  CompileOptions options;
  Verbosity verbosity;
  addFlags(line, options, verbosity);
  int code = 0;
  if (!line.parse(llvm::ArrayRef(argv + 1, argc - 1), code))
    return code;
  if (options.target == "help") {
    for (const auto &[name, text] : targetNames())
      llvm::outs() << llvm::formatv("{0,-20}{1}", name, text) << "\n";
    llvm::outs() << "\nkernels (quant-opt --tern-print-kernels: with formats and limits)\n ";
    for (const cpu::KernelRow &row : cpu::kernelTable())
      llvm::outs() << " " << row.name;
    llvm::outs() << "\n";
    return 0;
  }
  if (line.operands.empty())
    return line.fail("no model is given: quant-compile MODEL.onnx");
  if (line.operands.size() > 1)
    return line.fail("one model is compiled at a time, but '" + line.operands[1] + "' is a second one");
  options.model = line.operands.front();

  removeTemporariesOnSignal(outputOf(options));
  reportLimits("quant-compile", outputOf(options), "choose smaller sizes with --dim, or fewer threads with --jobs");
  return runGuarded("quant-compile", outputOf(options), [&] { return compileWith(options, verbosity); });
}
