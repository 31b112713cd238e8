"""Integer products of codes whose zero point this run computes: the integers of ONNX Runtime, from generated kernels alone."""
import pathlib
import shutil
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs

tern = programs.tern
RNG = np.random.default_rng(11)
ISAS = ["avx512vnni", "avx2", "portable"]


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


class ZeroPoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-zero-points-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def check(self, nodes, shape, constants, sizes=({},), exact=True, kernels=True, kind=TensorProto.INT32):
        """x of this shape -> DynamicQuantizeLinear -> nodes -> y. sizes: of names in the shape."""
        quantize = helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="quantize")
        made = [helper.make_node(op, i, o, name=f"{op}_{k}", **attrs) for k, (op, i, o, attrs) in enumerate(nodes)]
        graph = helper.make_graph([quantize] + made, "g", [value("x", shape)], [value("y", None, kind)],
                                  [numpy_helper.from_array(v, k) for k, v in constants.items()])
        name = self.id().rsplit(".", 1)[1]
        path = self.folder / f"{name}_{len(list(self.folder.iterdir()))}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        dims = {d: "1..64" for d in shape if isinstance(d, str)}
        tern.compile(path, "float", out=path.with_suffix(".tern"), dims=dims, require_kernels=kernels).close()
        run = programs.ort_runner(path)
        for size in sizes:
            x = RNG.normal(0.4, 1, [size.get(d, d) for d in shape]).astype(np.float32)
            want = run({"x": x})[0]
            for isa in ISAS:
                try:
                    got = tern.load(path.with_suffix(".tern"), 2, isa).run({"x": x})["y"]
                except tern.Error as error:
                    self.assertIn("instruction set", str(error))
                    continue
                if exact:
                    np.testing.assert_array_equal(got, want, f"{isa} {size}")
                else:
                    self.assertLess(programs.relative_error(got, want), 1e-5, f"{isa} {size}")

    def codes(self, *shape, unsigned=False):
        return RNG.integers(0, 256, shape).astype(np.uint8) if unsigned else RNG.integers(-127, 128, shape).astype(np.int8)

    def test_products(self):
        for unsigned, zero in ((False, 0), (False, -7), (True, 128), (True, 119), (True, 3)):
            w, z = self.codes(40, 50, unsigned=unsigned), np.array(zero, np.uint8 if unsigned else np.int8)
            for shape, sizes in (([7, 40], ({},)), ([1, 40], ({},)), (["n", 3, 40], ({"n": 1}, {"n": 5}))):
                with self.subTest(zero=zero, unsigned=unsigned, shape=shape):
                    self.check([("MatMulInteger", ["q", "w", "z", "wz"], ["y"], {})], shape, {"w": w, "wz": z}, sizes)

    def test_convolutions(self):
        """Padding holds the zero point; a window's sum corrects for that of the weights."""
        for unsigned, zero in ((False, 0), (True, 128), (True, 121)):
            z = np.array(zero, np.uint8 if unsigned else np.int8)
            for channels, outputs, attributes in ((3, 20, {"pads": [1, 1, 1, 1]}), (24, 33, {"pads": [0, 0, 0, 0]}), (5, 2, {"pads": [2, 0, 1, 1]}),
                                                  (16, 16, {"pads": [1, 2, 1, 2], "strides": [2, 1], "dilations": [1, 2]})):
                w = self.codes(outputs, channels, 3, 3, unsigned=unsigned)
                with self.subTest(zero=zero, unsigned=unsigned, channels=channels, **attributes):
                    self.check([("ConvInteger", ["q", "w", "z", "wz"], ["y"], attributes)], ["n", channels, 9, 11], {"w": w, "wz": z},
                               ({"n": 1}, {"n": 3}))

    def test_groups_and_one_dimension(self):
        depthwise, groups, line = self.codes(16, 1, 3, 3), self.codes(8, 4, 3, 3), self.codes(12, 6, 5)
        self.check([("ConvInteger", ["q", "w", "z"], ["y"], {"pads": [1, 1, 1, 1], "group": 16})], [2, 16, 8, 8], {"w": depthwise})
        self.check([("ConvInteger", ["q", "w", "z"], ["y"], {"pads": [1, 1, 1, 1], "group": 2})], [1, 8, 8, 8], {"w": groups})
        self.check([("ConvInteger", ["q", "w", "z"], ["y"], {"pads": [2, 2]})], [1, 6, 19], {"w": line})

    def test_grouped_weights_around_a_zero_point_stay_right(self):
        """No kernel adds up the window of a group: portable code does."""
        self.check([("ConvInteger", ["q", "w", "z", "wz"], ["y"], {"group": 4})], [1, 4, 6, 6],
                   {"w": self.codes(8, 1, 3, 3, unsigned=True), "wz": np.array(90, np.uint8)}, kernels=False)

    def test_values_on_one_side(self):
        """A range holds 0 even where no value is below it, or none at all."""
        scale = {"k": np.array(0, np.float32)}
        nodes = [("Mul", ["f", "s"], ["y"], {})]
        for prepare in ([("Cast", ["q"], ["f"], {"to": 1})],):
            self.check(prepare + nodes, [3, 8], scale, kind=TensorProto.FLOAT, exact=False, kernels=False)

    def test_scales_of_this_run_and_of_each_output(self):
        """What quantize_dynamic writes: cast, times (scale of x * scales of w), plus bias, in the kernel of the product."""
        w, s, b = self.codes(48, 70), RNG.random(70).astype(np.float32) / 50, RNG.normal(0, 1, 70).astype(np.float32)
        self.check([("MatMulInteger", ["q", "w", "z"], ["i"], {}), ("Cast", ["i"], ["f"], {"to": 1}), ("Mul", ["s", "ws"], ["both"], {}),
                    ("Mul", ["f", "both"], ["m"], {}), ("Add", ["m", "b"], ["a"], {}), ("Relu", ["a"], ["y"], {})],
                   ["n", 6, 48], {"w": w, "ws": s, "b": b}, ({"n": 1}, {"n": 4}), exact=False, kind=TensorProto.FLOAT)


if __name__ == "__main__":
    unittest.main()
