"""tern.compile: the options of quant-compile as keyword arguments."""
import ctypes
import json
import os
import pathlib
import sys
import tempfile

import numpy as np

from . import _library, _model
from ._errors import Error

NOTE, PROGRESS = 1, 2


def compile(path, scheme="w8a8", calib=None, out=None, dims=None, overrides=None, excludes=None, *, target=None, ranges=None,
            equalize=None, samples=None, inputs=None, outputs=None, plan=None, emit=None, method=None, qdq_profile=None, require_kernels=False, jobs=None, seed=None, force=False,
            threads=0, verbose=False):
    """Compiles an ONNX model and loads the program.

    path: the .onnx file.
    scheme: float, w8a8, w4a8, w4a16, w8a16; 4-bit ones also with :32, :64, :128 or :channel. For ONNX files also w2a16, and :asym.
    calib: calibration data. A dict of arrays by input name (a leading axis longer than that of the input holds one sample after the
        other), an array for a model with one input, a list or iterator of such feeds, or the path of a .npz, .npy or .pb file or of a
        folder. Without: activations are quantized at run time.
    out: the folder of the program; default <model>.tern in the current folder.
    dims: {"batch": 4}: sizes of open dimensions; {"length": "1..512"} keeps one open. Without, dimensions in which the samples of `calib` differ
        stay open.
    overrides: {"regular expression": "scheme"} or ["RE=SCHEME"]; excludes: regular expressions of ops that stay float.
    emit: ["onnx-qdq"], ["onnx-nbits"] or both: a quantized ONNX file instead of a program; `out` may then end in .onnx.
    target, ranges, equalize ("auto", "on" or "off"), samples, inputs, outputs, plan, method, qdq_profile, require_kernels, jobs, seed, force: as the flags of quant-compile.
    threads: of the loaded program; 0: one for each cpu.
    verbose: print a line a stage.

    Returns a tern.Model, or the path of the ONNX file. Raises tern.Error; then nothing has been written.
    """
    options = {"model": os.fspath(path), "scheme": scheme, "out": os.fspath(out) if out is not None else "",
               "dims": [f"{name}={size}" for name, size in (dims or {}).items()],
               "overrides": [f"{k}={v}" for k, v in overrides.items()] if isinstance(overrides, dict) else list(overrides or []),
               "excludes": list(excludes or []), "inputs": list(inputs or []), "outputs": list(outputs or []),
               "emit": list(emit or []), "requireKernels": bool(require_kernels), "force": bool(force), "measure": bool(verbose)}
    for key, value in (("target", target), ("ranges", ranges), ("equalize", equalize), ("samples", samples), ("jobs", jobs), ("seed", seed), ("method", method),
                       ("qdqProfile", qdq_profile)):
        if value is not None:
            options[key] = value
    if plan is not None:
        options["plan"] = os.fspath(plan)
    with tempfile.TemporaryDirectory(prefix="tern-calibration-") as folder:
        if calib is not None:
            options["calibration"] = data_paths(calib, pathlib.Path(folder))
        written = run_compiler(options, verbose)
        return pathlib.Path(written) if written.endswith(".onnx") else _model.load(written, threads=threads)


def run_compiler(options, verbose):
    """Calls libtern.so; returns the folder that was written."""
    library = _library.compiler()

    def say(_, kind, text):
        if verbose and kind != PROGRESS:
            print(text.decode(errors="replace"), file=sys.stderr, flush=True)
    line = _library.LINE(say)
    out, error = ctypes.c_void_p(), ctypes.c_void_p()
    code = library.tern_compile(json.dumps(options).encode(), line, None, ctypes.byref(out), ctypes.byref(error))
    texts = [ctypes.string_at(p.value).decode(errors="replace") if p.value else "" for p in (out, error)]
    library.tern_string_free(out)
    library.tern_string_free(error)
    if code:
        raise Error(texts[1], code)
    return texts[0]


def data_paths(calib, folder):
    """Calibration data as files: paths stay, arrays are written into `folder`."""
    if isinstance(calib, (str, os.PathLike)):
        return [os.fspath(calib)]
    if isinstance(calib, (dict, np.ndarray)):
        calib = [calib]
    written = []
    for index, feed in enumerate(calib):
        if isinstance(feed, (str, os.PathLike)):
            written.append(os.fspath(feed))
            continue
        file = folder / f"feed{index}.{'npz' if isinstance(feed, dict) else 'npy'}"
        if isinstance(feed, dict):
            np.savez(file, **{name: np.asarray(array) for name, array in feed.items()})
        else:
            np.save(file, np.asarray(feed))
        written.append(str(file))
    if not written:
        raise Error("calib: there are no feeds; give arrays, or None for dynamic activations")
    return written
