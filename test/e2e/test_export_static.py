"""ONNX out: static activations, and the profiles of other readers."""
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from net import Net

from export_case import Case, feeds


class Static(Case):
    def net(self):
        net = Net("cnn", 17, 8, "test")
        x = net.op("Conv", net.input("x", [1, 3, 16, 16]), net.random("w1", 16, 3, 3, 3), pads=[1] * 4, name="c1")
        x = net.op("Relu", net.op("BatchNormalization", x, *net.norm("bn", 16)))
        y = net.op("Relu", net.op("Conv", x, net.random("w2", 16, 16, 3, 3), net.random("b2", 16), pads=[1] * 4, name="c2"))
        x = net.op("Add", x, y)
        x = net.op("Conv", x, net.random("w3", 32, 16, 1, 1), name="c3")
        x = net.op("Flatten", net.op("GlobalAveragePool", net.op("Relu", x)))
        net.op("Gemm", x, net.random("w4", 10, 32), net.random("b4", 10), out="y", transB=1, name="fc")
        net.output("y", [1, 10])
        return net.model()

    def calibration(self):
        path = self.folder / "calib.npz"
        np.savez(path, x=np.random.default_rng(3).normal(0, 1, (16, 3, 16, 16)).astype(np.float32))
        return f"--calib={path}"

    def test_cnn(self):
        quantized = self.check(self.net(), feeds(x=(1, 3, 16, 16)), "w8a8", "onnx-qdq", 0.06, self.calibration())
        ops = [n.op_type for n in quantized.graph.node]
        self.assertNotIn("BatchNormalization", ops)
        self.assertIn("4 with static activations", self.text)
        kinds = {t.name: t.data_type for t in quantized.graph.initializer}
        self.assertIn(TensorProto.INT32, kinds.values())

    def test_onnxruntime_fuses_it(self):
        import onnxruntime as ort
        self.quantize(self.net(), "w8a8", "onnx-qdq", self.calibration())
        options = ort.SessionOptions()
        options.log_severity_level, options.optimized_model_filepath = 4, str(self.folder / "optimized.onnx")
        ort.InferenceSession(str(self.out), options, providers=["CPUExecutionProvider"])
        ops = [n.op_type for n in onnx.load(options.optimized_model_filepath).graph.node]
        self.assertEqual(ops.count("QLinearConv"), 3, ops)

    def test_profiles(self):
        x = feeds(x=(1, 3, 16, 16))
        for profile in ("ort", "tensorrt", "openvino", "tflite"):
            quantized = self.check(self.net(), x, "w8a8", "onnx-qdq", 0.08, self.calibration(), f"--qdq-profile={profile}")
            weights = {t.name: t for t in quantized.graph.initializer}
            types = {t.data_type for t in weights.values()}
            zeros = [numpy_helper.to_array(weights[n.input[2]]) for n in quantized.graph.node
                     if n.op_type == "QuantizeLinear" and n.input[2] in weights]
            self.assertEqual(TensorProto.INT32 in types, profile in ("ort", "tflite"), profile)
            if profile == "tensorrt":
                self.assertTrue(all(z.dtype == np.int8 and z == 0 for z in zeros))
            if profile == "tflite":
                self.assertTrue(all(z.dtype == np.int8 and z.shape == (1,) for z in zeros))
                self.assertGreaterEqual(sum(z[0] == -128 for z in zeros), 3)       # what is never negative: behind Relu, Add, pooling
            if profile in ("ort", "openvino"):
                self.assertGreaterEqual(sum(z.dtype == np.uint8 and z == 0 for z in zeros), 3)
            if profile != "ort":
                self.assertNotIn("com.microsoft", [o.domain for o in quantized.opset_import])

    def test_qonnx(self):
        quantized = self.quantize(self.net(), "w8a8", "onnx-qdq", self.calibration(), "--qdq-profile=qonnx")
        quants = [n for n in quantized.graph.node if n.op_type == "Quant"]
        self.assertGreaterEqual(len(quants), 8)
        self.assertEqual({n.domain for n in quants}, {"qonnx.custom_op.general"})
        self.assertEqual({a.name for a in quants[0].attribute}, {"signed", "narrow", "rounding_mode"})

    def test_a_model_that_cannot_run_here(self):
        model = self.net()
        model.graph.node.append(helper.make_node("Mystery", ["y"], ["z"], domain="foreign"))
        model.opset_import.append(helper.make_opsetid("foreign", 1))
        model.graph.output[0].name = "z"
        self.quantize(model, "w8a8", "onnx-qdq", self.calibration())     # the op lies behind all that is looked at
        model.graph.node.insert(0, helper.make_node("Mystery", ["x"], ["x0"], domain="foreign"))
        model.graph.node[1].input[0] = "x0"
        self.quantize(model, "w8a8", "onnx-qdq", self.calibration(), code=1)
        self.assertIn("without --calib", self.text)


if __name__ == "__main__":
    unittest.main()
