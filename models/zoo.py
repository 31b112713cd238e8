"""The real models as one table, for the demo, the end-to-end tests and the benchmarks.

    model = zoo.get("ocr_cls")          # fetched on first use, into $TERN_MODELS or build/models
    model.path, model.task, model.shapes

`task` is a module of tasks/: score(run, cache), calibration(cache, n), maybe nll(run, cache). `run(feeds)` takes a
dictionary of numpy arrays and gives the outputs in graph order.
"""
import dataclasses
import importlib
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("TERN_MODELS") or HERE.parent / "build" / "models")


@dataclasses.dataclass(frozen=True)
class Model:
    name: str
    fetch: tuple            # names for fetch.py
    task_name: str
    score_name: str
    pictures: int           # calibration feeds that the accuracy bars are stated for
    varying: bool = False   # the task feeds inputs of different sizes
    dims: tuple = ()        # ((name, size), ...): sizes of a program that runs the whole task

    @property
    def path(self):
        return CACHE / f"{self.name}.onnx"

    @property
    def task(self):
        tasks = str(HERE / "tasks")
        if tasks not in sys.path:
            sys.path.insert(0, tasks)
        return importlib.import_module(self.task_name)

    def scores(self, run, limit=None):
        """{name: value} of everything the task measures; limit: only so many cases."""
        found = {self.score_name: self.task.score(run, CACHE, limit)}
        if hasattr(self.task, "nll"):
            found["nll"] = self.task.nll(run, CACHE, limit)
        return found

    def calibration(self, folder, n=None):
        """Writes calibration feeds as FOLDER/0000.npz and so on, the form that --calib takes; returns FOLDER."""
        import numpy as np
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for i, feeds in enumerate(self.task.calibration(CACHE, n or self.pictures)):
            np.savez(folder / f"{i:04d}.npz", **feeds)
        return folder


def float_bytes(path):
    """Bytes that all float values of a model take as float32, in initializers and in Constant nodes."""
    import math
    import onnx
    model = onnx.load(str(path))
    tensors = list(model.graph.initializer)
    tensors += [a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute if a.name == "value"]
    return sum(4 * math.prod(t.dims) for t in tensors if t.data_type == onnx.TensorProto.FLOAT)


MODELS = {m.name: m for m in (
    Model("ocr_cls", ("ocr", "data"), "ocr_cls", "accuracy", 32),
    Model("ocr_det", ("ocr", "data"), "ocr_det", "F-score", 32),
    Model("ocr_rec", ("ocr", "data"), "ocr_rec", "character accuracy", 32, varying=True,
          dims=(("p2o.DynamicDimension.0", 1), ("x.2", 48), ("p2o.DynamicDimension.1", "8..4096"))),
    Model("efficientnet_lite0", ("efficientnet", "data"), "imagenet20", "top-1", 32),
    Model("magika", ("magika", "data"), "filetype", "accuracy", 32),
    Model("minilm", ("minilm",), "retrieval", "MRR", 32, varying=True, dims=(("batch", "1..64"), ("sequence", "1..512"))),
    Model("minilm_int8", ("minilm_int8", "minilm"), "retrieval", "MRR", 32, varying=True),
    Model("smollm2", ("smollm2",), "perplexity", "perplexity", 8, varying=True),
    Model("silero_vad_sequence", ("silero", "data"), "vad", "AUC", 8, varying=True, dims=(("sequence_length", "1..8192"),)),
    Model("ocr_int8", ("ocr_int8", "data"), "ocr_int8", "character accuracy", 32, varying=True),
)}


def fetch(*names):
    """Fetches models by the names of fetch.py; SystemExit with one sentence when there is no network. Returns their folder."""
    step = subprocess.run([sys.executable, str(HERE / "fetch.py"), str(CACHE), *names], capture_output=True, text=True)
    if step.returncode:
        sys.exit((step.stderr or step.stdout).strip().splitlines()[-1])
    return CACHE


def get(name):
    """The model, fetched if need be; SystemExit with one sentence when there is no such model or no network."""
    if name not in MODELS:
        sys.exit(f"no model is called {name!r}; there are digits, {', '.join(MODELS)}")
    fetch(*MODELS[name].fetch)
    return MODELS[name]
