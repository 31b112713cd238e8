// The rules of the importer. A new op type is one row in the table of its family.
#ifndef TERN_IMPORT_OPS_RULES_H
#define TERN_IMPORT_OPS_RULES_H

#include "lib/Import/Node.h"

namespace tern::importer {

/// How nodes of one type are imported. A rule is called with all required inputs present; all inputs are tensors of
/// known, static shape. It binds the outputs or keeps the node.
struct Rule {
  llvm::StringLiteral opType;
  int64_t minOpset;         ///< the newest row that is not newer than the model's operator set applies
  int minInputs, maxInputs; ///< -1: any number
  mlir::LogicalResult (*import)(Node &);
  llvm::StringLiteral domain = "";
};

llvm::ArrayRef<Rule> elementwiseRules();
llvm::ArrayRef<Rule> convolutionRules();
llvm::ArrayRef<Rule> matmulRules();
llvm::ArrayRef<Rule> poolRules();
llvm::ArrayRef<Rule> normRules();
llvm::ArrayRef<Rule> layerNormRules();
llvm::ArrayRef<Rule> attentionRules();
llvm::ArrayRef<Rule> fusedRules();
llvm::ArrayRef<Rule> fusedAttentionRules();
llvm::ArrayRef<Rule> reduceRules();
llvm::ArrayRef<Rule> shapeRules();
llvm::ArrayRef<Rule> moveRules();
llvm::ArrayRef<Rule> resizeRules();
llvm::ArrayRef<Rule> constantRules();
llvm::ArrayRef<Rule> quantizeRules();
llvm::ArrayRef<Rule> indexRules();
llvm::ArrayRef<Rule> arrangeRules();
llvm::ArrayRef<Rule> einsumRules();
llvm::ArrayRef<Rule> rnnRules();
llvm::ArrayRef<Rule> formulaRules();
llvm::ArrayRef<Rule> spectralRules();
llvm::ArrayRef<Rule> controlRules();
llvm::ArrayRef<Rule> sampleRules();
llvm::ArrayRef<Rule> classicRules();
llvm::ArrayRef<Rule> treeRules();
llvm::ArrayRef<Rule> svmRules();
llvm::ArrayRef<Rule> tableRules();
llvm::ArrayRef<Rule> linearAttentionRules();
llvm::ArrayRef<Rule> qlinearProductRules();
llvm::ArrayRef<Rule> qlinearElementwiseRules();
llvm::ArrayRef<Rule> blockQuantizedRules();
llvm::ArrayRef<Rule> qonnxRules();
llvm::ArrayRef<Rule> dynamicLstmRules();

/// Binds the result of a product as MatMul has it: a vector is a row on the left, a column on the right, and its dimension is
/// dropped from the result. `multiply` makes the product of two matrices (or batches of them).
mlir::LogicalResult importProduct(Node &n, mlir::Value a, mlir::Value b, llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> multiply);

/// The rule of an op that is a plain row of dialects/NN/IR/Elementwise.def; null when it is none.
const Rule *findElementwise(llvm::StringRef opType);

/// The rule for an op type at an operator set version; null when there is none.
const Rule *findRule(llvm::StringRef domain, llvm::StringRef opType, int64_t opset);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_OPS_RULES_H
