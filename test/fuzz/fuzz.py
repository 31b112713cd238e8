#!/usr/bin/env python3
"""Random graphs against ONNX Runtime: every scheme, every instruction set.

    fuzz.py pictures|sequences|control FIRST LAST [--schemes=float,w8a8,w8a8+,w4a8+] [--dynamic[=sizes]]

--dynamic: the batch (and the length of sequences) is open; =sizes: height and width of pictures, too. One artifact runs all sizes.
A scheme with + is calibrated with the case's own feeds (static activations). Prints one line a failure and, last, how many ran. A failing
model stays in the build folder (test/programs/fuzz). Needs a built tree (TERN_BUILD) and onnxruntime."""
import argparse
import os
import pathlib
import sys

import numpy as np
import onnx

sys.path += [str(pathlib.Path(__file__).parent), str(pathlib.Path(__file__).resolve().parents[1] / "support")]
import control  # noqa: E402
import pictures  # noqa: E402
import programs  # noqa: E402
import sequences  # noqa: E402

FAMILIES = {"pictures": pictures, "sequences": sequences, "control": control}
ISAS = ["avx512vnni", "avx2", "portable"]
SCHEMES = ["float", "w8a8", "w8a8+", "w4a8+"]
# Largest difference relative to the largest output. Quantized: coarse, tiny random nets amplify roundings; levels must agree, though a sum
# that lies on the edge between two codes may go either way.
FLOAT, QUANTIZED, BETWEEN_LEVELS = 5e-5, 0.35, 0.05


class Skip(Exception):
    """The generated graph is not a case: ONNX Runtime refuses it, or its result is not finite."""


def difference(a, b):
    return float(np.abs(a.astype(np.float64) - b).max() / max(np.abs(b).max(), 1e-6)) if a.shape == b.shape else float("inf")


def expected(path, feeds):
    try:
        wanted = programs.ort_runner(path)(feeds)[0]
    except Exception as problem:  # noqa: BLE001: its errors share no base class
        raise Skip(str(problem)) from None
    if not wanted.size or not np.isfinite(wanted).all():
        raise Skip("no finite result")
    return wanted


def check(family, seed, scheme, dynamic="", isas=None):
    """None, or what is wrong. Raises Skip."""
    model, feeds, others = FAMILIES[family].build(seed, dynamic)
    name = f"fuzz/{family}{seed}{dynamic[:1]}.{scheme.replace('+', 's').replace(':', '_')}"
    path = programs.OUT / f"{name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    cases = [(f, expected(path, f)) for f in [feeds, *others[:1]]]
    calib = [f for f, _ in cases] if scheme.endswith("+") else None
    options = {"dims": {d.dim_param: "1..4096" for i in model.graph.input for d in i.type.tensor_type.shape.dim if d.dim_param}}
    try:
        folder = programs.compile_model(path, name, scheme.rstrip("+"), calib, **options)
    except programs.tern.Error as error:
        return f"does not compile: {error}"
    problems = []
    for feed, wanted in cases + [(f, None) for f in others[1:]]:
        results = []
        for isa in isas or ISAS:
            try:
                results.append(programs.runner(folder, 2, isa)(feed)[0])
            except programs.tern.Error as error:
                # Windows that do not fit: ONNX Runtime computes nonsense of them, or dies.
                if wanted is None and any(word in str(error) for word in (" takes ", "agree")):
                    break
                if "instruction set" not in str(error):
                    return f"does not run: {error}"
        try:
            wanted = expected(path, feed) if results and wanted is None else wanted
        except Skip:
            continue
        if not results:
            continue
        worst = max(difference(y, wanted) for y in results)
        between = max(difference(y, results[0]) for y in results)
        if not worst <= (FLOAT if scheme == "float" else QUANTIZED):
            problems.append(f"differs by {worst:.2g} from ONNX Runtime")
        if scheme != "float" and not between <= BETWEEN_LEVELS:
            problems.append(f"instruction sets differ by {between:.2g}")
    if not problems:
        os.remove(path)
    return "; ".join(problems) + " " + " ".join(n.op_type for n in model.graph.node) if problems else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--schemes", default=",".join(SCHEMES))
    parser.add_argument("--dynamic", nargs="?", const="batch", default="", choices=["batch", "sizes"])
    options = parser.parse_args()
    ran = failed = 0
    for seed in range(options.first, options.last):
        for scheme in options.schemes.split(","):
            try:
                problem = check(options.family, seed, scheme, options.dynamic)
            except Skip:
                break
            ran += 1
            if problem:
                failed += 1
                print(f"{seed} {scheme}: {problem}", flush=True)
    print(f"{ran} ran, {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
