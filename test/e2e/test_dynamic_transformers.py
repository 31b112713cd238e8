"""Transformers of several layouts, one artifact each, at many batches and lengths, with and without padding, against ONNX Runtime."""
import itertools
import pathlib
import shutil
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs

tern = programs.tern
WIDTH, HEADS, HEAD = 48, 4, 12
SIZES = list(itertools.product([1, 3], [1, 2, 7, 16, 33, 61]))


class Net:
    """A graph that is written down op by op; every name is new."""

    def __init__(self, seed, opset=18):
        self.rng, self.opset, self.nodes, self.constants, self.inputs, self.outputs = np.random.default_rng(seed), opset, [], [], [], []

    def input(self, name, kind, *shape):
        self.inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def constant(self, value, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values):
        return self.constant(list(values), np.int64)

    def number(self, value, dtype=np.float32):
        return self.constant(value, dtype)

    def weight(self, *shape):
        return self.constant(self.rng.normal(0, 1 / np.sqrt(shape[0]), shape).astype(np.float32))

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def save(self, path, **outputs):
        infos = []
        for name, (value, kind, shape) in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name]))
            infos.append(helper.make_tensor_value_info(name, kind, shape))
        graph = helper.make_graph(self.nodes, path.stem, self.inputs, infos, self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9), path)
        return path

    # Parts that exporters write.
    def size(self, x, axis):
        return self.op("Gather", self.op("Shape", x), self.number(axis, np.int64), axis=0)

    def places(self, count, start=None):
        return self.op("Range", start or self.number(0, np.int64), count, self.number(1, np.int64))

    def norm(self, x):
        gain, bias = self.constant(self.rng.normal(1, 0.1, WIDTH).astype(np.float32)), self.constant(self.rng.normal(0, 0.1, WIDTH).astype(np.float32))
        return self.op("LayerNormalization", x, gain, bias, axis=-1)

    def rms(self, x):
        mean = self.op("ReduceMean", self.op("Mul", x, x), self.ints(-1))
        scaled = self.op("Div", x, self.op("Sqrt", self.op("Add", mean, self.number(1e-5))))
        return self.op("Mul", scaled, self.constant(self.rng.normal(1, 0.1, WIDTH).astype(np.float32)))

    def linear(self, x, width, of=WIDTH):
        return self.op("Add", self.op("MatMul", x, self.weight(of, width)), self.constant(self.rng.normal(0, 0.1, width).astype(np.float32)))

    def heads(self, x, count=HEADS):
        return self.op("Transpose", self.op("Reshape", x, self.ints(0, 0, count, HEAD)), perm=[0, 2, 1, 3])

    def attention(self, q, k, v, bias=None, scale=HEAD ** -0.5):
        scores = self.op("Mul", self.op("MatMul", q, self.op("Transpose", k, perm=[0, 1, 3, 2])), self.number(scale))
        scores = self.op("Add", scores, bias) if bias else scores
        y = self.op("MatMul", self.op("Softmax", scores, axis=-1), v)
        return self.op("Reshape", self.op("Transpose", y, perm=[0, 2, 1, 3]), self.ints(0, 0, WIDTH))

    def self_attention(self, x, bias=None, groups=HEADS):
        q, k, v = self.heads(self.linear(x, WIDTH)), self.heads(self.linear(x, groups * HEAD), groups), self.heads(self.linear(x, groups * HEAD), groups)
        if groups != HEADS:
            k, v = self.repeat(k, groups), self.repeat(v, groups)
        return self.linear(self.attention(q, k, v, bias), WIDTH)

    def repeat(self, x, groups):
        """As transformers' repeat_kv: unsqueeze, expand, reshape with sizes of the graph."""
        batch, length = (self.op("Unsqueeze", self.size(x, axis), self.ints(0)) for axis in (0, 2))
        wide = self.op("Concat", batch, self.ints(groups, HEADS // groups), length, self.ints(HEAD), axis=0)
        flat = self.op("Concat", batch, self.ints(HEADS), length, self.ints(HEAD), axis=0)
        return self.op("Reshape", self.op("Expand", self.op("Unsqueeze", x, self.ints(2)), wide), flat)

    def mlp(self, x):
        h = self.linear(x, 2 * WIDTH)
        h = self.op("Mul", self.op("Mul", h, self.op("Add", self.op("Erf", self.op("Div", h, self.number(np.sqrt(2)))), self.number(1))), self.number(0.5))
        return self.linear(h, WIDTH, 2 * WIDTH)

    def block(self, x, bias=None, pre=True, groups=HEADS, norm=None):
        norm = norm or self.norm
        if pre:
            x = self.op("Add", x, self.self_attention(norm(x), bias, groups))
            return self.op("Add", x, self.mlp(norm(x)))
        x = norm(self.op("Add", x, self.self_attention(x, bias, groups)))
        return norm(self.op("Add", x, self.mlp(x)))

    def embedding(self, ids, rows=97):
        return self.op("Gather", self.constant(self.rng.normal(0, 1, (rows, WIDTH)).astype(np.float32)), ids, axis=0)

    def hidden(self, keep):
        """Of i1 that lets pass: 0 and a large negative number."""
        return self.op("Where", keep, self.number(0), self.number(-1e9))

    def padding(self, mask):
        return self.op("Cast", self.op("Unsqueeze", mask, self.ints(1, 2)), to=TensorProto.BOOL)


class Transformers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-transformers-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def check(self, name, build, scheme="float", limit=1e-4, sizes=SIZES, opset=18, **dims):
        """build(net) -> y [n, s, WIDTH]; inputs are ids [n, s], mask [n, s] and what else it makes."""
        net = Net(sum(map(ord, name)), opset)
        y = build(net)
        path = net.save(self.folder / f"{name}.onnx", y=(y, TensorProto.FLOAT, ["n", "s", WIDTH]))
        import onnxruntime as ort
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        model = tern.compile(path, scheme, out=path.with_suffix(f".{scheme}.tern"), force=True, target="native", dims={"n": "1..8", "s": "1..64", **dims})
        rng = np.random.default_rng(1)
        for (n, s), padded in itertools.product(sizes, (False, True)):
            mask, feeds = np.ones((n, s), np.int64), {}
            for row in mask if padded else []:
                row[s - rng.integers(0, s):] = 0
            sizes_of = {"n": n, "s": s, "t": 2 * s + 1}
            for tensor in session.get_inputs():
                shape = [sizes_of.get(d, d) for d in tensor.shape]
                feeds[tensor.name] = (mask if tensor.name == "mask" else rng.integers(0, 97, shape) if "int64" in tensor.type
                                      else rng.normal(0, 1, shape).astype(np.float32))
            got, want = model.run(feeds)["y"], session.run(None, feeds)[0]
            seen = mask.astype(bool)
            error = float(np.abs(got - want)[seen].max() / np.ptp(want[seen]))
            self.assertLess(error, limit, f"{name} {scheme} of batch {n}, length {s}{', padded' if padded else ''}")

    def encoder(self, net, pre, bias=None, layers=2, **options):
        ids, mask = net.input("ids", TensorProto.INT64, "n", "s"), net.input("mask", TensorProto.INT64, "n", "s")
        x = net.embedding(ids)
        hidden = net.hidden(net.padding(mask))
        bias = net.op("Add", hidden, bias(net, ids)) if bias else hidden
        for _ in range(layers):
            x = net.block(x, bias, pre, **options)
        return x

    def test_norms_before_and_behind(self):
        for pre in (True, False):
            for scheme, limit in (("float", 1e-4), ("w8a8", 0.1), ("w4a8", 0.35)):
                self.check(f"norm{'s_before' if pre else 's_behind'}", lambda net: self.encoder(net, pre), scheme, limit,
                           SIZES if scheme == "float" else SIZES[::5])

    def test_groups_of_heads_and_rms_norm(self):
        self.check("groups", lambda net: self.encoder(net, True, groups=2, norm=net.rms))

    def causal(self, net, kind):
        """[n, 1, s, s] or what broadcasts to it."""
        ids, mask = net.input("ids", TensorProto.INT64, "n", "s"), net.input("mask", TensorProto.INT64, "n", "s")
        count = net.size(ids, 1)
        column = lambda v: net.op("Unsqueeze", v, net.ints(1))
        if kind == "trilu":
            one = net.op("Unsqueeze", count, net.ints(0))
            ones = net.op("ConstantOfShape", net.op("Concat", one, one, axis=0), value=numpy_helper.from_array(np.ones(1, np.float32)))
            keep = net.op("Cast", net.op("Trilu", ones, upper=0), to=TensorProto.BOOL)
        elif kind == "buffer":                           # as GPT-2 keeps it
            buffer = net.constant(np.tril(np.ones((1, 1, 64, 64), bool)))
            end = net.op("Unsqueeze", count, net.ints(0))
            keep = net.op("Slice", net.op("Slice", buffer, net.ints(0), end, net.ints(2)), net.ints(0), end, net.ints(3))
        else:
            places = net.places(count)
            keep = net.op("Not", net.op("Less", column(places), places)) if kind == "less" else net.op("LessOrEqual", places, column(places))
            if kind == "window":
                keep = net.op("And", keep, net.op("Less", net.op("Sub", column(places), places), net.number(5, np.int64)))
        return ids, net.hidden(net.op("And", keep, net.padding(mask)))

    def test_causal_masks(self):
        for kind in ("trilu", "buffer", "less", "range", "window"):
            def build(net):
                ids, bias = self.causal(net, kind)
                return net.block(net.block(net.embedding(ids), bias), bias)
            self.check(f"causal_{kind}", build)

    def test_relative_bias(self):
        """T5: buckets of distances, logarithmic behind the first ones, choose rows of a table."""
        def bias(net, ids):
            places = net.places(net.size(ids, 1))
            distance = net.op("Sub", places, net.op("Unsqueeze", places, net.ints(1)))
            side = net.op("Mul", net.op("Cast", net.op("Greater", distance, net.number(0, np.int64)), to=TensorProto.INT64), net.number(8, np.int64))
            far = net.op("Abs", distance)
            ratio = net.op("Log", net.op("Div", net.op("Cast", far, to=TensorProto.FLOAT), net.number(4)))
            log = net.op("Cast", net.op("Mul", net.op("Div", ratio, net.number(np.log(16))), net.number(4)), to=TensorProto.INT64)
            log = net.op("Min", net.op("Add", log, net.number(4, np.int64)), net.number(7, np.int64))
            bucket = net.op("Add", side, net.op("Where", net.op("Less", far, net.number(4, np.int64)), far, log))
            table = net.op("Gather", net.constant(net.rng.normal(0, 1, (16, HEADS)).astype(np.float32)), bucket, axis=0)
            return net.op("Unsqueeze", net.op("Transpose", table, perm=[2, 0, 1]), net.ints(0))
        self.check("relative", lambda net: self.encoder(net, True, bias))

    def test_linear_bias(self):
        """ALiBi: distances times a slope of the head."""
        def bias(net, ids):
            places = net.op("Cast", net.places(net.size(ids, 1)), to=TensorProto.FLOAT)
            distance = net.op("Neg", net.op("Abs", net.op("Sub", places, net.op("Unsqueeze", places, net.ints(1)))))
            return net.op("Mul", distance, net.constant(np.float32([0.5, 0.25, 0.125, 0.0625]).reshape(1, HEADS, 1, 1)))
        self.check("linear_bias", lambda net: self.encoder(net, True, bias))

    def test_cross_attention(self):
        """A memory of another length than the queries."""
        def build(net):
            ids, bias = self.causal(net, "range")
            memory = net.input("memory", TensorProto.FLOAT, "n", "t", WIDTH)
            x = net.block(net.embedding(ids), bias)
            q, k, v = net.heads(net.linear(net.norm(x), WIDTH)), net.heads(net.linear(memory, WIDTH)), net.heads(net.linear(memory, WIDTH))
            x = net.op("Add", x, net.linear(net.attention(q, k, v), WIDTH))
            return net.op("Add", x, net.mlp(net.norm(x)))
        self.check("cross", build, t="1..200")

    def test_positions_by_counting(self):
        """Positions are the running sum of the mask (RoBERTa, OPT); the table has more rows than any length."""
        def build(net):
            ids, mask = net.input("ids", TensorProto.INT64, "n", "s"), net.input("mask", TensorProto.INT64, "n", "s")
            count = net.op("Mul", net.op("CumSum", mask, net.number(1, np.int64)), mask)
            x = net.op("Add", net.embedding(ids), net.embedding(net.op("Add", count, net.number(1, np.int64))))
            return net.block(x, net.hidden(net.padding(mask)), False)
        self.check("counted", build)

    def test_mask_by_index_pairs(self):
        """torch.export's mask: pairs of (sequence, position) gather the padding mask."""
        def build(net):
            ids, mask = net.input("ids", TensorProto.INT64, "n", "s"), net.input("mask", TensorProto.INT64, "n", "s")
            batch, count = net.size(ids, 0), net.size(ids, 1)
            shape = net.op("Concat", *(net.op("Unsqueeze", v, net.ints(0)) for v in (batch, count, count)), axis=0)
            row = net.op("Expand", net.op("Unsqueeze", net.places(batch), net.ints(1, 2)), shape)
            column = net.op("Expand", net.op("Unsqueeze", net.places(count), net.ints(0, 1)), shape)
            pairs = net.op("Concat", net.op("Unsqueeze", row, net.ints(3)), net.op("Unsqueeze", column, net.ints(3)), axis=3)
            keep = net.op("GatherND", net.op("Cast", mask, to=TensorProto.BOOL), pairs)
            return net.block(net.embedding(ids), net.hidden(net.op("Unsqueeze", keep, net.ints(1))))
        self.check("pairs", build)

    def test_padded_to_windows(self):
        """Windows of 8 (Longformer, Swin): padded to a multiple, attended within, cut again."""
        def build(net):
            ids = net.input("ids", TensorProto.INT64, "n", "s")
            net.input("mask", TensorProto.INT64, "n", "s")
            x, count = net.embedding(ids), net.op("Shape", ids, start=1, end=2)
            more = net.op("Mod", net.op("Sub", net.ints(8), net.op("Mod", count, net.ints(8))), net.ints(8))
            wide = net.op("Pad", x, net.op("Concat", net.ints(0, 0, 0, 0), more, net.ints(0), axis=0))
            windows = net.op("Reshape", wide, net.ints(-1, 8, WIDTH))
            back = net.op("Concat", net.op("Shape", ids, start=0, end=1), net.ints(-1, WIDTH), axis=0)
            y = net.op("Reshape", net.block(windows), back)
            return net.op("Slice", y, net.ints(0), count, net.ints(1))
        self.check("windows", build)


if __name__ == "__main__":
    unittest.main()
