#include "lib/Import/WireScan.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace tern::importer {
namespace {

/// Messages that can hold tensors.
enum Message : uint8_t { Model, Graph, Node, Attribute, Tensor, SparseTensor, Function };

/// Field `number` of `in` is a message of kind `message`.
struct Nested {
  Message in;
  uint32_t number;
  Message message;
};
constexpr Nested kNested[] = {
    {Model, 7, Graph},         {Model, 25, Function},         {Graph, 1, Node},
    {Graph, 5, Tensor},        {Graph, 15, SparseTensor},     {Node, 5, Attribute},
    {Attribute, 5, Tensor},    {Attribute, 6, Graph},         {Attribute, 10, Tensor},
    {Attribute, 11, Graph},    {Attribute, 22, SparseTensor}, {Attribute, 23, SparseTensor},
    {SparseTensor, 1, Tensor}, {SparseTensor, 2, Tensor},     {Function, 7, Node},
    {Function, 11, Attribute},
};
constexpr uint32_t kRawData = 9;       // of TensorProto
constexpr uint32_t kTrainingInfo = 20; // of ModelProto
// A graph inside a node is three levels: 21 graphs deep, below protobuf's own limit of 100.
constexpr int kMaxDepth = 64;

class Scanner {
public:
  Scanner(ArrayRef<char> file, std::string &out) : file(file), out(out) {}

  bool message(Message kind, uint64_t begin, uint64_t end, int depth) {
    if (depth > kMaxDepth)
      return fail(begin, formatv("messages are nested deeper than {0} levels", kMaxDepth));
    for (uint64_t at = begin; at < end;)
      if (!field(kind, at, end, depth))
        return false;
    return true;
  }

  std::string error;

private:
  bool fail(uint64_t at, const Twine &what) {
    error = (Twine("byte ") + Twine(at) + ": " + what).str();
    return false;
  }

  /// Reads a varint that must end before `end`.
  bool varint(uint64_t &at, uint64_t end, uint64_t &value) {
    uint64_t start = at;
    value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (at >= end)
        return fail(start,
                    end == file.size() ? "the file ends inside a number" : "a number crosses the end of its message");
      uint8_t byte = file[at++];
      if (shift < 64)
        value |= uint64_t(byte & 0x7f) << shift;
      if (!(byte & 0x80))
        return true;
    }
    return fail(start, "a number has more than ten bytes");
  }

  bool field(Message kind, uint64_t &at, uint64_t end, int depth) {
    uint64_t start = at, tag;
    if (!varint(at, end, tag))
      return false;
    uint64_t number = tag >> 3, length = 0;
    if (number == 0 || number > 0x1fffffff)
      return fail(start, "there is no field " + Twine(number));
    switch (tag & 7) {
    case 0:
      if (!varint(at, end, length))
        return false;
      out.append(file.data() + start, at - start);
      return true;
    case 1:
      return fixed(start, at, end, 8);
    case 5:
      return fixed(start, at, end, 4);
    case 2:
      break;
    default:
      return fail(start, "field " + Twine(number) + " has wire type " + Twine(tag & 7) + ", which ONNX does not use");
    }
    if (!varint(at, end, length))
      return false;
    if (length > end - at)
      return fail(start, formatv("field {0} claims {1} bytes, {2} are left in its {3}", number, length, end - at,
                                 end == file.size() ? "file" : "message"));
    uint64_t contents = at;
    at += length;
    if (kind == Model && number == kTrainingInfo)
      return true;
    if (kind == Tensor && number == kRawData)
      return span(start, contents, length);
    for (const Nested &n : kNested)
      if (n.in == kind && n.number == number)
        return nested(n.message, start, contents, length, depth);
    out.append(file.data() + start, at - start);
    return true;
  }

  bool fixed(uint64_t start, uint64_t &at, uint64_t end, uint64_t bytes) {
    if (bytes > end - at)
      return fail(start, "a number of fixed size crosses the end of its message");
    at += bytes;
    out.append(file.data() + start, at - start);
    return true;
  }

  /// The tag of the field that starts at `start`, without its length.
  void copyTag(uint64_t start) {
    do
      out.push_back(file[start]);
    while (file[start++] & 0x80);
  }

  bool span(uint64_t start, uint64_t contents, uint64_t length) {
    copyTag(start);
    out.push_back(sizeof(RawSpan));
    char bytes[sizeof(RawSpan)];
    support::endian::write64le(bytes, contents);
    support::endian::write64le(bytes + 8, length);
    out.append(bytes, sizeof bytes);
    return true;
  }

  bool nested(Message kind, uint64_t start, uint64_t contents, uint64_t length, int depth) {
    copyTag(start);
    // The new length is only known afterwards: five bytes hold any 32-bit one, padded.
    size_t place = out.size();
    out.append(5, 0);
    if (!message(kind, contents, contents + length, depth + 1))
      return false;
    uint64_t size = out.size() - place - 5;
    for (int i = 0; i < 5; i++)
      out[place + i] = char((size >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    return true;
  }

  ArrayRef<char> file;
  std::string &out;
};

} // namespace

std::string scanModel(ArrayRef<char> file, std::string &skeleton) {
  skeleton.clear();
  Scanner scanner(file, skeleton);
  if (!scanner.message(Model, 0, file.size(), 0))
    return scanner.error;
  if (skeleton.size() > 0x7fffffff)
    return formatv("the model has {0} bytes besides raw tensor data, protobuf allows 2147483647", skeleton.size());
  return {};
}

std::optional<RawSpan> readSpan(StringRef rawData) {
  if (rawData.size() != sizeof(RawSpan))
    return std::nullopt;
  return RawSpan{support::endian::read64le(rawData.data()), support::endian::read64le(rawData.data() + 8)};
}

} // namespace tern::importer
