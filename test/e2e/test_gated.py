"""Gated feed-forward layers: gate and up projection in one kernel, in every scheme and on every instruction set."""
import unittest

import numpy as np
import onnx
from onnx import helper, numpy_helper

import programs

FOLDER = programs.OUT / "gated"
RNG = np.random.default_rng(3)
K, N = 64, 40


def real(*shape):
    return (0.2 * RNG.normal(0, 1, shape)).astype(np.float32)


def model(name, nodes, weights):
    rows = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, "rows", K])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, "rows", K])
    graph = helper.make_graph(nodes, name, [rows], [y], [numpy_helper.from_array(w, n) for n, w in weights.items()])
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def silu_gate():
    """down(silu(x g + a) * (x u + b)), projections of their own."""
    make = helper.make_node
    nodes = [make("MatMul", ["x", "g"], ["g0"], name="gate"), make("Add", ["g0", "a"], ["g1"]), make("Sigmoid", ["g1"], ["s"]), make("Mul", ["g1", "s"], ["t"]),
             make("MatMul", ["x", "u"], ["u0"], name="up"), make("Add", ["u0", "b"], ["u1"]), make("Mul", ["t", "u1"], ["m"]),
             make("MatMul", ["m", "d"], ["y"], name="down")]
    return model("silu", nodes, {"g": real(K, N), "u": real(K, N), "d": real(N, K), "a": real(N), "b": real(N)})


def gelu_split():
    """down(u * gelu(g)) of one projection that is split, as its exporter merged it."""
    make = helper.make_node
    nodes = [make("MatMul", ["x", "w"], ["w0"], name="both"), make("Split", ["w0"], ["u", "g"], axis=-1, num_outputs=2), make("Gelu", ["g"], ["t"]),
             make("Mul", ["u", "t"], ["m"]), make("MatMul", ["m", "d"], ["y"], name="down")]
    return model("gelu", nodes, {"w": real(K, 2 * N), "d": real(N, K)})


class Gated(unittest.TestCase):
    def check(self, path, kernel):
        samples = [(2 * RNG.normal(0, 1, (1, n, K))).astype(np.float32) for n in (1, 5, 13)]
        want = programs.ort_runner(path)
        for scheme, tolerance in (("float", 1e-5), ("w8a8", 0.05), ("w4a8", 0.4), ("w8a16", 0.05), ("w4a16:32", 0.4)):
            folder = programs.compile_model(path, f"gated/{path.stem}.{scheme.replace(':', '')}", scheme)
            names = [step.name for step in programs.tern.load(folder, 1).steps]
            self.assertIn(kernel, names, scheme)
            self.assertFalse([n for n in names if n.startswith(("slice", "Split", "mul", "Mul"))], f"{scheme}: {names}")
            for isa in ("portable", "avx2", None):
                run = programs.runner(folder, threads=1, isa=isa)
                for x in samples:
                    self.assertLess(programs.relative_error(run({"x": x})[0], want({"x": x})[0]), tolerance, f"{scheme} {isa} {x.shape}")

    def test_projections(self):
        self.check(silu_gate(), "gate+up")

    def test_split(self):
        self.check(gelu_split(), "both")


if __name__ == "__main__":
    unittest.main()
