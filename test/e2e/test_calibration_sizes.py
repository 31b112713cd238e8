"""Calibration data of several sizes: which dimensions they bind, and one static program for all the others."""
import json
import pathlib
import shutil
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs

tern = programs.tern
RNG = np.random.default_rng(5)


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def save(folder, name, nodes, inputs, outputs, **constants):
    graph = helper.make_graph([helper.make_node(op, i, o, name=f"{op}_{k}", **attrs) for k, (op, i, o, attrs) in enumerate(nodes)], name,
                              inputs, outputs, [numpy_helper.from_array(v, k) for k, v in constants.items()])
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def weight(*shape):
    return RNG.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32)


class Sizes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-calibration-sizes-"))
        # Two products around a softmax over the positions, with a residual sum that two kernels read.
        cls.encoder = save(cls.folder, "encoder", [
            ("MatMul", ["x", "w1"], ["a"], {}), ("Relu", ["a"], ["b"], {}), ("MatMul", ["b", "w2"], ["c"], {}), ("Add", ["c", "x"], ["d"], {}),
            ("Transpose", ["d"], ["t"], {"perm": [0, 2, 1]}), ("MatMul", ["d", "t"], ["s"], {}), ("Softmax", ["s"], ["p"], {"axis": -1}),
            ("MatMul", ["p", "d"], ["m"], {}), ("MatMul", ["m", "w3"], ["y"], {})],
            [value("x", ["batch", "length", 32])], [value("y", ["batch", "length", 48])],
            w1=weight(32, 64), w2=weight(64, 32), w3=weight(32, 48))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def feeds(self, *sizes):
        return [{"x": RNG.normal(0, 1, (*s, 32)).astype(np.float32)} for s in sizes]

    def compile(self, path, calib, name=None, **options):
        name = name or self.id().rsplit(".", 1)[1]      # a loaded library keeps its path
        return tern.compile(path, "w8a8", calib, self.folder / f"{name}.tern", force=True, **options)

    def agrees(self, model, sizes, tolerance=0.1):
        run = programs.ort_runner(self.encoder)
        for feed in self.feeds(*sizes):
            got, want = model.run(feed)["y"], run(feed)[0]
            self.assertEqual(got.shape, want.shape)
            self.assertLess(programs.relative_error(got, want), tolerance, feed["x"].shape)

    def test_ranges_of_sizes_stay_open(self):
        model = self.compile(self.encoder, self.feeds((1, 3), (1, 17), (2, 40), (1, 17)), dims={"length": "1..64", "batch": "1..4"})
        self.assertEqual(model.dims, {"batch": (1, 4), "length": (1, 64)})
        plan = json.loads((model.path / "plan.json").read_text())
        self.assertTrue(all(op["x_static"] for op in plan["ops"] if "x" in op), plan)
        self.agrees(model, [(1, 1), (1, 2), (3, 13), (4, 64)])

    def test_sizes_that_differ_stay_open(self):
        model = self.compile(self.encoder, self.feeds((1, 5), (1, 9)))
        self.assertEqual(set(model.dims), {"batch", "length"})
        self.agrees(model, [(1, 1), (2, 30)])

    def test_one_size_is_bound(self):
        model = self.compile(self.encoder, self.feeds((1, 7), (3, 7)))
        self.assertEqual((model.dims, model.inputs[0].shape), ({}, (1, 7, 32)))
        self.agrees(model, [(1, 7)])

    def test_open_and_bound_programs_are_equal(self):
        """The same samples give the same ranges, and the kernels the same integers."""
        samples = self.feeds((1, 11), (1, 11))
        bound, free = self.compile(self.encoder, samples, "bound"), self.compile(self.encoder, samples, "free", dims={"length": "1..64"})
        feed = self.feeds((1, 11))[0]
        self.assertLess(programs.relative_error(free.run(feed)["y"], bound.run(feed)["y"]), 1e-5)

    def test_a_batch_beyond_its_range_is_split(self):
        model = self.compile(self.encoder, self.feeds((32, 6)), dims={"length": "1..64", "batch": "1..4"})
        self.agrees(model, [(4, 6), (1, 20)])

    def test_sequence_of_steps(self):
        """A leading size is no batch when another input has none."""
        path = save(self.folder, "steps", [("MatMul", ["x", "w"], ["a"], {}), ("Add", ["a", "h"], ["y"], {})],
                    [value("x", ["n", 24]), value("h", [1, 16])], [value("y", ["n", 16])], w=weight(24, 16))
        feeds = [{"x": RNG.normal(0, 1, (n, 24)).astype(np.float32), "h": np.zeros((1, 16), np.float32)} for n in (4, 9)]
        model = self.compile(path, feeds, "steps")
        self.assertEqual(list(model.dims), ["n"])
        self.assertEqual(model.run(feeds[1])["y"].shape, (9, 16))

    def test_empty_cache(self):
        path = save(self.folder, "cache", [("MatMul", ["x", "w"], ["a"], {}), ("Concat", ["past", "a"], ["y"], {"axis": 1})],
                    [value("x", ["n", "s", 24]), value("past", ["n", "p", 16])], [value("y", ["n", "t", 16])], w=weight(24, 16))
        feeds = [{"x": RNG.normal(0, 1, (1, 5, 24)).astype(np.float32), "past": np.zeros((1, 0, 16), np.float32)}]
        model = self.compile(path, feeds, "cache")
        self.assertIn("p", model.dims)
        self.assertEqual(model.run({"x": feeds[0]["x"], "past": np.ones((1, 2, 16), np.float32)})["y"].shape, (1, 7, 16))

    def test_data_outside_of_the_range(self):
        with self.assertRaises(tern.Error) as caught:
            self.compile(self.encoder, self.feeds((1, 8), (1, 70)), dims={"length": "1..64"})
        self.assertRegex(str(caught.exception), r"feed1\.npz': array 'x' has 70 at axis 1, but --dim length=1\.\.64")

    def test_exported_static_activations(self):
        out = tern.compile(self.encoder, "w8a8", self.feeds((1, 5), (2, 9)), self.folder / "encoder.qdq.onnx", emit=["onnx-qdq"])
        run, peer = programs.ort_runner(out), programs.ort_runner(self.encoder)
        for feed in self.feeds((1, 3), (2, 12)):
            self.assertLess(programs.relative_error(run(feed)[0], peer(feed)[0]), 0.1)


if __name__ == "__main__":
    unittest.main()
