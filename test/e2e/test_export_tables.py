"""ONNX out: embedding tables, alone and tied to a product."""
import unittest

import numpy as np
from onnx import TensorProto, helper

from export_case import STEP, Case, feeds, model_of, tensor, value


class Tables(Case):
    def embedding(self, rows=50, width=64, **more):
        nodes = [helper.make_node("Gather", ["e", "i"], ["y"], name="embed")]
        return model_of(nodes, [value("i", ["s", 3], TensorProto.INT64)], [value("y", None)], [tensor("e", rows, width, scale=1)], **more)

    def test_gather(self):
        ids = {"i": np.array([[1, 2, 3], [4, 0, 49]])}
        for scheme in ("w8a16", "w8a16:32", "w8a16:asym", "w8a8"):
            self.check(self.embedding(), ids, scheme, "onnx-qdq", STEP["w8"], kinds=["Gather", "DequantizeLinear"])
        self.check(self.embedding(), ids, "w4a16", "onnx-qdq", STEP["w8"])
        self.assertIn("Gather has no narrower types", self.text)
        self.check(self.embedding(), ids, "w4a16", "onnx-nbits", STEP["w8"], kinds=["GatherBlockQuantized"])
        self.assertIn("it is a table", self.text)
        for scheme in ("w8a16", "w4a16", "w4a16:asym", "w2a16", "w4a16:channel"):
            self.check(self.embedding(), ids, "w8a16", "onnx-nbits", STEP[scheme[:2]] * 1.3, f"--override=embed={scheme}",
                       kinds=["GatherBlockQuantized"])
        self.check(self.embedding(width=100), ids, "w8a16", "onnx-nbits", STEP["w4"], "--override=embed=w4a16", kinds=["GatherBlockQuantized"])
        self.quantize(self.embedding(width=33), "w8a16", "onnx-nbits", "--override=embed=w4a16")
        self.assertIn("whole bytes", self.text)

    def test_old_opset(self):
        self.check(self.embedding(opset=11, ir=6), {"i": np.array([[1, 2, 3]])}, "w8a16", "onnx-qdq", STEP["w8"])

    def tied(self, width=64):
        nodes = [helper.make_node("Gather", ["e", "i"], ["h"], name="embed"),
                 helper.make_node("Transpose", ["e"], ["t"], perm=[1, 0]),
                 helper.make_node("MatMul", ["h", "t"], ["y"], name="head")]
        return model_of(nodes, [value("i", ["s"], TensorProto.INT64)], [value("y", None)], [tensor("e", 50, width, scale=1)])

    def test_tied_stays_tied(self):
        ids = {"i": np.array([1, 2, 7])}
        for width in (64, 576, 100):
            for scheme, emit in (("w4a16:32", "onnx-nbits"), ("w4a16:128", "onnx-nbits"), ("w4a16:128:asym", "onnx-nbits"),
                                 ("w8a16", "onnx-nbits"), ("w8a16", "onnx-qdq"), ("w4a16", "onnx-qdq"), ("w8a8", "onnx-qdq")):
                with self.subTest(width=width, scheme=scheme, emit=emit):
                    both = f"--override=.*={scheme}"
                    quantized = self.check(self.tied(width), ids, scheme, emit, STEP[scheme[:2]] * 1.7, both)
                    self.assertIn("is tied and stays tied", self.text)
                    large = [t for t in quantized.graph.initializer if len(t.raw_data) >= 50 * width // 2]
                    self.assertEqual(len(large), 1, [(t.name, len(t.raw_data)) for t in large])

    def test_tied_matrix_has_the_bits_of_the_table(self):
        for emit in ("onnx-nbits", "onnx-qdq"):
            quantized = self.check(self.tied(), {"i": np.array([1, 2, 7])}, "w4a16", emit, STEP["w8"] * 1.5)
            large = [t for t in quantized.graph.initializer if len(t.raw_data) >= 50 * 32]
            self.assertEqual([len(t.raw_data) for t in large], [50 * 64])

    def test_shared_with_a_float_user(self):
        nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"), helper.make_node("Add", ["a", "w"], ["y"])]
        model = model_of(nodes, [value("x", [64, 64])], [value("y", None)], [tensor("w", 64, 64)])
        for emit in ("onnx-qdq", "onnx-nbits"):
            quantized = self.check(model, feeds(x=(64, 64)), "w4a16", emit, STEP["w4"])
            self.assertIn("w", [t.name for t in quantized.graph.initializer])
            self.assertIn("stays in the file as float too", self.text)

    def test_excluded_user(self):
        nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="fc1"), helper.make_node("MatMul", ["a", "w"], ["y"], name="fc2")]
        model = model_of(nodes, [value("x", [4, 64])], [value("y", None)], [tensor("w", 64, 64)])
        quantized = self.check(model, feeds(x=(4, 64)), "w4a16", "onnx-qdq", 0.2, "--exclude=fc2")
        by_name = {n.name: n for n in quantized.graph.node}
        self.assertEqual(by_name["fc2"].input[1], "w")
        self.assertNotEqual(by_name["fc1"].input[1], "w")
        self.assertEqual({o["name"]: o.get("why") for o in self.plan["ops"]}, {"fc1": None, "fc2": "it is excluded"})


if __name__ == "__main__":
    unittest.main()
