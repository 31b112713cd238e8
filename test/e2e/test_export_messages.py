"""ONNX out: what is said about outputs, options and ops that stay float."""
import json
import os
import subprocess
import unittest

import onnx
from onnx import helper

import programs
from export_case import COMPILE, Case, matmul, model_of, tensor, value


class Messages(Case):
    def test_output(self):
        model = matmul()
        onnx.save(model, str(self.folder / "model.onnx"))
        for out, what in ((self.folder / "model.onnx", "the model itself"), (self.folder / "no" / "x.onnx", "does not exist")):
            self.quantize(model, "w8a16", "onnx-qdq", code=1, out=out)
            self.assertIn(what, self.text)
        before = (self.folder / "model.onnx").read_bytes()
        self.assertEqual(before, (self.folder / "model.onnx").read_bytes())

    @unittest.skipIf(os.getuid() == 0, "read-only folders do not stop root")
    def test_read_only_folder(self):
        folder = self.folder / "locked"
        folder.mkdir(mode=0o500)
        self.quantize(matmul(), "w8a16", "onnx-qdq", code=1, out=folder / "x.onnx")
        self.assertIn("cannot be written", self.text)

    def test_folder_output(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        out = self.folder / "made.tern"
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w4a16", "--emit=onnx-nbits", "-o", str(out)],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(sorted(os.listdir(out)), ["model.nbits.onnx", "plan.json"])

    def test_options(self):
        for flags, what in ((["--qdq-profile=trt"], "tensorrt"), (["--method=gptqq"], "rtn"), (["--override=nope=w8a16"], "fc"),
                            (["--exclude=["], "regular expression")):
            self.quantize(matmul(), "w8a16", "onnx-qdq", *flags, code=1)
            self.assertIn(what, self.text)
        self.quantize(matmul(), "float", "onnx-qdq", code=1)
        self.assertIn("nothing to quantize", self.text)
        self.quantize(matmul(), "w2a16", "so", code=1)
        self.assertIn("--emit=onnx-qdq", self.text)

    def test_flags_of_programs(self):
        for flags in (["--inputs=x"], ["--outputs=y"], ["--require-kernels"], ["--dump-ir=import"]):
            self.quantize(matmul(), "w8a16", "onnx-qdq", *flags, code=1)
            self.assertIn("is for programs", self.text)
        self.quantize(matmul(), "w8a16", "so", code=1)
        self.assertIn("a program is a folder", self.text)

    def test_program_and_file(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w8a16", "--emit=so,onnx-qdq", "-o", str(self.folder / "p.tern")],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("libmodel.so", os.listdir(self.folder / "p.tern"))
        self.assertIn("model.qdq.onnx", os.listdir(self.folder / "p.tern"))

    def test_plan_only(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w4a16", "--emit=onnx-nbits", "--plan-only", "-o",
                              str(self.folder / "plan.json")], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        ops = json.loads((self.folder / "plan.json").read_text())["ops"]
        self.assertEqual([(o["name"], o["kernels"][0]["row"]) for o in ops], [("fc", "onnx.MatMulNBits")])

    @unittest.skipUnless((programs.BUILD / "lib" / "libtern.so").exists(), "libtern.so is not built")
    def test_python(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        path = programs.tern.compile(self.folder / "model.onnx", "w4a16:asym", out=self.folder / "q.onnx", emit=["onnx-nbits"])
        self.assertEqual(path, self.folder / "q.onnx")
        self.assertEqual([n.op_type for n in onnx.load(str(path)).graph.node], ["MatMulNBits"])

    def test_nothing_matched(self):
        model = model_of([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])])
        self.quantize(model, "w8a16", "onnx-qdq")
        self.assertIn("warning", self.text)
        self.assertIn("matched nothing: the model has no MatMul", self.text)

    def test_every_float_op_has_a_reason(self):
        nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"), helper.make_node("MatMul", ["a", "a"], ["y"], name="square")]
        model = model_of(nodes, [value("x", [64, 64])], [value("y", None)], [tensor("w", 64, 64)])
        self.quantize(model, "w8a16", "onnx-qdq")
        self.assertEqual({o["name"]: o.get("why", "") for o in self.plan["ops"]},
                         {"fc": "", "square": "no factor is a constant: both are computed at run time"})
        self.assertIn("square: no factor is a constant", self.text)


if __name__ == "__main__":
    unittest.main()
