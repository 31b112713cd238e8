"""ONNX out: constants, names, branches, functions and external data stay what they were."""
import subprocess
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from net import Net

import programs
from export_case import COMPILE, STEP, Case, error, feeds, matmul, model_of, tensor, value


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


if __name__ == "__main__":
    unittest.main()
