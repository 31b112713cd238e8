#!/usr/bin/env python3
"""Quantized ONNX out: what ONNX Runtime scores on it, beside ONNX Runtime's own quantizers, and what making it costs.

    bench/export.py [MODEL ...] [--kinds w4g32 w4g128 w8 dynamic static] [--no-peers]
    bench/export.py --cost [MODEL]        seconds and memory of 4-bit weights, both quantizers in turn (default smollm2)

Kinds: w4g32, w4g128: MatMulNBits and GatherBlockQuantized, symmetric. w8: DequantizeLinear. dynamic: activations
quantized at run time. static: 32 calibration feeds. Peers: MatMulNBitsQuantizer (accuracy level 4), quantize_dynamic per
channel, quantize_static QDQ per channel; on models as they are tidied for them (Constant nodes, opset). Memory is the largest RssAnon:
what the process has beside mapped files.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "models")]
import peers  # noqa: E402
import zoo  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or HERE.parent / "build")
FLAGS = {"w4g32": ["--scheme=w4a16:32", "--emit=onnx-nbits"], "w4g128": ["--scheme=w4a16:128", "--emit=onnx-nbits"],
         "w8": ["--scheme=w8a16", "--emit=onnx-qdq"], "dynamic": ["--scheme=w8a8", "--emit=onnx-qdq"],
         "static": ["--scheme=w8a8", "--emit=onnx-qdq"]}

PEER = """
import logging, sys
logging.disable(logging.WARNING)
import onnx
source, target, kind, calibration = sys.argv[1:5]
from onnxruntime import quantization as q
if kind.startswith("w4"):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    worker = MatMulNBitsQuantizer(onnx.load(source), block_size=int(kind[3:]), is_symmetric=True, accuracy_level=4)
    worker.process()
    worker.model.save_model_to_file(target, False)
elif kind == "dynamic":
    q.quantize_dynamic(source, target, per_channel=True, weight_type=q.QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm", "Conv", "LSTM"])
else:
    import pathlib, numpy as np
    class Reader(q.CalibrationDataReader):
        rest = sorted(pathlib.Path(calibration).glob("*.npz"))
        def get_next(self):
            return dict(np.load(self.rest.pop(0))) if self.rest else None
    from onnxruntime.quantization.shape_inference import quant_pre_process
    quant_pre_process(source, target + ".pre", skip_symbolic_shape=True)
    q.quantize_static(target + ".pre", target, Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)
"""


def measured(command):
    """(seconds, largest RssAnon in bytes, error or empty) of a process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    most = 0
    while child.poll() is None:
        try:
            status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
            most = max([most] + [1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")])
        except (OSError, ProcessLookupError):
            break
        time.sleep(0.01)
    message = child.stderr.read().decode(errors="replace")
    child.wait()
    return time.perf_counter() - start, most, message.strip().splitlines()[-1] if child.returncode and message else ""


def tidy(source, target):
    import onnx
    onnx.save(peers.tidy(onnx.load(str(source))), str(target))
    return target


def ort(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 2
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def tern_command(source, target, kind, calibration):
    flags = FLAGS[kind] + ([f"--calib={calibration}"] if kind == "static" else [])
    return [str(BUILD / "bin" / "quant-compile"), str(source), "-o", str(target), *flags]


def peer_command(source, target, kind, calibration):
    return [sys.executable, "-c", PEER, str(source), str(target), kind, str(calibration or "")]


def scores(names, kinds, beside, folder):
    for name in names:
        model = zoo.get(name)
        print(f"{name:20} {'':8} {'float':6} {model.path.stat().st_size / 1e6:8.1f} MB  {model.scores(ort(model.path))}", flush=True)
        calibration = model.calibration(folder / f"{name}.calibration") if "static" in kinds else None
        for kind in kinds:
            for who in ("tern", "ort") if beside and kind != "w8" else ("tern",):
                source, target = model.path, folder / f"{name}.{who}.{kind}.onnx"
                if who == "ort":
                    source = tidy(model.path, folder / f"{name}.tidy.onnx")
                command = (tern_command if who == "tern" else peer_command)(source, target, kind, calibration)
                seconds, memory, error = measured(command)
                try:
                    result = error or model.scores(ort(target))
                except Exception as e:      # what cannot be loaded is a result too
                    result = str(e).splitlines()[0][:150]
                size = target.stat().st_size / 1e6 if target.exists() else 0
                print(f"{name:20} {kind:8} {who:6} {size:8.1f} MB {seconds:6.1f} s {memory / 1e6:6.0f} MB  {result}", flush=True)


def cost(name, folder, runs):
    model = zoo.get(name)
    rows = {"tern": [], "ort": []}
    for _ in range(runs):
        for who, command in (("tern", tern_command), ("ort", peer_command)):
            seconds, memory, error = measured(command(model.path, folder / f"{name}.{who}.cost.onnx", "w4g32", ""))
            if error:
                sys.exit(f"export.py: {who}: {error}")
            rows[who].append((seconds, memory))
    for who, found in rows.items():
        print(f"{name} w4g32 {who:5} {min(s for s, _ in found):6.1f} s  {max(m for _, m in found) / 1e6:6.0f} MB beside mapped files")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*")
    ap.add_argument("--kinds", nargs="*", default=["w4g32", "w4g128", "w8", "dynamic"])
    ap.add_argument("--no-peers", action="store_true")
    ap.add_argument("--cost", action="store_true")
    ap.add_argument("--runs", type=int, default=2)
    a = ap.parse_args()
    folder = BUILD / "bench" / "export"
    folder.mkdir(parents=True, exist_ok=True)
    if a.cost:
        return cost((a.models or ["smollm2"])[0], folder, a.runs)
    scores(a.models or ["ocr_cls", "ocr_det", "ocr_rec", "efficientnet_lite0", "magika", "minilm", "minilm_int8", "ocr_int8"], a.kinds,
           not a.no_peers, folder)


if __name__ == "__main__":
    main()
