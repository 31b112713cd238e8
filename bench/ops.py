#!/usr/bin/env python3
"""Single operators of exported models against ONNX Runtime in float (or integers), interleaved in one process.

    bench/ops.py [CASE ...] [--threads 1] [--rounds 15] [--check]

A case is a part of a name in opcases.py. `row` says whether a generator or portable.linalg serves it; `--check` only compares the results.
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
from opcases import CASES  # noqa: E402


def model(op, attributes, operands, results=1):
    """(ModelProto, {input name: array})"""
    names = ["x" + str(n) if v is not None else "" for n, v in enumerate(operands)]
    feeds = {n: v for n, v in zip(names, operands) if isinstance(v, np.ndarray)}
    constants = [numpy_helper.from_array(v[0], n) for n, v in zip(names, operands) if isinstance(v, tuple)]
    outputs = ["y"] + ["y" + str(n) for n in range(1, results)]
    inputs = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in feeds.items()]
    graph = helper.make_graph([helper.make_node(op, names, outputs, **attributes)], "case", inputs,
                              [helper.make_empty_tensor_value_info(o) for o in outputs], constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnx.shape_inference.infer_shapes(proto), feeds


if __name__ == "__main__":
    cases.run(__doc__, {name: functools.partial(model, *case) for name, case in CASES.items()}, threads=[1], seconds=0.002)
