"""Tern: ONNX models become quantized programs for the CPU, called with numpy arrays.

    import tern
    model = tern.compile("resnet18.onnx", calib={"input": images}, out="resnet18.tern")
    y = model.run(x)                          # an array in, an array out; a dict in, a dict out
    model = tern.load("resnet18.tern", threads=2)

Pure Python: ctypes over include/tern-c/{artifact,compile}.h. `load` needs the program only; `compile` needs libtern.so, which is
looked for at the path in TERN_LIBRARY, then beside the installed package, then in a build folder (TERN_BUILD, or build/ of the source
tree). Every failure is a tern.Error with one sentence.
"""
from ._compile import compile  # noqa: A004
from ._errors import Error
from ._model import Model, Step, Tensor, load

__all__ = ["Error", "Model", "Step", "Tensor", "compile", "load"]
