"""Writes damaged models into a folder: broken.py MODEL FOLDER. MODEL starts with a Conv of the weight w1."""
import pathlib
import sys

import onnx
from onnx import TensorProto, helper

source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
data = pathlib.Path(source).read_bytes()


def write(name, change):
    model = onnx.load_from_string(data)
    change(model)
    (folder / name).write_bytes(model.SerializeToString())


def w1(model):
    return next(t for t in model.graph.initializer if t.name == "w1")


def external(model):
    weight = w1(model)
    weight.ClearField("raw_data")
    weight.ClearField("float_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../weights.bin")


def overflow(model):
    w1(model).dims[:] = [1 << 40, 1 << 40]


def cycle(model):
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def missing(model):
    model.graph.initializer.remove(w1(model))


def unknown(model):
    model.graph.node[-1].op_type = "Frobnicate"


(folder / "truncated.onnx").write_bytes(data[:len(data) // 2])
(folder / "magic.onnx").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
for name, change in dict(external=external, overflow=overflow, cycle=cycle, missing=missing, unknown=unknown).items():
    write(f"{name}.onnx", change)
