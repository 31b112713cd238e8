"""The installed package: `find_package(Tern)` in another project, with nothing of the source tree in sight."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["TERN_BUILD"])


class Package(unittest.TestCase):
    def step(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, f"{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def test_a_consumer_builds_and_runs(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-package-"))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        self.step("cmake", "--install", BUILD, "--prefix", folder / "usr")
        shutil.copytree(TOP / "test" / "e2e" / "package", folder / "consumer")
        self.step("cmake", "-G", "Ninja", "-S", folder / "consumer", "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={folder / 'usr'}",
                  "-DCMAKE_C_COMPILER=clang-22", "-DCMAKE_CXX_COMPILER=clang++-22", "-DCMAKE_CXX_COMPILER_LAUNCHER=ccache",
                  "-DCMAKE_EXE_LINKER_FLAGS=-fuse-ld=lld")
        self.step("ninja", "-C", folder / "build")
        self.assertIn("tern.dequantize", self.step(folder / "build" / "consumer"))
        digits = TOP / "examples" / "digits" / "digits.onnx"
        for way in ("embed", "capi"):
            self.assertIn(f"{way}.tern", self.step(folder / "build" / way, digits, folder / f"{way}.tern"))
            self.assertTrue((folder / f"{way}.tern" / "libmodel.so").is_file())
        python = f"import tern; print(tern.compile({str(digits)!r}, scheme='float', out={str(folder / 'py.tern')!r}).run.__doc__)"
        self.step("env", "-u", "TERN_BUILD", "-u", "TERN_LIBRARY", f"PYTHONPATH={folder / 'usr' / 'lib' / 'python'}", sys.executable, "-c", python)
        # the installed tools stand on their own
        for tool in ("quant-opt", "quant-compile", "quant-run"):
            self.step(folder / "usr" / "bin" / tool, "--help")
