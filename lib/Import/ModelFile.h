// A model on disk: the mapped file, its messages without tensor data, and the external data files beside it.
#ifndef TERN_IMPORT_MODELFILE_H
#define TERN_IMPORT_MODELFILE_H

#include "OnnxProto.h"
#include "lib/Import/WireScan.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include <memory>

namespace tern::importer {

/// A read-only map of a whole file; tensor data keep it alive.
struct MappedFile {
  llvm::sys::fs::mapped_file_region region;
  llvm::ArrayRef<char> bytes() const { return {region.const_data(), region.size()}; }
};

/// The bytes of one tensor and what keeps them alive.
struct Bytes {
  llvm::ArrayRef<char> data;
  std::shared_ptr<const void> owner;
};

class ModelFile {
public:
  /// Maps, scans and parses `path`; one error diagnostic when that fails. The functions of the model are inlined in
  /// proto(), unless they are kept.
  static mlir::FailureOr<std::unique_ptr<ModelFile>> open(llvm::StringRef path, mlir::MLIRContext &context,
                                                          bool keepFunctions = false);

  const onnx::ModelProto &proto() const { return model; }
  mlir::Location loc() const { return location; }
  /// The file as it is.
  llvm::ArrayRef<char> bytes() const { return file->bytes(); }

  /// The raw_data of a tensor in this file.
  mlir::FailureOr<Bytes> raw(llvm::StringRef rawData, mlir::Location loc) const;
  /// The external data of a tensor; `expected`: its size in bytes.
  mlir::FailureOr<Bytes> external(const onnx::TensorProto &tensor, uint64_t expected, mlir::Location loc);

private:
  explicit ModelFile(mlir::Location loc) : location(loc) {}
  mlir::FailureOr<std::shared_ptr<MappedFile>> mapExternal(llvm::StringRef name, mlir::Location loc);

  std::string path;
  mlir::Location location;
  std::shared_ptr<MappedFile> file;
  onnx::ModelProto model;
  llvm::StringMap<std::shared_ptr<MappedFile>> externals;
};

} // namespace tern::importer
#endif // TERN_LIB_IMPORT_MODELFILE_H
