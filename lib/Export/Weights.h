// Constant weights as the exporter sees them: the constant of the file, how an op reads it, and its codes.
#ifndef TERN_EXPORT_WEIGHTS_H
#define TERN_EXPORT_WEIGHTS_H

#include "lib/Export/OnnxGraph.h"
#include "lib/Formats/Format.h"
#include <functional>

namespace tern::exporter {

/// A constant behind nothing but Identity, Transpose and casts between float types; or what arithmetic makes of constants.
struct WeightView {
  Constant *root = nullptr;
  llvm::SmallVector<int64_t> perm; ///< axis i of the view is axis perm[i] of the root
  llvm::SmallVector<Node *> path;  ///< the nodes in between, root first
  int32_t type = 0;                ///< element type of the view

  int64_t rank() const { return int64_t(perm.size()); }
  int64_t size(int64_t axis) const { return root->shape[size_t(perm[size_t(axis)])]; }
};

/// The constant that a value is, or why it is none.
std::optional<WeightView> viewConstant(OnnxGraph &graph, Scope *scope, llvm::StringRef name, std::string &why);

/// Which elements share a scale, on the axes of the root. Every row has its own: per channel a row is everything at one
/// index of `axis`; else it runs along `axis`, in blocks of `block`.
struct Grouping {
  bool perChannel = false;
  int64_t axis = 0;
  int64_t block = 0; ///< columns that share a scale; the whole row per channel

  bool operator==(const Grouping &o) const {
    return perChannel == o.perChannel && axis == o.axis && block == o.block;
  }
  bool operator!=(const Grouping &o) const { return !(*this == o); }
};

/// A tensor as a matrix of rows by a Grouping: the offset of an element is rowOffset + columnOffset.
struct RowLayout {
  RowLayout(llvm::ArrayRef<int64_t> shape, const Grouping &grouping);
  int64_t rows = 1, columns = 1;
  int64_t size = 1, inner = 1; ///< of the axis, and elements behind it
  bool perChannel;

  int64_t rowOffset(int64_t row) const { return perChannel ? row * inner : row / inner * size * inner + row % inner; }
  int64_t columnOffset(int64_t column) const {
    return perChannel ? column / inner * size * inner + column % inner : column * inner;
  }
};

/// What the codes are.
struct CodeFormat {
  unsigned bits = 8;
  bool asymmetric = false; ///< unsigned codes and a zero point each block; else signed ones without
  Element scale = Element::f32();
  std::string method; ///< of lib/Quantize

  Format format(int64_t block, int64_t columns) const; ///< of rows x columns
  Encode encode() const;
};

/// Codes of some whole rows. Blocks of a row: ceil(columns / block).
struct CodeRows {
  int64_t firstRow, rows, columns, blocks;
  const int8_t *codes;  ///< [rows][columns]; unsigned ones as bit patterns
  const uint8_t *scale; ///< [rows][blocks] in the type of the scale
  const int8_t *zero;   ///< [rows][blocks], or null
};

/// Converts an element of a float tensor.
float loadFloat(int32_t type, const char *data, int64_t index);

/// Quantizes a weight in pieces of whole rows on several threads; `factor`: empty, or a multiplier for each row.
/// `sink` is called at the same time from several threads, each with other rows. Returns an error sentence or "".
std::string encodeRows(const importer::TensorData &data, const Grouping &grouping, const CodeFormat &format,
                       llvm::ArrayRef<float> factor, unsigned jobs, const std::function<void(const CodeRows &)> &sink);

/// The number of elements that are not finite.
int64_t countNonFinite(const importer::TensorData &data);

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_WEIGHTS_H
