"""ONNX out: the forms of quantized weights, on small models with every habit of exporters, and what ONNX Runtime computes from them."""
import shutil
import subprocess
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from net import Net

import programs
from export_case import FLOAT, STEP, Case, feeds, matmul, model_of, tensor, value


class Weights(Case):
    def test_formats(self):
        for k in (64, 100):
            model = matmul(k)
            x = feeds(x=(5, k))
            for scheme in ("w4a16:32", "w4a16:128", "w4a16:channel", "w4a16:32:asym", "w8a16", "w8a16:32", "w8a16:asym", "w2a16",
                           "w2a16:asym"):
                tolerance = STEP[scheme[:2]] * (1.6 if "channel" in scheme or "128" in scheme else 1)
                with self.subTest(scheme=scheme, k=k):
                    self.check(model, x, scheme, "onnx-nbits", tolerance + 0.01, kinds=["MatMulNBits"])
                    self.check(model, x, scheme, "onnx-qdq", tolerance, kinds=["DequantizeLinear", "MatMul"])

    def test_nbits_has_accuracy_level_4_and_no_raise(self):
        quantized = self.quantize(matmul(), "w4a16", "onnx-nbits")
        node = quantized.graph.node[0]
        self.assertEqual((node.name, node.op_type, node.domain), ("fc", "MatMulNBits", "com.microsoft"))
        self.assertEqual({a.name: a.i for a in node.attribute},
                         {"K": 64, "N": 48, "bits": 4, "block_size": 32, "accuracy_level": 4})
        self.assertEqual({o.domain: o.version for o in quantized.opset_import}, {"": 17, "com.microsoft": 1})

    def test_rounding_is_to_nearest(self):
        quantized = self.quantize(matmul(), "w8a16", "onnx-qdq", "--method=rtn")
        weights = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
        w = numpy_helper.to_array(tensor("w", 64, 48))
        scale = np.abs(w).max(0) / np.float32(127)
        np.testing.assert_array_equal(weights["w_scale"], scale)
        np.testing.assert_array_equal(weights["w_quantized"], np.rint(w / scale).astype(np.int8))

    def test_two_exports_are_equal(self):
        model = matmul(100)
        for emit in ("onnx-qdq", "onnx-nbits"):
            self.quantize(model, "w4a16", emit, "--jobs=1")
            first = self.out.read_bytes()
            self.quantize(model, "w4a16", emit, "--jobs=2")
            self.assertEqual(first, self.out.read_bytes())

    def test_round_trip(self):
        """The exported file, imported: the format of the plan, and a second export finds nothing left to quantize."""
        opt = programs.BUILD / "bin" / "quant-opt"
        for scheme, spelled in (("w8a16", "si8, scale<f32, [*, 1]>"), ("w4a16", "si4, scale<f32, [32, 1]>"),
                                ("w4a16:asym", "ui4, scale<f32, [32, 1]>, zero<ui4, [32, 1]>")):
            quantized = self.quantize(matmul(), scheme, "onnx-qdq", name="first")
            first = self.out
            text = subprocess.run([str(opt), str(first), "--mlir-print-local-scope"], capture_output=True, text=True).stdout
            self.assertIn(f"!tern.quant<64x48xf32, #tern.format<{spelled}>>", text)
            self.assertIn("tern.dequantize", text)
            again = self.quantize(quantized, scheme, "onnx-qdq", name="second")
            self.assertIn("matched nothing: fc: its weight is quantized already", self.text)
            self.assertEqual(quantized.graph.SerializeToString(), again.graph.SerializeToString())

    def test_plan_is_taken_back(self):
        model = matmul(100)
        self.quantize(model, "w4a16:128:asym", "onnx-nbits")
        first, plan = self.out.read_bytes(), str(self.out)[:-5] + ".plan.json"
        copy = self.folder / "plan.json"
        shutil.copy(plan, copy)
        self.quantize(model, "w8a8", "onnx-nbits", f"--plan={copy}")
        ours, theirs = onnx.load(str(self.out)).graph, onnx.load_from_string(first).graph
        self.assertEqual(ours.SerializeToString(), theirs.SerializeToString())

    def test_left_weight(self):
        model = model_of([helper.make_node("MatMul", ["w", "x"], ["y"])], [value("x", [64, 5])], [value("y", [48, 5])],
                         [tensor("w", 48, 64)])
        self.check(model, feeds(x=(64, 5)), "w8a16", "onnx-qdq", STEP["w8"])
        self.check(model, feeds(x=(64, 5)), "w4a16", "onnx-qdq", STEP["w4"])
        self.quantize(model, "w4a16", "onnx-nbits")
        self.assertIn("on the left", self.text)
        self.assertIn("matched nothing", self.text)

    def test_batched_weight(self):
        model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", [3, 5, 64])], [value("y", [3, 5, 16])],
                         [tensor("w", 3, 64, 16, scale=0.1)])
        for scheme in ("w8a16", "w4a16", "w8a8"):
            self.check(model, feeds(x=(3, 5, 64)), scheme, "onnx-qdq", STEP[scheme[:2]] * 1.3, kinds=["DequantizeLinear"])
        self.check(model, feeds(x=(3, 5, 64)), "w4a16", "onnx-qdq,onnx-nbits", STEP["w4"], kinds=["DequantizeLinear"])

    def test_gemm(self):
        for trans_a in (0, 1):
            for trans_b in (0, 1):
                for alpha, beta in ((1.0, 1.0), (0.5, 2.0)):
                    for bias in ((24,), (1, 24), (5, 24), (), None):
                        w = tensor("w", *((24, 64) if trans_b else (64, 24)), scale=0.1)
                        inputs, weights = ["x", "w"], [w]
                        if bias is not None:
                            inputs.append("c")
                            weights.append(tensor("c", *bias) if bias else numpy_helper.from_array(np.float32(0.3), "c"))
                        node = helper.make_node("Gemm", inputs, ["y"], transA=trans_a, transB=trans_b, alpha=alpha, beta=beta)
                        shape = (64, 5) if trans_a else (5, 64)
                        model = model_of([node], [value("x", shape)], [value("y", [5, 24])], weights)
                        with self.subTest(trans_a=trans_a, trans_b=trans_b, alpha=alpha, bias=bias):
                            self.check(model, feeds(x=shape), "w4a16", "onnx-nbits", STEP["w4"] + 0.02, kinds=["MatMulNBits"])
                            if beta == 1 or bias == (24,):
                                self.check(model, feeds(x=shape), "w8a16", "onnx-qdq", STEP["w8"])
                                self.check(model, feeds(x=shape), "w8a8", "onnx-qdq", 0.02, kinds=["MatMulInteger"])

    def test_conv(self):
        net = Net("conv", 17, 8, "test")
        x = net.op("Conv", net.input("x", ["b", 16, 9, 9]), net.random("w", 32, 16, 3, 3), net.weight("b", np.ones(32, np.float32)),
                   pads=[1] * 4, strides=[2, 2])
        x = net.op("Conv", x, net.random("dw", 32, 1, 3, 3), group=32, auto_pad="SAME_UPPER")
        net.op("ConvTranspose", x, net.random("t", 32, 8, 2, 2, scale=0.1), out="y", strides=[2, 2])
        net.output("y", None)
        x = feeds(x=(2, 16, 9, 9))
        self.check(net.model(), x, "w8a16", "onnx-qdq", 0.02)
        self.check(net.model(), x, "w4a16", "onnx-qdq", 0.2)
        self.check(net.model(), x, "w8a8", "onnx-qdq", 0.03, kinds=["ConvInteger", "DynamicQuantizeLinear"])
        self.quantize(net.model(), "w4a16", "onnx-nbits")
        self.assertIn("no Conv", self.text)

    def test_half_and_double(self):
        for kind, onnx_kind in ((np.float16, TensorProto.FLOAT16), (np.float64, TensorProto.DOUBLE)):
            model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", ["b", 64], onnx_kind)],
                             [value("y", None, onnx_kind)], [tensor("w", 64, 32, kind=kind)])
            x = {"x": feeds(x=(3, 64))["x"].astype(kind)}
            self.check(model, x, "w8a16", "onnx-qdq", STEP["w8"])
            self.check(model, x, "w4a16", "onnx-qdq", STEP["w4"])
            self.check(model, x, "w8a8", "onnx-qdq", STEP["w8"])
            if kind == np.float16:
                self.check(model, x, "w4a16", "onnx-nbits", STEP["w4"], kinds=["MatMulNBits"])
            else:
                self.quantize(model, "w4a16", "onnx-nbits")
                self.assertIn("float64", self.text)

    def test_bfloat16(self):
        w = helper.make_tensor("w", TensorProto.BFLOAT16, [64, 32], np.random.default_rng(0).normal(0, .1, 64 * 32))
        model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [value("x", [3, 64], TensorProto.BFLOAT16)],
                         [value("y", [3, 32], TensorProto.BFLOAT16)], [w])
        for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-qdq"), ("w4a16", "onnx-nbits")):
            quantized = self.quantize(model, scheme, emit)
            if emit == "onnx-qdq":
                onnx.checker.check_model(quantized, full_check=True)

    def test_cast_behind_a_half_weight(self):
        nodes = [helper.make_node("Cast", ["h"], ["w"], to=FLOAT), helper.make_node("MatMul", ["x", "w"], ["y"])]
        model = model_of(nodes, [value("x", ["b", 64])], [value("y", None)], [tensor("h", 64, 32, kind=np.float16)])
        self.check(model, feeds(x=(3, 64)), "w8a16", "onnx-qdq", STEP["w8"])
        quantized = self.check(model, feeds(x=(3, 64)), "w4a16", "onnx-nbits", STEP["w4"])
        self.assertEqual([n.op_type for n in quantized.graph.node], ["MatMulNBits"])

    def test_weight_of_cast_and_scale(self):
        """Weight-only int8 of the wild: Cast(codes) * scale. It becomes one of our forms, and the old nodes go."""
        codes = np.random.default_rng(1).integers(-127, 128, (64, 48)).astype(np.int8)
        weights = [numpy_helper.from_array(codes, "q"), tensor("s", 1, 48, scale=0.01)]
        nodes = [helper.make_node("Cast", ["q"], ["c"], to=FLOAT), helper.make_node("Mul", ["c", "s"], ["w"]),
                 helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")]
        model = model_of(nodes, [value("x", ["b", 64])], [value("y", None)], weights)
        for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w8a8", "onnx-qdq"), ("w4a16", "onnx-qdq")):
            quantized = self.check(model, feeds(x=(3, 64)), scheme, emit, STEP[scheme[:2]] * 1.5)
            self.assertNotIn("q", [t.name for t in quantized.graph.initializer])
            self.assertNotIn("w", [n.output[0] for n in quantized.graph.node if n.op_type == "Mul"])

    def test_recurrent(self):
        for directions in (1, 2):
            nodes = [helper.make_node("LSTM", ["x", "w", "r", "b"], ["y"], hidden_size=16,
                                      direction="bidirectional" if directions == 2 else "forward")]
            weights = [tensor("w", directions, 64, 32, scale=0.2), tensor("r", directions, 64, 16, scale=0.2),
                       tensor("b", directions, 128, scale=0.2)]
            model = model_of(nodes, [value("x", [6, 2, 32])], [value("y", None)], weights)
            self.check(model, feeds(x=(6, 2, 32)), "w8a16", "onnx-qdq", 0.03)
            self.check(model, feeds(x=(6, 2, 32)), "w8a8", "onnx-qdq", 0.03)
            self.assertIn("its activations stay float", self.text)

    def test_attributes_that_are_not_finite(self):
        w = np.ones((8, 8), np.float32)
        w[1, 2] = np.nan
        model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"], name="fc")], [value("x", [1, 8])], [value("y", None)],
                         [numpy_helper.from_array(w, "w")])
        self.quantize(model, "w8a16", "onnx-qdq", code=1)
        self.assertIn("not finite", self.text)
        self.assertIn("--exclude", self.text)
        self.assertFalse(self.out.exists())


if __name__ == "__main__":
    unittest.main()
