#!/usr/bin/env python3
"""Accuracy and size of the real models under each scheme, against ONNX Runtime's float and its int8.

    bench/accuracy.py [MODEL ...] [--schemes float w8a8 ...] [--ranges HOW] [--equalize auto|on|off] [--no-peers] [--limit N]

Without arguments: every row of the README's score table. `w8a8` is calibrated (static activations), `w8a8-dynamic` is not; so for the other
schemes. Programs of models whose inputs vary have open sizes: one artifact for a whole task. Size is that of weights.bin over the float
weights of the model; for ONNX Runtime it is the file over the float file. --limit: only so many cases of a task.
"""
import argparse
import os
import pathlib
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers  # noqa: E402
import zoo  # noqa: E402

#: What the README claims, model by model.
ROWS = {
    "ocr_cls": ["float", "w8a8"],
    "ocr_det": ["float", "w8a8"],
    "ocr_rec": ["float", "w8a8"],
    "efficientnet_lite0": ["float", "w8a8", "w4a8:32"],
    "magika": ["float", "w8a8", "w8a8-dynamic"],
    "silero_vad_sequence": ["float", "w8a8", "w8a8-dynamic"],
    "minilm": ["float", "w8a8", "w8a8-dynamic", "w4a8:32-dynamic"],
    "minilm_int8": ["float"],
    "ocr_int8": ["float"],
    "smollm2": ["float", "w8a8-dynamic", "w4a8:32-dynamic", "w4a16:32"],
}


def ort(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def program(model, scheme, folder, ranges=None, equalize=None):
    """The folder of a program of this scheme, compiled once for a state of the compiler."""
    import tern
    name, _, dynamic = scheme.partition("-")
    calibration = None if dynamic or "a8" not in name else model.calibration(folder / f"{model.name}.calibration")
    out = folder / f"{model.name}.{scheme.replace(':', 'g')}.tern"
    tern.compile(model.path, name, calibration, out, dims=dict(model.dims), ranges=ranges, equalize=equalize).close()
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*", default=list(ROWS))
    ap.add_argument("--schemes", nargs="*")
    ap.add_argument("--ranges", help="of static activations, as quant-compile takes it")
    ap.add_argument("--equalize", choices=("auto", "on", "off"), help="of channels of static activations, as quant-compile takes it")
    ap.add_argument("--no-peers", action="store_true")
    ap.add_argument("--limit", type=int)
    a = ap.parse_args()
    folder = peers.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name in a.models:
        model = zoo.get(name)
        whole = zoo.float_bytes(model.path)

        def row(engine, run, share):
            start = time.perf_counter()
            scores = "  ".join(f"{k} {v:.4f}" for k, v in model.scores(run, a.limit).items())
            print(f"{name:20} {engine:20} {scores:30}  {share:.3f}x  {time.perf_counter() - start:.0f} s", flush=True)
        if not a.no_peers:
            row("ort float", ort(model.path), 1.0)
            if not model.varying:
                static = peers.ort_static(model, folder)
                row("ort int8", ort(static), os.path.getsize(static) / os.path.getsize(model.path))
        for scheme in a.schemes or ROWS[name]:
            import tern
            out = program(model, scheme, folder, a.ranges, a.equalize)
            loaded = tern.load(out)
            row(f"tern {scheme}", lambda feeds: list(loaded.run(feeds).values()), (out / "weights.bin").stat().st_size / whole)


if __name__ == "__main__":
    main()
