"""CNTK and other writers of IR version 3: every initializer is an input too, values in float_data, opset 7."""
from net import Net

import numpy as np


def cntk():
    n = Net("CNTKGraph", 7, 3, "CNTK", typed=True, inputs_too=True)
    x = n.input("Input3", [1, 1, 28, 28])
    x = n.op("Div", x, n.weight("Constant339", np.float32([255])), name="Div1", out="scaled")
    x = n.op("Conv", x, n.random("Parameter5", 8, 1, 5, 5), auto_pad="SAME_UPPER", dilations=[1, 1], group=1, kernel_shape=[5, 5],
             strides=[1, 1], name="Convolution28", out="Convolution28_Output_0")
    x = n.op("Add", x, n.random("Parameter6", 8, 1, 1, scale=0.2), name="Plus30", out="Plus30_Output_0")
    x = n.op("Relu", x, name="ReLU32", out="ReLU32_Output_0")
    x = n.op("MaxPool", x, auto_pad="NOTSET", kernel_shape=[2, 2], pads=[0, 0, 0, 0], strides=[2, 2], name="Pooling66")
    x = n.op("Conv", x, n.random("Parameter87", 16, 8, 5, 5), auto_pad="SAME_LOWER", kernel_shape=[5, 5], name="Convolution110")
    x = n.op("BatchNormalization", x, *n.norm("BN1", 16), epsilon=1e-5, name="BatchNormalization2")
    x = n.op("Relu", x, name="ReLU114")
    x = n.op("MaxPool", x, kernel_shape=[3, 3], strides=[3, 3], name="Pooling160", out="Pooling160_Output_0")
    x = n.op("Reshape", x, n.ints("Pooling160_Output_0_reshape0_shape", [1, 256]), name="Times212_reshape0")
    w = n.op("Reshape", n.random("Parameter193", 16, 4, 4, 10, scale=0.1), n.ints("Parameter193_reshape1_shape", [256, 10]),
             name="Times212_reshape1")
    x = n.op("MatMul", x, w, name="Times212", out="Times212_Output_0")
    n.op("Add", x, n.random("Parameter194", 1, 10, scale=0.2), name="Plus214", out="Plus214_Output_0")
    n.output("Plus214_Output_0", [1, 10])
    return n.model()


def models():
    return {"cntk_mnist": cntk()}
