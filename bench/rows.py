#!/usr/bin/env python3
"""Kernels of transformers and recurrent nets against ONNX Runtime: models of one or few nodes, interleaved in one process.

    bench/rows.py [CASE ...] [--threads 1 2] [--rounds 15] [--check]

A case is a part of a name below (attention, softmax, layer_norm, ...). `--check` only compares the results. ONNX Runtime
gets q, k and v of attention as a projection leaves them, so its transposes are part of the measurement, as in a model.
"""
import functools
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cases  # noqa: E402

RNG = np.random.default_rng(1)


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def model(nodes, inputs, outputs, constants=(), opset=17):
    """nodes: (type, inputs, outputs, attributes); inputs: {name: array}; outputs: {name: shape}."""
    graph = helper.make_graph(
        [helper.make_node(t, i, o, name=f"{t}_{n}", **a) for n, (t, i, o, a) in enumerate(nodes)], "case",
        [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
        [numpy_helper.from_array(v, k) for k, v in dict(constants).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), inputs


def attention(s, heads=12, d=32):
    h = heads * d
    nodes = [("Reshape", [x, "heads"], [x + "3"], {}) for x in "qkv"]
    nodes += [("Transpose", [x + "3"], [x + "4"], {"perm": [0, 2, 3, 1] if x == "k" else [0, 2, 1, 3]}) for x in "qkv"]
    nodes += [("MatMul", ["q4", "k4"], ["scores"], {}), ("Mul", ["scores", "scale"], ["scaled"], {}), ("Add", ["scaled", "mask"], ["masked"], {}),
              ("Softmax", ["masked"], ["p"], {"axis": -1}), ("MatMul", ["p", "v4"], ["o4"], {}), ("Transpose", ["o4"], ["o3"], {"perm": [0, 2, 1, 3]}),
              ("Reshape", ["o3", "rows"], ["y"], {})]
    constants = {"heads": np.array([0, 0, heads, d]), "rows": np.array([0, 0, h]), "scale": np.float32(d ** -0.5)}
    inputs = {x: floats(1, s, h) for x in "qkv"} | {"mask": np.zeros((1, 1, 1, s), np.float32)}
    return model(nodes, inputs, {"y": [1, s, h]}, constants)


def softmax(rows, n):
    return model([("Softmax", ["x"], ["y"], {"axis": -1})], {"x": floats(rows, n)}, {"y": [rows, n]})


def layer_norm(rows, n):
    return model([("LayerNormalization", ["x", "s", "b"], ["y"], {"axis": -1})], {"x": floats(rows, n)}, {"y": [rows, n]}, {"s": floats(n), "b": floats(n)})


def add_layer_norm(rows, n):
    return model([("Add", ["x", "r"], ["z"], {}), ("LayerNormalization", ["z", "s", "b"], ["y"], {"axis": -1})],
                 {"x": floats(rows, n), "r": floats(rows, n)}, {"y": [rows, n]}, {"s": floats(n), "b": floats(n)})


def rms_norm(rows, n):
    nodes = [("Mul", ["x", "x"], ["sq"], {}), ("ReduceMean", ["sq"], ["m"], {"axes": [-1]}), ("Add", ["m", "eps"], ["e"], {}), ("Sqrt", ["e"], ["r"], {}),
             ("Div", ["x", "r"], ["z"], {}), ("Mul", ["z", "s"], ["y"], {})]
    return model(nodes, {"x": floats(rows, n)}, {"y": [rows, n]}, {"s": floats(n), "eps": np.float32(1e-6)})


def reduce_mean(axes, *shape):
    out = [n for i, n in enumerate(shape) if i not in axes]
    return model([("ReduceMean", ["x"], ["y"], {"axes": list(axes), "keepdims": 0})], {"x": floats(*shape)}, {"y": out})


def embedding(rows, n, count):
    return model([("Gather", ["t", "i"], ["y"], {})], {"i": RNG.integers(0, rows, count)}, {"y": [count, n]}, {"t": floats(rows, n)})


def recurrent(kind, steps, inputs, hidden):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * hidden
    constants = {"w": floats(1, gates, inputs) / 8, "r": floats(1, gates, hidden) / 8, "b": floats(1, 2 * gates)}
    return model([(kind, ["x", "w", "r", "b"], ["y"], {"hidden_size": hidden})], {"x": floats(steps, 1, inputs)}, {"y": [steps, 1, 1, hidden]}, constants)


CASES = {f"attention {s}": (attention, s) for s in (16, 77, 128, 197, 384)}
CASES |= {"attention 128, 9 heads of 64": (attention, 128, 9, 64)}
CASES |= {f"softmax {r}x{n}": (softmax, r, n) for r, n in ((1536, 128), (924, 77), (2364, 197), (128, 1000), (32, 4096))}
CASES |= {f"layer_norm {r}x{n}": (layer_norm, r, n) for r, n in ((77, 384), (128, 384), (128, 1024), (16, 4096))}
CASES |= {f"add_layer_norm {r}x{n}": (add_layer_norm, r, n) for r, n in ((128, 384),)}
CASES |= {f"rms_norm {r}x{n}": (rms_norm, r, n) for r, n in ((77, 576), (128, 576))}
CASES |= {"reduce_mean last": (reduce_mean, (1,), 1024, 384), "reduce_mean first": (reduce_mean, (0,), 1024, 384), "reduce_mean middle": (reduce_mean, (1,), 8, 128, 384)}
CASES |= {"embedding": (embedding, 30522, 384, 128)}
CASES |= {f"{k.lower()} 64 steps": (recurrent, k, 64, 128, 128) for k in ("LSTM", "GRU", "RNN")}


if __name__ == "__main__":
    cases.run(__doc__, {name: functools.partial(*case) for name, case in CASES.items()}, threads=[1, 2], seconds=0.005)
