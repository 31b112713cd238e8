// Loads a compiled model (a folder with manifest.json, libmodel.so, weights.bin) and runs it.
#ifndef TERN_SUPPORT_ARTIFACT_H
#define TERN_SUPPORT_ARTIFACT_H
#include "lib/Support/Manifest.h"
#include "llvm/ADT/ArrayRef.h"
#include <functional>
#include <memory>

namespace tern {

struct ArtifactOptions {
  std::string weights;   // path of the weights; empty: the file of the manifest
  int32_t threads = 0;   // 0: one for each cpu that the process may use
  int32_t hugePages = 0; // as in tern_options
  int32_t level = TERN_ISA_AUTO;
};

/// A loaded model with one context. Not to be used by two threads at once. Errors are single sentences that begin with
/// the folder. While an Artifact lives, its files must not be overwritten: they are mapped.
class Artifact {
public:
  static llvm::Expected<std::unique_ptr<Artifact>> open(llvm::StringRef folder, const ArtifactOptions &options = {});
  ~Artifact();
  Artifact(const Artifact &) = delete;
  Artifact &operator=(const Artifact &) = delete;

  const Manifest &getManifest() const { return manifest; }
  llvm::StringRef getName() const;
  llvm::StringRef getIsa() const; // "portable", "avx2", "avx512vnni"
  int32_t getThreads() const;
  /// The open dimensions. While there are any, nothing runs before bind(), and their sizes are -1 in getInputs() and
  /// getOutputs().
  llvm::ArrayRef<tern_dim_info> getDims() const;
  /// Chooses the sizes of the open dimensions, in their order; again at any time.
  llvm::Error bind(llvm::ArrayRef<int64_t> sizes);
  /// The same by name, and by the shapes of inputs (empty: unknown). A dimension that nothing tells is an error.
  llvm::Error bind(llvm::ArrayRef<std::pair<std::string, int64_t>> sizes, llvm::ArrayRef<std::vector<int64_t>> shapes);

  /// The sizes that bind() has chosen.
  llvm::ArrayRef<int64_t> getSizes() const { return bound; }

  llvm::ArrayRef<tern_tensor_info> getInputs() const;
  llvm::ArrayRef<tern_tensor_info> getOutputs() const;
  /// The kernel calls of a run, in order.
  llvm::ArrayRef<tern_step> getSteps() const;

  /// Checks types, shapes and sizes.
  llvm::Error run(llvm::ArrayRef<tern_tensor> inputs, llvm::ArrayRef<tern_tensor> outputs);
  /// The same on dense buffers of the model's own types and shapes; outputs are resized.
  llvm::Error run(llvm::ArrayRef<llvm::ArrayRef<char>> inputs, std::vector<std::vector<char>> &outputs);
  /// Without any check: for measuring. Data in the order of inputs and outputs.
  void runPointers(void *const *inputs, void *const *outputs);

  /// Called after each step of a run; output as in tern_hook (stepValues decodes it). Empty: none.
  using Hook = std::function<void(size_t index, const tern_step &step, double seconds, const void *output)>;
  void setHook(Hook hook);

private:
  struct Api;
  Artifact();
  llvm::Error load(llvm::StringRef folder, const ArtifactOptions &options);
  llvm::Error fail(const llvm::Twine &message) const;

  std::string folder;
  Manifest manifest;
  std::unique_ptr<Api> api;
  void *library = nullptr;
  tern_model *model = nullptr;
  tern_context *context = nullptr;
  std::vector<int64_t> bound;
  Hook hook;
};

/// Values of a step's output in the order of step.dims (row-major): layout and halo removed, codes decoded by
/// scale * (code - zero). Fails for layouts and types that it does not know.
llvm::Expected<std::vector<float>> stepValues(const tern_step &step, const void *output);

} // namespace tern
#endif
