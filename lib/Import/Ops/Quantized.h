// Quantized values out of the inputs of a node: codes, scales, zero points -> formats and planes.
#ifndef TERN_IMPORT_OPS_QUANTIZED_H
#define TERN_IMPORT_OPS_QUANTIZED_H

#include "dialects/Tern/IR/Tern.h"
#include "lib/Import/Node.h"

namespace tern::importer::quantized {

using Block = std::vector<int64_t>;

/// The element of codes of this ONNX type; one that no format has (si64) for types that are no codes.
Element codeElement(int32_t dataType, mlir::MLIRContext *context);
Element codeElement(mlir::Type element);

/// A scale or zero point: an input of the node (-1: absent) and the block that one of its values covers.
struct PlaneInput {
  int input = -1;
  Block block;
};

/// What the parameters of a node say: the quantized type and its planes without the codes.
struct Parameters {
  QuantType type;
  llvm::SmallVector<mlir::Value> planes;
  std::string reason; ///< why there is no such type; else empty

  explicit operator bool() const { return reason.empty() && type; }
  /// The same planes for a tensor of another shape.
  Parameters like(llvm::ArrayRef<int64_t> shape) const;
};

/// Block of a parameter with `axis` and `block_size` as QuantizeLinear has them: one value, a channel each, or blocks.
Block readBlocks(Node &n, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> scale);
/// Block of a parameter that broadcasts to a tensor as in numpy; nothing when it does not.
std::optional<Block> broadcastBlock(llvm::ArrayRef<int64_t> parameter, llvm::ArrayRef<int64_t> shape);

/// Format and planes of a tensor. Without a scale it is 1. Zero points that are 0 are left out.
Parameters readParameters(Node &n, llvm::ArrayRef<int64_t> shape, const Element &element, mlir::Type expressed,
                          PlaneInput scale, PlaneInput zero);

/// An input as a plane of codes: signless, below 8 bits packed along the last axis. Null when it is computed below 8
/// bits, or computed floats.
mlir::Value planeOf(Node &n, int input, unsigned bits, mlir::RankedTensorType type);

/// A constant or computed input of bytes as rows of a plane. `stored`: the bytes of a row, of which the plane takes the
/// first.
mlir::Value bytesPlane(Node &n, int input, mlir::RankedTensorType type, int64_t stored = 0);
/// A plane of codes of `bits` bits with these entries, row-major.
mlir::Value constantPlane(Node &n, llvm::ArrayRef<int32_t> codes, unsigned bits, mlir::RankedTensorType type);

/// The quantized value that an input is under these parameters: the value itself when it has them, else a bundle of its
/// codes. Null when its codes cannot be a plane. `ignoreScale`: a value with any scale of the whole tensor will do.
mlir::Value quantOperand(Node &n, int input, const Parameters &p, bool ignoreScale = false);

/// The planes of a quantized value, codes first.
llvm::SmallVector<mlir::Value> unbundle(Node &n, mlir::Value quant);
mlir::Value bundle(Node &n, QuantType type, llvm::ArrayRef<mlir::Value> planes);
mlir::Value dequantize(Node &n, mlir::Value quant, mlir::StringAttr name = {});
/// Static: with the planes of `p`.
mlir::Value quantize(Node &n, mlir::Value x, const Parameters &p, mlir::StringAttr name, EncodeAttr by = {});
/// DynamicQuantizeLinear: uint8 codes, scale and zero point of the whole tensor, computed from x.
mlir::Value quantizeDynamic(Node &n, mlir::Value x, mlir::StringAttr name = {});

/// An input as f32; a constant when it is one.
mlir::Value asFloat(Node &n, int input);
mlir::Value castTo(Node &n, mlir::Value x, mlir::Type element, mlir::StringAttr name = {});
mlir::Value binary(Node &n, nn::BinaryKind kind, mlir::Value a, mlir::Value b, mlir::StringAttr name = {});
/// A parameter with one value a block, repeated so that it broadcasts to a tensor of this shape.
mlir::Value spread(Node &n, mlir::Value parameter, llvm::ArrayRef<int64_t> block, const nn::Sizes &shape);

/// How many entries a plane has along each dimension.
llvm::SmallVector<int64_t> planeShape(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> block);
nn::Sizes planeSizes(Node &n, const nn::Sizes &shape, llvm::ArrayRef<int64_t> block);

} // namespace tern::importer::quantized
#endif // TERN_LIB_IMPORT_OPS_QUANTIZED_H
