"""keras2onnx and early PyTorch: attribute forms of opset 7 to 10, Dropout and Identity left in, shapes computed from Shape."""
from net import Net

import numpy as np


def keras():
    n = Net("keras", 9, 4, "keras2onnx")
    x = n.input("input_1", ["N", 28, 28, 1])
    x = n.op("Transpose", x, perm=[0, 3, 1, 2], out="adjusted_input1", name="Transpose6")
    x = n.op("Conv", x, n.random("conv2d/kernel:0", 12, 1, 5, 5), n.random("conv2d/bias:0", 12, scale=0.1), auto_pad="VALID",
             dilations=[1, 1], group=1, kernel_shape=[5, 5], strides=[1, 1], name="conv2d", out="convolution_output1")
    x = n.op("LeakyRelu", x, alpha=0.3, name="leaky_re_lu")
    x = n.op("BatchNormalization", x, *n.norm("bn", 12), epsilon=1e-3, momentum=0.99, name="batch_normalization")
    x = n.op("Pad", x, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=0.0, name="zero_padding2d")
    x = n.op("AveragePool", x, auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2], name="average_pooling2d")
    x = n.op("PRelu", x, n.random("p_re_lu/alpha:0", 12, 1, 1, scale=0.25), name="p_re_lu")
    x = n.op("Dropout", x, ratio=0.25, name="dropout")
    x = n.op("Transpose", x, perm=[0, 2, 3, 1], name="Transpose1")
    x = n.op("Reshape", x, n.ints("flatten/shape", [-1, 13 * 13 * 12]), name="flatten")
    x = n.op("MatMul", x, n.random("dense/kernel:0", 13 * 13 * 12, 10, scale=0.03), name="dense")
    x = n.op("Add", x, n.random("dense/bias:0", 10, scale=0.1), name="Add")
    x = n.op("Softmax", x, axis=-1, name="Softmax")
    n.op("Identity", x, out="dense", name="Identity1")
    n.output("dense", ["N", 10])
    return n.model()


def pytorch():
    """torch.onnx around version 1.0: x.view(x.size(0), -1), numbers as names, no node names."""
    n = Net("torch-jit-export", 9, 4, "pytorch")
    x = n.input("0", ["batch", 3, 24, 24])
    x = n.op("Conv", x, n.random("conv.weight", 8, 3, 3, 3), n.random("conv.bias", 8, scale=0.1), dilations=[1, 1], group=1,
             kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2], out="11")
    x = n.op("Clip", x, max=6.0, min=0.0, out="12")
    a, b = n.op("Split", x, axis=1, split=[4, 4], out=["13", "14"])
    b = n.op("HardSigmoid", b, alpha=0.2, beta=0.5, out="15")
    x = n.op("Mul", a, b, out="16")
    s = n.op("Slice", x, axes=[2, 3], starts=[1, 1], ends=[9223372036854775807, -1], out="17")
    x = n.op("MaxPool", s, kernel_shape=[2, 2], pads=[0, 0, 0, 0], strides=[2, 2], out="18")
    size = n.op("Gather", n.op("Shape", x, out="19"), n.constant(np.int64(0), "20"), axis=0, out="21")
    shape = n.op("Concat", n.op("Unsqueeze", size, axes=[0], out="22"), n.constant(np.int64([-1]), "23"), axis=0, out="24")
    x = n.op("Reshape", x, shape, out="25")
    x = n.op("Gemm", x, n.random("fc.weight", 7, 100, scale=0.1), n.random("fc.bias", 7, scale=0.1), alpha=1.0, beta=1.0, transB=1,
             out="26")
    m = n.op("ReduceMean", x, axes=[1], keepdims=1, out="27")
    d = n.op("Sub", x, m, out="28")
    v = n.op("ReduceMean", n.op("Pow", d, n.constant(np.float32(2), "29"), out="30"), axes=[1], keepdims=1, out="31")
    n.op("Div", d, n.op("Sqrt", n.op("Add", v, n.constant(np.float32(1e-5), "32"), out="33"), out="34"), out="35")
    n.output("35", ["batch", 7])
    return n.model()


def models():
    return {"keras_cnn": keras(), "pytorch_old": pytorch()}
