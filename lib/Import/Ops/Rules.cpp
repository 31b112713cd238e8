#include "lib/Import/Ops/Rules.h"
#include "dialects/NN/IR/Elementwise.h"

using namespace mlir;

namespace tern::importer {

const Rule *findRule(StringRef domain, StringRef opType, int64_t opset) {
  const Rule *best = nullptr;
  for (auto table : {elementwiseRules, convolutionRules, matmulRules, poolRules, normRules, layerNormRules, attentionRules, fusedRules,
                     fusedAttentionRules, reduceRules, shapeRules, moveRules, resizeRules, constantRules, quantizeRules, indexRules,
                     arrangeRules, einsumRules, rnnRules, formulaRules, spectralRules, controlRules, sampleRules, linearAttentionRules, classicRules, treeRules, svmRules, tableRules,
                     qlinearProductRules, qlinearElementwiseRules, blockQuantizedRules, qonnxRules, dynamicLstmRules})
    for (const Rule &rule : table())
      if (rule.opType == opType && rule.domain == domain && rule.minOpset <= opset &&
          (!best || rule.minOpset > best->minOpset))
        best = &rule;
  return best || !domain.empty() ? best : findElementwise(opType);
}

} // namespace tern::importer
