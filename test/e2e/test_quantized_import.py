"""Quantized ONNX ops against ONNX Runtime: the reference, and compiled programs, on random shapes and codes."""
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs
from programs import tern

FOLDER = programs.OUT / "quantized"
MS = "com.microsoft"


class Model:
    """A graph of one node, built from arrays: inputs are fed, the others are initializers."""

    def __init__(self, op, arrays, outputs, fed=("x",), domain=MS, version=21, **attributes):
        # arrays: [(name, array)] in the order of the inputs; None: absent. outputs: [(name, element type)].
        self.feeds = {name: array for name, array in filter(None, arrays) if name in fed}
        node = helper.make_node(op, [pair[0] if pair else "" for pair in arrays], [name for name, _ in outputs], name="node",
                                domain=domain, **attributes)
        infos = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for name, a in self.feeds.items()]
        results = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs]
        constants = [numpy_helper.from_array(a, name) for name, a in filter(None, arrays) if name not in fed]
        graph = helper.make_graph([node], "g", infos, results, constants)
        self.model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version), helper.make_opsetid(MS, 1)], ir_version=10)

    def save(self, name):
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / f"{name}.onnx"
        path.write_bytes(self.model.SerializeToString())
        return path


def f32(*values):
    return np.array(values[0] if len(values) == 1 else values, np.float32)


def codes(rng, dtype, shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


def scale(rng, *shape):
    return np.float32(rng.uniform(0.003, 0.05, shape)) if shape else f32(rng.uniform(0.003, 0.05))


def zero(rng, dtype):
    return np.array(codes(rng, dtype, ()), dtype)


def product_shapes(rng):
    m, k, n = rng.integers(1, 9), rng.integers(1, 70), rng.integers(1, 20)
    return (int(m), int(k)), (int(k), int(n))


def of(dtype):
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def dynamic_lstm(rng, i):
    steps, batch, inputs, hidden, directions = int(rng.integers(1, 6)), 1 + i // 4 * 2, 5, 4, 1 + i % 2
    dtype = [np.int8, np.uint8][i // 2 % 2]
    columns = 4 * hidden
    per_column = i % 4 == 3
    w, r = codes(rng, dtype, (directions, inputs, columns)), codes(rng, dtype, (directions, hidden, columns))
    shape = (directions, columns) if per_column else (directions,)
    parameters = []
    for name in ("w", "r"):
        zeros = np.zeros(shape, dtype) if per_column or dtype == np.int8 else codes(rng, dtype, shape)
        parameters += [(name + "s", scale(rng, *shape)), (name + "z", zeros)]
    state = [("h", f32(rng.normal(size=(directions, batch, hidden)))), ("c", f32(rng.normal(size=(directions, batch, hidden))))] if i % 3 else [None, None]
    lens = ("lens", np.array([1 + k % steps for k in range(batch)], np.int32)) if i > 5 else None
    peepholes = ("p", f32(rng.normal(size=(directions, 3 * hidden)))) if i in (2, 5, 7) else None
    arrays = [("x", f32(rng.normal(size=(steps, batch, inputs)))), ("w", w), ("r", r), ("b", f32(rng.normal(size=(directions, 2 * columns)))), lens, *state,
              peepholes, *parameters]
    return Model("DynamicQuantizeLSTM", arrays, [("y", TensorProto.FLOAT), ("yh", TensorProto.FLOAT), ("yc", TensorProto.FLOAT)], hidden_size=hidden,
                 direction=["forward", "bidirectional", "reverse", "bidirectional"][i % 4]), 1e-5


#  name -> (model, how close: "exact" or "code" (one code at most in one of a hundred) or a tolerance)
def matmul_integer(rng, i):
    a, b = product_shapes(rng)
    left, right = [(np.uint8, np.int8), (np.uint8, np.uint8)][i % 2]
    if i % 3 == 0:
        a = (int(rng.integers(1, 4)), *a)
    zeros = [("z", zero(rng, left)), ("wz", codes(rng, right, b[1:]) if i % 2 else zero(rng, right))] if i % 4 else []
    return Model("MatMulInteger", [("x", codes(rng, left, a)), ("w", codes(rng, right, b)), *zeros], [("y", TensorProto.INT32)], domain=""), "exact"


def conv_integer(rng, i):
    group = [1, 2][i % 2]
    c, o = 2 * group, 3 * group
    x, w = codes(rng, np.uint8, (1, c, 7, int(rng.integers(5, 9)))), codes(rng, np.uint8, (o, c // group, 3, 3))
    zeros = [("z", zero(rng, np.uint8)), ("wz", zero(rng, np.uint8))] if i % 3 else []
    return Model("ConvInteger", [("x", x), ("w", w), *zeros], [("y", TensorProto.INT32)], domain="", group=group, pads=[1, 0, 1, 2],
                 strides=[1 + i % 2, 1]), "exact"


def qlinear_matmul(rng, i):
    a, b = product_shapes(rng)
    left, right = [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)][i % 3]
    per_column = i % 2 == 1
    ws, wz = (scale(rng, b[1]), np.zeros(b[1], right)) if per_column else (scale(rng), zero(rng, right))
    arrays = [("x", codes(rng, left, a)), ("s", scale(rng)), ("z", zero(rng, left)), ("w", codes(rng, right, b)), ("ws", ws), ("wz", wz),
              ("ys", f32(rng.uniform(0.05, 0.5))), ("yz", zero(rng, left))]
    return Model("QLinearMatMul", arrays, [("y", of(left))], domain=""), "exact"


def qlinear_conv(rng, i):
    left, right = [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)][i % 3]
    group = [1, 4][i % 2]
    o = 4
    x, w = codes(rng, left, (2, 4, 9, 8)), codes(rng, right, (o, 4 // group, 3, 3))
    ws, wz = (scale(rng, o), np.zeros(o, right)) if right == np.int8 else (scale(rng), zero(rng, right))
    arrays = [("x", x), ("s", scale(rng)), ("z", zero(rng, left)), ("w", w), ("ws", ws), ("wz", wz), ("ys", f32(rng.uniform(0.05, 0.5))),
              ("yz", zero(rng, left)), ("b", rng.integers(-3000, 3000, o).astype(np.int32)) if i % 4 else None]
    return Model("QLinearConv", arrays[:8] if arrays[8] is None else arrays, [("y", of(left))], domain="", group=group, pads=[1, 1, 1, 1],
                 strides=[1, 2]), "exact"


def qgemm(rng, i):
    a, b = product_shapes(rng)
    right = [np.int8, np.uint8][i % 2]
    trans = i % 4 >= 2
    w = codes(rng, right, b)
    arrays = [("x", codes(rng, np.uint8, a)), ("s", scale(rng)), ("z", zero(rng, np.uint8)), ("w", w.T.copy() if trans else w), ("ws", scale(rng)),
              ("wz", zero(rng, right)), ("c", rng.integers(-5000, 5000, b[1]).astype(np.int32))]
    if i % 3:
        return Model("QGemm", arrays + [("ys", f32(0.3)), ("yz", zero(rng, np.uint8))], [("y", TensorProto.UINT8)], transB=int(trans), alpha=1.0), "exact"
    return Model("QGemm", arrays, [("y", TensorProto.FLOAT)], transB=int(trans), alpha=0.5), 1e-6


def matmul_integer_to_float(rng, i):
    a, b = product_shapes(rng)
    right = [np.int8, np.uint8][i % 2]
    per_column = i % 2 == 0
    arrays = [("x", codes(rng, np.uint8, a)), ("w", codes(rng, right, b)), ("s", scale(rng)), ("ws", scale(rng, b[1]) if per_column else scale(rng)),
              ("z", zero(rng, np.uint8)), ("wz", codes(rng, right, b[1:]) if per_column else zero(rng, right)), ("b", f32(rng.normal(size=b[1])))]
    return Model("MatMulIntegerToFloat", arrays, [("y", TensorProto.FLOAT)]), 1e-6


def dynamic_quantize_matmul(rng, i):
    a, b = product_shapes(rng)
    right = [np.int8, np.uint8][i % 2]
    per_column = i % 3 == 0
    arrays = [("x", f32(rng.normal(size=a))), ("w", codes(rng, right, b)), ("ws", scale(rng, b[1]) if per_column else scale(rng)),
              ("wz", codes(rng, right, b[1:]) if per_column else zero(rng, right)), ("b", f32(rng.normal(size=b[1])))]
    return Model("DynamicQuantizeMatMul", arrays, [("y", TensorProto.FLOAT)]), 1e-6


def dynamic_quantize_linear(rng, i):
    x = f32(rng.normal(size=(3, 5)) * [1, 100, 1e-3][i % 3] + [0, 50, 0][i % 3])
    if i == 4:
        x = np.zeros((2, 3), np.float32)
    return Model("DynamicQuantizeLinear", [("x", x)], [("y", TensorProto.UINT8), ("s", TensorProto.FLOAT), ("z", TensorProto.UINT8)], domain=""), "exact"


def quantize_linear(rng, i):
    dtype = [np.uint8, np.int8, np.uint16, np.int16][i % 4]
    x = f32(rng.normal(size=(3, 4, 37)) * 3)
    how = i % 3
    s = [scale(rng), scale(rng, 4), scale(rng, 3, 4, 3)][how]
    attributes = [{}, {"axis": 1}, {"axis": 2, "block_size": 16}][how]
    z = codes(rng, dtype, s.shape)
    return Model("QuantizeLinear", [("x", x), ("s", s), ("z", z)], [("y", of(dtype))], domain="", **attributes), "exact"


def dequantize_linear(rng, i):
    dtype = [np.uint8, np.int8, np.uint16, np.int16, np.int32][i % 5]
    x = codes(rng, dtype, (3, 4, 37)) if dtype != np.int32 else rng.integers(-9999, 9999, (3, 4, 37)).astype(np.int32)
    how = i % 3
    s = [scale(rng), scale(rng, 4), scale(rng, 3, 4, 3)][how]
    attributes = [{}, {"axis": 1}, {"axis": 2, "block_size": 16}][how]
    z = codes(rng, dtype, s.shape) if dtype != np.int32 else np.zeros(s.shape, np.int32)
    return Model("DequantizeLinear", [("x", x), ("s", s), ("z", z)], [("y", TensorProto.FLOAT)], domain="", **attributes), "exact"


def matmul_nbits(rng, i):
    bits, block = [4, 8, 2][i % 3], [16, 32, 64, 128][i % 4]
    k, n, m = int(rng.integers(1, 5)) * block + [0, 5, 24][i % 3] * (i % 2), int(rng.integers(1, 20)), int(rng.integers(1, 4))
    blocks = -(-k // block)
    arrays = [("x", f32(rng.normal(size=(2, m, k)))), ("w", codes(rng, np.uint8, (n, blocks, block * bits // 8))), ("s", scale(rng, n * blocks)),
              None, None, ("b", f32(rng.normal(size=n)))]
    if i % 4 == 1:
        arrays[3] = ("z", codes(rng, np.uint8, (n, -(-blocks * bits // 8))))
    if i % 4 == 2 and bits == 4:
        arrays[3] = ("z", f32(rng.uniform(0, 15, (n, blocks))))
    if i % 3 == 0:
        arrays = arrays[:4] if arrays[3] else arrays[:3]
    return Model("MatMulNBits", arrays, [("y", TensorProto.FLOAT)], K=k, N=n, bits=bits, block_size=block), 2e-5


def gather_block_quantized(rng, i):
    import ml_dtypes
    indices = ("i", rng.integers(-5, 5, (2, 3)).astype(np.int64))
    block = 16
    if i % 3 == 0:
        bits = [4, 8][i % 2]
        data = codes(rng, np.uint8, (5, 48 * bits // 8))
        arrays = [("w", data), indices, ("s", scale(rng, 5, 3))]
        if i % 2:
            arrays.append(("z", codes(rng, np.uint8, (5, -(-3 * bits // 8)))))
        return Model("GatherBlockQuantized", arrays, [("y", TensorProto.FLOAT)], fed=("i",), bits=bits, block_size=block, quantize_axis=1, gather_axis=0), "exact"
    signed = i % 3 == 1
    data = rng.integers(-8 if signed else 0, 8 if signed else 16, (5, 40)).astype(ml_dtypes.int4 if signed else ml_dtypes.uint4)
    zeros = rng.integers(-8 if signed else 0, 8 if signed else 16, (5, 3)).astype(data.dtype)
    arrays = [("w", data), indices, ("s", scale(rng, 5, 3))] + ([("z", zeros)] if i % 2 else [])
    return Model("GatherBlockQuantized", arrays, [("y", TensorProto.FLOAT)], fed=("i",), block_size=block, quantize_axis=1, gather_axis=0), "exact"


def matmul_bnb4(rng, i):
    k, n, block = [(64, 6, 16), (32, 4, 64), (128, 3, 128), (64, 8, 32)][i % 4]
    arrays = [("x", f32(rng.normal(size=(2, k)))), ("w", codes(rng, np.uint8, (n * k // 2,))), ("s", scale(rng, n * k // block))]
    return Model("MatMulBnb4", arrays, [("y", TensorProto.FLOAT)], K=k, N=n, block_size=block, quant_type=i % 2), 1e-5


def two_operands(op):
    def make(rng, i):
        dtype = [np.uint8, np.int8][i % 2]
        shapes = [((2, 3, 5), (2, 3, 5)), ((2, 3, 5), (5,)), ((1, 3, 1), (2, 1, 5))][i % 3]
        arrays = [("x", codes(rng, dtype, shapes[0])), ("s", scale(rng)), ("z", zero(rng, dtype)), ("w", codes(rng, dtype, shapes[1])), ("ws", scale(rng)),
                  ("wz", zero(rng, dtype)), ("ys", f32(0.04)), ("yz", zero(rng, dtype))]
        return Model(op, arrays, [("y", of(dtype))], fed=("x", "w")), "code"
    return make


def one_operand(op, shape=(2, 3, 6, 5), types=(np.uint8, np.int8), ys=0.02, **attributes):
    def make(rng, i):
        dtype = types[i % len(types)]
        arrays = [("x", codes(rng, dtype, shape)), ("s", scale(rng)), ("z", zero(rng, dtype)), ("ys", f32(ys)), ("yz", zero(rng, dtype))]
        return Model(op, arrays, [("y", of(dtype))], **attributes), "code"
    return make


def softmax(rng, i):
    dtype = [np.uint8, np.int8][i % 2]
    arrays = [("x", codes(rng, dtype, (2, 3, 7))), ("s", scale(rng)), ("z", zero(rng, dtype)), ("ys", f32(1 / 256)), ("yz", np.array([0, -128][i % 2], dtype))]
    return Model("QLinearSoftmax", arrays, [("y", of(dtype))], axis=[-1, 1][i // 2 % 2], opset=[13, 12][i // 2 % 2]), "code"


def concat(rng, i):
    dtype = [np.uint8, np.int8][i % 2]
    arrays = [("ys", f32(0.03)), ("yz", zero(rng, dtype))]
    for name in ("x", "w"):
        arrays += [(name, codes(rng, dtype, (2, 3, 4))), (name + "s", scale(rng)), (name + "z", zero(rng, dtype))]
    return Model("QLinearConcat", arrays, [("y", of(dtype))], fed=("x", "w"), axis=1), "exact"


CASES = {
    "MatMulInteger": matmul_integer, "ConvInteger": conv_integer, "QLinearMatMul": qlinear_matmul, "QLinearConv": qlinear_conv, "QGemm": qgemm,
    "MatMulIntegerToFloat": matmul_integer_to_float, "DynamicQuantizeMatMul": dynamic_quantize_matmul,
    "DynamicQuantizeLinear": dynamic_quantize_linear, "QuantizeLinear": quantize_linear, "DequantizeLinear": dequantize_linear,
    "MatMulNBits": matmul_nbits, "GatherBlockQuantized": gather_block_quantized, "MatMulBnb4": matmul_bnb4,
    "QLinearAdd": two_operands("QLinearAdd"), "QLinearMul": two_operands("QLinearMul"), "QLinearConcat": concat,
    "QLinearSigmoid": one_operand("QLinearSigmoid"), "QLinearLeakyRelu": one_operand("QLinearLeakyRelu", alpha=0.2),
    "QLinearAveragePool": one_operand("QLinearAveragePool", kernel_shape=[3, 2], pads=[1, 0, 1, 1], strides=[2, 1]),
    "QLinearGlobalAveragePool": one_operand("QLinearGlobalAveragePool", types=(np.uint8,)),
    "QLinearSoftmax": softmax, "DynamicQuantizeLSTM": dynamic_lstm,
}


def problem(got, want, close):
    """What is wrong, or ""."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    difference = np.abs(got.astype(np.float64) - want.astype(np.float64))
    if close == "exact":
        return f"{np.count_nonzero(difference)} of {difference.size} differ, by {difference.max()}" if difference.any() else ""
    if close == "code":
        off = np.count_nonzero(difference)
        return f"{off} of {difference.size} differ, by {difference.max()}" if difference.size and (difference.max() > 1 or off > max(1, difference.size / 50)) else ""
    error = programs.relative_error(got, want)
    return f"relative error {error:.2e}" if error > close else ""


class QuantizedImport(unittest.TestCase):
    def check(self, name, compiled):
        for i in range(8):
            with self.subTest(case=i):
                case, close = CASES[name](np.random.default_rng(100 + i), i)
                path = case.save(f"{name}{i}")
                # With more threads ONNX Runtime gives each of them sequences of an LSTM, which then have ranges of their own.
                want = programs.ort_runner(path, threads=1)(case.feeds)
                reference = tern.Reference(path)
                self.assertEqual(reference.kept, [])
                got = list(reference.run(case.feeds).values())
                self.assertEqual([problem(*pair, close) for pair in zip(got, want)], [""] * len(want), "reference")
                if i in compiled:
                    folder = programs.compile_model(path, f"quantized/{name}{i}", "float", target="native")
                    # Sums of floats depend on their order.
                    loose = close if isinstance(close, str) else max(close, 2e-5)
                    got = programs.runner(folder)(case.feeds)
                    self.assertEqual([problem(*pair, loose) for pair in zip(got, want)], [""] * len(want), "program")


def add_tests():
    for name in CASES:
        def test(self, name=name):
            self.check(name, (0, 1, 2, 5))
        setattr(QuantizedImport, f"test_{name}", test)


add_tests()

if __name__ == "__main__":
    unittest.main()
