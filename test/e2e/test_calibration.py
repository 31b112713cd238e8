"""Ranges come from the values themselves, wherever a program keeps them."""
import json
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs
import tern


class Ranges(unittest.TestCase):
    def test_operand_of_a_concat(self):
        """`shifted` is computed inside of the concat's buffer, behind the channels of `y`; its range is [2, 3]."""
        rng = np.random.default_rng(0)
        w = numpy_helper.from_array(rng.standard_normal((4, 1, 3, 3)).astype(np.float32), "w")
        nodes = [helper.make_node("Add", ["x", "two"], ["shifted"], name="shift"),
                 helper.make_node("Conv", ["shifted", "w"], ["y"], name="conv", pads=[1, 1, 1, 1]),
                 helper.make_node("Concat", ["y", "shifted"], ["z"], name="join", axis=1),
                 helper.make_node("Relu", ["z"], ["out"], name="relu")]
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
                                  [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
                                  [w, numpy_helper.from_array(np.array(2, np.float32), "two")])
        programs.OUT.mkdir(parents=True, exist_ok=True)
        path = programs.OUT / "concat_range.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        self.check(path, "concat_range", [rng.random((1, 1, 8, 8), np.float32)])
        model = onnx.load(path)                              # the same with a width of the run
        model.graph.input[0].type.tensor_type.shape.dim[3].dim_param = "width"
        path = path.with_name("concat_range_open.onnx")
        onnx.save(model, path)
        self.check(path, "concat_range_open", [rng.random((1, 1, 8, w), np.float32) for w in (8, 13)], dims={"width": "1..64"})

    def check(self, path, name, values, **options):
        feeds = [{"x": v} for v in values]
        run, peer = programs.runner(programs.compile_model(path, name, "w8a8", feeds, **options)), programs.ort_runner(path)
        for feed in feeds:
            self.assertLess(programs.relative_error(run(feed)[0], peer(feed)[0]), .02)

    def test_norm_behind_a_sum_that_is_read_twice(self):
        """The kernel of the norm yields the sum `h`, too, which is a fiftieth of what the product reads."""
        rng = np.random.default_rng(1)
        init = [numpy_helper.from_array((rng.standard_normal(shape) * scale).astype(np.float32), name)
                for name, shape, scale in (("place", (6, 32), .02), ("gain", (32,), 1), ("shift", (32,), .1), ("w", (32, 32), .01))]
        nodes = [helper.make_node("Add", ["x", "place"], ["h"], name="sum"),
                 helper.make_node("LayerNormalization", ["h", "gain", "shift"], ["n"], name="norm"),
                 helper.make_node("MatMul", ["n", "w"], ["m"], name="product"),
                 helper.make_node("Add", ["h", "m"], ["y"], name="residual")]
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 6, 32])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], init)
        programs.OUT.mkdir(parents=True, exist_ok=True)
        path = programs.OUT / "norm_range.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        feed = {"x": (rng.standard_normal((1, 6, 32)) * .02).astype(np.float32)}
        folder = programs.compile_model(path, "norm_range", "w8a8", feed)
        got, want = programs.runner(folder)(feed)[0], programs.ort_runner(path)(feed)[0]
        self.assertLess(programs.relative_error(got, want), .02)


class Equalization(unittest.TestCase):
    """A depthwise convolution reads channels of 1 and of a hundred; in one scale the small ones are two or three codes."""

    @classmethod
    def setUpClass(cls):
        rng = np.random.default_rng(2)
        sizes = np.geomspace(1, 100, 24).astype(np.float32)
        init = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in
                (("w1", rng.standard_normal((24, 3, 3, 3)) * sizes[:, None, None, None]), ("w2", rng.standard_normal((24, 1, 3, 3))),
                 ("w3", rng.standard_normal((8, 24, 1, 1)) / sizes[:, None, None]))]
        nodes = [helper.make_node("Conv", ["x", "w1"], ["a"], name="stem", pads=[1, 1, 1, 1]),
                 helper.make_node("HardSwish", ["a"], ["b"], name="swish"),
                 helper.make_node("Conv", ["b", "w2"], ["c"], name="deep", pads=[1, 1, 1, 1], group=24),
                 helper.make_node("Relu", ["c"], ["d"], name="relu"),
                 helper.make_node("Conv", ["d", "w3"], ["y"], name="point")]
        graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 12, 12])],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], init)
        programs.OUT.mkdir(parents=True, exist_ok=True)
        cls.path = programs.OUT / "uneven.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), cls.path)
        cls.calibration = [{"x": rng.standard_normal((1, 3, 12, 12)).astype(np.float32)} for _ in range(16)]
        cls.feeds = [{"x": rng.standard_normal((1, 3, 12, 12)).astype(np.float32)} for _ in range(8)]

    def error(self, folder):
        run, peer = programs.runner(folder), programs.ort_runner(self.path)
        pairs = [(run(feed)[0], peer(feed)[0]) for feed in self.feeds]
        return float(np.sqrt(sum(((got - want) ** 2).sum() for got, want in pairs) / sum((want ** 2).sum() for _, want in pairs)))

    def test_uneven_channels(self):
        on = programs.compile_model(self.path, "uneven.on", "w8a8", self.calibration)
        off = programs.compile_model(self.path, "uneven.off", "w8a8", self.calibration, equalize="off")
        self.assertLess(self.error(on), .02)
        self.assertLess(self.error(on), self.error(off) / 3)
        plan = json.loads((on / "plan.json").read_text())
        self.assertEqual([each["name"] for each in plan["transforms"]], ["swish", "relu"])
        self.assertNotIn("transforms", json.loads((off / "plan.json").read_text()))

    def test_plan_holds_the_factors(self):
        first = programs.compile_model(self.path, "uneven.on", "w8a8", self.calibration)
        again = programs.compile_model(self.path, "uneven.again", "w8a8", plan=first / "plan.json")
        self.assertEqual((first / "weights.bin").read_bytes(), (again / "weights.bin").read_bytes())

    def test_only_what_static_ops_read(self):
        folder = programs.compile_model(self.path, "uneven.excluded", "w8a8", self.calibration, excludes=["deep"])
        self.assertEqual([each["name"] for each in json.loads((folder / "plan.json").read_text())["transforms"]], ["relu"])
        self.assertLess(self.error(folder), .02)

    def test_four_bit_weights_keep_their_size(self):
        plans = [json.loads((programs.compile_model(self.path, "uneven.four", "w4a8", self.calibration, equalize=how) / "plan.json").read_text())
                 for how in ("auto", "on")]
        self.assertEqual(["transforms" in plan for plan in plans], [False, True])

    def test_neither_on_nor_off(self):
        with self.assertRaisesRegex(tern.Error, "--equalize: 'perhaps' is none of auto, on and off"):
            programs.compile_model(self.path, "uneven.never", "w8a8", self.calibration, equalize="perhaps")


if __name__ == "__main__":
    unittest.main()
