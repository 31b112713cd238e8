// A pass over the protobuf wire format of a model that takes the tensor data out.
#ifndef TERN_IMPORT_WIRESCAN_H
#define TERN_IMPORT_WIRESCAN_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>

namespace tern::importer {

/// Where the bytes of one TensorProto.raw_data lie in the file.
struct RawSpan {
  uint64_t offset;
  uint64_t length;
};

/// Copies a serialized ModelProto without the contents of its raw_data fields: each holds a RawSpan instead, also those
/// in attributes, subgraphs, sparse tensors and functions. The copy is a valid message of its own, small enough for
/// protobuf whatever the size of the weights. Training information is left out.
///
/// Returns an empty string when all went well, else one sentence with the offset of the damage.
std::string scanModel(llvm::ArrayRef<char> file, std::string &skeleton);

/// The span that scanModel put into a raw_data field; nothing when the field is not one.
std::optional<RawSpan> readSpan(llvm::StringRef rawData);

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_WIRESCAN_H
