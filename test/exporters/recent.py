"""Recent exporters: opset 18 to 21 forms (axes as inputs, Split num_outputs, Pad axes), and a QDQ model as ONNX Runtime's tool writes it."""
from net import Net
from onnx import TensorProto

import numpy as np


def newest():
    n = Net("main_graph", 21, 10, "pytorch")
    x = n.input("x", [2, 8, 16, 16])
    x = n.op("Pad", x, n.ints("pads", [1, 2, 0, 1]), n.weight("zero", np.float32(0)), n.ints("pad_axes", [2, 3]), mode="reflect")
    x = n.op("Conv", x, n.random("conv.weight", 12, 4, 3, 3), n.random("conv.bias", 12, scale=0.1), group=2, name="/conv/Conv")
    a, b, c = n.op("Split", x, axis=1, num_outputs=3, outputs=3, name="/Split")
    x = n.op("Max", n.op("Min", a, b), c, n.weight("floor", np.float32(-0.5)), name="/Max")
    x = n.op("Where", n.op("Equal", n.op("Cast", x, to=TensorProto.INT32), n.weight("one", np.int32(1))), n.op("Tanh", x), x, name="/Where")
    x = n.op("HardSwish", x, name="/act/HardSwish")
    m = n.op("ReduceMax", x, n.ints("hw", [-1, -2]), keepdims=1, name="/ReduceMax")
    s = n.op("ReduceSum", n.op("Exp", n.op("Sub", x, m)), n.ints("hw2", [2, 3]), keepdims=0, name="/ReduceSum")
    s = n.op("Unsqueeze", s, n.ints("one_axis", [1]), name="/Unsqueeze")
    e = n.op("Expand", s, n.ints("wide", [2, 3, 4]), name="/Expand")
    g = n.op("Gather", e, n.weight("indices", np.int64([2, -3, 1])), axis=1, name="/Gather")
    y = n.op("Flatten", g, axis=1, name="/Flatten")
    y = n.op("Softmax", n.op("Gemm", y, n.random("fc.weight", 6, 12), alpha=0.5, transB=1, name="/fc/Gemm"), name="/Softmax")
    n.op("Squeeze", n.op("Reshape", y, n.ints("to", [0, 1, -1]), allowzero=0), n.ints("axis1", [1]), out="y", name="/Squeeze")
    n.output("y", [2, 6])
    return n.model()


def qdq():
    """Static QDQ: uint8 activations, int8 weights per channel, int32 bias, as quantize_static writes them."""
    n = Net("qdq", 13, 8, "onnx.quantize")
    x = n.input("x", [1, 8, 12, 12])

    def q(x, scale, zero, name):
        s, z = n.weight(f"{name}_scale", np.float32(scale)), n.weight(f"{name}_zero_point", np.uint8(zero))
        return n.op("DequantizeLinear", n.op("QuantizeLinear", x, s, z, name=f"{name}_QuantizeLinear"), s, z, name=f"{name}_DequantizeLinear")

    def conv(x, name, cout, cin, k, sx, **attributes):
        rng = np.random.default_rng(cout)
        w = rng.integers(-127, 128, (cout, cin, k, k)).astype(np.int8)
        scale = rng.uniform(0.5, 1.5, cout).astype(np.float32) / np.float32(70 * np.sqrt(cin * k * k))
        ws, wz = n.weight(f"{name}.weight_scale", scale), n.weight(f"{name}.weight_zero_point", np.zeros(cout, np.int8))
        wd = n.op("DequantizeLinear", n.weight(f"{name}.weight_quantized", w), ws, wz, axis=0, name=f"{name}.weight_DequantizeLinear")
        bs = n.weight(f"{name}.bias_quantized_scale", (scale * np.float32(sx)).astype(np.float32))
        bz = n.weight(f"{name}.bias_quantized_zero_point", np.zeros(cout, np.int32))
        b = n.weight(f"{name}.bias_quantized", rng.integers(-3000, 3000, cout).astype(np.int32))
        bd = n.op("DequantizeLinear", b, bs, bz, axis=0, name=f"{name}.bias_DequantizeLinear")
        return n.op("Conv", x, wd, bd, name=name, kernel_shape=[k, k], **attributes)

    x = q(x, 6 / 255, 128, "x")
    y = q(n.op("Relu", conv(x, "conv1", 16, 8, 3, 6 / 255, pads=[1] * 4)), 4 / 255, 0, "r1")
    z = q(n.op("Clip", conv(y, "conv2", 16, 1, 3, 4 / 255, group=16, pads=[1] * 4), n.weight("lo", np.float32(0)), n.weight("hi", np.float32(6))),
          6 / 255, 0, "r2")
    z = q(conv(z, "conv3", 16, 16, 1, 6 / 255), 5 / 255, 120, "c3")
    s = q(n.op("Add", z, y, name="add"), 8 / 255, 90, "add")
    s = n.op("MaxPool", s, kernel_shape=[2, 2], strides=[2, 2])
    n.op("Flatten", q(n.op("GlobalAveragePool", s), 6 / 255, 100, "gap"), out="y")
    n.output("y", [1, 16])
    return n.model()


def models():
    return {"newest_opset": newest(), "onnxruntime_qdq": qdq()}
