"""Random nets on [batch, length, width]: projections, attention, norms and activations as exporters spell them, recurrent layers, movement.

Shapes are written with 0 and -1 where ONNX allows it, so that the same graph serves every batch and length."""
import numpy as np

from graphs import Graph


def linear(g, x):
    k = x.shape[-1]
    out = g.choice.choice([k, k, 8, 24, 33, 64])
    y = g.op("MatMul", [x, g.normal((k, out), k ** -.5)], (*x.shape[:-1], out))
    return g.op("Add", [y, g.normal(out, .1)], y.shape) if g.choice.random() < .7 else y


def feed_forward(g, x):
    k, hidden = x.shape[-1], g.choice.choice([16, 48, 96])
    y = g.op("MatMul", [x, g.normal((k, hidden), k ** -.5)], (*x.shape[:-1], hidden))
    y = gelu(g, g.op("Add", [g.normal(hidden, .1), y], y.shape))
    y = g.op("MatMul", [y, g.normal((hidden, k), hidden ** -.5)], x.shape)
    return g.op("Add", [y, x], x.shape)


def gated(g, x):
    k, hidden = x.shape[-1], g.choice.choice([16, 40])
    shape = (*x.shape[:-1], hidden)
    a, b = (g.op("MatMul", [x, g.normal((k, hidden), k ** -.5)], shape) for _ in range(2))
    a = g.op("Mul", [a, g.op("Sigmoid", [a], shape)], shape)
    return g.op("MatMul", [g.op("Mul", [a, b], shape), g.normal((hidden, k), hidden ** -.5)], x.shape)


def layer_norm(g, x):
    k, shape, one = x.shape[-1], x.shape, (*x.shape[:-1], 1)
    scale, bias = g.uniform(.5, 1.5, k), g.normal(k, .2)
    kind = g.choice.choice(["op", "pow", "mul", "rms"])
    if kind == "op":
        return g.op("LayerNormalization", [x, scale, bias], shape, axis=-1, epsilon=1e-5)
    centred = x if kind == "rms" else g.op("Sub", [x, g.op("ReduceMean", [x], one, axes=[-1])], shape)
    square = g.op("Mul", [centred] * 2, shape) if kind == "mul" else g.op("Pow", [centred, np.float32(2)], shape)
    root = g.op("Sqrt", [g.op("Add", [g.op("ReduceMean", [square], one, axes=[-1]), np.float32(1e-5)], one)], one)
    if kind == "rms":
        return g.op("Mul", [scale, g.op("Mul", [x, g.op("Reciprocal", [root], one)], shape)], shape)
    return g.op("Add", [g.op("Mul", [g.op("Div", [centred, root], shape), scale], shape), bias], shape)


def gelu(g, x):
    s = x.shape
    if g.choice.random() < .3:
        cube = g.op("Mul", [g.op("Pow", [x, np.float32(3)], s), np.float32(.044715)], s)
        inner = g.op("Tanh", [g.op("Mul", [g.op("Add", [x, cube], s), np.float32(.7978845608)], s)], s)
        return g.op("Mul", [g.op("Mul", [x, np.float32(.5)], s), g.op("Add", [inner, np.float32(1)], s)], s)
    y = g.op("Add", [g.op("Erf", [g.op("Div", [x, np.float32(2 ** .5)], s)], s), np.float32(1)], s)
    return g.op("Mul", [g.op("Mul", [x, y], s), np.float32(.5)], s)


def attention(g, x):
    b, t, k = x.shape
    heads, size = g.choice.choice([(1, 8), (2, 4), (3, 8), (4, 16), (2, 20)])
    width, split = heads * size, (b, heads, t, size)

    def project(perm):
        y = g.op("MatMul", [x, g.normal((k, width), k ** -.5)], (b, t, width))
        y = g.op("Reshape", [y, np.array([0, -1, heads, size])], (b, t, heads, size))
        shape = split if perm == [0, 2, 1, 3] else (b, heads, size, t)
        return g.op("Transpose", [y], shape, perm=perm)
    q, kt, v = project([0, 2, 1, 3]), project([0, 2, 3, 1]), project([0, 2, 1, 3])
    scores = (b, heads, t, t)
    if g.choice.random() < .5:
        q, factor = g.op("Mul", [q, np.float32(size ** -.5)], split), None
    else:
        factor = np.float32(size ** .5)
    s = g.op("MatMul", [q, kt], scores)
    s = g.op("Div", [s, factor], scores) if factor is not None else s
    if g.choice.random() < .4:
        s = g.op("Add", [s, keep_mask(g, x, t)], scores)
    p = g.op("Softmax", [s], scores, axis=-1)
    y = g.op("Transpose", [g.op("MatMul", [p, v], split)], (b, t, heads, size), perm=[0, 2, 1, 3])
    return g.op("Reshape", [y, np.array([0, 0, width])], (b, t, width))


def keep_mask(g, x, t):
    """[b, 1, 1, t]: 0 or -10000, from the values themselves."""
    b = x.shape[0]
    mean = g.op("ReduceMean", [x], (b, t), axes=[-1], keepdims=0)
    keep = g.op("Cast", [g.op("Less", [mean, np.float32(.6)], (b, t))], (b, t), to=1)
    mask = g.op("Mul", [g.op("Sub", [np.float32(1), keep], (b, t)), np.float32(-10000)], (b, t))
    return g.op("Unsqueeze", [mask, np.array([1, 2])], (b, 1, 1, t))


def recurrent(g, x):
    r, (b, t, k) = g.choice, x.shape
    kind, hidden, direction = r.choice(["LSTM", "GRU", "RNN"]), r.choice([5, 8, 16]), r.choice(["forward", "reverse", "bidirectional"])
    n, gates = (2 if direction == "bidirectional" else 1), {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    more = {"linear_before_reset": r.choice([0, 1])} if kind == "GRU" else {}
    seq = g.op("Transpose", [x], (t, b, k), perm=[1, 0, 2])
    y = g.op(kind, [seq, g.normal((n, gates * hidden, k), k ** -.5), g.normal((n, gates * hidden, hidden), hidden ** -.5),
                    g.normal((n, 2 * gates * hidden), .1)], (t, n, b, hidden), hidden_size=hidden, direction=direction, **more)
    y = g.op("Transpose", [y], (b, t, n, hidden), perm=[2, 0, 1, 3])
    return g.op("Reshape", [y, np.array([0, 0, -1])], (b, t, n * hidden))


def conv1d(g, x):
    b, t, k = x.shape
    kernel, out = g.choice.choice([1, 3, 5]), g.choice.choice([4, 16, 19])
    y = g.op("Conv", [g.op("Transpose", [x], (b, k, t), perm=[0, 2, 1]), g.normal((out, k, kernel), (k * kernel) ** -.5), g.normal(out, .1)],
             (b, out, t), kernel_shape=[kernel], pads=[kernel // 2] * 2)
    return g.op("Transpose", [y], (b, t, out), perm=[0, 2, 1])


def activation(g, x):
    kind = g.choice.choice(["Relu", "Tanh", "Sigmoid", "Elu", "Softplus", "Neg", "Abs", "gelu", "LeakyRelu", "Sin", "Clip"])
    if kind == "gelu":
        return gelu(g, x)
    return g.op(kind, [x, np.float32(-1), np.float32(.7)] if kind == "Clip" else [x], x.shape)


def softmax(g, x):
    return g.op(g.choice.choice(["Softmax", "LogSoftmax"]), [x], x.shape, axis=g.choice.choice([-1, -1, 1]))


def two_values(g, x):
    other = g.other(x.shape)
    return other and g.op(g.choice.choice(["Add", "Mul", "Sub", "Max", "Min"]), [x, other], x.shape)


def with_constant(g, x):
    shape = g.choice.choice([(x.shape[-1],), (1, 1, x.shape[-1]), (), (1,)])
    return g.op(g.choice.choice(["Add", "Sub", "Mul", "Div"]), [x, g.uniform(.5, 1.5, shape)], x.shape)


def with_reduction(g, x):
    axis = g.choice.choice([1, 2])
    shape = tuple(1 if i == axis else d for i, d in enumerate(x.shape))
    y = g.op(g.choice.choice(["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL2"]), [x], shape, axes=[axis])
    return g.op(g.choice.choice(["Sub", "Add", "Mul"]), [x, y], x.shape)


def choose(g, x):
    other = g.other(x.shape)
    return other and g.op("Where", [g.op("Greater", [x, np.float32(.1)], x.shape), x, other], x.shape)


def concat(g, x):
    other = g.other(x.shape, axis=2)
    return other and g.op("Concat", [x, other], (*x.shape[:2], x.shape[2] + other.shape[2]), axis=-1)


def halves(g, x):
    """Rotates the halves of the last axis, as rotary embeddings do."""
    k = x.shape[-1]
    if k % 2:
        return None
    half = (*x.shape[:2], k // 2)
    a = g.op("Slice", [x, np.array([0]), np.array([k // 2]), np.array([-1])], half)
    b = g.op("Slice", [x, np.array([k // 2]), np.array([2 ** 62]), np.array([-1])], half)
    return g.op("Concat", [g.op("Neg", [b], half), a], x.shape, axis=-1)


def first_step(g, x):
    """Every step sees the first one: Slice, then broadcast."""
    y = g.op("Slice", [x, np.array([0]), np.array([1]), np.array([1])], (x.shape[0], 1, x.shape[2]))
    return g.op("Sub", [x, y], x.shape)


STEPS = [linear, linear, feed_forward, gated, layer_norm, layer_norm, attention, attention, recurrent, conv1d, activation, activation, softmax,
         two_values, with_constant, with_reduction, choose, concat, halves, first_step]


def head(g, x):
    b, _, k = x.shape
    kind = g.choice.choice(["mean", "last", "all"])
    if kind == "mean":
        return g.op("ReduceMean", [x], (b, k), axes=[1], keepdims=0)
    if kind == "last":
        return g.op("Gather", [x, np.array(-1)], (b, k), axis=1)
    return x


def build(seed, dynamic=""):
    """(model, feeds, feeds of other sizes); dynamic: batch and length are open, whatever it says."""
    def make(sizes):
        g = Graph(seed)
        r = g.choice
        b, t = r.choice([1, 1, 2, 3]), r.choice([1, 5, 16, 19])
        b, t = sizes or (b, t)
        if r.random() < .4:
            ids = g.input("ids", (b, t), ["b", "t"] if dynamic else None, 0, 40)
            k = r.choice([8, 16, 24])
            x = g.op("Gather", [g.normal((40, k)), ids], (b, t, k))
        else:
            k = r.choice([8, 12, 16, 17, 32])
            x = g.input("x", (b, t, k), ["b", "t", k] if dynamic else None)
        x = g.grow(x, STEPS, r.randint(2, 7))
        return g, head(g, x)
    g, x = make((1, 7) if dynamic else None)
    return g.model([x]), g.feeds, [make((3, 12))[0].feeds] if dynamic else []
