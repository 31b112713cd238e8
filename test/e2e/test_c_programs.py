"""Programs in C and C++ around a compiled model: its folder is all they need."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from net import Net

TOP = pathlib.Path(__file__).resolve().parents[2]
COMPILE = pathlib.Path(os.environ["TERN_BUILD"]) / "bin" / "quant-compile"
STRICT = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
LANGUAGES = [["-std=c99", "-x", "c"], ["-std=c11", "-x", "c"], ["-std=c++11", "-x", "c++"], ["-std=c++20", "-x", "c++"]]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-c-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.compiler = next((c for c in ("gcc", "cc", "clang-22", "clang") if shutil.which(c)), None)
        if not self.compiler:
            self.skipTest("there is no C compiler")

    def run_all(self, text, program):
        """The outputs of `text` as each language."""
        source = self.folder / "main.c"
        source.write_text(text)
        for language in LANGUAGES:
            with self.subTest(" ".join(language)):
                build = [self.compiler, *STRICT, *language, source, "-x", "none", f"{program}/libmodel.so", f"-Wl,-rpath,{program}", "-o", "main"]
                done = subprocess.run(build, capture_output=True, text=True, cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr[-3000:])
                done = subprocess.run(["./main"], capture_output=True, text=True, cwd=self.folder, timeout=60)
                self.assertEqual(done.returncode, 0, done.stderr)
                yield done.stdout

    def compile(self, model, *arguments):
        done = subprocess.run([COMPILE, model, *arguments], capture_output=True, text=True, cwd=self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)


class Readme(Case):
    def test_its_program(self):
        self.compile(TOP / "examples" / "digits" / "digits.onnx", "-o", "digits.tern")
        text = re.search(r"```c\n(.*?)```", (TOP / "README.md").read_text(), re.S)[1]
        for output in self.run_all(text, "digits.tern"):
            self.assertRegex(output, r"^-?[0-9.e+-]+\n$")


class Names(Case):
    def test_names_that_c_has_not(self):
        """Comments are not ended, macros are not defined twice, and two models meet in one file."""
        net = Net("odd", 17, 8, "test")
        x, y = net.input("a.b", ["*/ n", 4]), net.input("a b", ["*/ n", 4])
        net.op("Add", x, y, out="*/ int oops; /* \\")
        net.output("*/ int oops; /* \\", ["*/ n", 4])
        (self.folder / "odd.onnx").write_bytes(net.model().SerializeToString())
        self.compile("odd.onnx", "--scheme=float", "--dim=*/ n=1..8", "-o", "odd.tern")
        self.compile(TOP / "examples" / "digits" / "digits.onnx", "-o", "digits.tern")
        text = """
            #include "odd.tern/model.h"
            #include "digits.tern/model.h"
            #include <stdio.h>
            int main(void) {
              const int64_t dims[] = {2};
              float x[] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8];
              tern_model *model = odd_open(NULL, NULL, NULL);
              tern_context *context = odd_context(model, dims, NULL);
              odd_run(context, x, x, y);
              printf("%g\\n", y[7] + ODD_IN_A_B + ODD_IN_A_B_1 + DIGITS_OUT_LOGITS);
              tern_context_close(context);
              tern_model_close(model);
              return 0;
            }"""
        for output in self.run_all(text, "odd.tern"):
            self.assertEqual(output, "17\n")


if __name__ == "__main__":
    unittest.main()
