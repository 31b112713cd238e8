// Branches that an import has settled on. Two kinds: an If whose condition only depends on open sizes and whose branches give values of different types
// (Squeeze if a dimension is 1, as exporters write torch.squeeze), and one that has a branch that no size allows. What a branch that is given up has
// told about sizes must not remain: the import starts anew with the decision.
#ifndef TERN_IMPORT_DECISIONS_H
#define TERN_IMPORT_DECISIONS_H

#include "lib/Import/Node.h"

namespace tern::importer {

struct Decision {
  std::string node; ///< name of the If
  bool branch;      ///< true: `then`
  bool mayFlip;     ///< the other branch has not been tried
  bool isSize;      ///< the branch limits the sizes: its condition has to hold
  std::string why;  ///< a remark
};

class Decisions {
public:
  const Decision *find(llvm::StringRef node) const {
    auto it = llvm::find_if(made, [&](const Decision &d) { return d.node == node; });
    return it == made.end() ? nullptr : &*it;
  }
  bool empty() const { return made.empty(); }
  /// This import is abandoned; the next one knows the decision.
  void add(Decision decision) {
    if (again)
      return;
    made.push_back(std::move(decision));
    again = true;
  }
  /// Turns the last decision round that may be, among the nodes whose names begin with `prefix`; those after it are open again. False: there is none.
  bool flip(llvm::StringRef prefix = "");
  bool again = false;

private:
  llvm::SmallVector<Decision> made;
};

/// Whether `condition` (i1) is `truth` for the largest sizes; nullopt: it does not depend on sizes alone.
std::optional<bool> holdsForLarge(Node &n, mlir::Value condition);
/// Limits the open sizes to those for which `condition` is `truth`, by the bounds of a dimension or by a check at run time. False: there are none, or
/// nothing says so.
bool assume(Node &n, mlir::Value condition, bool truth);
/// The same for a >= b.
bool atLeast(Node &n, nn::SizeExpr a, nn::SizeExpr b);

} // namespace tern::importer
#endif // TERN_IMPORT_DECISIONS_H
