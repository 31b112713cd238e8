"""Random convolutional nets: odd channels, odd kernels, asymmetric pads, gates, concatenations, a classifier at the end."""
import numpy as np

from graphs import Graph


def conv(g, x):
    r, (n, c, h, w) = g.choice, x.shape
    kind = r.choice(["dense", "dense", "depthwise", "grouped"])
    kh = r.choice([1, 1, 3, 3, 5, 2])
    kw, stride, dilation = r.choice([kh, kh, kh, 1, 3]), r.choice([1, 1, 2]), r.choice([1, 1, 1, 2])
    pads = [r.randint(0, 2) for _ in range(4)] if r.random() < .5 else [(kh - 1) * dilation // 2] * 4
    if kind == "depthwise":
        groups, out = c, c * r.choice([1, 1, 1, 2])
    elif kind == "grouped":
        groups = r.choice([q for q in range(1, c + 1) if c % q == 0])
        out = groups * r.choice([1, 2, 3, 5])
    else:
        groups, out = 1, r.choice([1, 3, 4, 8, 16, 17, 24, 33, 40])
    top, left, bottom, right = pads
    oh = (h + top + bottom - (kh - 1) * dilation - 1) // stride + 1
    ow = (w + left + right - (kw - 1) * dilation - 1) // stride + 1
    if oh < 1 or ow < 1:
        return None
    operands = [x, g.normal((out, c // groups, kh, kw), (c // groups * kh * kw) ** -.5)]
    if r.random() < .7:
        operands.append(g.normal(out, .2))
    return g.op("Conv", operands, (n, out, oh, ow), kernel_shape=[kh, kw], strides=[stride] * 2, dilations=[dilation] * 2, pads=pads,
                group=groups)


def same(g, x):
    r, (n, c, h, w) = g.choice, x.shape
    k, stride, out = r.choice([1, 2, 3, 4, 5]), r.choice([1, 2, 3]), r.choice([1, 4, 17])
    shape = (-(-h // stride), -(-w // stride))
    more = dict(kernel_shape=[k, k], strides=[stride] * 2, auto_pad=r.choice(["SAME_UPPER", "SAME_LOWER"]))
    kind = r.choice(["Conv", "MaxPool", "AveragePool"])
    if kind == "Conv":
        return g.op(kind, [x, g.normal((out, c, k, k), (c * k * k) ** -.5)], (n, out, *shape), **more)
    return g.op(kind, [x], (n, c, *shape), **more)


def conv_transpose(g, x):
    r, (n, c, h, w) = g.choice, x.shape
    k, stride, out = r.choice([2, 3, 4]), r.choice([1, 2, 3]), r.choice([1, 3, 8, 17])
    pad, more = r.randint(0, k - 1), r.choice([0, 0, 1]) if stride > 1 else 0
    oh, ow = ((d - 1) * stride - 2 * pad + k + more for d in (h, w))
    if oh < 1 or ow < 1 or oh * ow > 2500:
        return None
    operands = [x, g.normal((c, out, k, k), (c * k * k) ** -.5)] + ([g.normal(out)] if r.random() < .5 else [])
    return g.op("ConvTranspose", operands, (n, out, oh, ow), kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4,
                output_padding=[more] * 2)


def activation(g, x):
    kind = g.choice.choice(["Relu", "LeakyRelu", "HardSwish", "Sigmoid", "Tanh", "HardSigmoid", "Exp", "Clip", "PRelu", "spelled"])
    if kind == "Clip":
        return g.op("Clip", [x, np.float32(-.5), np.float32(1.5)], x.shape)
    if kind == "PRelu":
        return g.op("PRelu", [x, g.uniform(0, .5, (x.shape[1], 1, 1))], x.shape)
    if kind == "spelled":
        return g.op("Mul", [x, g.op("HardSigmoid", [x], x.shape, alpha=1 / 6, beta=.5)], x.shape)
    return g.op(kind, [x], x.shape)


def batch_norm(g, x):
    return g.op("BatchNormalization", [x, *(g.uniform(.5, 1.5, x.shape[1]) for _ in range(4))], x.shape)


def pool(g, x):
    r, (n, c, h, w) = g.choice, x.shape
    k, stride, ceil = r.choice([2, 3]), r.choice([1, 2]), r.choice([0, 0, 1])
    pad = r.choice([0, 1]) if k == 3 else 0

    def size(d):
        o = -(-(d + 2 * pad - k) // stride) + 1 if ceil else (d + 2 * pad - k) // stride + 1
        return o - 1 if ceil and (o - 1) * stride >= d + pad else o
    if min(h, w) + 2 * pad < k:
        return None
    kind = r.choice(["MaxPool", "AveragePool"])
    more = {"count_include_pad": r.choice([0, 1]) if not ceil else 0} if kind == "AveragePool" else {}
    return g.op(kind, [x], (n, c, size(h), size(w)), kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, ceil_mode=ceil, **more)


def two_values(g, x):
    other = g.other(x.shape)
    return other and g.op(g.choice.choice(["Add", "Mul", "Sub", "Max"]), [x, other], x.shape)


def with_constant(g, x):
    n, c, h, w = x.shape
    shapes = [(1, c, 1, 1), (1,), (h, w), (1, 1, h, w), (w,), (c, h, w)]
    shape = g.choice.choice(shapes[:2] if g.open else shapes)
    return g.op(g.choice.choice(["Add", "Sub", "Mul", "Div"]), [x, g.uniform(.5, 1.5, shape)], x.shape)


def squeeze_excite(g, x):
    n, c, _, _ = x.shape
    hidden, gate = max(1, c // 4), (n, c, 1, 1)
    y = g.op("GlobalAveragePool", [x], gate)
    y = g.op("Relu", [g.op("Conv", [y, g.normal((hidden, c, 1, 1))], (n, hidden, 1, 1))], (n, hidden, 1, 1))
    y = g.op("Sigmoid", [g.op("Conv", [y, g.normal((c, hidden, 1, 1))], gate)], gate)
    return g.op("Mul", [x, y], x.shape)


def spatial_gate(g, x):
    n, c, h, w = x.shape
    mask = (n, 1, h, w)
    return g.op("Mul", [x, g.op("Sigmoid", [g.op("Conv", [x, g.normal((1, c, 1, 1))], mask)], mask)], x.shape)


def concat(g, x):
    other = g.other(x.shape, axis=1)
    return other and g.op("Concat", [x, other], (x.shape[0], x.shape[1] + other.shape[1], *x.shape[2:]), axis=1)


def resize(g, x):
    r, (n, c, h, w) = g.choice, x.shape
    if h * w > 600:
        return None
    scale, mode = r.choice([2., 1.5, .5]), r.choice(["nearest", "linear"])
    more = {"nearest_mode": r.choice(["floor", "round_prefer_floor", "ceil"])} if mode == "nearest" else {}
    coordinates = r.choice(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    if g.open and r.random() < .4:                       # to the size of an earlier value
        other = r.choice(g.values) if g.values else None
        if other is None or other.shape[2] * other.shape[3] > 2500:
            return None
        size = g.op("Slice", [g.op("Shape", [other], (4,)), np.array([2]), np.array([4])], (2,))
        size = g.op("Concat", [np.array([n, c])[1:], size], (3,), axis=0)
        size = g.op("Concat", [g.op("Slice", [g.op("Shape", [x], (4,)), np.array([0]), np.array([1])], (1,)), size], (4,), axis=0)
        return g.op("Resize", [x, None, None, size], (n, c, *other.shape[2:]), mode=mode, coordinate_transformation_mode=coordinates, **more)
    return g.op("Resize", [x, None, np.array([1, 1, scale, scale], np.float32)], (n, c, int(h * scale), int(w * scale)), mode=mode,
                coordinate_transformation_mode=coordinates, **more)


def pad(g, x):
    n, c, h, w = x.shape
    return g.op("Pad", [x, np.array([0, 0, 1, 2, 0, 0, 0, 1]), np.float32(g.choice.choice([0., .3]))], (n, c, h + 1, w + 3))


def crop(g, x):
    n, c, h, w = x.shape
    return None if h < 3 or c < 2 else g.op("Slice", [x, np.array([1, 0]), np.array([2 ** 31 - 1, c - 1]), np.array([2, 1])], (n, c - 1, h - 1, w))


def transpose(g, x):
    n, c, h, w = x.shape
    return g.op("Transpose", [x], (n, c, w, h), perm=[0, 1, 3, 2])


def softmax(g, x):
    return g.op("Softmax", [x], x.shape, axis=g.choice.choice([1, 3]))


STEPS = [conv, conv, conv, conv, conv_transpose, activation, activation, batch_norm, pool, two_values, with_constant, squeeze_excite,
         spatial_gate, concat, resize, pad, crop, transpose, softmax]


def classifier(g, x):
    if g.choice.random() < .5 or g.open:
        x = g.op("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))
    k = int(np.prod(x.shape[1:]))
    x = g.op("Flatten", [x], (x.shape[0], k), axis=1)
    if k > 6000:
        return x
    out = g.choice.choice([1, 5, 10, 16, 33])
    x = g.op("Gemm", [x, g.normal((out, k), k ** -.5), g.normal(out)], (x.shape[0], out), transB=1)
    return g.op("Softmax", [x], x.shape, axis=1) if g.choice.random() < .5 else x


def build(seed, dynamic=""):
    """(model, feeds, feeds of other sizes); dynamic: "batch" or "sizes" (height and width, too) are open."""
    sizes = dynamic == "sizes"
    g = Graph(seed)
    g.open = sizes
    r = g.choice
    c, h, w = r.choice([1, 2, 3, 4, 5, 7, 8, 13, 16]), r.choice([5, 8, 9, 12, 16, 23]), r.choice([4, 7, 8, 15, 17, 20])
    n = r.choice([1, 1, 1, 2])
    x = g.input("x", (1 if dynamic else n, c, h, w), ["n", c, "h" if sizes else h, "w" if sizes else w] if dynamic else None)
    x = g.grow(x, STEPS + [same] if sizes else STEPS, r.randint(2, 8))
    if r.random() < .6:
        x = classifier(g, x)
    others = []
    if dynamic:
        others.append((3, h, w))
    if sizes:
        others += [(1, 1, 1), (1, h, 1), (2, h + 1, w + 5), (1, h + 7, w + 2), (1, 2 * h, 3 * w + 1), (1, 3, 67)]
    return g.model([x]), g.feeds, [{"x": g.normal((n, c, h, w))} for n, h, w in others]
