"""All of ONNX's node tests: compiled, loaded and run in this process, or refused as refusals.py says."""
import re
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

import cases
import programs
from refusals import OTHER_EXPECTED, REFUSALS, TOLERANCES

FOLDER = programs.OUT / "backend"


def array(value):
    """As numpy; bfloat16 as its bits and what has no numpy type as bytes, which is how tern passes them."""
    value = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    name = value.dtype.name
    if name == "bfloat16":
        return value.view(np.uint16)
    if name.startswith(("float8", "float4")):
        return value.view(np.uint8)
    return value.astype(np.uint8 if name[0] == "u" else np.int8) if name.lstrip("u") in ("int2", "int4") else value


def model_float(value):
    """The numpy type of values that tern passes as codes of 4- and 8-bit floats; None: another type."""
    value = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    return value.dtype if value.dtype.name.startswith(("float8", "float4")) else None


class Nodes(unittest.TestCase):
    def check(self, case):
        model, feeds, wanted = case.load()
        path = FOLDER / f"{case.name}.onnx"
        path.write_bytes(model.SerializeToString())
        reason = next((why for pattern, why in REFUSALS if re.fullmatch(pattern, case.name)), None)
        if reason:
            # An entry that is out of date fails here: what is refused must be refused, with a message.
            with self.assertRaises(programs.tern.Error, msg=f"compiles, though refusals.py says: {reason}"):
                programs.compile_model(path, f"backend/{case.name}", "float", target="native")
            return
        run = programs.runner(programs.compile_model(path, f"backend/{case.name}", "float", target="native"), threads=1)
        feeds = {name: array(value) for name, value in feeds.items()}
        if case.name in OTHER_EXPECTED:
            wanted = programs.ort_runner(path)(feeds)
        outputs = run(feeds)
        self.assertEqual(len(outputs), len(wanted))
        for got, value in zip(outputs, wanted):
            want = array(value)
            self.assertEqual((got.shape, got.dtype), (want.shape, want.dtype))
            if want.size and model_float(value):         # by value: a QuantizeLinear adds its zero point, which makes +0 of -0
                kind = model_float(value)
                np.testing.assert_array_equal(got.view(kind).astype(np.float32), want.view(kind).astype(np.float32))
                continue
            np.testing.assert_allclose(got, want, rtol=case.rtol, atol=TOLERANCES.get(case.name, case.atol))


def add_tests():
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, case in cases.load_cases().items():
        def test(self, case=case):
            self.check(case)
        setattr(Nodes, f"test_{name}", test)


add_tests()
