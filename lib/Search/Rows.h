//===- Rows.h - which kernel computes an op with given formats ------------===//
// Names of the rows of the CPU kernel table for the ops that a plan decides about; nn-plan writes them into the IR, the
// target looks them up.
//===----------------------------------------------------------------------===//
#ifndef TERN_SEARCH_ROWS_H
#define TERN_SEARCH_ROWS_H

#include "lib/Formats/Format.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace tern {

enum class RowOp : uint8_t { Conv, Depthwise, Matmul, Gather, Rnn };

/// The row for formats x and w (absent: float); empty: no kernel has them.
std::string rowFor(RowOp op, const std::optional<Format> &x, const std::optional<Format> &w);

/// All names that rowFor gives.
std::vector<std::string> allRows();

} // namespace tern
#endif
