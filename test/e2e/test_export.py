"""Quantized ONNX out, on small models with every habit of exporters: what ONNX Runtime computes from the result."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from net import Net

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


class Graphs(Case):
    def test_constant_nodes(self):
        nodes = [helper.make_node("Constant", [], ["w"], value=tensor("", 64, 48)), helper.make_node("MatMul", ["x", "w"], ["y"])]
        model = model_of(nodes, [value("x", ["b", 64])], [value("y", None)])
        for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w4a16", "onnx-qdq"), ("w8a8", "onnx-qdq")):
            quantized = self.check(model, feeds(x=(3, 64)), scheme, emit, STEP[scheme[:2]] * 1.5)
            self.assertNotIn("Constant", [n.op_type for n in quantized.graph.node])

    def test_initializers_that_are_inputs(self):
        for opset in (7, 9, 11):
            net = Net("old", opset, 3, "test", inputs_too=True)
            x = net.op("MatMul", net.input("x", [4, 64]), net.random("w", 64, 32))
            net.op("Add", x, net.random("b", 32), out="y")
            net.output("y", [4, 32])
            for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w4a16", "onnx-qdq")):
                with self.subTest(opset=opset, scheme=scheme, emit=emit):
                    quantized = self.check(net.model(), feeds(x=(4, 64)), scheme, emit, STEP[scheme[:2]] * 1.3)
                    if quantized.ir_version < 4:
                        names = {i.name for i in quantized.graph.input}
                        self.assertTrue({t.name for t in quantized.graph.initializer} <= names)
                    self.assertNotIn("w", [i.name for i in quantized.graph.input])

    def test_default_of_an_input_stays(self):
        model = matmul()
        model.graph.input.append(value("w", [64, 48]))
        self.quantize(model, "w8a16", "onnx-qdq")
        self.assertIn("a caller may replace", self.text)

    def test_name_collisions(self):
        model = matmul()
        model.graph.node.insert(0, helper.make_node("Identity", ["x"], ["w_quantized"]))
        model.graph.node.append(helper.make_node("Identity", ["w_quantized"], ["w_scale"]))
        model.graph.output.append(value("w_scale", None))
        for emit in ("onnx-qdq", "onnx-nbits"):
            self.check(model, feeds(x=(3, 64)), "w4a16", emit, STEP["w4"])

    def branches(self):
        inner = helper.make_graph([helper.make_node("MatMul", ["x", "v"], ["a"], name="inner")], "then", [], [value("a", None)],
                                  [tensor("v", 64, 32)])
        other = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor("", 64, 32)),
                                   helper.make_node("MatMul", ["x", "c"], ["b"], name="constant")], "else", [], [value("b", None)])
        nodes = [helper.make_node("If", ["p"], ["h"], then_branch=inner, else_branch=other, name="if"),
                 helper.make_node("MatMul", ["h", "w"], ["y"], name="outer")]
        return model_of(nodes, [value("x", [3, 64]), value("p", [], TensorProto.BOOL)], [value("y", None)], [tensor("w", 32, 32)])

    def test_if(self):
        for p in (True, False):
            x = {**feeds(x=(3, 64)), "p": np.array(p)}
            for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w4a16", "onnx-qdq"), ("w8a8", "onnx-qdq")):
                self.check(self.branches(), x, scheme, emit, STEP[scheme[:2]] * 1.7)
                self.assertEqual(len([o for o in self.plan["ops"] if "w" in o]), 3)

    def test_loop_captures_a_weight(self):
        body = helper.make_graph([helper.make_node("MatMul", ["s", "w"], ["m"], name="step"), helper.make_node("Tanh", ["m"], ["n"]),
                                  helper.make_node("Identity", ["c"], ["d"])], "body",
                                 [value("i", [], TensorProto.INT64), value("c", [], TensorProto.BOOL), value("s", [3, 32])],
                                 [value("d", [], TensorProto.BOOL), value("n", [3, 32])])
        nodes = [helper.make_node("Loop", ["t", "", "x"], ["y"], body=body)]
        model = model_of(nodes, [value("x", [3, 32])], [value("y", None)],
                         [tensor("w", 32, 32), numpy_helper.from_array(np.int64(3), "t")])
        for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w8a8", "onnx-qdq")):
            self.check(model, feeds(x=(3, 32)), scheme, emit, 0.25)

    def test_function(self):
        function = helper.make_function("local", "Dense", ["a"], ["r"],
                                        [helper.make_node("Constant", [], ["w"], value=tensor("", 64, 48)),
                                         helper.make_node("MatMul", ["a", "w"], ["r"], name="fc")], [helper.make_opsetid("", 17)])
        model = model_of([helper.make_node("Dense", ["x"], ["y"], domain="local")], [value("x", [3, 64])], [value("y", None)],
                         domains=["local"], functions=[function])
        for scheme, emit in (("w8a16", "onnx-qdq"), ("w4a16", "onnx-nbits"), ("w8a8", "onnx-qdq"), ("w4a16", "onnx-qdq")):
            self.check(model, feeds(x=(3, 64)), scheme, emit, STEP[scheme[:2]] * 1.7)

    def test_untouched_bytes(self):
        """Everything but the quantized node and its weight keeps its bytes: metadata, foreign domains, functions, subgraphs."""
        model = self.branches()
        function = helper.make_function("foreign", "Twice", ["a"], ["r"], [helper.make_node("Add", ["a", "a"], ["r"])],
                                        [helper.make_opsetid("", 17)])
        model.functions.append(function)
        model.opset_import.append(helper.make_opsetid("foreign", 3))
        model.graph.node.append(helper.make_node("Mystery", ["y"], ["z"], domain="foreign", name="m", secret=3, doc_string="why"))
        model.graph.output.append(value("z", None))
        model.metadata_props.add(key="author", value="somebody")
        model.producer_name, model.doc_string = "a producer", "a model"
        # A field that no schema has.
        data = model.SerializeToString() + bytes([0xfa, 0x3f, 3]) + b"new"
        (self.folder / "model.onnx").write_bytes(data)
        quantized = self.quantize(None, "w4a16", "onnx-nbits", "--exclude=if/.*")
        out = self.out.read_bytes()
        self.assertIn(bytes([0xfa, 0x3f, 3]) + b"new", out)
        before, after = onnx.load_from_string(data), quantized
        for field in ("producer_name", "doc_string", "ir_version"):
            self.assertEqual(getattr(before, field), getattr(after, field))
        self.assertEqual(before.functions[0].SerializeToString(), after.functions[0].SerializeToString())
        for part in (before.graph.node[0], before.graph.node[2], *before.functions, *before.metadata_props, *before.graph.input,
                     *before.graph.output, *before.opset_import):
            self.assertIn(part.SerializeToString(), out)
        self.assertEqual(before.graph.node[0].SerializeToString(), after.graph.node[0].SerializeToString())
        keys = [p.key for p in after.metadata_props]
        self.assertEqual(keys[0], "author")
        self.assertTrue(all(k.startswith("tern.") for k in keys[1:]), keys)

    def test_external_data(self):
        big = Net("big", 17, 8, "test")
        x = big.op("MatMul", big.input("x", [2, 256]), big.random("w", 256, 256), name="fc")
        x = big.op("Add", x, big.random("b", 2, 256))
        big.op("MatMul", x, big.random("v", 256, 64), out="y", name="last")
        big.output("y", [2, 64])
        source = self.folder / "in"
        source.mkdir()
        model = big.model()
        want = self.run_model(model, feeds(x=(2, 256)))
        onnx.save(model, str(source / "m.onnx"), save_as_external_data=True, location="m.bin", size_threshold=16)
        out = self.folder / "elsewhere.onnx"
        run = subprocess.run([str(COMPILE), str(source / "m.onnx"), "--scheme=w8a16", "--emit=onnx-qdq", "-o", str(out), "--exclude=last"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertLess(error(programs.ort_runner(out)(feeds(x=(2, 256)))[0], want[0]), 0.02)


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


class Messages(Case):
    def test_output(self):
        model = matmul()
        onnx.save(model, str(self.folder / "model.onnx"))
        for out, what in ((self.folder / "model.onnx", "the model itself"), (self.folder / "no" / "x.onnx", "does not exist")):
            self.quantize(model, "w8a16", "onnx-qdq", code=1, out=out)
            self.assertIn(what, self.text)
        before = (self.folder / "model.onnx").read_bytes()
        self.assertEqual(before, (self.folder / "model.onnx").read_bytes())

    @unittest.skipIf(os.getuid() == 0, "read-only folders do not stop root")
    def test_read_only_folder(self):
        folder = self.folder / "locked"
        folder.mkdir(mode=0o500)
        self.quantize(matmul(), "w8a16", "onnx-qdq", code=1, out=folder / "x.onnx")
        self.assertIn("cannot be written", self.text)

    def test_folder_output(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        out = self.folder / "made.tern"
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w4a16", "--emit=onnx-nbits", "-o", str(out)],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(sorted(os.listdir(out)), ["model.nbits.onnx", "plan.json"])

    def test_options(self):
        for flags, what in ((["--qdq-profile=trt"], "tensorrt"), (["--method=gptqq"], "rtn"), (["--override=nope=w8a16"], "fc"),
                            (["--exclude=["], "regular expression")):
            self.quantize(matmul(), "w8a16", "onnx-qdq", *flags, code=1)
            self.assertIn(what, self.text)
        self.quantize(matmul(), "float", "onnx-qdq", code=1)
        self.assertIn("nothing to quantize", self.text)
        self.quantize(matmul(), "w2a16", "so", code=1)
        self.assertIn("--emit=onnx-qdq", self.text)

    def test_flags_of_programs(self):
        for flags in (["--inputs=x"], ["--outputs=y"], ["--require-kernels"], ["--dump-ir=import"]):
            self.quantize(matmul(), "w8a16", "onnx-qdq", *flags, code=1)
            self.assertIn("is for programs", self.text)
        self.quantize(matmul(), "w8a16", "so", code=1)
        self.assertIn("a program is a folder", self.text)

    def test_program_and_file(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w8a16", "--emit=so,onnx-qdq", "-o", str(self.folder / "p.tern")],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("libmodel.so", os.listdir(self.folder / "p.tern"))
        self.assertIn("model.qdq.onnx", os.listdir(self.folder / "p.tern"))

    def test_plan_only(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        run = subprocess.run([str(COMPILE), str(self.folder / "model.onnx"), "--scheme=w4a16", "--emit=onnx-nbits", "--plan-only", "-o",
                              str(self.folder / "plan.json")], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        ops = json.loads((self.folder / "plan.json").read_text())["ops"]
        self.assertEqual([(o["name"], o["kernels"][0]["row"]) for o in ops], [("fc", "onnx.MatMulNBits")])

    @unittest.skipUnless((programs.BUILD / "lib" / "libtern.so").exists(), "libtern.so is not built")
    def test_python(self):
        onnx.save(matmul(), str(self.folder / "model.onnx"))
        path = programs.tern.compile(self.folder / "model.onnx", "w4a16:asym", out=self.folder / "q.onnx", emit=["onnx-nbits"])
        self.assertEqual(path, self.folder / "q.onnx")
        self.assertEqual([n.op_type for n in onnx.load(str(path)).graph.node], ["MatMulNBits"])

    def test_nothing_matched(self):
        model = model_of([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1])], [value("y", [1])])
        self.quantize(model, "w8a16", "onnx-qdq")
        self.assertIn("warning", self.text)
        self.assertIn("matched nothing: the model has no MatMul", self.text)

    def test_every_float_op_has_a_reason(self):
        nodes = [helper.make_node("MatMul", ["x", "w"], ["a"], name="fc"), helper.make_node("MatMul", ["a", "a"], ["y"], name="square")]
        model = model_of(nodes, [value("x", [64, 64])], [value("y", None)], [tensor("w", 64, 64)])
        self.quantize(model, "w8a16", "onnx-qdq")
        self.assertEqual({o["name"]: o.get("why", "") for o in self.plan["ops"]},
                         {"fc": "", "square": "no factor is a constant: both are computed at run time"})
        self.assertIn("square: no factor is a constant", self.text)


if __name__ == "__main__":
    unittest.main()
