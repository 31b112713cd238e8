"""tf2onnx: NHWC at the border, names with slashes and ':0', asymmetric SAME padding, Squeeze after pooling, opset 9 to 13."""
from net import Net

import numpy as np


def cnn():
    n = Net("tf2onnx", 11, 6, "tf2onnx")
    x = n.input("serving_default_input_1:0", ["unk__42", 32, 32, 3])
    x = n.op("Transpose", x, perm=[0, 3, 1, 2], out="model/conv1/Conv2D__6:0", name="model/conv1/Conv2D__6")
    x = n.op("Conv", x, n.random("model/conv1/Conv2D/ReadVariableOp:0", 16, 3, 3, 3), name="model/conv1/Conv2D",
             dilations=[1, 1], group=1, kernel_shape=[3, 3], pads=[0, 0, 1, 1], strides=[2, 2])
    x = n.op("BatchNormalization", x, *n.norm("model/bn1", 16), epsilon=1e-3, name="model/bn1/FusedBatchNormV3")
    x = n.op("Clip", x, n.weight("const_min__12", np.float32(0)), n.weight("const_max__13", np.float32(6)), name="model/relu6")
    # depthwise: the weight arrives as [h, w, c, 1] and is brought into shape at run time
    w = n.random("model/dw/depthwise_kernel:0", 3, 3, 16, 1, scale=0.3)
    w = n.op("Reshape", n.op("Transpose", w, perm=[3, 2, 0, 1]), n.ints("shape__20", [16, 1, 3, 3]), name="model/dw/Reshape__21")
    y = n.op("Conv", x, w, n.random("model/dw/bias", 16, scale=0.1), name="model/dw/depthwise", group=16, kernel_shape=[3, 3],
             pads=[1, 1, 1, 1], strides=[1, 1])
    y = n.op("Mul", y, n.op("Sigmoid", y, name="model/swish/Sigmoid"), name="model/swish/mul")
    y = n.op("Conv", y, n.random("model/pw/kernel", 16, 16, 1, 1), auto_pad="VALID", name="model/pw/Conv2D")
    y = n.op("Add", y, x, name="model/add/add")
    y = n.op("Pad", y, n.ints("pads__30", [0, 0, 1, 1, 0, 0, 1, 1]), name="model/zero_pad/Pad")
    y = n.op("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], name="model/pool/MaxPool")
    y = n.op("GlobalAveragePool", y, name="model/gap/Mean")
    y = n.op("Squeeze", y, axes=[2, 3], name="model/gap/Mean_Squeeze__40")
    y = n.op("MatMul", y, n.random("model/dense/MatMul/ReadVariableOp:0", 16, 10), name="model/dense/MatMul")
    y = n.op("Add", y, n.random("model/dense/BiasAdd", 10, scale=0.1), name="model/dense/BiasAdd")
    n.op("Softmax", y, axis=1, out="Identity:0", name="Softmax__50")
    n.output("Identity:0", ["unk__43", 10])
    return n.model()


def unet():
    """Upsampling by Resize, a transposed convolution, Concat of skip connections; output back in NHWC."""
    n = Net("tf2onnx_unet", 13, 7, "tf2onnx")
    x = n.input("input_1", ["unk__1", 16, 16, 4])
    x = n.op("Transpose", x, perm=[0, 3, 1, 2], name="unet/c1__4")
    a = n.op("Relu", n.op("Conv", x, n.random("unet/c1/w", 8, 4, 3, 3), auto_pad="SAME_UPPER", name="unet/c1"), name="unet/r1")
    b = n.op("AveragePool", a, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER", name="unet/p1")
    b = n.op("Relu", n.op("Conv", b, n.random("unet/c2/w", 16, 8, 3, 3), pads=[2, 2, 2, 2], dilations=[2, 2], name="unet/c2"))
    up = n.op("Resize", b, "", n.weight("scales__9", np.float32([1, 1, 2, 2])), mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric", name="unet/up1/resize")
    tr = n.op("ConvTranspose", b, n.random("unet/t1/w", 16, 8, 3, 3, scale=0.1), strides=[2, 2], pads=[0, 0, 1, 1], name="unet/t1",
              output_padding=[0, 0], kernel_shape=[3, 3])
    li = n.op("Resize", b, "", "", n.ints("sizes__11", [1, 16, 16, 16]), mode="linear", name="unet/up2/resize",
              coordinate_transformation_mode="half_pixel")
    y = n.op("Concat", a, up, tr, li, axis=1, name="unet/concat")
    y = n.op("Conv", y, n.random("unet/c3/w", 3, 48, 1, 1), n.random("unet/c3/b", 3, scale=0.1), name="unet/c3")
    n.op("Transpose", n.op("Sigmoid", y, name="unet/prob"), perm=[0, 2, 3, 1], out="Identity", name="Identity__60")
    n.output("Identity", ["unk__2", 16, 16, 3])
    return n.model()


def models():
    return {"tf2onnx_cnn": cnn(), "tf2onnx_unet": unet()}
