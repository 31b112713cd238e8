//===- CompileCheck.cpp - options, data and the output folder -----------------===//
#include "lib/Pipelines/Compilation.h"
#include "lib/Target/Cpu/Isa.h"
#include "lib/Target/Cpu/Lowering/Artifact/Artifact.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include <unistd.h>

using namespace mlir;

namespace tern {

LogicalResult Compilation::check() {
  auto read = [&](auto expected, auto &to, StringRef flag) -> LogicalResult {
    if (!expected)
      return fail("--" + flag + ": " + llvm::toString(expected.takeError()));
    to = *expected;
    return success();
  };
  if (options.model.empty())
    return fail("no model is given; name an .onnx file");
  if (failed(read(parseScheme(options.scheme), scheme, "scheme")))
    return failure();
  for (const std::string &text : options.overrides)
    if (failed(read(parseOverride(text), overrides.emplace_back(), "override")))
      return failure();
  auto ranges = calib::parseRangeMethod(options.ranges);
  if (!ranges)
    return fail("--ranges: " + ranges.error());
  rangeOptions = *ranges;
  if (options.equalize != "auto" && options.equalize != "on" && options.equalize != "off")
    return fail("--equalize: '" + options.equalize + "' is none of auto, on and off");

  std::vector<std::string> targets;
  for (const auto &[name, text] : targetNames())
    targets.push_back(name);
  if (!llvm::is_contained(targets, options.target))
    return fail("--target: unknown target '" + options.target + "'" + nearest(options.target, targets));
  StringRef best = options.target == "native" ? StringRef(cpu::hostIsa().name)
                                              : llvm::StringSwitch<StringRef>(options.target)
                                                    .Case("x86-64-v3", "avx2")
                                                    .Case("x86-64-portable", "portable")
                                                    .Default("avx512vnni");
  isas = "portable";
  for (const cpu::Isa &isa : cpu::isas())
    if (isa.name != "portable" && (isa.name == best || options.target == "x86-64"))
      isas += "," + isa.name.str();

  for (const std::string &what : options.emit)
    if (std::vector<std::string> known{"so", "obj", "mlir", "onnx-qdq", "onnx-nbits"}; !llvm::is_contained(known, what))
      return fail("--emit: unknown output '" + what + "'" + nearest(what, known));
  if (failed(checkExport()))
    return failure();
  if (!options.dumpIr.empty() && !llvm::is_contained(stageNames(), options.dumpIr))
    return fail("--dump-ir: unknown stage '" + options.dumpIr + "'" + nearest(options.dumpIr, stageNames()));
  for (const std::string &text : options.dims) {
    auto [name, size] = StringRef(text).rsplit('=');
    int64_t number = 0, high = 0;
    if (auto [from, to] = size.split(".."); !name.empty() && size.contains("..")) {
      if (from.getAsInteger(10, number) || to.getAsInteger(10, high) || number < 0 || high < number)
        return fail("--dim: '" + text + "' is not NAME=LOW..HIGH, for instance seq=1..512");
      importOptions.bounds[name] = {number, high};
      continue;
    }
    if (name.empty() || size.getAsInteger(10, number) || number < 1)
      return fail("--dim: '" + text + "' is not NAME=N with a size N of at least 1, for instance batch=4, or NAME=LOW..HIGH");
    importOptions.dims[name] = number;
  }
  importOptions.open = true;
  importOptions.inputs = options.inputs;
  importOptions.outputs = options.outputs;
  // The files of the model and the data are read several times: a path to nothing is said at once.
  jobs = options.jobs > 0 ? unsigned(options.jobs) : llvm::hardware_concurrency().compute_thread_count();
  return success();
}

std::string outputOf(const CompileOptions &options) {
  StringRef stem = llvm::sys::path::stem(options.model);
  std::string out = !options.out.empty() ? options.out : (stem + (options.planOnly ? ".plan.json" : ".tern")).str();
  while (out.size() > 1 && out.back() == '/')
    out.pop_back();
  return out;
}

LogicalResult Compilation::checkOutput() {
  out = outputOf(options);
  summary.out = out;
  namespace fs = llvm::sys::fs;
  SmallString<256> parent(llvm::sys::path::parent_path(out));
  if (parent.empty())
    parent = ".";
  if (!fs::is_directory(parent))
    return fail(out + ": the folder " + parent + " does not exist; make it, or choose another place with -o");
  if (access(parent.c_str(), W_OK | X_OK) != 0)
    return fail(out + ": the folder " + parent + " cannot be written; choose another place with -o");
  if (!fs::exists(out))
    return success();
  if (options.planOnly && StringRef(out).ends_with(".json"))
    return fs::is_directory(out) ? fail(out + " is a folder; choose another name with -o") : success();
  if (!fs::is_directory(out))
    return fail(out + " is a file; a program is a folder: remove it or choose another name with -o");
  if (options.planOnly && fs::exists(out + "/manifest.json"))
    return fail(out +
                " holds a compiled program, whose plan would no longer be the one it has; choose another name with -o");
  if (std::string foreign = options.planOnly ? "" : cpu::foreignFile(out); !foreign.empty())
    return fail(out + " holds '" + foreign + "', which is no part of a compiled program; remove it or choose another name with -o");
  return success();
}

bool Compilation::usesStaticActivations() const {
  auto isStatic = [](const Scheme &scheme) { return scheme.activationBits == 8; };
  return isStatic(scheme) || llvm::any_of(overrides, [&](const Override &rule) { return isStatic(rule.scheme); });
}

LogicalResult Compilation::hashModel() {
  auto hash = hashFile(options.model);
  if (!hash)
    return fail(llvm::toString(hash.takeError()));
  modelHash = *hash;
  return success();
}

} // namespace tern
