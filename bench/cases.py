"""Small models, one by one, against ONNX Runtime: the loop that bench/ops.py and bench/rows.py share."""
import argparse
import os
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx

import harness

BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or pathlib.Path(__file__).resolve().parents[1] / "build")


def arguments(about, threads):
    ap = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cases", nargs="*")
    ap.add_argument("--threads", type=int, nargs="*", default=threads)
    ap.add_argument("--rounds", type=int, default=15)
    ap.add_argument("--check", action="store_true")
    return ap.parse_args()


def run(about, cases, threads, seconds):
    """Prints a row for each case of the command line. cases: {name: function that makes (ModelProto, {input: array})};
    threads: the numbers measured by default; seconds: the length of one timing. Compares the first output of each."""
    a = arguments(about, threads)
    for name, make in cases.items():
        if a.cases and not any(c in name for c in a.cases):
            continue
        proto, feeds = make()
        with tempfile.TemporaryDirectory() as folder:
            path, program = f"{folder}/case.onnx", f"{folder}/case.tern"
            onnx.save(proto, path)
            subprocess.run([BUILD / "bin" / "quant-compile", path, "--scheme=float", "-o", program, "-q"], check=True)
            with open(f"{program}/libmodel.so", "rb") as f:
                row = "portable" if b"portable.linalg" in f.read() else "own"
            for count in a.threads[:1] if a.check else a.threads:
                engines = {"ort": harness.OnnxRuntime(path, feeds, count), "tern": harness.Tern(program, feeds, count)}
                print(f"{name:30} {row:8} {count}T  {compared(engines)}{'' if a.check else timed(engines, a.rounds, seconds)}", flush=True)
                del engines


def compared(engines):
    for engine in engines.values():
        engine()
    want = engines["ort"].outputs[0]
    got = engines["tern"].outputs[0].view(want.dtype).reshape(want.shape).astype(np.float64)
    want = want.astype(np.float64)
    return f"error {float(np.abs(got - want).max() / max(want.std(), 1e-9)):.1e} of the spread"


def timed(engines, rounds, seconds):
    found = harness.rounds(engines, rounds, target=seconds)
    p10, median, _, _ = harness.ratio(found["ort"], found["tern"])
    return f"   {1e6 * found['tern'].p10():9.1f} us, ort {1e6 * found['ort'].p10():9.1f} us: {p10:.2f} ({median:.2f})"
