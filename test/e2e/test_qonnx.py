"""QONNX ops against their published formulas (docs/qonnx-custom-ops of fastmachinelearning/qonnx), written down here in numpy."""
import itertools
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs
from programs import tern

FOLDER = programs.OUT / "qonnx"
ROUNDINGS = {
    "ROUND": np.round, "HALF_EVEN": np.round, "CEIL": np.ceil, "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)), "DOWN": lambda x: np.sign(x) * np.floor(np.abs(x)),
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
F = np.float32


def limits(signed, narrow, bits):
    if signed:
        return F(-2.0 ** (bits - 1) + narrow), F(2.0 ** (bits - 1) - 1)
    return F(0), F(2.0 ** bits - 1 - narrow)


def quant(x, scale, zero, bits, signed, narrow, rounding_mode):
    y = x / scale + zero
    if bits == 1 and signed:
        return (np.where(y >= 0, F(1), F(-1)) - zero) * scale
    low, high = limits(signed, narrow, bits)
    return (ROUNDINGS[rounding_mode](np.clip(y, low, high)) - zero) * scale


def bipolar(x, scale):
    return np.where(x / scale >= 0, F(1), F(-1)) * scale


def trunc1(x, scale, zero, bits, to, rounding_mode):
    y = np.round(x / scale + zero) / F(2.0 ** (bits - to))
    return (ROUNDINGS[rounding_mode](y) - zero) * scale


def trunc2(x, scale, zero, bits, out_scale, out_zero, to, signed, narrow, rounding_mode):
    factor = F(2.0 ** np.round(np.log2(out_scale / scale)))
    low, high = limits(signed, narrow, to)
    y = np.clip(np.round(x / scale + zero) / factor, low, high)
    return (ROUNDINGS[rounding_mode](y) - zero / factor) * out_scale


def float_quant(x, scale, e, m, bias, largest, rounding_mode, overflow=None):
    y = x / scale
    step = np.exp2(np.maximum(np.floor(np.log2(np.abs(y) + np.finfo(F).tiny)) - m, 1 - bias - m)).astype(F)
    q = step * ROUNDINGS[rounding_mode](y / step)
    most = min((2 - 2.0 ** -m) * 2.0 ** (2.0 ** e - 1 - bias), largest)
    clipped = np.clip(q, -most, most)
    if overflow is not None:
        clipped = np.where(np.abs(q) > most, overflow * np.sign(q) if np.isinf(overflow) else overflow, clipped)
    return (clipped * scale).astype(F)


class Qonnx(unittest.TestCase):
    def run_node(self, name, op, x, parameters, compiled=False, domain="qonnx.custom_op.general", **attributes):
        names = [f"p{i}" for i in range(len(parameters))]
        node = helper.make_node(op, ["x", *names], ["y"], name="node", domain=domain, **attributes)
        graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
                                  [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
                                  [numpy_helper.from_array(np.asarray(p, F), n) for p, n in zip(parameters, names)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(domain, 1)], ir_version=10)
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        reference = tern.Reference(path)
        self.assertEqual(reference.kept, [])
        result = reference.run({"x": x})["y"]
        if compiled:
            got = programs.runner(programs.compile_model(path, f"qonnx/{name}", "float", target="native"))({"x": x})[0]
            np.testing.assert_array_equal(got, result)
        return result

    def setUp(self):
        rng = np.random.default_rng(5)
        # Ties, and values far outside of every range.
        self.x = np.concatenate([rng.normal(size=(3, 16)) * 2, rng.integers(-40, 40, (3, 16)) * 0.25, rng.normal(size=(3, 4)) * 1000], 1).astype(F)

    def test_quant(self):
        scales = [F(0.5), np.array([0.25, 0.5, 1.0], F).reshape(3, 1), F(0.37)]
        cases = itertools.product(ROUNDINGS, [(1, 0), (1, 1), (0, 0), (0, 1)], range(3), [F(0), F(3), F(2.5)])
        for i, (mode, (signed, narrow), which, zero) in enumerate(cases):
            bits = F([4, 8, 3][i % 3])
            with self.subTest(mode=mode, signed=signed, narrow=narrow, bits=bits, zero=zero):
                attributes = {"signed": signed, "narrow": narrow, "rounding_mode": mode}
                got = self.run_node(f"quant{i}", "Quant", self.x, [scales[which], zero, bits], compiled=i % 37 == 0, **attributes)
                np.testing.assert_array_equal(got, quant(self.x, scales[which], zero, bits, **attributes))

    def test_quant_bit_widths(self):
        for bits in (1, 2, 5, 7, 12, 16, 20, 2.5):
            for signed in (0, 1):
                with self.subTest(bits=bits, signed=signed):
                    attributes = {"signed": signed, "narrow": 0, "rounding_mode": "ROUND"}
                    got = self.run_node(f"bits{bits}{signed}", "Quant", self.x, [F(0.25), F(0), F(bits)], compiled=bits in (1, 5, 12), **attributes)
                    np.testing.assert_array_equal(got, quant(self.x, F(0.25), F(0), F(bits), **attributes))

    def test_bipolar(self):
        x = np.concatenate([self.x, np.array([[0.0, -0.0, 1e-30, -1e-30]] * 3, F)], 1)
        for domain in ("qonnx.custom_op.general", "onnx.brevitas"):
            got = self.run_node("bipolar", "BipolarQuant", x, [F(0.3)], compiled=True, domain=domain)
            np.testing.assert_array_equal(got, bipolar(x, F(0.3)))

    def test_trunc(self):
        x = np.round(self.x / F(0.25)) * F(0.25)
        for i, (mode, zero) in enumerate(itertools.product(("FLOOR", "ROUND", "CEIL"), (F(0), F(4)))):
            with self.subTest(mode=mode, zero=zero):
                got = self.run_node(f"trunc{i}", "Trunc", x, [F(0.25), zero, F(8), F(5)], compiled=i == 0, rounding_mode=mode)
                np.testing.assert_array_equal(got, trunc1(x, F(0.25), zero, 8, 5, mode))
                attributes = {"rounding_mode": mode, "signed": 1, "narrow": i % 2}
                got = self.run_node(f"trunc2{i}", "Trunc", x, [F(0.25), zero, F(8), F(2), zero / 8, F(5)], compiled=i == 1, **attributes)
                np.testing.assert_array_equal(got, trunc2(x, F(0.25), zero, 8, F(2), zero / 8, 5, **attributes))

    def test_float_quant(self):
        formats = [(4, 3, 7, 448.0), (5, 2, 15, 57344.0), (2, 1, 1, 6.0), (3, 2, 3, 28.0), (2, 3, 1, 7.5), (4, 3, 7, 480.0), (3, 0, 3, 16.0)]
        for i, ((e, m, bias, largest), mode) in enumerate(itertools.product(formats, ("ROUND", "FLOOR", "CEIL"))):
            with self.subTest(e=e, m=m, mode=mode):
                got = self.run_node(f"float{i}", "FloatQuant", self.x, [F(0.37), e, m, bias, largest], compiled=mode == "ROUND", rounding_mode=mode,
                                    saturation=1, has_inf=0, has_nan=0, has_subnormal=1)
                np.testing.assert_array_equal(got, float_quant(self.x, F(0.37), e, m, bias, largest, mode))
        for (e, m, bias, largest), overflow in ((formats[0], np.nan), (formats[1], np.inf)):
            x = self.x * 100
            got = self.run_node("overflow", "FloatQuant", x, [F(0.37), e, m, bias, largest], rounding_mode="ROUND", saturation=0,
                                has_inf=int(np.isinf(overflow)), has_nan=int(np.isnan(overflow)), has_subnormal=1)
            np.testing.assert_array_equal(got, float_quant(x, F(0.37), e, m, bias, largest, "ROUND", overflow))


if __name__ == "__main__":
    unittest.main()
