"""Tern: ONNX models become quantized programs for the CPU, called with numpy arrays.

    import tern
    model = tern.compile("resnet18.onnx", calib={"input": images}, out="resnet18.tern")
    y = model.run(x)                          # an array in, an array out; a dict in, a dict out
    model = tern.load("resnet18.tern", threads=2)
    planes = tern.encode(w, "<ui4, scale<f16, [1, 128]>, zero<ui4>>", rule="minmax")      # any number format, in one line
    w_hat = tern.decode(planes)
    y = tern.Reference("resnet18.onnx").run({"input": x})      # what the model means, slowly

Pure Python: ctypes over include/tern-c/{artifact,compile,evaluate,formats}.h. `load` needs the program only; the others need libtern.so, which is
looked for at the path in TERN_LIBRARY, then beside the installed package, then in a build folder (TERN_BUILD, or build/ of the source
tree). Every failure is a tern.Error with one sentence.
"""
from ._compile import compile  # noqa: A004
from ._errors import Error
from ._evaluate import Reference
from ._formats import IQ4_NL, NF4, Format, Planes, decode, encode, formats, pack, unpack
from ._model import Model, Step, Tensor, load

__all__ = ["Error", "Format", "IQ4_NL", "Model", "NF4", "Planes", "Reference", "Step", "Tensor", "compile", "decode", "encode", "formats", "load",
           "pack", "unpack"]
