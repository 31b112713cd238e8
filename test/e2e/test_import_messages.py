"""Nodes that no model may have, and nodes without a rule: what the compiler says of each. One row a message.

The rows lie in import_messages.json: inputs, nodes and constants in ONNX's text form, what is said, and the version of the operator set where it matters.
"""
import concurrent.futures
import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import onnx
import onnx.parser

import programs

ROWS = json.loads(pathlib.Path(__file__).with_name("import_messages.json").read_text())


class Messages(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-messages-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def said(self, number, inputs, nodes, constants="", opset=22, **_):
        """Exit code and messages of compiling the nodes."""
        domains = f'"" : {opset}, "com.microsoft" : 1, "ai.onnx.ml" : 3, "qonnx.custom_op.general" : 1'
        nodes = nodes.replace("qonnx.", "qonnx.custom_op.general.")
        model = onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{domains}]> odd ({inputs}) => (float y) "
                                        f"{f'<{constants}>' if constants else ''} {{ {nodes} }}")
        model.graph.output[0].ClearField("type")
        path = self.folder / f"{number}.onnx"
        onnx.save(model, str(path))
        run = subprocess.run([str(programs.BUILD / "bin" / "quant-compile"), str(path), "--scheme=float", "-q"], capture_output=True, text=True,
                             errors="replace", timeout=60, cwd=self.folder)
        return run.returncode, run.stderr

    def check(self, rows):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda i: self.said(i, **rows[i]), range(len(rows)))
        for row, (code, said) in zip(rows, answers, strict=True):
            with self.subTest(row["nodes"]):
                errors = [line for line in said.splitlines() if "error:" in line]
                self.assertEqual((code, len(errors)), (1, 1), said[-2000:])
                self.assertIn(row["says"], errors[0])

    def test_operators(self):
        self.check(ROWS["operators of ONNX"])

    def test_operators_of_other_domains(self):
        self.check(ROWS["operators of ONNX Runtime, classic machine learning"])

    def test_codes(self):
        self.check(ROWS["codes"])

    def test_bodies(self):
        self.check(ROWS["bodies"])


if __name__ == "__main__":
    unittest.main()
