#include "lib/Support/Manifest.h"
#include "lib/Support/Json.h"
#include "llvm/ADT/StringExtras.h"

using namespace llvm;

namespace {
struct ElementType {
  int32_t dtype;
  StringLiteral name;
  size_t size;
};
constexpr ElementType elementTypes[] = {
    {TERN_F32, "f32", 4},
    {TERN_F16, "f16", 2},
    {TERN_BF16, "bf16", 2},
    {TERN_F64, "f64", 8},
    {TERN_U8, "u8", 1},
    {TERN_I8, "i8", 1},
    {TERN_U16, "u16", 2},
    {TERN_I16, "i16", 2},
    {TERN_I32, "i32", 4},
    {TERN_U32, "u32", 4},
    {TERN_I64, "i64", 8},
    {TERN_U64, "u64", 8},
    {TERN_BOOL, "bool", 1},
    {TERN_F8E4M3FN, "f8e4m3fn", 1},
    {TERN_F8E4M3FNUZ, "f8e4m3fnuz", 1},
    {TERN_F8E5M2, "f8e5m2", 1},
    {TERN_F8E5M2FNUZ, "f8e5m2fnuz", 1},
    {TERN_U4, "u4", 1},
    {TERN_I4, "i4", 1},
    {TERN_F4E2M1, "f4e2m1", 1},
    {TERN_F8E8M0, "f8e8m0", 1},
    {TERN_U2, "u2", 1},
    {TERN_I2, "i2", 1},
};
} // namespace

StringRef tern::dtypeName(int32_t dtype) {
  for (const ElementType &type : elementTypes)
    if (type.dtype == dtype)
      return type.name;
  return {};
}

int32_t tern::dtypeFromName(StringRef name) {
  for (const ElementType &type : elementTypes)
    if (type.name == name)
      return type.dtype;
  return 0;
}

size_t tern::dtypeSize(int32_t dtype) {
  for (const ElementType &type : elementTypes)
    if (type.dtype == dtype)
      return type.size;
  return 0;
}

namespace tern {

static json::Value toJSON(const ManifestTensor &tensor) {
  json::Object object{{"name", tensor.name}, {"dtype", dtypeName(tensor.dtype)}, {"shape", json::Array(tensor.shape)}};
  if (!tensor.sizes.empty())
    object["sizes"] = json::Array(tensor.sizes);
  return object;
}

static bool fromJSON(const json::Value &value, ManifestTensor &tensor, json::Path path) {
  json::ObjectMapper map(value, path);
  std::string dtype;
  if (!map || !map.map("name", tensor.name) || !map.map("dtype", dtype) || !map.map("shape", tensor.shape) ||
      !map.mapOptional("sizes", tensor.sizes))
    return false;
  tensor.dtype = dtypeFromName(dtype);
  if (!tensor.dtype)
    path.field("dtype").report("unknown element type; known are f32, f16, bf16, f64, u8, i8, ..., bool");
  return tensor.dtype != 0;
}

json::Value Manifest::toJSON() const {
  auto list = [](ArrayRef<ManifestTensor> tensors) {
    json::Array array;
    for (const ManifestTensor &tensor : tensors)
      array.push_back(tern::toJSON(tensor));
    return array;
  };
  json::Array open;
  for (const ManifestDim &dim : dims) {
    json::Object object{{"name", dim.name}, {"low", dim.low}};
    if (dim.high != INT64_MAX)
      object["high"] = dim.high;
    open.push_back(std::move(object));
  }
  json::Object all{
      {"abi", abi},
      {"name", name},
      {"target", target},
      {"library", library},
      {"isa", json::Array(isa)},
      {"inputs", list(inputs)},
      {"outputs", list(outputs)},
      // A string: JSON numbers of other readers have 53 bits.
      {"weights", json::Object{{"file", weights}, {"bytes", weightsBytes}, {"hash", utohexstr(weightsHash, true, 16)}}},
      {"arena_bytes", arenaBytes},
  };
  if (!open.empty())
    all["dims"] = std::move(open);
  return all;
}

static bool fromJSON(const json::Value &value, ManifestDim &dim, json::Path path) {
  json::ObjectMapper map(value, path);
  return map && map.map("name", dim.name) && map.map("low", dim.low) && map.mapOptional("high", dim.high);
}

static bool fromJSON(const json::Value &value, Manifest &m, json::Path path) {
  json::ObjectMapper map(value, path);
  json::Value weights = nullptr;
  if (!map || !map.map("abi", m.abi) || !map.map("name", m.name) || !map.map("target", m.target) ||
      !map.mapOptional("library", m.library) || !map.mapOptional("isa", m.isa) || !map.map("inputs", m.inputs) ||
      !map.map("outputs", m.outputs) || !map.mapOptional("arena_bytes", m.arenaBytes) ||
      !map.mapOptional("dims", m.dims))
    return false;
  const json::Value *w = value.getAsObject()->get("weights");
  if (!w)
    return true;
  std::string hash;
  json::ObjectMapper inner(*w, path.field("weights"));
  if (!inner || !inner.map("file", m.weights) || !inner.map("bytes", m.weightsBytes) || !inner.map("hash", hash))
    return false;
  if (StringRef(hash).getAsInteger(16, m.weightsHash)) {
    path.field("weights").field("hash").report("expected 16 hexadecimal digits");
    return false;
  }
  return true;
}

Expected<Manifest> Manifest::parse(StringRef text) {
  Expected<json::Value> value = parseJson(text);
  if (!value)
    return value.takeError();
  Manifest manifest;
  json::Path::Root root("manifest");
  if (fromJSON(*value, manifest, root))
    return std::move(manifest);
  return root.getError();
}

} // namespace tern
