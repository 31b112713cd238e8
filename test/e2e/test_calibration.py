"""Ranges come from the values themselves, wherever a program keeps them."""
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs


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


if __name__ == "__main__":
    unittest.main()
