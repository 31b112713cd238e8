//===- Compile.cpp - the C interface of the compiler ------------------------===//
#include "tern-c/compile.h"
#include "lib/CApi/Text.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "tern/Compile.h"
#include "tern/Register.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include <cstdlib>

using namespace tern;
using capi::copyText;
using llvm::StringRef;

static int32_t compileJson(const char *json, tern_compile_line line, void *user, std::string &out, std::string &error) {
  auto options = CompileOptions::parse(json ? json : "");
  if (!options) {
    error = llvm::toString(options.takeError());
    return TERN_COMPILE_BAD_INPUT;
  }
  mlir::DialectRegistry registry;
  registerAll(registry);
  mlir::MLIRContext context(registry);
  auto say = [&](int32_t kind, StringRef text) {
    if (line)
      line(user, kind, text.str().c_str());
  };
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diagnostic) {
    std::string text = diagnosticText(diagnostic, options->model);
    if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error)
      return say(TERN_LINE_NOTE, text);
    if (error.empty())
      error = mlir::isa<mlir::UnknownLoc>(diagnostic.getLocation()) ? diagnostic.str() : text;
  });
  CompileListener listener;
  listener.done = [&](StringRef stage, StringRef text) {
    say(TERN_LINE_STAGE, llvm::formatv("{0,-11}{1}", stage, text).str());
  };
  listener.progress = [&](StringRef stage, double part, double) {
    say(TERN_LINE_PROGRESS, llvm::formatv("{0} {1:f4}", stage, part).str());
  };
  listener.note = [&](StringRef text) { say(TERN_LINE_NOTE, text); };
  listener.ir = [&](StringRef text) { say(TERN_LINE_NOTE, text); };
  CompileSummary summary;
  bool isDone = succeeded(compile(*options, context, listener, &summary));
  out = summary.out;
  return isDone ? TERN_COMPILE_DONE : int32_t(summary.status);
}

uint32_t tern_compile_version(void) { return TERN_COMPILE_VERSION; }

int32_t tern_compile(const char *options, tern_compile_line line, void *user, char **out, char **error) {
  std::string written, message;
  int32_t code = compileJson(options, line, user, written, message);
  if (out)
    *out = code == TERN_COMPILE_DONE ? copyText(written) : nullptr;
  if (error)
    *error = code == TERN_COMPILE_DONE ? nullptr : copyText(message);
  return code;
}

char *tern_compile_defaults(void) { return copyText(llvm::formatv("{0}", CompileOptions().toJSON()).str()); }

void tern_string_free(char *string) { std::free(string); }
