#include "lib/Import/ModelFile.h"
#include "lib/Import/Functions.h"
#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using llvm::StringRef;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace tern::importer {

/// Maps a regular file; an empty one gives an empty map. Returns what went wrong, or an empty string.
static std::string mapFile(StringRef name, std::shared_ptr<MappedFile> &result) {
  fs::file_status status;
  if (std::error_code error = fs::status(name, status))
    return error.message();
  if (!fs::is_regular_file(status))
    return fs::is_directory(status) ? "is a directory" : "is not a regular file";
  result = std::make_shared<MappedFile>();
  if (status.getSize() == 0)
    return {};
  auto handle = fs::openNativeFileForRead(name);
  if (!handle)
    return llvm::toString(handle.takeError());
  std::error_code error;
  result->region = fs::mapped_file_region(*handle, fs::mapped_file_region::readonly, status.getSize(), 0, error);
  fs::closeFile(*handle);
  return error ? error.message() : "";
}

FailureOr<std::unique_ptr<ModelFile>> ModelFile::open(StringRef name, MLIRContext &context, bool keepFunctions) {
  Location loc = FileLineColLoc::get(&context, name, 0, 0);
  std::unique_ptr<ModelFile> result(new ModelFile(loc));
  result->path = name.str();
  if (std::string error = mapFile(name, result->file); !error.empty())
    return emitError(loc) << "cannot read the model: " << error;
  llvm::ArrayRef<char> bytes = result->file->bytes();
  if (bytes.empty())
    return emitError(loc) << "the file is empty";
  std::string skeleton;
  if (std::string error = scanModel(bytes, skeleton); !error.empty())
    return emitError(loc) << "not an ONNX model, or damaged: " << error;
  if (!result->model.ParsePartialFromArray(skeleton.data(), int(skeleton.size())))
    return emitError(loc)
           << "not an ONNX model, or damaged: a field has the wrong type or messages are nested too deeply";
  if (!result->model.has_graph())
    return emitError(loc) << "not an ONNX model: it has no graph";
  if (!keepFunctions && failed(inlineFunctions(result->model, loc)))
    return failure();
  return result;
}

FailureOr<Bytes> ModelFile::raw(StringRef rawData, Location loc) const {
  auto span = readSpan(rawData);
  llvm::ArrayRef<char> bytes = file->bytes();
  if (!span || span->offset > bytes.size() || span->length > bytes.size() - span->offset)
    return emitError(loc) << "the tensor data lie outside the file";
  return Bytes{bytes.slice(span->offset, span->length), file};
}

FailureOr<std::shared_ptr<MappedFile>> ModelFile::mapExternal(StringRef name, Location loc) {
  if (auto it = externals.find(name); it != externals.end())
    return it->second;
  // Models are untrusted: nothing outside their folder is read, neither by name nor through a link.
  bool leaves = name.empty() || path::is_absolute(name) || name.contains('\\') || name.contains('\0');
  for (auto part = path::begin(name), end = path::end(name); part != end; ++part)
    leaves |= *part == "..";
  if (leaves)
    return emitError(loc) << "external data '" << name
                          << "' is outside the folder of the model; the path must be relative and without '..'";
  llvm::SmallString<256> full(path::parent_path(path)), folder, real;
  if (full.empty())
    full = ".";
  auto unreadable = [&](std::error_code error) {
    return emitError(loc) << "cannot read external data '" << name << "': " << error.message();
  };
  if (std::error_code error = fs::real_path(full, folder))
    return unreadable(error);
  path::append(full, name);
  if (std::error_code error = fs::real_path(full, real))
    return unreadable(error);
  if (!path::replace_path_prefix(real, folder, "") ||
      (!real.empty() && !path::is_separator(real.front()) && folder != "/"))
    return emitError(loc) << "external data '" << name << "' is a link that leaves the folder of the model";
  std::shared_ptr<MappedFile> mapped;
  if (std::string error = mapFile(full, mapped); !error.empty())
    return emitError(loc) << "cannot read external data '" << name << "': " << error;
  externals[name] = mapped;
  return mapped;
}

FailureOr<Bytes> ModelFile::external(const onnx::TensorProto &tensor, uint64_t expected, Location loc) {
  StringRef name;
  uint64_t offset = 0, length = expected;
  for (const auto &entry : tensor.external_data()) {
    StringRef value = entry.value();
    bool isOffset = entry.key() == "offset", isLength = entry.key() == "length";
    if (entry.key() == "location")
      name = value;
    else if ((isOffset || isLength) && value.getAsInteger(10, isOffset ? offset : length))
      return emitError(loc) << "external data: " << entry.key() << " '" << value << "' is not a number of bytes";
  }
  FailureOr<std::shared_ptr<MappedFile>> mapped = mapExternal(name, loc);
  if (failed(mapped))
    return failure();
  llvm::ArrayRef<char> bytes = (*mapped)->bytes();
  if (length != expected)
    return emitError(loc) << "external data '" << name << "' has " << length
                          << " bytes for this tensor, its type and shape need " << expected;
  if (offset > bytes.size() || length > bytes.size() - offset)
    return emitError(loc) << "external data '" << name << "' has " << bytes.size() << " bytes; " << length
                          << " bytes at offset " << offset << " are not in it";
  return Bytes{bytes.slice(offset, length), *mapped};
}

} // namespace tern::importer
