"""tern.encode, tern.decode, tern.formats: number formats on numpy arrays.

    planes = tern.encode(x, "<ui4, scale<f16, [1, 128]>, zero<ui4>>", rule="minmax")
    y = tern.decode(planes)
    error = ((x - y) ** 2).mean()
"""
import ctypes
import dataclasses
import json

import numpy as np

from . import _library
from ._errors import Error

NF4 = np.array([-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1], np.float32)
IQ4_NL = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)


@dataclasses.dataclass(frozen=True)
class Format:
    """A row of tern.formats(). bits: per element of a large tensor, scales and the like included. kernels: {target: {"x": rows, "w":
    rows}}, the rows of the target's kernel table that take activations or weights in it."""
    name: str
    format: str
    encode: str
    layout: str
    bits: float
    kernels: dict


class Planes:
    """A quantized tensor: codes and parameters as numpy arrays, in the order of the format.

    planes[0] or planes["codes"] is an array as it is stored: f32 and f16 planes in their type, bf16 as uint16, 8-bit integers as (u)int8,
    everything else as bytes, below 8 bits packed LSB first along the last axis. A role with several planes: the finest, planes["scale"],
    and planes["scale", 1] the next one.
    """

    def __init__(self, format, shape, arrays=None):
        info = _info(format, shape)
        self.format, self.shape, self.bits_per_element, self.nbytes = info["format"], tuple(shape), info["bits"], info["bytes"]
        self._info = info["planes"]
        if arrays is None:
            arrays = [np.zeros(_stored(p)[1], _stored(p)[0]) for p in self._info]
        if len(arrays) != len(self._info):
            raise Error(f"format {self.format} has {len(self._info)} planes ({', '.join(self.names)}); found {len(arrays)}")
        self.arrays = [_plane(a, p, self.format) for a, p in zip(arrays, self._info)]

    @property
    def names(self):
        """Roles of the planes: ["codes", "scale", ...]."""
        return [p["role"] for p in self._info]

    def __len__(self):
        return len(self.arrays)

    def __iter__(self):
        return iter(self.arrays)

    def __getitem__(self, key):
        return self.arrays[self._index(key)]

    def values(self, key):
        """The entries of a plane as f32, in the plane's logical shape; codes as int32 numbers (bit patterns where they are no integers)."""
        index = self._index(key)
        plane = self._info[index]
        shape, type_ = plane["shape"], plane["type"]
        if plane["bits"] == 32 and not plane["float"]:
            return self.arrays[index].view(np.int32).reshape(shape)
        if index == 0:
            isNumber = plane["signed"] or type_.startswith("ui")
            type_ = type_ if isNumber and not type_.startswith("#") else f"{'si' if plane['signed'] else 'ui'}{plane['bits']}"
        cols = shape[-1] if shape else 1
        rows = int(np.prod(shape[:-1], dtype=np.int64))
        out = np.empty((rows, cols), np.float32)
        _call("tern_plane_values", type_.encode(), rows, cols, _pointer(self.arrays[index]), out.ctypes.data)
        return (out.astype(np.int32) if index == 0 else out).reshape(shape)

    def __repr__(self):
        return f"tern.Planes({self.format!r}, shape={self.shape}, {self.nbytes} bytes, {self.bits_per_element:.4g} bits per element)"

    def _index(self, key):
        if isinstance(key, int):
            return range(len(self.arrays))[key]
        role, which = key if isinstance(key, tuple) else (key, 0)
        found = [i for i, name in enumerate(self.names) if name == role]
        if which >= len(found):
            raise Error(f"format {self.format} has no plane '{role}'" + (f" number {which}" if found else "") + f"; its planes are {', '.join(self.names)}")
        return found[which]


def encode(x, format, rule=None, *, method=None, planes=None):
    """Quantizes an array.

    x: an array of numbers; computed on as float32.
    format: as in the IR, "<si4, scale<f16, [1, 128]>>"; tern.formats() lists the usual ones. Blocks have one extent per axis of x.
    rule: how codes and parameters are chosen: "absmax", "minmax", "absmax, -7 to 7", "minmax, round = half_up", "given", ... None: what
        suits the format: minmax with a zero or min plane, floor_pow2 with a power-of-two scale, absmean for ternary, else absmax.
    method: None, "rtn" or "rtn-mse" (clips the range of each block where its squared error is least).
    planes: {role: values} that are given, as real numbers (a list of arrays for a role with several planes): all but the codes for rule
        "given", the table of a #tern.lut (tern.NF4) for every rule.

    Returns tern.Planes. Raises tern.Error with one sentence.
    """
    x = np.ascontiguousarray(x, np.float32)
    result = Planes(format, x.shape)
    text = _rule(rule, result)
    _fill(result, planes or {}, text)
    pointers = (ctypes.c_void_p * len(result))(*(_pointer(a) for a in result))
    _call("tern_encode", result.format.encode(), text.encode(), method.encode() if method else None, _extents(x.shape), x.ndim,
          x.ctypes.data, pointers)
    return result


def decode(planes, format=None, shape=None):
    """The float32 values of a quantized tensor: tern.Planes, or arrays in the order of the format with its format and shape."""
    if not isinstance(planes, Planes):
        if format is None or shape is None:
            raise Error("decode: arrays need their format and shape; give decode(planes, format, shape)")
        planes = Planes(format, shape, list(planes))
    elif format is not None or shape is not None:
        planes = Planes(format or planes.format, shape if shape is not None else planes.shape, planes.arrays)
    out = np.empty(planes.shape, np.float32)
    pointers = (ctypes.c_void_p * len(planes))(*(_pointer(a) for a in planes))
    _call("tern_decode", planes.format.encode(), _extents(planes.shape), len(planes.shape), pointers, out.ctypes.data)
    return out


def formats():
    """The formats with a name: list of tern.Format."""
    library = _library.compiler()
    pointer = library.tern_formats()
    try:
        return [Format(**row) for row in json.loads(ctypes.string_at(pointer).decode())]
    finally:
        library.tern_string_free(pointer)


def pack(planes, layout):
    """The bytes of another project ("#tern.matmulnbits", "#tern.ggml<q4_K>", ...): {buffer name: array}. planes: tern.Planes."""
    info, buffers = _layout(layout, planes.format, planes.shape)
    arrays = [np.zeros(b["shape"], _dtype(b["type"])) for b in buffers]
    _call("tern_layout_pack", info.encode(), planes.format.encode(), _extents(planes.shape), len(planes.shape),
          (ctypes.c_void_p * len(planes))(*(_pointer(a) for a in planes)), (ctypes.c_void_p * len(arrays))(*(_pointer(a) for a in arrays)))
    return {b["name"]: a for b, a in zip(buffers, arrays)}


def unpack(buffers, layout, format, shape):
    """tern.Planes from the bytes of another project. buffers: {buffer name: array}, as `pack` returns them."""
    info, known = _layout(layout, format, shape)
    result, arrays = Planes(format, shape), []
    for b in known:
        if b["name"] not in buffers:
            raise Error(f"{info}: buffer '{b['name']}' is missing; its buffers are {', '.join(k['name'] for k in known)}")
        array = np.ascontiguousarray(buffers[b["name"]])
        if array.nbytes != b["bytes"]:
            raise Error(f"{info}: buffer '{b['name']}' has {b['bytes']} bytes for this shape; found {array.nbytes}")
        arrays.append(array)
    _call("tern_layout_unpack", info.encode(), result.format.encode(), _extents(shape), len(shape),
          (ctypes.c_void_p * len(arrays))(*(_pointer(a) for a in arrays)), (ctypes.c_void_p * len(result))(*(_pointer(a) for a in result)))
    return result


def _call(name, *arguments):
    library = _library.compiler()
    error = ctypes.c_void_p()
    if getattr(library, name)(*arguments, ctypes.byref(error)):
        try:
            raise Error(ctypes.string_at(error.value).decode(errors="replace"))
        finally:
            library.tern_string_free(error)


def _json(name, *arguments):
    text = ctypes.c_void_p()
    _call(name, *arguments, ctypes.byref(text))
    try:
        return json.loads(ctypes.string_at(text.value).decode())
    finally:
        _library.compiler().tern_string_free(text)


def _extents(shape):
    return (ctypes.c_int64 * max(1, len(shape)))(*(int(n) for n in shape))


def _pointer(array):
    return array.ctypes.data


def _info(format, shape):
    if not isinstance(format, str):
        raise Error(f"a format is a string, as \"<si8, scale<f32, [1, *]>>\"; found {type(format).__name__}")
    return _json("tern_format_info", format.encode(), _extents(shape), len(shape))


def _layout(layout, format, shape):
    info = _json("tern_layout_info", layout.encode(), format.encode(), _extents(shape), len(shape))
    return info["layout"], info["buffers"]


def _dtype(type_):
    return {"f32": np.float32, "f16": np.float16, "bf16": np.uint16, "si8": np.int8, "ui8": np.uint8, "si16": np.int16,
            "ui16": np.uint16, "si32": np.int32, "ui32": np.uint32}.get(type_, np.uint8)


def _stored(plane):
    """dtype and shape of a plane as an array."""
    shape, bits = list(plane["shape"]), plane["bits"]
    dtype = np.dtype(_dtype(plane["type"]))
    if dtype.itemsize * 8 != bits:              # packed, or wider than a byte and no type of numpy's
        dtype = np.dtype(np.uint8)
        shape = shape[:-1] + [(shape[-1] * bits + 7) // 8] if shape else [(bits + 7) // 8]
    return dtype, tuple(shape)


def _plane(array, plane, format):
    dtype, shape = _stored(plane)
    array = np.ascontiguousarray(array).reshape(np.shape(array))
    if array.nbytes != plane["bytes"]:
        raise Error(f"plane '{plane['role']}' of {format} has {plane['bytes']} bytes ({dtype.name}{list(shape)}); found {array.dtype.name}"
                    f"{list(array.shape)}")
    return array.view(dtype).reshape(shape) if array.dtype != dtype or array.shape != shape else array


def _fill(result, given, rule):
    """Writes given values into the planes."""
    for role, values in given.items():
        indices = [i for i, name in enumerate(result.names) if name == role and i]
        if not indices:
            raise Error(f"format {result.format} has no plane '{role}' to give; it has {', '.join(result.names[1:]) or 'none'}")
        several = values if isinstance(values, (list, tuple)) and len(indices) > 1 else [values]
        if len(several) != len(indices):
            raise Error(f"format {result.format} has {len(indices)} planes '{role}'; {len(several)} are given")
        for i, value in zip(indices, several):
            plane = result._info[i]
            shape = plane["shape"]
            value = np.ascontiguousarray(np.asarray(value, np.float32))
            if value.size != int(np.prod(shape, dtype=np.int64)):
                raise Error(f"plane '{role}' of {result.format} has shape {shape}; found {list(value.shape)}")
            cols = shape[-1] if shape else 1
            _call("tern_plane_pack", plane["type"].encode(), value.size // cols if cols else 0, cols, value.ctypes.data, _pointer(result.arrays[i]))
    isGiven = rule.replace("#tern.encode", "").strip("< ").startswith("given")
    needed = [n for n in result.names[1:] if n == "table" or isGiven]
    for name in needed:
        if name not in given:
            raise Error(f"plane '{name}' of {result.format} is not computed" + (" by rule given" if isGiven else "") +
                        f"; give its values: planes={{\"{name}\": ...}}" + (" (tern.NF4, tern.IQ4_NL)" if name == "table" else ""))


def _rule(rule, result):
    if rule is not None:
        if not isinstance(rule, str):
            raise Error(f"a rule is a string, as \"absmax, -7 to 7\"; found {type(rule).__name__}")
        return rule if rule.lstrip().startswith(("<", "#")) else f"<{rule}>"
    types = [p["type"] for p in result._info if p["role"] == "scale"]
    if "f8E8M0FNU" in types:
        return "<floor_pow2>"
    if "zero" in result.names or "min" in result.names:
        return "<minmax>"
    return "<absmean>" if result._info[0]["type"] == "#tern.ternary" else "<absmax>"
