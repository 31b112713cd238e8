#!/usr/bin/env python3
"""One program at every size: a compiled encoder against ONNX Runtime.

    bench/sweep.py MODEL.onnx PROGRAM.tern --dim sequence=1..512 --dim batch=1..8 [--step N] [--most 1024]

PROGRAM has open dimensions (quant-compile MODEL.onnx --dim sequence=1..512 ...). Integer inputs are token numbers below --tokens, masks are ones. Prints the
largest error relative to the spread of the output and where it is; exit code 1 when it is above --limit.
"""
import argparse
import itertools
import math
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import tern  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("program")
    parser.add_argument("--dim", action="append", default=[], metavar="NAME=LO..HI")
    parser.add_argument("--step", type=int, default=1, help="only every n-th combination")
    parser.add_argument("--most", type=int, help="only combinations whose product is at most this, for instance tokens of a batch")
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=1e-4)
    arguments = parser.parse_args()
    import onnxruntime as ort
    session = ort.InferenceSession(arguments.model, providers=["CPUExecutionProvider"])
    program, rng = tern.load(arguments.program), np.random.default_rng(0)
    ranges = {}
    for text in arguments.dim:
        name, bounds = text.split("=")
        low, high = bounds.split("..")
        ranges[name] = range(int(low), int(high) + 1)
    worst, where, count = 0.0, None, 0
    combinations = (c for c in itertools.product(*ranges.values()) if not arguments.most or math.prod(c) <= arguments.most)
    for combination in itertools.islice(combinations, 0, None, arguments.step):
        sizes, feeds = dict(zip(ranges, combination)), {}
        for tensor in session.get_inputs():
            shape = [sizes[d] if isinstance(d, str) else d for d in tensor.shape]
            if "float" in tensor.type:
                feeds[tensor.name] = rng.normal(0, 1, shape).astype(np.float32)
            elif "mask" in tensor.name:
                feeds[tensor.name] = np.ones(shape, np.int64)
            else:
                feeds[tensor.name] = rng.integers(0, 2 if "type" in tensor.name else arguments.tokens, shape)
        got = program.run(feeds)
        for tensor, want in zip(session.get_outputs(), session.run(None, feeds)):
            error = float(np.abs(got[tensor.name] - want).max() / max(np.ptp(want), 1e-30))
            if error > worst:
                worst, where = error, sizes
        count += 1
    print(f"{count} combinations of sizes, largest error {worst:.2e} at {where}")
    return worst > arguments.limit


if __name__ == "__main__":
    sys.exit(main())
