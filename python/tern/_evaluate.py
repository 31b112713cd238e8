"""tern.Reference: the numbers that a model stands for, evaluated slowly."""
import ctypes
import json
import os

import numpy as np

from . import _library
from ._errors import Error

# ONNX TensorProto.DataType -> numpy. The types that numpy lacks come from ml_dtypes, where it is installed, else as their bits.
_NUMPY = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
          11: "float64", 12: "uint32", 13: "uint64"}
_MORE = {16: ("bfloat16", "uint16"), 17: ("float8_e4m3fn", "uint8"), 18: ("float8_e4m3fnuz", "uint8"), 19: ("float8_e5m2", "uint8"),
         20: ("float8_e5m2fnuz", "uint8"), 21: ("uint4", "uint8"), 22: ("int4", "int8"), 23: ("float4_e2m1fn", "uint8"),
         24: ("float8_e8m0fnu", "uint8"), 25: ("uint2", "uint8"), 26: ("int2", "int8"), 27: ("float6_e2m3fn", "uint8"),
         28: ("float6_e3m2fn", "uint8")}


def _from_bytes(dtype, data, shape):
    if dtype in _NUMPY:
        return np.frombuffer(data, _NUMPY[dtype]).reshape(shape).copy()
    name, storage = _MORE[dtype]
    array = np.frombuffer(data, storage).reshape(shape).copy()
    try:
        import ml_dtypes
        wanted = np.dtype(getattr(ml_dtypes, name))
    except (ImportError, AttributeError):
        return array
    return array.astype(wanted) if "int" in name else array.view(wanted)


def _to_bytes(array, dtype):
    """Elements of the type that the model takes; integers below 8 bits one in a byte."""
    if dtype in _NUMPY:
        return np.ascontiguousarray(array, _NUMPY[dtype]).reshape(array.shape)
    name, storage = _MORE[dtype]
    if array.dtype.name == name:
        array = array.astype(storage) if "int" in name else array.view(storage)
    return np.ascontiguousarray(array, storage).reshape(array.shape)


class Reference:
    """An ONNX model as the arbiter of Tern's tests evaluates it: op by op, every rounding where the model has it.

    path: the .onnx file.
    dims: {"batch": 4}; shapes: {"input": [4, 3]}: sizes of open dimensions.
    inputs, outputs: values to cut the model at.

    kept: the ops that Tern does not know, "TYPE: REASON" each; a model with such ops can be read but not run.
    """

    def __init__(self, path, dims=None, shapes=None, *, inputs=None, outputs=None):
        options = {"model": os.fspath(path), "dims": [f"{name}={size}" for name, size in (dims or {}).items()],
                   "inputs": list(inputs or []), "outputs": list(outputs or []),
                   "shapes": {name: [int(size) for size in shape] for name, shape in (shapes or {}).items()}}
        self._library = _library.compiler()
        error = ctypes.c_void_p()
        self._handle = self._library.tern_evaluator_open(json.dumps(options).encode(), ctypes.byref(error))
        if not self._handle:
            raise Error(self._text(error))
        self.kept = self._library.tern_evaluator_kept(self._handle).decode().splitlines()

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.tern_evaluator_close(self._handle)

    def _text(self, pointer):
        text = ctypes.string_at(pointer.value).decode(errors="replace") if pointer.value else ""
        self._library.tern_string_free(pointer)
        return text

    def ir(self):
        """The imported module as text."""
        return self._text(ctypes.c_void_p(self._library.tern_evaluator_ir(self._handle)))

    @property
    def input_names(self):
        count = self._library.tern_evaluator_input_count(self._handle)
        return [self._library.tern_evaluator_input(self._handle, i).contents.name.decode() for i in range(count)]

    def run(self, feeds):
        """{input name: array} -> {output name: array}."""
        names, values, alive = self.input_names, [], []
        missing = [name for name in names if name not in feeds]
        if missing:
            raise Error(f"the model has inputs {', '.join(names)}; {missing[0]} is not given")
        for index, name in enumerate(names):
            dtype = self._library.tern_evaluator_input(self._handle, index).contents.dtype
            array = _to_bytes(np.asarray(feeds[name]), dtype)
            dims = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
            alive.append((array, dims))
            values.append(_library.Value(name.encode(), dtype, array.ndim, dims, array.ctypes.data, array.nbytes))
        error = ctypes.c_void_p()
        given = (_library.Value * max(1, len(values)))(*values)
        if self._library.tern_evaluator_run(self._handle, given, len(values), ctypes.byref(error)):
            raise Error(self._text(error))
        results = {}
        for index in range(self._library.tern_evaluator_output_count(self._handle)):
            value = self._library.tern_evaluator_output(self._handle, index).contents
            shape = [value.dims[i] for i in range(value.rank)]
            data = ctypes.string_at(value.data, value.bytes) if value.bytes else b""
            results[value.name.decode()] = _from_bytes(value.dtype, data, shape)
        return results
