"""ONNX out: models of an old opset are raised only where a form needs it."""
import unittest

import numpy as np
from net import Net

from export_case import STEP, Case, feeds


class Opsets(Case):
    """Blocks need opset 21; nodes whose form changed on the way are rewritten."""

    def raised(self, net, x, tolerance=0.2, scheme="w4a16"):
        quantized = self.check(net.model(), x, scheme, "onnx-qdq", tolerance)
        self.assertEqual(quantized.opset_import[0].version, 21, self.text)
        self.assertIn("opset", self.text)
        return quantized

    def start(self, opset, shape=(2, 3, 4, 64)):
        net = Net("old", opset, 7, "test")
        return net, net.op("MatMul", net.input("x", list(shape)), net.random("w", 64, 64)), feeds(x=shape)

    def finish(self, net, x):
        net.op("Identity", x, out="y")
        net.output("y", None)

    def test_nothing_to_rewrite(self):
        net, x, f = self.start(17)
        self.finish(net, net.op("Relu", x))
        self.raised(net, f)

    def test_axes(self):
        net, x, f = self.start(11)
        x = net.op("ReduceSum", x, axes=[1], keepdims=1)
        x = net.op("Squeeze", x, axes=[1])
        x = net.op("Unsqueeze", x, axes=[0, 2])
        x = net.op("ReduceMean", x, axes=[-1], keepdims=1)
        self.finish(net, x)
        self.raised(net, f, 0.4)

    def test_split(self):
        for sizes in (None, [16, 48]):
            net, x, f = self.start(12)
            attributes = {"split": sizes} if sizes else {}
            a, b = net.op("Split", x, outputs=2, axis=3, **attributes)
            self.finish(net, net.op("Concat", b, a, axis=3))
            self.raised(net, f)

    def test_softmax(self):
        for axis in (None, 1, 2, 3, -1):
            net, x, f = self.start(12)
            self.finish(net, net.op("Softmax", x, **({} if axis is None else {"axis": axis})))
            self.raised(net, f)

    def test_attributes_to_inputs(self):
        net, x, f = self.start(9)
        x = net.op("Clip", x, min=-1.0, max=2.0)
        x = net.op("Pad", x, mode="constant", pads=[0, 0, 0, 1, 0, 0, 1, 0], value=0.5)
        x = net.op("Slice", x, axes=[3], starts=[1], ends=[60])
        x = net.op("Dropout", x, ratio=0.3)
        self.finish(net, x)
        self.raised(net, f)
        net, x, f = self.start(9)
        values, _ = net.op("TopK", x, outputs=2, k=5)
        self.finish(net, values)
        self.raised(net, f)

    def test_blocked_raise_takes_another_form(self):
        net, x, f = self.start(9)
        self.finish(net, net.op("Upsample", x, net.weight("s", np.array([1, 1, 2, 1], np.float32))))
        quantized = self.check(net.model(), f, "w4a16", "onnx-qdq", 0.3)
        self.assertEqual(quantized.opset_import[0].version, 9)
        self.assertIn("cannot be raised", self.text)

    def test_eight_bits_need_no_raise(self):
        for opset in (7, 10, 12):
            net, x, f = self.start(opset)
            self.finish(net, x)
            quantized = self.check(net.model(), f, "w8a16", "onnx-qdq", STEP["w8"])
            self.assertEqual(quantized.opset_import[0].version, opset)
            self.assertEqual([n.domain for n in quantized.graph.node if n.op_type == "DequantizeLinear"], ["com.microsoft"])


if __name__ == "__main__":
    unittest.main()
