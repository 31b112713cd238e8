"""lit tests: .mlir files and ONNX text models (.onnxtxt) with RUN lines. README.md lists the substitutions."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(config.tern_source_dir, "test", "support"))
from lit_format import TernTest  # noqa: E402

config.name = "Tern"
config.test_format = TernTest(execute_external=False)
config.suffixes = [".mlir", ".onnxtxt", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.join(config.tern_source_dir, "test")
config.test_exec_root = os.path.join(config.tern_build_dir, "test", "lit")

bin_dir = os.path.join(config.tern_build_dir, "bin")
config.environment["PATH"] = os.pathsep.join([bin_dir, config.llvm_tools_dir, config.environment["PATH"]])
config.environment["PYTHONPATH"] = os.path.join(config.tern_source_dir, "python")
config.environment["TERN_BUILD"] = config.tern_build_dir
config.substitutions += [
    ("%plugin", os.path.join(config.tern_build_dir, "lib", "TernPlugin.so")),
    ("%models", os.path.join(config.tern_build_dir, "test", "models")),
    ("%source", config.tern_source_dir),
    ("%python", config.python),
]
if os.getuid() == 0:
    config.available_features.add("root")       # read-only folders do not stop root
with open("/proc/cpuinfo") as cpu:
    flags = set(next((line for line in cpu if line.startswith("flags")), "").split())
for flag in ("avx2", "avx512_vnni", "avx512_vbmi"):
    if flag in flags:
        config.available_features.add(flag)
