"""The C structures of artifact.h, compile.h, evaluate.h and formats.h, and where their libraries are."""
import ctypes
import os
import pathlib
import struct
from ctypes import POINTER, c_char, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

from ._errors import Error

ABI = 2
COMPILE_VERSION = 1


class CError(ctypes.Structure):
    _fields_ = [("code", c_int), ("text", c_char * 252)]


class Options(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("threads", c_int32), ("huge_pages", c_int32), ("level", c_int32)]


class TensorInfo(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("dims", POINTER(c_int64)), ("bytes", c_uint64)]


class CTensor(ctypes.Structure):
    _fields_ = [("dtype", c_int32), ("rank", c_int32), ("dims", POINTER(c_int64)), ("data", c_void_p), ("bytes", c_size_t)]


class StepInfo(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("kernel", c_char_p), ("row", c_char_p), ("macs", c_uint64), ("bytes", c_uint64),
                ("output_offset", c_uint64), ("output_index", c_int32), ("dtype", c_int32), ("rank", c_int32),
                ("dims", POINTER(c_int64)), ("layout", c_int32), ("channel_stride", c_int64), ("halo", c_int64 * 4),
                ("scale", c_float), ("zero", c_int32)]


class DimInfo(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("low", c_int64), ("high", c_int64)]


class Value(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("dims", POINTER(c_int64)), ("data", c_void_p),
                ("bytes", c_size_t)]


HOOK = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_double, c_void_p)
LINE = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)

# name: (result, arguments)
ARTIFACT = {
    "tern_abi": (c_uint32, []),
    "tern_model_open": (c_void_p, [c_char_p, POINTER(Options), POINTER(CError)]),
    "tern_model_close": (None, [c_void_p]),
    "tern_model_name": (c_char_p, [c_void_p]),
    "tern_model_isa": (c_char_p, [c_void_p]),
    "tern_model_threads": (c_int32, [c_void_p]),
    "tern_input_count": (c_size_t, [c_void_p]),
    "tern_output_count": (c_size_t, [c_void_p]),
    "tern_step_count": (c_size_t, [c_void_p]),
    "tern_input_info": (POINTER(TensorInfo), [c_void_p, c_size_t]),
    "tern_output_info": (POINTER(TensorInfo), [c_void_p, c_size_t]),
    "tern_step_info": (POINTER(StepInfo), [c_void_p, c_size_t]),
    "tern_context_open": (c_void_p, [c_void_p, POINTER(c_int64), c_size_t, POINTER(CError)]),
    "tern_context_close": (None, [c_void_p]),
    "tern_dim_count": (c_size_t, [c_void_p]),
    "tern_dim": (POINTER(DimInfo), [c_void_p, c_size_t]),
    "tern_context_input_info": (POINTER(TensorInfo), [c_void_p, c_size_t]),
    "tern_context_output_info": (POINTER(TensorInfo), [c_void_p, c_size_t]),
    "tern_context_step_info": (POINTER(StepInfo), [c_void_p, c_size_t]),
    "tern_context_bytes": (c_uint64, [c_void_p]),
    "tern_context_set_hook": (None, [c_void_p, HOOK, c_void_p]),
    "tern_run": (c_int, [c_void_p, POINTER(CTensor), c_size_t, POINTER(CTensor), c_size_t, POINTER(CError)]),
    "tern_run_pointers": (c_int, [c_void_p, c_void_p, c_void_p]),
}
COMPILER = {
    "tern_compile_version": (c_uint32, []),
    "tern_compile": (c_int32, [c_char_p, LINE, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_string_free": (None, [c_void_p]),
    "tern_format_info": (c_int32, [c_char_p, POINTER(c_int64), c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_encode": (c_int32, [c_char_p, c_char_p, c_char_p, POINTER(c_int64), c_size_t, c_void_p, POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_decode": (c_int32, [c_char_p, POINTER(c_int64), c_size_t, POINTER(c_void_p), c_void_p, POINTER(c_void_p)]),
    "tern_plane_values": (c_int32, [c_char_p, c_int64, c_int64, c_void_p, c_void_p, POINTER(c_void_p)]),
    "tern_plane_pack": (c_int32, [c_char_p, c_int64, c_int64, c_void_p, c_void_p, POINTER(c_void_p)]),
    "tern_layout_info": (c_int32, [c_char_p, c_char_p, POINTER(c_int64), c_size_t, POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_layout_pack": (c_int32, [c_char_p, c_char_p, POINTER(c_int64), c_size_t, POINTER(c_void_p), POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_layout_unpack": (c_int32, [c_char_p, c_char_p, POINTER(c_int64), c_size_t, POINTER(c_void_p), POINTER(c_void_p), POINTER(c_void_p)]),
    "tern_formats": (c_void_p, []),
    "tern_evaluator_open": (c_void_p, [c_char_p, POINTER(c_void_p)]),
    "tern_evaluator_close": (None, [c_void_p]),
    "tern_evaluator_input_count": (c_size_t, [c_void_p]),
    "tern_evaluator_output_count": (c_size_t, [c_void_p]),
    "tern_evaluator_input": (POINTER(Value), [c_void_p, c_size_t]),
    "tern_evaluator_output": (POINTER(Value), [c_void_p, c_size_t]),
    "tern_evaluator_kept": (c_char_p, [c_void_p]),
    "tern_evaluator_ir": (c_void_p, [c_void_p]),
    "tern_evaluator_run": (c_int32, [c_void_p, POINTER(Value), c_size_t, POINTER(c_void_p)]),
}


def check_whole(path):
    """Loading a library that is cut off ends the process: its section headers come last, and must be there."""
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        header = file.read(64)
    if len(header) < 64 or header[:4] != b"\x7fELF":
        raise OSError("it is no shared library")
    offset, = struct.unpack_from("<Q", header, 40)
    entry, count = struct.unpack_from("<HH", header, 58)
    if offset + entry * count > size:
        raise OSError(f"it is cut off: {size} bytes are there")


_loaded = {}                                         # {path: {(device, inode): how many came before}}


def fresh(path):
    """The path as the loader has not seen it before when the file is another one by now: it goes by the name, and never unloads."""
    try:
        stat = os.stat(path)
    except OSError:
        return path                                  # loading reports it
    seen = _loaded.setdefault(str(path), {})
    return f"{path.parent}/{'./' * seen.setdefault((stat.st_dev, stat.st_ino), len(seen))}{path.name}"


def declare(path, functions):
    """Loads a library and types its functions."""
    try:
        check_whole(path)
        library = ctypes.CDLL(str(path))
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as problem:
        raise Error(f"{path}: cannot be loaded ({problem})") from None
    return library


def compiler_paths():
    """Where libtern.so may be, the first one that exists counts."""
    if os.environ.get("TERN_LIBRARY"):
        return [pathlib.Path(os.environ["TERN_LIBRARY"])]
    here = pathlib.Path(__file__).resolve().parent
    builds = [pathlib.Path(os.environ["TERN_BUILD"])] if os.environ.get("TERN_BUILD") else []
    # installed: lib/python/tern/ and lib/libtern.so; source tree: python/tern/ and build/lib/libtern.so
    return [here / "libtern.so", here.parents[1] / "libtern.so", *(b / "lib" / "libtern.so" for b in builds),
            here.parents[1] / "build" / "lib" / "libtern.so"]


_compiler = None


def compiler():
    """libtern.so, loaded once."""
    global _compiler
    if _compiler is None:
        paths = compiler_paths()
        path = next((p for p in paths if p.exists()), None)
        if path is None:
            raise Error(f"libtern.so, the compiler, is not at {', '.join(map(str, paths))}; build Tern, or set TERN_LIBRARY to its path")
        library = declare(path, COMPILER)
        if library.tern_compile_version() != COMPILE_VERSION:
            raise Error(f"{path} has version {library.tern_compile_version()} of the interface, this package {COMPILE_VERSION}; "
                        "install both from one version of Tern")
        _compiler = library
    return _compiler
