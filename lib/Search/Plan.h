//===- Plan.h - plan.json -------------------------------------------------===//
// The decisions of a compilation as plain data (plan.json): what nn-plan writes into the IR and what --plan takes back.
//===----------------------------------------------------------------------===//
#ifndef TERN_SEARCH_PLAN_H
#define TERN_SEARCH_PLAN_H

#include "lib/Formats/Format.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace tern {

/// The decision for one op.
struct PlanOp {
  std::string name;            ///< unique in the model
  std::string op;              ///< "matmul", "conv", "conv_transpose"
  int64_t m = 0, n = 0, k = 0; ///< rows of x (batch times pixels), output channels, products of one output
  std::optional<Format> x, w;  ///< absent: stays float
  std::optional<Encode> xEncode, wEncode;
  bool xStatic = false; ///< the range of x is known: its scale and zero point are those of a PlanTensor
  std::string method;   ///< how the codes of w are chosen (lib/Quantize)
  std::string row;      ///< of the kernel table
  int64_t weightBytes = 0;
  bool locked = false;
  std::string why; ///< why it stays float, when a quantized scheme was asked for
};

/// An activation that is stored as codes: the result of an op or an input of the model.
struct PlanTensor {
  std::string name;
  Format format;
  double scale = 1;
  int64_t zero = 0;
  double lo = 0, hi = 0; ///< the chosen range
};

/// x / factors for the ops that read an activation as codes, whose weights are multiplied by the factors: its channels get
/// one range. The quotient is a value of its own, NAME.equalized.
struct PlanEqualization {
  std::string name;           ///< of x: the op or argument that defines it
  std::vector<float> factors; ///< one a channel, above 0
};

struct Plan {
  std::string modelSha256; ///< empty: unknown
  int64_t modelOps = 0;
  std::string chip = "native";
  std::string scheme;
  std::string calibrationSha256, ranges;
  int64_t samples = 0;
  std::vector<PlanEqualization> equalizations;
  std::vector<PlanOp> ops;
  std::vector<PlanTensor> tensors;

  int64_t weightBytes() const;
};

/// The text of plan.json; the same plan gives the same bytes.
std::string printPlan(const Plan &plan);
/// Reads what printPlan writes, also edited. Errors begin with `file`.
llvm::Expected<Plan> parsePlan(llvm::StringRef text, llvm::StringRef file);
llvm::Expected<Plan> readPlan(llvm::StringRef path);

} // namespace tern
#endif
