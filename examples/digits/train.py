#!/usr/bin/env python3
"""Trains the digits network with numpy alone and writes digits.onnx, test.npz, test_labels.npy and calibration.npz.

    train.py [--epochs 60]

Data: scikit-learn's 1,797 handwritten digits, 8x8 grey levels 0 to 16, divided by 16; 540 are the test split, 64 of the
others are the calibration split. Network: three convolutions, a residual block, batch norms, max pooling, 10 classes.
Seeds are fixed; another BLAS may round differently and give other last bits. 20 seconds on one core.
Needs numpy, onnx and scikit-learn==1.9.1.
"""
import argparse
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
MOMENTUM, EPSILON = 0.9, 1e-5


class Conv:
    """3x3 convolution, padding 1, without bias: a batch norm follows."""

    def __init__(self, rng, cin, cout):
        self.w = rng.normal(0, np.sqrt(2 / (9 * cin)), (cout, cin, 3, 3)).astype(np.float32)

    def forward(self, x, train):
        n, c, h, w = x.shape
        p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(p, (3, 3), (2, 3))
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * h * w, c * 9)
        self.shape = x.shape
        return (self.columns @ self.w.reshape(len(self.w), -1).T).reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, g):
        n, c, h, w = self.shape
        g = g.transpose(0, 2, 3, 1).reshape(n * h * w, -1)
        self.grads = [("w", (g.T @ self.columns).reshape(self.w.shape))]
        patches = (g @ self.w.reshape(len(self.w), -1)).reshape(n, h, w, c, 3, 3)
        p = np.zeros((n, c, h + 2, w + 2), np.float32)
        for i in range(3):
            for j in range(3):
                p[:, :, i:i + h, j:j + w] += patches[..., i, j].transpose(0, 3, 1, 2)
        return p[:, :, 1:-1, 1:-1]


class BatchNorm:
    def __init__(self, channels):
        self.scale, self.bias = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        self.mean, self.var = np.zeros(channels, np.float32), np.ones(channels, np.float32)

    def forward(self, x, train):
        if train:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean += (1 - MOMENTUM) * (mean - self.mean)
            self.var += (1 - MOMENTUM) * (var - self.var)
        else:
            mean, var = self.mean, self.var
        self.inverse = 1 / np.sqrt(var + EPSILON)
        self.x = (x - mean[:, None, None]) * self.inverse[:, None, None]
        return self.x * self.scale[:, None, None] + self.bias[:, None, None]

    def backward(self, g):
        self.grads = [("scale", (g * self.x).sum((0, 2, 3))), ("bias", g.sum((0, 2, 3)))]
        g = g * self.scale[:, None, None]
        centred = g - g.mean((0, 2, 3), keepdims=True) - self.x * (g * self.x).mean((0, 2, 3), keepdims=True)
        return centred * self.inverse[:, None, None]


class Relu:
    def forward(self, x, train):
        self.on = x > 0
        return x * self.on

    def backward(self, g):
        return g * self.on


class MaxPool:
    """2x2, stride 2."""

    def forward(self, x, train):
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // 2, 2, w // 2, 2)
        y = blocks.max((3, 5), keepdims=True)
        self.hit = (blocks == y) / (blocks == y).sum((3, 5), keepdims=True)
        return y[:, :, :, 0, :, 0]

    def backward(self, g):
        n, c, h, w = g.shape
        return (self.hit * g[:, :, :, None, :, None]).reshape(n, c, 2 * h, 2 * w).astype(np.float32)


class Residual:
    """relu(x + inner(x))"""

    def __init__(self, *inner):
        self.inner, self.relu = Chain(*inner), Relu()

    def forward(self, x, train):
        return self.relu.forward(x + self.inner.forward(x, train), train)

    def backward(self, g):
        g = self.relu.backward(g)
        return g + self.inner.backward(g)


class GlobalAverage:
    def forward(self, x, train):
        self.shape = x.shape
        return x.mean((2, 3))

    def backward(self, g):
        n, c, h, w = self.shape
        return np.broadcast_to(g[:, :, None, None] / (h * w), self.shape).astype(np.float32)


class Linear:
    def __init__(self, rng, cin, cout):
        self.w, self.b = rng.normal(0, np.sqrt(1 / cin), (cout, cin)).astype(np.float32), np.zeros(cout, np.float32)

    def forward(self, x, train):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, g):
        self.grads = [("w", g.T @ self.x), ("b", g.sum(0))]
        return g @ self.w


class Chain:
    def __init__(self, *layers):
        self.layers = layers

    def forward(self, x, train):
        for layer in self.layers:
            x = layer.forward(x, train)
        return x

    def backward(self, g):
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return g

    def leaves(self):
        for layer in self.layers:
            yield from layer.inner.leaves() if isinstance(layer, Residual) else [layer]


def network(rng):
    return Chain(Conv(rng, 1, 24), BatchNorm(24), Relu(),
                 Residual(Conv(rng, 24, 24), BatchNorm(24), Relu(), Conv(rng, 24, 24), BatchNorm(24)),
                 MaxPool(), Conv(rng, 24, 48), BatchNorm(48), Relu(), GlobalAverage(), Linear(rng, 48, 10))


def shifted(rng, x):
    """Each picture moved by at most one pixel in both directions."""
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = rng.integers(0, 3, (len(x), 2))
    return np.stack([p[i, :, a:a + 8, b:b + 8] for i, (a, b) in enumerate(moves)])


def train(net, rng, x, y, epochs, batch=50, rate=3e-3):
    state, step, steps = {}, 0, epochs * (len(x) // batch)
    for _ in range(epochs):
        order = rng.permutation(len(x))
        for at in range(0, len(x) - batch + 1, batch):
            pick = order[at:at + batch]
            z = net.forward(shifted(rng, x[pick]), True)
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(batch), y[pick]] -= 1
            net.backward((p / batch).astype(np.float32))
            step += 1
            lr = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
            for layer in net.leaves():                     # Adam
                for name, g in getattr(layer, "grads", ()):
                    m, v = state.get((id(layer), name), (0, 0))
                    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                    state[id(layer), name] = m, v
                    update = lr * (m / (1 - 0.9 ** step)) / (np.sqrt(v / (1 - 0.999 ** step)) + 1e-8)
                    setattr(layer, name, (getattr(layer, name) - update).astype(np.float32))


def export(net, path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    nodes, weights, count = [], [], {}

    def op(kind, *inputs, **attributes):
        count[kind] = count.get(kind, 0) + 1
        name = f"{kind.lower()}{count[kind]}"
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def weight(name, array):
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def emit(chain, x):
        for layer in chain.layers:
            if isinstance(layer, Conv):
                w = weight(f"conv{count.get('Conv', 0) + 1}.weight", layer.w)
                x = op("Conv", x, w, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            elif isinstance(layer, BatchNorm):
                name = f"norm{count.get('BatchNormalization', 0) + 1}"
                params = [weight(f"{name}.{p}", getattr(layer, p)) for p in ("scale", "bias", "mean", "var")]
                x = op("BatchNormalization", x, *params, epsilon=EPSILON)
            elif isinstance(layer, Relu):
                x = op("Relu", x)
            elif isinstance(layer, Residual):
                x = op("Relu", op("Add", emit(layer.inner, x), x))
            elif isinstance(layer, MaxPool):
                x = op("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
            elif isinstance(layer, GlobalAverage):
                x = op("Flatten", op("GlobalAveragePool", x), axis=1)
            else:
                x = op("Gemm", x, weight("classifier.weight", layer.w), weight("classifier.bias", layer.b), transB=1)
        return x

    last = emit(net, "image")
    nodes[-1].output[0] = "logits"
    assert last == "gemm1"
    graph = helper.make_graph(nodes, "digits", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 10])], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="tern-digits")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, str(path))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--epochs", type=int, default=60)
    a = ap.parse_args()
    from sklearn.datasets import load_digits
    data = load_digits()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(data.images))
    x, y = (data.images[order] / 16).astype(np.float32)[:, None], data.target[order]
    test, rest = slice(0, 540), slice(540, None)
    net = network(rng)
    train(net, rng, x[rest], y[rest], a.epochs)
    hits = net.forward(x[test], False).argmax(1) == y[test]
    print(f"accuracy on {len(hits)} test pictures: {hits.mean():.4f}")
    export(net, HERE / "digits.onnx")
    np.savez_compressed(HERE / "test.npz", image=x[test])
    np.save(HERE / "test_labels.npy", y[test].astype(np.int64))
    np.savez_compressed(HERE / "calibration.npz", image=x[rest][:64])


if __name__ == "__main__":
    main()
