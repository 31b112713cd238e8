"""Compiling and running models in tests: one place that knows tern's Python API."""
import os
import pathlib
import sys

import numpy as np

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or TOP / "build")
sys.path.insert(0, str(TOP / "models"))
sys.path.insert(0, str(TOP / "python"))
import tern  # noqa: E402

OUT = BUILD / "test" / "programs"


def compile_model(path, name, scheme, calib=None, **options):
    """The artifact folder of a model; compiled anew on every run of the tests."""
    OUT.mkdir(parents=True, exist_ok=True)
    folder = OUT / f"{name}.tern"
    tern.compile(path, scheme, calib, folder, force=True, **options).close()
    return folder


def runner(folder, threads=2, isa=None):
    """`run(feeds) -> list of arrays` of an artifact, the form the tasks take."""
    model = tern.load(folder, threads, isa)
    return lambda feeds: list(model.run(feeds).values())


def ort_runner(path, threads=2):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def relative_error(got, want):
    """Largest difference, relative to the spread of the expected values."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape, f"shape {got.shape}, expected {want.shape}"
    return float(np.abs(got - want).max() / max(np.ptp(want), np.abs(want).max() * 1e-3, 1e-30))
