#!/usr/bin/env python3
"""Time and memory of quant-compile, from the ONNX file to the artifact, calibration of 32 feeds included.

    bench/compile.py [MODEL ...] [--schemes w8a8] [--runs 3]

Prints the fastest of the runs and the largest resident memory of all.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or TOP / "build")
sys.path.insert(0, str(TOP / "models"))
import zoo  # noqa: E402


def compile_once(model, scheme, calibration, out):
    """(seconds, bytes resident) of one quant-compile in a process of its own."""
    command = [str(BUILD / "bin" / "quant-compile"), str(model.path), "-o", str(out), f"--scheme={scheme}", f"--calib={calibration}"]
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"compile.py: quant-compile stopped with exit code {child.returncode}: {message.strip()}")
    return time.perf_counter() - start, 1024 * usage.ru_maxrss


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*", default=["efficientnet_lite0", "ocr_det", "ocr_cls"])
    ap.add_argument("--schemes", nargs="*", default=["float", "w8a8", "w4a8"])
    ap.add_argument("--runs", type=int, default=3)
    a = ap.parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'model':20} {'scheme':7} {'seconds':>8} {'MB resident':>12}")
    for name in a.models:
        model = zoo.get(name)
        calibration = model.calibration(folder / f"{name}.calibration")
        for scheme in a.schemes:
            found = [compile_once(model, scheme, calibration, folder / f"{name}.{scheme}.tern") for _ in range(a.runs)]
            print(f"{name:20} {scheme:7} {min(s for s, _ in found):8.2f} {max(m for _, m in found) / 1e6:12.0f}", flush=True)


if __name__ == "__main__":
    main()
