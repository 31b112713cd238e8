"""Rules of the tree that no compiler checks: passes cite their tests, binaries take MLIR from the shared library only."""
import fnmatch
import os
import pathlib
import re
import subprocess
import unittest

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["TERN_BUILD"])
PASS = re.compile(r'^def (\w+)\s*:\s*\w*Pass(?:Base)?<\s*"([\w-]+)"', re.M)
CITATION = re.compile(r"test/[\w/.-]+\.(?:mlir|test|onnxtxt)")


def tracked():
    done = subprocess.run(["git", "ls-files"], cwd=TOP, capture_output=True, text=True)
    return [TOP / name for name in done.stdout.splitlines() if (TOP / name).is_file()]


class Passes(unittest.TestCase):
    def test_every_pass_cites_a_lit_test_that_runs_it(self):
        files = [f for f in TOP.rglob("*Passes.td") if BUILD not in f.parents and "build" not in f.relative_to(TOP).parts[0]]
        self.assertTrue(files)
        for file in files:
            text = file.read_text()
            found = list(PASS.finditer(text))
            for this, after in zip(found, found[1:] + [None]):
                flag, record = this[2], text[this.start():after.start() if after else len(text)]
                with self.subTest(flag=flag):
                    cited = CITATION.findall(record)
                    self.assertTrue(cited, f"{file.relative_to(TOP)}: the description of {flag} cites no test")
                    for path in cited:
                        self.assertTrue((TOP / path).is_file(), f"{flag} cites {path}, which is not there")
                    self.assertTrue(any(re.search(rf"\b{flag}\b", (TOP / path).read_text()) for path in cited),
                                    f"no cited test runs {flag}: {', '.join(cited)}")


class Binaries(unittest.TestCase):
    def test_mlir_comes_from_the_shared_library(self):
        programs = [BUILD / "bin" / name for name in ("quant-opt", "quant-compile")] + [BUILD / "lib" / "TernPlugin.so"]
        for program in programs:
            with self.subTest(program=program.name):
                needed = subprocess.run(["readelf", "-d", program], capture_output=True, text=True).stdout
                self.assertIn("libMLIR.so.22.1", needed)
                self.assertIn("libLLVM.so.22.1", needed)
                symbols = subprocess.run(["nm", "--defined-only", "--demangle", program], capture_output=True, text=True).stdout
                static = [line for line in symbols.splitlines() if re.search(r" T mlir::(MLIRContext|Operation|PassManager|Region)::", line)]
                self.assertEqual(static, [], "static MLIR archives were linked in")

    def test_the_runtime_of_a_model_needs_no_llvm(self):
        models = sorted((BUILD / "test" / "programs").glob("*.tern/libmodel.so"))
        for model in models:
            needed = re.findall(r"NEEDED.*\[(.*)\]", subprocess.run(["readelf", "-d", model], capture_output=True, text=True).stdout)
            self.assertLessEqual(set(n.split(".so")[0] for n in needed), {"libc", "libm", "libpthread", "ld-linux-x86-64"}, model)


class Files(unittest.TestCase):
    def test_header_guards_are_paths(self):
        for file in tracked():
            if file.suffix == ".h" and file.name != "Pch.h":        # that one is given to the compiler by name
                path = re.sub(r"^(lib|include)/", "", str(file.relative_to(TOP)))
                guard = re.sub("^TERN_TERN_", "TERN_", "TERN_" + re.sub(r"\W", "_", path).upper())
                self.assertIn(f"#ifndef {guard}\n#define {guard}\n", file.read_text(), file.relative_to(TOP))

    def test_files_are_short(self):
        for file in tracked():
            if file.suffix in (".py", ".cpp", ".h", ".c", ".td", ".cmake", ".sh"):
                self.assertLessEqual(len(file.read_text().splitlines()), 600, file.relative_to(TOP))

    def test_labels_and_sections_that_are_cited_exist(self):
        pages = {f: f.read_text() for f in tracked() if f.suffix == ".md"}
        rules = "\n".join(line for text in pages.values() for line in text.splitlines() if re.match(r"\| [^|]*\b[A-Z]\d|[A-Z]\d+\. ", line))
        for file in tracked():
            if file.suffix not in (".py", ".cpp", ".h", ".c", ".td", ".mlir", ".md"):
                continue
            text = file.read_text(errors="replace")
            for label in re.findall(r"\(([EFLMNTW]\d{1,2})\)", text) if file.suffix in (".cpp", ".h", ".td") and "Export" not in file.parts else ():
                self.assertTrue(re.search(rf"(?m)^(\| [^|]*\b{label}\b[^|]*\||{label}\. )", rules), f"{file.relative_to(TOP)}: no README has rule {label}")
            for section in re.findall(r"docs/FORMATS\.md (\d+(?:\.\d+)*)", text):
                self.assertTrue(re.search(rf"(?m)^#+ {re.escape(section)}\.? ", pages[TOP / "docs" / "FORMATS.md"]),
                                f"{file.relative_to(TOP)}: docs/FORMATS.md has no section {section}")

    def test_readmes_name_the_files_of_their_folders(self):
        """By stem, with `*` or <Kind>, or by the flag of a pass."""
        readmes = {f.parent: f.read_text() for f in tracked() if f.name == "README.md" and f.parent != TOP}
        for file in tracked():
            folder = next((p for p in file.parents if p in readmes), None)
            if file.suffix not in (".cpp", ".h", ".c", ".td", ".def") or not folder or file.stem == "Passes" or "test" in file.relative_to(TOP).parts:
                continue
            flag = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", file.stem).lower()
            words = set(re.findall(r"[\w*-]+", re.sub(r"<\w+>", "*", readmes[folder])))
            self.assertTrue(flag in words or any(fnmatch.fnmatchcase(file.stem, w) for w in words if w.strip("*")),
                            f"{folder.relative_to(TOP)}/README.md does not say what {file.relative_to(folder)} is")

    def test_no_absolute_paths_of_a_machine(self):
        for file in tracked():
            if file.suffix in (".py", ".cpp", ".h", ".c", ".td", ".txt", ".cmake", ".sh", ".md", ".mlir"):
                for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
                    self.assertIsNone(re.search(r"(?<![\w.])/(root|work|home/\w)/", line) if file != pathlib.Path(__file__).resolve() else None,
                                      f"{file.relative_to(TOP)}:{number}: {line.strip()}")

    def test_only_the_example_is_a_binary_model(self):
        models = [str(f.relative_to(TOP)) for f in tracked() if f.suffix in (".onnx", ".pb", ".pth", ".gguf")]
        self.assertEqual(models, ["examples/digits/digits.onnx"])
