// Who reads the file: the rules of each reader that a QDQ model has to keep.
#ifndef TERN_EXPORT_PROFILE_H
#define TERN_EXPORT_PROFILE_H

#include "llvm/ADT/StringRef.h"

namespace tern::exporter {

struct Profile {
  llvm::StringLiteral name, summary;
  bool symmetricOnly;     ///< no zero points: activations are int8 with zero point 0, weights signed
  bool signedActivations; ///< int8, not uint8
  bool biasInt32;         ///< a bias is int32 with the scale x times w; else it stays float
  bool onesScale;         ///< one scale for a tensor is [1], not a scalar
  bool contrib;           ///< reads com.microsoft
  bool quantizesOutputs;  ///< QuantizeLinear behind an op as well; else only in front
  bool quantNode;         ///< QONNX: Quant on float values instead of QuantizeLinear, DequantizeLinear
  bool dynamic;           ///< activations may be quantized at run time
};

/// Null for an unknown name.
const Profile *findProfile(llvm::StringRef name);
llvm::ArrayRef<Profile> profiles();

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_PROFILE_H
