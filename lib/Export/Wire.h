// Protobuf wire format: reading fields in place with their offsets, and writing fields into a string.
#ifndef TERN_EXPORT_WIRE_H
#define TERN_EXPORT_WIRE_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace tern::exporter {

/// A field of a message in the file. Offsets are those of the file.
struct Field {
  uint32_t number = 0;
  uint8_t wire = 0;       ///< 0 varint, 1 fixed64, 2 bytes, 5 fixed32
  uint64_t value = 0;     ///< of a number
  llvm::StringRef bytes;  ///< of wire type 2
  uint64_t begin = 0;     ///< of the tag
  uint64_t contents = 0;  ///< of the bytes behind the length
  uint64_t end = 0;

  float asFloat() const;
};

/// Reads the fields of the message that lies at [begin, end) of the file. Damage ends the message; scanModel
/// (lib/Import) has reported it before in everything that can hold a tensor.
class FieldReader {
public:
  FieldReader(llvm::StringRef file, uint64_t begin, uint64_t end) : file(file), at(begin), stop(end) {}
  FieldReader(llvm::StringRef file, const Field &message) : FieldReader(file, message.contents, message.end) {}
  bool next(Field &field);

private:
  bool varint(uint64_t &value);
  llvm::StringRef file;
  uint64_t at, stop;
};

/// Appends fields to a string.
class FieldWriter {
public:
  explicit FieldWriter(std::string &out) : out(out) {}
  void number(uint32_t field, uint64_t value) { key(field, 0), varint(value); }
  void bytes(uint32_t field, llvm::StringRef value) { key(field, 2), varint(value.size()), out.append(value.data(), value.size()); }
  void real(uint32_t field, float value);
  /// The tag and length of a bytes field whose contents follow elsewhere.
  void header(uint32_t field, uint64_t length) { key(field, 2), varint(length); }
  void varint(uint64_t value);

private:
  void key(uint32_t field, uint32_t wire) { varint(uint64_t(field) << 3 | wire); }
  std::string &out;
};

/// Bytes that a varint takes.
unsigned varintBytes(uint64_t value);

/// The integers of a repeated integer field: one entry, or packed.
void readIntegers(const Field &field, llvm::SmallVectorImpl<int64_t> &values);

// Field numbers of onnx.proto.
namespace model {
constexpr uint32_t irVersion = 1, graph = 7, opset = 8, metadata = 14, function = 25;
}
namespace graph {
constexpr uint32_t node = 1, name = 2, initializer = 5, doc = 10, input = 11, output = 12, valueInfo = 13,
                   sparseInitializer = 15;
}
namespace node {
constexpr uint32_t input = 1, output = 2, name = 3, op = 4, attribute = 5, doc = 6, domain = 7, overload = 8;
}
namespace attribute {
constexpr uint32_t name = 1, f = 2, i = 3, s = 4, t = 5, g = 6, floats = 7, ints = 8, strings = 9, tensors = 10,
                   graphs = 11, type = 20, reference = 21;
// AttributeProto.AttributeType
constexpr int64_t kFloat = 1, kInt = 2, kString = 3, kTensor = 4, kInts = 7;
} // namespace attribute
namespace function {
constexpr uint32_t name = 1, input = 4, output = 5, attribute = 6, node = 7, opset = 9, domain = 10;
}
namespace tensor {
constexpr uint32_t dims = 1, type = 2, name = 8, raw = 9, external = 13, location = 14;
}
namespace opset {
constexpr uint32_t domain = 1, version = 2;
}
namespace entry { // StringStringEntryProto
constexpr uint32_t key = 1, value = 2;
}

} // namespace tern::exporter
#endif // TERN_LIB_EXPORT_WIRE_H
