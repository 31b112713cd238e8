#!/usr/bin/env python3
"""Single operators of exported models against ONNX Runtime in float (or integers), interleaved in one process.

    bench/ops.py [CASE ...] [--threads 1] [--rounds 15] [--check]

A case is a part of a name below. `row` says whether a generator or portable.linalg serves it; `--check` only compares the results.
"""
import functools
import pathlib
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cases  # noqa: E402

RNG = np.random.default_rng(1)


def f(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def i(high, *shape, dtype=np.int64):
    return RNG.integers(0, high, shape).astype(dtype)


def choices(rows, size, count):
    return np.stack([RNG.permutation(size)[:count] for _ in range(rows)]).astype(np.int64)


def ints(*values):
    return np.array(values, np.int64)


# name: (operator, attributes, inputs in order; what is a tuple (array,) is a constant)
CASES = {
    "topk 64x1000, 5": ("TopK", {}, [f(64, 1000), (ints(5),)]),
    "topk 8400, 300": ("TopK", {}, [f(1, 8400), (ints(300),)]),
    "topk middle axis": ("TopK", {"axis": 1}, [f(8, 100, 64), (ints(10),)]),
    "gather_elements": ("GatherElements", {"axis": 1}, [f(256, 256), i(256, 256, 200)]),
    "gather_nd": ("GatherND", {}, [f(32, 128, 64), np.stack([i(32, 1000), i(128, 1000)], -1)]),
    "scatter_nd": ("ScatterND", {}, [f(512, 64), choices(1, 512, 100).T, f(100, 64)]),
    "scatter_elements": ("ScatterElements", {"axis": 1}, [f(256, 256), choices(256, 256, 100), f(256, 100)]),
    "cumsum last axis": ("CumSum", {}, [f(64, 512), (np.array(1, np.int64),)]),
    "cumsum first axis": ("CumSum", {}, [f(64, 512), (np.array(0, np.int64),)]),
    "one_hot": ("OneHot", {}, [i(1000, 64), (ints(1000),), (np.array([0, 1], np.float32),)]),
    "tile": ("Tile", {}, [f(1, 64, 64), (ints(1, 4, 4),)]),
    "pad reflect": ("Pad", {"mode": "reflect"}, [f(1, 32, 64, 64), (ints(0, 0, 3, 3, 0, 0, 3, 3),)]),
    "conv 3d": ("Conv", {"pads": [1] * 6}, [f(1, 16, 8, 28, 28), (f(16, 16, 3, 3, 3),)]),
    "conv, weight computed": ("Conv", {"pads": [1] * 4}, [f(1, 16, 28, 28), f(32, 16, 3, 3)]),
    "conv_transpose 3d": ("ConvTranspose", {"strides": [2] * 3}, [f(1, 16, 4, 14, 14), (f(16, 8, 2, 2, 2),)]),
    "max_pool 3d": ("MaxPool", {"kernel_shape": [2] * 3, "strides": [2] * 3}, [f(1, 32, 8, 28, 28)]),
    "average_pool 3d": ("AveragePool", {"kernel_shape": [3] * 3, "strides": [2] * 3, "pads": [1] * 6}, [f(1, 32, 8, 28, 28)]),
    "matmul of two activations": ("MatMul", {}, [f(8, 64, 64), f(8, 64, 64)]),
    "matmul f64": ("MatMul", {}, [f(64, 64, dtype=np.float64), f(64, 64, dtype=np.float64)]),
    "matmul i32": ("MatMul", {}, [i(9, 64, 64, dtype=np.int32), i(9, 64, 64, dtype=np.int32)]),
    "einsum bhwc,hkc->bhwk": ("Einsum", {"equation": "bhwc,hkc->bhwk"}, [f(2, 14, 14, 32), f(14, 14, 32)]),
    "einsum bid,bjd->bij": ("Einsum", {"equation": "bid,bjd->bij"}, [f(4, 64, 32), f(4, 64, 32)]),
    "where": ("Where", {}, [i(2, 1, 1, 128, 128).astype(bool), f(1, 8, 128, 128), f(1)]),
    "add i64": ("Add", {}, [i(99, 64, 512), i(99, 512)]),
    "mul i32": ("Mul", {}, [i(99, 64, 512, dtype=np.int32), i(99, 64, 512, dtype=np.int32)]),
    "div i64": ("Div", {}, [i(99, 64, 512), 1 + i(9, 512)]),
    "mod i64": ("Mod", {}, [i(99, 64, 512), 1 + i(9, 512)]),
    "add f64": ("Add", {}, [f(64, 512, dtype=np.float64), f(64, 512, dtype=np.float64)]),
    "cast f32 to f16": ("Cast", {"to": 10}, [f(64, 512)]),
    "cast f16 to f32": ("Cast", {"to": 1}, [f(64, 512, dtype=np.float16)]),
    "reduce_mean of 0 and 2": ("ReduceMean", {}, [f(16, 32, 256), (ints(0, 2),)]),
    "reduce_max i64": ("ReduceMax", {}, [i(99, 64, 512), (ints(1),)]),
    "reduce_sum i32": ("ReduceSum", {}, [i(99, 64, 512, dtype=np.int32), (ints(1),)]),
    "reduce_log_sum_exp": ("ReduceLogSumExp", {}, [f(64, 512), (ints(1),)]),
    "softmax of channels": ("Softmax", {"axis": 1}, [f(1, 21, 64, 64)]),
    "argmax": ("ArgMax", {"axis": 1}, [f(64, 512)]),
    "layer_norm of 2 axes": ("LayerNormalization", {"axis": 1}, [f(8, 32, 64), f(32, 64)]),
    "resize cubic": ("Resize", {"mode": "cubic"}, [f(1, 8, 32, 32), None, (np.array([1, 1, 2, 2], np.float32),)]),
    "grid_sample": ("GridSample", {}, [f(1, 16, 32, 32), np.tanh(f(1, 32, 32, 2))]),
    "clip i32": ("Clip", {}, [i(99, 64, 512, dtype=np.int32), (np.array(5, np.int32),), (np.array(50, np.int32),)]),
    "dequantize of rows": ("DequantizeLinear", {"axis": 0}, [i(255, 64, 512, dtype=np.uint8), (np.abs(f(64)) + 0.1,), (i(255, 64, dtype=np.uint8),)]),
    "asin": ("Asin", {}, [np.tanh(f(64, 512))]),
}


def model(op, attributes, operands):
    """(ModelProto, {input name: array})"""
    names = ["x" + str(n) if v is not None else "" for n, v in enumerate(operands)]
    feeds = {n: v for n, v in zip(names, operands) if isinstance(v, np.ndarray)}
    constants = [numpy_helper.from_array(v[0], n) for n, v in zip(names, operands) if isinstance(v, tuple)]
    outputs = ["y", "places"] if op == "TopK" else ["y"]
    inputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in feeds.items()]
    graph = helper.make_graph([helper.make_node(op, names, outputs, **attributes)], "case", inputs,
                              [helper.make_empty_tensor_value_info(o) for o in outputs], constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(proto), feeds


if __name__ == "__main__":
    cases.run(__doc__, {name: functools.partial(model, *case) for name, case in CASES.items()}, threads=[1], seconds=0.002)
