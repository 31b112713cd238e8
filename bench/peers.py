#!/usr/bin/env python3
"""Tern against ONNX Runtime, float and int8, batch 1, interleaved in one process.

    bench/peers.py [MODEL ...] [--threads 1 2] [--rounds 31] [--schemes float w8a8] [--json FILE]

ONNX Runtime's int8 is its own static quantizer: QDQ, uint8 activations, int8 weights per channel, MinMax over 32 feeds.
Tern calibrates with the same 32 feeds. Each ratio is given as p10 over p10 and as the median of the ratios per round;
where the two differ the case is not measured. Run it on a quiet machine after scripts/test or scripts/demo.
"""
import argparse
import json
import os
import pathlib
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or TOP / "build")
sys.path[:0] = [str(TOP / "bench"), str(TOP / "models"), str(TOP / "python")]
import harness  # noqa: E402
import zoo  # noqa: E402


def tidy(model):
    """Constant nodes become initializers and opsets below 13 become 17: ONNX Runtime's quantizer needs both."""
    import onnx
    for node in [n for n in model.graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]:
        tensor = onnx.TensorProto()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    if next(o.version for o in model.opset_import if o.domain == "") < 13:
        model = onnx.version_converter.convert_version(model, 17)
    return model


def ort_static(model, folder):
    """ONNX Runtime's static int8 of a model of the zoo, made once."""
    target = folder / f"{model.name}.static.onnx"
    if target.is_file():
        return target
    import onnx
    from onnxruntime import quantization as q
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(q.CalibrationDataReader):
        rest = model.task.calibration(zoo.CACHE, 32)

        def get_next(self):
            return self.rest.pop(0) if self.rest else None
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        plain, ready = f"{scratch}/tidy.onnx", f"{scratch}/ready.onnx"
        onnx.save(tidy(onnx.load(str(model.path))), plain)
        try:
            quant_pre_process(plain, ready, skip_symbolic_shape=False)
        except Exception:                                # its symbolic inference gives up on some models
            quant_pre_process(plain, ready, skip_symbolic_shape=True)
        q.quantize_static(ready, f"{scratch}/static.onnx", Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                          activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
        os.replace(f"{scratch}/static.onnx", target)
    return target


def tern_artifact(model, scheme, folder):
    import tern
    out = folder / f"{model.name}.{scheme}.tern"
    calibration = model.calibration(folder / f"{model.name}.calibration")
    tern.compile(model.path, scheme, calibration, out).close()
    return out


def report(title, found, baselines):
    print(f"\n{title}\n{'engine':14} {'p10 ms':>9} {'median ms':>10}  ratios: p10 (median per round; undisturbed rounds)")
    for name, samples in found.items():
        row = f"{name:14} {1e3 * samples.p10():9.3f} {1e3 * samples.median():10.3f}"
        for peer in baselines.get(name, ()):
            p10, median, clean, n = harness.ratio(found[peer], samples)
            row += f"   {p10:.2f} ({median:.2f}{f'; {clean:.2f} of {n}' if clean else ''}) x {peer}"
        print(row, flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*", default=["efficientnet_lite0", "ocr_det"])
    ap.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    ap.add_argument("--rounds", type=int, default=31)
    ap.add_argument("--schemes", nargs="*", default=["float", "w8a8"])
    ap.add_argument("--json", type=pathlib.Path)
    a = ap.parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in a.models:
        model = zoo.get(name)
        feeds = model.task.calibration(zoo.CACHE, 1)[0]
        static = ort_static(model, folder)
        artifacts = {f"tern {s}": tern_artifact(model, s, folder) for s in a.schemes}
        for threads in a.threads:
            engines = {"ort float": harness.OnnxRuntime(model.path, feeds, threads),
                       "ort int8": harness.OnnxRuntime(static, feeds, threads)}
            engines |= {key: harness.Tern(path, feeds, threads) for key, path in artifacts.items()}
            found = harness.rounds(engines, a.rounds)
            isa = next((e.isa for e in engines.values() if hasattr(e, "isa")), "")
            report(f"{name}, {threads} thread{'s' * (threads > 1)}, {isa}, {a.rounds} rounds", found,
                   {"ort int8": ["ort float"], "tern float": ["ort float"],
                    **{key: ["ort int8", "ort float"] for key in artifacts if key != "tern float"}})
            rows += [{"model": name, "threads": threads, "engine": e, "p10_ms": 1e3 * s.p10(), "median_ms": 1e3 * s.median(),
                      "times_ms": [round(1e3 * t, 4) for t in s.times], "undisturbed": s.clean} for e, s in found.items()]
            del engines
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
