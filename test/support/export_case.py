"""Small models for the tests of ONNX export, and how they are exported, run and compared."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs

COMPILE = programs.BUILD / "bin" / "quant-compile"
FLOAT = TensorProto.FLOAT


def value(name, shape=None, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(nodes, inputs, outputs, weights=(), opset=17, ir=8, domains=(), **more):
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir, **more)


def tensor(name, *shape, kind=np.float32, scale=None):
    rng = np.random.default_rng(sum(name.encode()))
    return numpy_helper.from_array(rng.normal(0, scale or 1 / np.sqrt(shape[0]), shape).astype(kind), name)


def error(got, want):
    """Relative to the root mean square of the expected values."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, (got.shape, want.shape)
    return float(np.sqrt(np.mean((got - want) ** 2)) / max(np.sqrt(np.mean(want ** 2)), 1e-30))


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-export-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def quantize(self, model, scheme, emit, *flags, code=0, name="model", out=None):
        """The exported model; what was printed is in self.text."""
        path = self.folder / f"{name}.onnx"
        if model is not None:
            onnx.save(model, str(path))
        self.out = out or self.folder / f"{name}.out.onnx"
        run = subprocess.run([str(COMPILE), str(path), f"--scheme={scheme}", f"--emit={emit}", "-o", str(self.out), *flags],
                             capture_output=True, text=True, timeout=120)
        self.text = run.stdout + run.stderr
        self.assertEqual(run.returncode, code, self.text)
        if code:
            return None
        self.plan = json.loads(pathlib.Path(str(self.out)[:-5] + ".plan.json").read_text())
        return onnx.load(str(self.out))

    def run_model(self, model, feeds):
        path = self.folder / "run.onnx"
        onnx.save(model, str(path))
        return programs.ort_runner(path)(feeds)

    def check(self, model, feeds, scheme, emit, tolerance, *flags, kinds=None):
        """Exports, and compares on ONNX Runtime with the float model."""
        quantized = self.quantize(model, scheme, emit, *flags)
        want = self.run_model(model, feeds)
        got = programs.ort_runner(self.out)(feeds)
        for g, w in zip(got, want, strict=True):
            self.assertLessEqual(error(g, w), tolerance, f"{scheme} {emit}\n{self.text}")
        if kinds is not None:
            have = [n.op_type for n in quantized.graph.node]
            for kind in kinds:
                self.assertIn(kind, have, self.text)
        return quantized


def feeds(**shapes):
    rng = np.random.default_rng(7)
    return {name: rng.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}


def matmul(k=64, n=48, **more):
    return model_of([helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")], [value("x", ["b", k])], [value("y", None)],
                    [tensor("w", k, n)], **more)


#: relative error that the rounding of a normal weight costs, with some room
STEP = {"w8": 0.012, "w4": 0.13, "w2": 0.55}
