#include "lib/Support/Artifact.h"
#include "lib/Support/Library.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <dlfcn.h>

using namespace llvm;
using namespace tern;

/// The functions of artifact.h in one loaded library.
struct Artifact::Api {
#define TERN_FUNCTIONS(X)                                                                                              \
  X(abi)                                                                                                               \
  X(model_open)                                                                                                        \
  X(model_close)                                                                                                       \
  X(model_name)                                                                                                        \
  X(model_isa)                                                                                                         \
  X(model_threads)                                                                                                     \
  X(input_count)                                                                                                       \
  X(output_count)                                                                                                      \
  X(step_count)                                                                                                        \
  X(input_info)                                                                                                        \
  X(output_info)                                                                                                       \
  X(step_info)                                                                                                         \
  X(context_open)                                                                                                      \
  X(context_close)                                                                                                     \
  X(context_set_hook)                                                                                                  \
  X(dim_count)                                                                                                         \
  X(dim)                                                                                                               \
  X(context_input_info)                                                                                                \
  X(context_output_info)                                                                                               \
  X(context_step_info)                                                                                                 \
  X(run)                                                                                                               \
  X(run_pointers)
#define X(name) decltype(&tern_##name) name = nullptr;
  TERN_FUNCTIONS(X)
#undef X

  /// Name of the first function that the library lacks; null: none.
  const char *resolve(void *library) {
#define X(name)                                                                                                        \
  if (!(name = reinterpret_cast<decltype(name)>(dlsym(library, "tern_" #name))))                                       \
    return "tern_" #name;
    TERN_FUNCTIONS(X)
#undef X
    return nullptr;
  }
};

Artifact::Artifact() : api(std::make_unique<Api>()) {}

Artifact::~Artifact() {
  if (context)
    api->context_close(context);
  if (model)
    api->model_close(model);
  if (library)
    dlclose(library);
}

Error Artifact::fail(const Twine &message) const { return createStringError(Twine(folder) + ": " + message); }

Expected<std::unique_ptr<Artifact>> Artifact::open(StringRef folder, const ArtifactOptions &options) {
  std::unique_ptr<Artifact> artifact(new Artifact);
  if (Error error = artifact->load(folder, options))
    return std::move(error);
  return std::move(artifact);
}

static std::string join(StringRef folder, StringRef name) {
  SmallString<128> path(folder);
  sys::path::append(path, name);
  return std::string(path);
}

Error Artifact::load(StringRef path, const ArtifactOptions &options) {
  folder = path.str();
  if (!sys::fs::exists(folder))
    return fail("there is no such folder; give the folder that the compiler wrote");
  if (!sys::fs::is_directory(folder))
    return fail("this is a file; give the folder that the compiler wrote (with manifest.json and libmodel.so)");
  auto text = MemoryBuffer::getFile(join(folder, "manifest.json"));
  if (!text)
    return fail("not a compiled model, manifest.json cannot be read (" + text.getError().message() +
                "); give the folder that the compiler wrote");
  Expected<Manifest> parsed = Manifest::parse((*text)->getBuffer());
  if (!parsed)
    return fail("manifest.json is damaged (" + toString(parsed.takeError()) + "); compile the model again");
  manifest = std::move(*parsed);
  if (manifest.abi != TERN_ABI)
    return fail("compiled by another version of Tern (ABI " + Twine(manifest.abi) + ", this one has " +
                Twine(TERN_ABI) + "); compile the model again");
  if (manifest.target != "cpu")
    return fail("compiled for target '" + manifest.target + "', which does not run here; compile it for target 'cpu'");

  // With a slash in it, dlopen takes it as a path.
  std::string file = join(sys::path::is_absolute(folder) ? folder : "./" + folder, manifest.library);
  if (std::string damage = damageOfLibrary(file); !damage.empty())
    return fail(manifest.library + " is damaged (" + damage + "); compile the model again");
  library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail("cannot load " + manifest.library + " (" + dlerror() + "); compile the model again");
  if (const char *missing = api->resolve(library))
    return fail(manifest.library + " is not a compiled model, it has no " + missing + "; compile the model again");
  if (api->abi() != TERN_ABI)
    return fail(manifest.library + " has ABI " + Twine(api->abi()) + ", this version of Tern has " + Twine(TERN_ABI) +
                "; compile the model again");

  std::string weights = options.weights.empty() ? join(folder, manifest.weights) : options.weights;
  tern_options native = {sizeof native, options.threads, options.hugePages, options.level};
  tern_error error = {};
  model = api->model_open(weights.c_str(), &native, &error);
  if (!model)
    return fail(error.text);
  if (manifest.name != api->model_name(model))
    return fail("manifest.json is of model '" + manifest.name + "', " + manifest.library + " of '" +
                api->model_name(model) + "'; compile the model again");
  if (api->dim_count(model) != manifest.dims.size())
    return fail("manifest.json and " + manifest.library + " have other dimensions; compile the model again");
  if (api->dim_count(model))
    return Error::success();
  context = api->context_open(model, nullptr, 0, &error);
  return context ? Error::success() : fail(error.text);
}

ArrayRef<tern_dim_info> Artifact::getDims() const { return {api->dim(model, 0), api->dim_count(model)}; }

Error Artifact::bind(ArrayRef<int64_t> sizes) {
  if (context && sizes == ArrayRef(bound))
    return Error::success();
  tern_error error = {};
  tern_context *opened = api->context_open(model, sizes.data(), sizes.size(), &error);
  if (!opened)
    return fail(error.text);
  if (context)
    api->context_close(context);
  context = opened;
  bound.assign(sizes.begin(), sizes.end());
  if (hook)
    setHook(std::move(hook));
  return Error::success();
}

/// "past+seq" -> {{"past", 1}, {"seq", 1}}, "n-1" -> {{"n", 1}, {"1", -1}}; other expressions have no terms.
static SmallVector<std::pair<StringRef, int>> termsOf(StringRef text) {
  SmallVector<std::pair<StringRef, int>> terms;
  int sign = 1;
  while (!text.empty()) {
    if (text.consume_front("-"))
      sign = -1;
    else if (text.consume_front("+"))
      sign = 1;
    StringRef term = text.take_until([](char c) { return c == '+' || c == '-'; });
    if (term.empty() || term.contains('*') || term.contains('('))
      return {};
    terms.push_back({term, sign});
    text = text.drop_front(term.size());
  }
  return terms;
}

Error Artifact::bind(ArrayRef<std::pair<std::string, int64_t>> given, ArrayRef<std::vector<int64_t>> shapes) {
  StringMap<int64_t> known;
  for (const auto &[name, size] : given)
    known[name] = size;
  // Sizes that stand alone, then those in sums with known ones.
  for (size_t round = 0; round <= manifest.dims.size(); ++round)
    for (auto [input, shape] : zip(manifest.inputs, shapes))
      for (size_t axis = 0; axis < shape.size() && axis < input.sizes.size(); ++axis) {
        StringRef unknown;
        int64_t rest = shape[axis];
        int count = 0, unknownSign = 1;
        auto terms = termsOf(input.sizes[axis]);
        for (auto [term, sign] : terms) {
          int64_t number;
          if (!term.getAsInteger(10, number) || (known.count(term) && ((number = known[term]), true)))
            rest -= sign * number;
          else
            unknown = term, unknownSign = sign, ++count;
        }
        if (!terms.empty() && count == 1 && unknownSign == 1 && (terms.size() == 1 || round))
          known[unknown] = rest;
      }
  std::vector<int64_t> sizes;
  for (const ManifestDim &dim : manifest.dims) {
    if (!known.count(dim.name))
      return fail("the size of dimension '" + dim.name + "' is open; --dim " + dim.name + "=N gives it");
    sizes.push_back(known[dim.name]);
  }
  return bind(sizes);
}

StringRef Artifact::getName() const { return api->model_name(model); }
StringRef Artifact::getIsa() const { return api->model_isa(model); }
int32_t Artifact::getThreads() const { return api->model_threads(model); }
ArrayRef<tern_tensor_info> Artifact::getInputs() const {
  return {context ? api->context_input_info(context, 0) : api->input_info(model, 0), api->input_count(model)};
}
ArrayRef<tern_tensor_info> Artifact::getOutputs() const {
  return {context ? api->context_output_info(context, 0) : api->output_info(model, 0), api->output_count(model)};
}
ArrayRef<tern_step> Artifact::getSteps() const {
  return {context ? api->context_step_info(context, 0) : api->step_info(model, 0), api->step_count(model)};
}

Error Artifact::run(ArrayRef<tern_tensor> inputs, ArrayRef<tern_tensor> outputs) {
  tern_error error = {};
  if (api->run(context, inputs.data(), inputs.size(), outputs.data(), outputs.size(), &error))
    return fail(error.text);
  return Error::success();
}

Error Artifact::run(ArrayRef<ArrayRef<char>> inputs, std::vector<std::vector<char>> &outputs) {
  auto describe = [](const tern_tensor_info &info, const char *data, size_t bytes) {
    return tern_tensor{info.dtype, info.rank, info.dims, const_cast<char *>(data), bytes};
  };
  if (inputs.size() != getInputs().size())
    return fail("got " + Twine(inputs.size()) + " inputs, the model has " + Twine(getInputs().size()));
  std::vector<tern_tensor> in, out;
  for (auto [info, data] : zip(getInputs(), inputs))
    in.push_back(describe(info, data.data(), data.size()));
  outputs.resize(getOutputs().size());
  for (auto [info, data] : zip(getOutputs(), outputs)) {
    data.resize(info.bytes);
    out.push_back(describe(info, data.data(), data.size()));
  }
  return run(in, out);
}

void Artifact::runPointers(void *const *inputs, void *const *outputs) { api->run_pointers(context, inputs, outputs); }

void Artifact::setHook(Hook newHook) {
  hook = std::move(newHook);
  auto forward = [](void *user, int32_t step, double seconds, const void *output) {
    auto *self = static_cast<Artifact *>(user);
    self->hook(size_t(step), self->getSteps()[size_t(step)], seconds, output);
  };
  if (context) // else bind() passes it on
    api->context_set_hook(context, hook ? tern_hook(forward) : nullptr, this);
}
