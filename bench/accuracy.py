#!/usr/bin/env python3
"""Accuracy and size of the real models under each scheme, against ONNX Runtime's float and its static int8.

    bench/accuracy.py [MODEL ...] [--schemes float w8a8 ...]

Size is that of weights.bin over the float weights of the model; for ONNX Runtime it is the file over the float file.
"""
import argparse
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import peers  # noqa: E402
import zoo  # noqa: E402


def ort(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*", default=["ocr_cls", "ocr_det", "efficientnet_lite0"])
    ap.add_argument("--schemes", nargs="*", default=["float", "w8a8", "w8a16", "w4a8", "w4a16"])
    a = ap.parse_args()
    folder = peers.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for name in a.models:
        model = zoo.get(name)
        whole = zoo.float_bytes(model.path)

        def row(engine, run, share):
            scores = "  ".join(f"{k} {v:.4f}" for k, v in model.scores(run).items())
            print(f"{name:20} {engine:12} {scores:30}  {share:.3f}x", flush=True)
        row("ort float", ort(model.path), 1.0)
        static = peers.ort_static(model, folder)
        row("ort int8", ort(static), os.path.getsize(static) / os.path.getsize(model.path))
        for scheme in a.schemes:
            import tern
            out = peers.tern_artifact(model, scheme, folder)
            program = tern.load(out)
            row(f"tern {scheme}", lambda feeds: list(program.run(feeds).values()), (out / "weights.bin").stat().st_size / whole)


if __name__ == "__main__":
    main()
