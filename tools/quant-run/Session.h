//===- Session.h - a compiler context of quant-run --------------------------===//
#ifndef TERN_TOOLS_QUANT_RUN_SESSION_H
#define TERN_TOOLS_QUANT_RUN_SESSION_H

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "tern/Compile.h"
#include "tern/Register.h"
#include "llvm/Support/Error.h"

namespace tern::run {

/// A context whose first error becomes a sentence.
struct Session {
  explicit Session(std::string model)
      : context(registry()), handler(&context, [this, model](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && message.empty())
            message = mlir::isa<mlir::UnknownLoc>(diagnostic.getLocation()) ? diagnostic.str()
                                                                            : diagnosticText(diagnostic, model);
        }) {}
  static mlir::DialectRegistry registry() {
    mlir::DialectRegistry all;
    registerAll(all);
    return all;
  }
  llvm::Error error() const { return llvm::createStringError(message); }

  mlir::MLIRContext context;
  std::string message;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace tern::run
#endif
