"""tern.load: a compiled program, called with numpy arrays."""
import collections
import ctypes
import dataclasses
import json
import pathlib
import threading
import time

import numpy as np

from . import _library, _sizes
from ._errors import Error

DTYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_, 10: np.float16,
          11: np.float64, 12: np.uint32, 13: np.uint64,
          # One byte an element: codes of floats, integers extended by their sign.
          17: np.uint8, 18: np.uint8, 19: np.uint8, 20: np.uint8, 21: np.uint8, 22: np.int8, 23: np.uint8, 24: np.uint8, 25: np.uint8, 26: np.int8}
BF16, NHWC = 16, 1
KEPT_CONTEXTS = 4


@dataclasses.dataclass(frozen=True)
class Tensor:
    """An input or output. dtype: a numpy type; bfloat16 values are passed as np.uint16 bits."""
    name: str
    dtype: np.dtype
    shape: tuple


@dataclasses.dataclass(frozen=True)
class Step:
    """One kernel call. name: of the op, the key in `plan`; row: of the kernel table; macs, bytes: of one run."""
    name: str
    kernel: str
    row: str
    macs: int
    bytes: int
    shape: tuple


@dataclasses.dataclass(frozen=True)
class Times:
    """Seconds of one run over `runs` runs."""
    median: float
    p10: float
    runs: int
    macs: int
    bytes: int
    threads: int
    isa: str


def load(folder, threads=0, isa=None):
    """Loads the folder that tern.compile or quant-compile wrote. threads: 0 for one for each cpu. isa: None for the best one, else
    "portable", "avx2" or "avx512vnni"."""
    return Model(folder, threads, isa)


class Model:
    """A compiled program. One thread runs it at a time; others wait. The GIL is released while it computes."""

    def __init__(self, folder, threads=0, isa=None):
        self._context = self._handle = None
        self._contexts = collections.OrderedDict()  # by sizes; the last few are kept
        self.path = pathlib.Path(folder)
        if not self.path.is_dir():
            raise Error(f"{folder}: {'this is a file' if self.path.exists() else 'there is no such folder'}; give the folder that tern.compile or quant-compile wrote")
        try:
            manifest = json.loads((self.path / "manifest.json").read_text())
            library, abi = manifest["library"], manifest["abi"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise Error(f"{folder}: not a compiled program, manifest.json cannot be read ({problem}); give the folder that tern.compile or quant-compile wrote") from None
        if abi != _library.ABI:
            raise Error(f"{folder}: compiled by another version of Tern (ABI {abi}, this one has {_library.ABI}); compile the model again")
        levels = {None: -1, "portable": 0, "avx2": 1, "avx512vnni": 2}
        if isa not in levels:
            raise Error(f"unknown instruction set '{isa}'; allowed are portable, avx2, avx512vnni")
        self._api = _library.declare(_library.fresh((self.path / library).resolve()), _library.ARTIFACT)
        self._lock = threading.Lock()
        error = _library.CError()
        options = _library.Options(ctypes.sizeof(_library.Options), int(threads), 0, levels[isa])
        weights = str(self.path / manifest.get("weights", {}).get("file", "weights.bin")).encode()
        self._handle = self._api.tern_model_open(weights, ctypes.byref(options), ctypes.byref(error))
        if not self._handle:
            raise Error(f"{folder}: {error.text.decode(errors='replace')}")
        api, handle = self._api, self._handle
        self._dim_infos = [api.tern_dim(handle, i).contents for i in range(api.tern_dim_count(handle))]
        texts = lambda tensor: tensor.get("sizes", [""] * len(tensor["shape"]))
        self._sizes = [(tensor["name"], texts(tensor)) for tensor in manifest["inputs"]]
        self._texts = {kind: [texts(tensor) for tensor in manifest[kind]] for kind in ("inputs", "outputs")}
        if not self._dim_infos:
            self._bind([])
        self._input_infos = [api.tern_input_info(handle, i).contents for i in range(api.tern_input_count(handle))]
        self._output_infos = [api.tern_output_info(handle, i).contents for i in range(api.tern_output_count(handle))]
        self._step_infos = [api.tern_step_info(handle, i).contents for i in range(api.tern_step_count(handle))]

    def __del__(self):
        self.close()

    def close(self):
        """Frees memory and threads; the model cannot be run afterwards."""
        for context in getattr(self, "_contexts", {}).values():
            self._api.tern_context_close(context)
        self._contexts = {}
        if getattr(self, "_handle", None):
            self._api.tern_model_close(self._handle)
        self._context = self._handle = None

    def __repr__(self):
        signature = lambda tensors: ", ".join(f"{t.name} {np.dtype(t.dtype).name}{list(t.shape)}" for t in tensors)
        return f"tern.Model({str(self.path)!r}: {signature(self.inputs)} -> {signature(self.outputs)}; {self.isa}, {self.threads} threads)"

    @property
    def name(self):
        return self._api.tern_model_name(self._open()).decode()

    @property
    def isa(self):
        """The instruction set that runs: "portable", "avx2" or "avx512vnni"."""
        return self._api.tern_model_isa(self._open()).decode()

    @property
    def threads(self):
        return self._api.tern_model_threads(self._open())

    @property
    def inputs(self):
        """List of tern.Tensor."""
        return [_tensor(info, texts) for info, texts in zip(self._input_infos, self._texts["inputs"])]

    @property
    def outputs(self):
        """List of tern.Tensor."""
        return [_tensor(info, texts) for info, texts in zip(self._output_infos, self._texts["outputs"])]

    @property
    def dims(self):
        """Dimensions that the arrays choose: {name: (least, greatest size or None)}."""
        return {dim.name.decode(): (dim.low, None if dim.high == 2 ** 63 - 1 else dim.high) for dim in self._dim_infos}

    @property
    def steps(self):
        """The kernel calls of a run, in order: list of tern.Step."""
        return [Step(s.name.decode(), s.kernel.decode(), s.row.decode(), s.macs, s.bytes, tuple(s.dims[:s.rank])) for s in self._step_infos]

    @property
    def plan(self):
        """The decisions of the compiler: {op name: {"x": format, "w": format, "kernels": [...], ...}}."""
        try:
            return {op["name"]: op for op in json.loads((self.path / "plan.json").read_text())["ops"]}
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise Error(f"{self.path / 'plan.json'}: cannot be read ({problem}); compile the model again") from None

    def run(self, feeds=None, *more):
        """Computes the outputs.

        feeds: {input name: array}; then a dict by output name comes back. Or the arrays themselves, in the order of `inputs`; then
        the array comes back if the model has one output, else a dict. Shapes must be those of `inputs`, with any sizes for the
        open dimensions (`dims`); values are converted where nothing is lost (np.can_cast "same_kind").
        """
        isDict = isinstance(feeds, dict)
        with self._lock:
            arrays = self._gather(feeds, more)
            outputs = self._make_outputs()
            self._call(arrays, outputs)
        if not isDict and len(outputs) == 1:
            return outputs[0]
        return {info.name.decode(): array for info, array in zip(self._output_infos, outputs)}

    __call__ = run

    def trace(self, feeds, names=None):
        """Values of ops during a run: {op name: float32 array in ONNX order}, in the order of the steps. names: None for all."""
        known = [s.name.decode() for s in self._step_infos]
        for name in names or []:
            if name not in known:
                import difflib
                near = difflib.get_close_matches(name, known, 2)
                raise Error(f"the program has no kernel named '{name}'" + (f"; did you mean '" + "' or '".join(near) + "'?" if near else "") +
                            " An op inside of a kernel has no value of its own")
        found, problems = {}, []

        def hook(_, index, seconds, output):
            info = self._step_infos[index]
            name = info.name.decode()
            if output and (names is None or name in names):
                try:
                    found[name if name not in found else f"{name}_{index}"] = _step_values(info, output)
                except Exception as problem:         # an exception must not cross the C code
                    problems.append(problem)
        callback = _library.HOOK(hook)
        with self._lock:
            arrays = self._gather(feeds, ())
            outputs = self._make_outputs()
            self._api.tern_context_set_hook(self._open_context(), callback, None)
            try:
                self._call(arrays, outputs)
            finally:
                self._api.tern_context_set_hook(self._context, _library.HOOK(), None)
        if problems:
            raise problems[0]
        return found

    def bench(self, feeds=None, seconds=1.0, dims=None):
        """Times runs for about `seconds`: tern.Times. feeds: None for random values. dims: {name: size} for those that are open, else
        the least ones that hold anything."""
        if feeds is None:
            rng = np.random.default_rng(0)
            if self._dim_infos:
                least = {name: max(1, low) for name, (low, _) in self.dims.items()}
                with self._lock:
                    self._bind(_sizes.solve(list(self.dims), self._sizes, [None] * len(self._sizes), {**least, **(dims or {})}))
            feeds = {t.name: rng.normal(0, 1, t.shape).astype(t.dtype) if np.dtype(t.dtype).kind == "f"
                     else rng.integers(0, 2, t.shape).astype(t.dtype) for t in self.inputs}
        pointers = lambda list_: (ctypes.c_void_p * max(1, len(list_)))(*(a.ctypes.data for a in list_))
        run, times = self._api.tern_run_pointers, []
        with self._lock:
            arrays = self._gather(feeds, ())
            outputs = self._make_outputs()
            arguments = self._open_context(), pointers(arrays), pointers(outputs)
            for _ in range(3):
                run(*arguments)
            stop = time.perf_counter() + seconds
            while len(times) < 5 or (time.perf_counter() < stop and len(times) < 100000):
                start = time.perf_counter()
                run(*arguments)
                times.append(time.perf_counter() - start)
        return Times(float(np.median(times)), float(np.percentile(times, 10)), len(times), sum(s.macs for s in self._step_infos),
                     sum(s.bytes for s in self._step_infos), self.threads, self.isa)

    def _open(self):
        if not self._handle:
            raise Error(f"{self.path}: the model is closed")
        return self._handle

    def _open_context(self):
        self._open()
        return self._context

    def _bind(self, sizes):
        """Makes the context for these sizes the one that runs; the infos become those of it."""
        self._open()
        key = tuple(sizes)
        context = self._contexts.pop(key, None)
        if not context:
            error = _library.CError()
            array = (ctypes.c_int64 * max(1, len(key)))(*key)
            context = self._api.tern_context_open(self._handle, array if key else None, len(key), ctypes.byref(error))
            if not context:
                raise Error(f"{self.path}: {error.text.decode(errors='replace')}")
            while len(self._contexts) >= KEPT_CONTEXTS:
                self._api.tern_context_close(self._contexts.popitem(last=False)[1])
        self._contexts[key] = self._context = context
        api = self._api
        self._input_infos = [api.tern_context_input_info(context, i).contents for i in range(api.tern_input_count(self._handle))]
        self._output_infos = [api.tern_context_output_info(context, i).contents for i in range(api.tern_output_count(self._handle))]
        self._step_infos = [api.tern_context_step_info(context, i).contents for i in range(api.tern_step_count(self._handle))]

    def _shape(self, name):
        return next(t.shape for t in self.inputs if t.name == name)

    def _make_outputs(self):
        return [np.empty(tuple(info.dims[:info.rank]), _dtype(info)) for info in self._output_infos]

    def _gather(self, feeds, more):
        """Arrays in the order of the inputs, of their types and shapes, contiguous."""
        names = [info.name.decode() for info in self._input_infos]
        if isinstance(feeds, dict):
            for name in feeds:
                if name not in names:
                    raise Error(f"the model has no input '{name}'; its inputs are {', '.join(names)}")
            for name in names:
                if name not in feeds:
                    raise Error(f"input '{name}' is missing; the inputs are {', '.join(names)}")
            given = [feeds[name] for name in names]
        else:
            given = [] if feeds is None and not more else [feeds, *more]
            if len(given) != len(names):
                raise Error(f"got {len(given)} arrays, the model has {len(names)} inputs: {', '.join(names)}")
        if self._dim_infos:
            arrays = [np.asarray(value) for value in given]
            for array, (name, texts) in zip(arrays, self._sizes):
                if array.ndim != len(texts):
                    raise Error(f"input '{name}' has {len(texts)} dimensions ({', '.join(map(str, self._shape(name)))}), the array {array.ndim}")
            self._bind(_sizes.solve(list(self.dims), self._sizes, [array.shape for array in arrays]))
        return [_convert(value, info) for value, info in zip(given, self._input_infos)]

    def _call(self, arrays, outputs):
        error = _library.CError()
        inputs, results = _c_tensors(arrays, self._input_infos), _c_tensors(outputs, self._output_infos)
        if self._api.tern_run(self._open_context(), inputs, len(arrays), results, len(outputs), ctypes.byref(error)):
            raise Error(f"{self.path}: {error.text.decode(errors='replace')}")


def _dtype(info):
    if info.dtype != BF16 and info.dtype not in DTYPES:
        raise Error(f"'{info.name.decode()}' has element type {info.dtype}, which this package does not know")
    return np.dtype(DTYPES.get(info.dtype, np.uint16))


def _tensor(info, texts):
    return Tensor(info.name.decode(), _dtype(info), tuple(size if size >= 0 else text for size, text in zip(info.dims[:info.rank], texts)))


def _convert(value, info):
    array, wanted, shape = np.asarray(value), _dtype(info), tuple(info.dims[:info.rank])
    if array.shape != shape:
        raise Error(f"input '{info.name.decode()}' has shape {list(shape)}, the array {list(array.shape)}; sizes that are not open are fixed, "
                    "tern.compile(dims=...) sets or opens them")
    if array.dtype != wanted and not np.can_cast(array.dtype, wanted, "same_kind"):
        raise Error(f"input '{info.name.decode()}' is {wanted.name}, the array {array.dtype.name}; convert it with .astype(np.{wanted.name})")
    return np.require(array.astype(wanted, copy=False), requirements=["C", "A"])


def _c_tensors(arrays, infos):
    return (_library.CTensor * max(1, len(arrays)))(
        *(_library.CTensor(info.dtype, info.rank, info.dims, a.ctypes.data, a.nbytes) for a, info in zip(arrays, infos)))


def _step_values(info, pointer):
    """A step's output in ONNX order as float32: layout and halo removed, codes decoded."""
    dtype, dims = _dtype(info), list(info.dims[:info.rank])
    if info.layout == NHWC:
        n, channels, spatial = dims[0], dims[1], dims[2:]
        height, width = (spatial if len(spatial) == 2 else [1, *spatial])
        top, left, bottom, right = info.halo
        shape = (n, height + top + bottom, width + left + right, info.channel_stride)
        raw = _array_at(pointer, shape, dtype)[:, top:top + height, left:left + width, :channels]
        raw = raw.transpose(0, 3, 1, 2).reshape(dims)
    else:
        raw = _array_at(pointer, dims, dtype)
    if info.dtype == BF16:
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    if info.scale:
        return (np.float32(info.scale) * (raw.astype(np.int32) - info.zero).astype(np.float32)).astype(np.float32)
    return raw.astype(np.float32)


def _array_at(pointer, shape, dtype):
    count = int(np.prod(shape, dtype=np.int64))
    buffer = (ctypes.c_char * (count * dtype.itemsize)).from_address(pointer)
    return np.frombuffer(buffer, dtype, count).reshape(shape).copy()
