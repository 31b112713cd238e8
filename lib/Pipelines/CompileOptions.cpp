//===- CompileOptions.cpp - options as JSON, names of targets and stages ---===//
#include "lib/Pipelines/Compilation.h"
#include "lib/Support/Json.h"
#include "llvm/Support/FormatVariadic.h"

using namespace llvm;

namespace tern {

namespace {
/// The JSON form of a field, and back. read returns what is allowed when the value does not fit.
json::Value write(const std::string &text) { return text; }
json::Value write(int64_t number) { return number; }
json::Value write(bool flag) { return flag; }
json::Value write(const std::vector<std::string> &list) { return json::Array(list); }

std::string read(const json::Value &value, std::string &text) {
  if (auto string = value.getAsString())
    return text = string->str(), "";
  return "a string";
}
std::string read(const json::Value &value, int64_t &number) {
  if (auto integer = value.getAsInteger())
    return number = *integer, "";
  return "a whole number";
}
std::string read(const json::Value &value, bool &flag) {
  if (auto boolean = value.getAsBoolean())
    return flag = *boolean, "";
  return "true or false";
}
std::string read(const json::Value &value, std::vector<std::string> &list) {
  const json::Array *array = value.getAsArray();
  list.clear();
  for (const json::Value &item : array ? *array : json::Array()) {
    auto string = item.getAsString();
    if (!string)
      return "a list of strings";
    list.push_back(string->str());
  }
  return array ? "" : "a list of strings";
}
} // namespace

json::Value CompileOptions::toJSON() const {
  json::Object object;
  fields(*this, [&](const char *key, const auto &field) { object[key] = write(field); });
  return object;
}

Expected<CompileOptions> CompileOptions::parse(StringRef text) {
  Expected<json::Value> value = parseJson(text);
  if (!value)
    return createStringError("the options are not JSON: " + toString(value.takeError()));
  const json::Object *object = value->getAsObject();
  if (!object)
    return createStringError("the options are not a JSON object");
  CompileOptions options;
  std::string error;
  std::vector<std::string> known;
  fields(options, [&](const char *key, auto &field) {
    known.push_back(key);
    const json::Value *given = object->get(key);
    std::string wanted = given ? read(*given, field) : "";
    if (!wanted.empty() && error.empty())
      error = formatv("option '{0}' is {1}, it takes {2}", key, *given, wanted).str();
  });
  for (const auto &[key, unused] : *object)
    if (error.empty() && !is_contained(known, key.str()))
      error = "unknown option '" + key.str() + "'; allowed are " + llvm::join(known, ", ");
  if (!error.empty())
    return createStringError(error);
  return options;
}

std::vector<std::pair<std::string, std::string>> targetNames() {
  return {
      {"x86-64", "any x86-64: code for avx512vnni, avx2 and portable, the best one is chosen when the program starts"},
      {"native", "this machine: its best instruction set, and portable"},
      {"x86-64-avx512vnni", "AVX-512 F/BW/VL/DQ/VNNI/VBMI, and portable"},
      {"x86-64-v3", "AVX2 and FMA, and portable"},
      {"x86-64-portable", "SSE2 only"}};
}

std::vector<std::string> stageNames() {
  return {"import", "prepare", "calibrate", "plan", "quantize", "fuse", "encode", "outline"};
}

std::string nearest(StringRef name, ArrayRef<std::string> known) {
  unsigned best = std::max<unsigned>(3, name.size() / 3 + 1);
  std::string found;
  for (const std::string &candidate : known)
    if (unsigned distance = name.edit_distance(candidate); distance < best)
      best = distance, found = candidate;
  return found.empty() ? "; allowed are " + llvm::join(known, ", ")
                       : "; did you mean '" + found + "'? Allowed are " + llvm::join(known, ", ");
}

} // namespace tern
