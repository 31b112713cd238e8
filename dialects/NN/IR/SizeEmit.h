//===- SizeEmit.h - code of size expressions ------------------------------===//
#ifndef TERN_DIALECTS_NN_IR_SIZEEMIT_H
#define TERN_DIALECTS_NN_IR_SIZEEMIT_H

#include "dialects/NN/IR/SizeExpr.h"

namespace tern::nn {

/// Makes code of an expression; what the functions return is opaque to the caller.
class SizeEmitter {
public:
  virtual ~SizeEmitter() = default;
  virtual void *constant(int64_t value) = 0;
  virtual void *dim(llvm::StringRef name) = 0;
  virtual void *add(void *a, void *b) = 0;
  virtual void *mul(void *a, void *b) = 0;
  virtual void *floorDiv(void *a, void *b) = 0;
  virtual void *min(void *a, void *b) = 0;
  virtual void *max(void *a, void *b) = 0;
};

void *emitSize(SizeExpr e, SizeEmitter &emitter);

} // namespace tern::nn
#endif
