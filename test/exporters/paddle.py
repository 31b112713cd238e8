"""Paddle2ONNX: weights in Constant nodes, hard-swish and hard-sigmoid spelled out, biases as Reshape of a constant, negative dims."""
from net import Net

import numpy as np


def paddle():
    n = Net("Model from PaddlePaddle.", 11, 7, "PaddlePaddle")
    x = n.input("x", [-1, 3, 32, 32])

    def conv(x, name, cout, cin, k, **attributes):
        w = np.random.default_rng(k * cout + cin).normal(0, 1 / np.sqrt(cin * k * k), (cout, cin, k, k)).astype(np.float32)
        return n.op("Conv", x, n.constant(w, f"{name}.w_0"), dilations=[1, 1], kernel_shape=[k, k], out=f"{name}.tmp_0",
                    **{"group": 1, "pads": [k // 2] * 4, "strides": [1, 1], **attributes})

    def hard_swish(x):
        t = n.op("Add", x, n.constant(np.float32([3])))
        t = n.op("Clip", t, n.constant(np.float32(0)), n.constant(np.float32(6)))
        return n.op("Div", n.op("Mul", x, t), n.constant(np.float32([6])))

    x = hard_swish(n.op("BatchNormalization", conv(x, "conv1", 16, 3, 3, strides=[2, 2]), *n.norm("bn1", 16), epsilon=1e-5, momentum=0.9))
    y = hard_swish(conv(x, "dw", 16, 1, 5, group=16))
    # squeeze and excite: bias of a 1x1 convolution as Reshape of a constant vector
    s = n.op("GlobalAveragePool", y)
    for i, (cin, cout) in enumerate(((16, 4), (4, 16))):
        b = n.constant(np.linspace(-0.2, 0.3, cout, dtype=np.float32), f"se{i}.b_0")
        b = n.op("Reshape", b, n.constant(np.int64([1, -1, 1, 1])))
        s = n.op("Add", conv(s, f"se{i}", cout, cin, 1), b)
        s = n.op("Relu", s) if i == 0 else n.op("HardSigmoid", s, alpha=0.2, beta=0.5)
    y = n.op("Mul", y, s)
    y = n.op("Add", conv(y, "pw", 16, 16, 1), x)
    y = n.op("AveragePool", y, kernel_shape=[3, 2], strides=[3, 2], count_include_pad=1, pads=[1, 0, 1, 0])
    shape = n.op("Slice", n.op("Cast", n.op("Shape", y), to=6), n.constant(np.int32([0])), n.constant(np.int32([1])), n.constant(np.int32([0])))
    shape = n.op("Cast", n.op("Concat", shape, n.constant(np.int32([-1])), axis=0), to=7)
    y = n.op("Reshape", y, shape)
    y = n.op("MatMul", y, n.constant(np.random.default_rng(9).normal(0, 0.03, (16 * 6 * 8, 5)).astype(np.float32), "fc.w_0"))
    y = n.op("Add", y, n.constant(np.float32([0.1, 0.2, 0, -0.1, 0.3]), "fc.b_0"))
    n.op("Identity", n.op("Softmax", y, axis=1), out="save_infer_model/scale_0.tmp_1")
    n.output("save_infer_model/scale_0.tmp_1", [-1, 5])
    return n.model()


def models():
    return {"paddle_mobile": paddle()}
