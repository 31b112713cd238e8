// manifest.json: what a compiled model is, for those who have not loaded it.
#ifndef TERN_SUPPORT_MANIFEST_H
#define TERN_SUPPORT_MANIFEST_H
#include "tern-c/artifact.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/JSON.h"
#include <string>
#include <vector>

namespace tern {

/// Name of an element type of artifact.h ("f32", "u8", ...); empty: none of them.
llvm::StringRef dtypeName(int32_t dtype);
/// The reverse; 0: no such type.
int32_t dtypeFromName(llvm::StringRef name);
/// Bytes of one element; 0: no such type.
size_t dtypeSize(int32_t dtype);

/// An input or output: {"name": "input", "dtype": "f32", "shape": [1, 3, 224, 224]}, dense row-major. With open
/// dimensions: "shape": [-1, -1, 384], "sizes": ["batch", "past+seq", ""].
struct ManifestTensor {
  std::string name;
  int32_t dtype = 0;
  std::vector<int64_t> shape;
  std::vector<std::string> sizes = {}; // expressions of the open dimensions, "" for others; empty: none is open
};

/// An open dimension: {"name": "seq", "low": 1, "high": 512}; no "high": any size.
struct ManifestDim {
  std::string name;
  int64_t low = 0, high = INT64_MAX;
};

/// {"abi": 2, "name": "resnet18", "target": "cpu", "library": "libmodel.so", "isa": ["portable", "avx2", "avx512vnni"],
///  "inputs": [...], "outputs": [...],
///  "weights": {"file": "weights.bin", "bytes": 11689512, "hash": "30df402d4fca852b"},
///  "arena_bytes": 1204224}
/// Unknown keys are allowed.
struct Manifest {
  uint32_t abi = TERN_ABI;
  std::string name;
  std::string target = "cpu";
  std::string library = "libmodel.so"; // relative to the folder
  std::vector<std::string> isa;        // levels that the library has code for
  std::vector<ManifestTensor> inputs, outputs;
  std::string weights = "weights.bin"; // relative to the folder
  uint64_t weightsBytes = 0;           // 0: the model has none
  uint64_t weightsHash = 0;            // tern_hash (lib/Runtime/Program.h)
  uint64_t arenaBytes = 0;
  std::vector<ManifestDim> dims;       // in the order of tern_context_open

  llvm::json::Value toJSON() const;
  /// The error names the key that is missing or wrong.
  static llvm::Expected<Manifest> parse(llvm::StringRef text);
};

} // namespace tern
#endif
