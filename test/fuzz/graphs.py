"""Random ONNX graphs: what all families of them share."""
import math
import random

import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Value:
    """A tensor of the graph: its name and the sizes it has in the generated shapes."""

    def __init__(self, name, shape):
        self.name, self.shape = name, tuple(int(d) for d in shape)


class Graph:
    """A graph in the making. Everything random comes from `seed`; constants are f32 unless they are integers."""
    LIMIT = 60000                                        # elements of one value: cases stay fast

    def __init__(self, seed):
        self.choice, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.nodes, self.constants, self.inputs, self.values, self.feeds = [], [], [], [], {}
        self.open = False                                # sizes of the inputs are those of a run

    def name(self, stem):
        return f"{stem}{len(self.nodes) + len(self.constants)}"

    def input(self, name, shape, symbols=None, low=None, high=None):
        """An input and its feed: normal f32 numbers, or i64 ones in [low, high)."""
        integers = low is not None
        dtype = TensorProto.INT64 if integers else TensorProto.FLOAT
        self.inputs.append(helper.make_tensor_value_info(name, dtype, symbols or shape))
        self.feeds[name] = self.numbers.integers(low, high, shape) if integers else self.normal(shape)
        return Value(name, shape)

    def normal(self, shape, scale=1.0):
        return (self.numbers.standard_normal(shape) * scale).astype(np.float32)

    def uniform(self, low, high, shape=()):
        return self.numbers.uniform(low, high, shape).astype(np.float32)

    def const(self, array):
        array = np.asarray(array)
        name = self.name("c")
        self.constants.append(numpy_helper.from_array(array.astype(np.float32) if array.dtype == np.float64 else array, name))
        return Value(name, array.shape)

    def op(self, kind, operands, shape, domain="", outputs=1, **attributes):
        """One node; operands are values, arrays or None (absent). shape: of the first result."""
        operands = [o if isinstance(o, Value) or o is None else self.const(o) for o in operands]
        names = [self.name("t") + (f"_{i}" if i else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, [o.name if o else "" for o in operands], names, name=f"{kind}_{len(self.nodes)}",
                                           domain=domain, **attributes))
        return Value(names[0], shape)

    def other(self, shape, axis=None):
        """An earlier value of this shape (sizes along `axis` may differ), or None."""
        def fits(v):
            return len(v.shape) == len(shape) and all(a == b or i == axis for i, (a, b) in enumerate(zip(v.shape, shape)))
        found = [v for v in self.values if fits(v)]
        return self.choice.choice(found) if found else None

    def grow(self, x, steps, count):
        """Appends up to `count` random steps, functions of (graph, value) that return a value or None when they do not apply."""
        for _ in range(count):
            y = self.choice.choice(steps)(self, x)
            if y is None or min(y.shape, default=1) < 1:
                continue
            self.values.append(y)
            x = y
            if math.prod(x.shape) > self.LIMIT:
                break
        return x

    def model(self, outputs, opset=17):
        infos = [helper.make_tensor_value_info(v.name, TensorProto.FLOAT, None) for v in outputs]
        graph = helper.make_graph(self.nodes, "fuzz", self.inputs, infos, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
