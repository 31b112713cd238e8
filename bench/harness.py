"""Interleaved timing of engines in one process.

Traps that this file is built around:
- ONNX Runtime's workers spin up to 40 ms after a run and would sit on the other engine's core: before every timing we
  wait until no thread of this process has used a cpu for several scheduler ticks (a thread on another cpu is accounted
  only at its 4 ms tick, so a shorter look lies);
- the scheduler wakes workers on the caller's own core: the caller is pinned to one cpu, the workers of both engines to
  the others;
- other processes: a round counts as undisturbed when, by the scheduler's own accounting, tasks of other processes ran
  less than 2 % of its time. The rule ignores the result and is the same for all engines; both figures are printed.
"""
import contextlib
import ctypes
import glob
import os
import time

import numpy as np

CPUS = sorted(os.sched_getaffinity(0))


def threads_now():
    return {int(t) for t in os.listdir("/proc/self/task")}


@contextlib.contextmanager
def workers_pinned(threads):
    """Threads started inside (an engine's workers) run on the cpus after the caller's, which is the first one."""
    os.sched_setaffinity(0, CPUS)
    before = threads_now()
    yield
    if threads > 1:
        for tid in threads_now() - before:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(tid, CPUS[1:threads] or CPUS)
    os.sched_setaffinity(0, CPUS[:1])


class Tern:
    """A compiled model through its C interface: no Python between the calls of one timing."""

    def __init__(self, folder, feeds, threads):
        class Options(ctypes.Structure):
            _fields_ = [("size", ctypes.c_uint32), ("threads", ctypes.c_int32), ("huge_pages", ctypes.c_int32), ("level", ctypes.c_int32)]

        class Error(ctypes.Structure):
            _fields_ = [("code", ctypes.c_int), ("text", ctypes.c_char * 252)]

        class Info(ctypes.Structure):
            _fields_ = [("name", ctypes.c_char_p), ("dtype", ctypes.c_int32), ("rank", ctypes.c_int32),
                        ("dims", ctypes.POINTER(ctypes.c_int64)), ("bytes", ctypes.c_uint64)]
        lib = self.lib = ctypes.CDLL(os.path.join(folder, "libmodel.so"))
        for name in ("tern_model_open", "tern_context_open"):
            getattr(lib, name).restype = ctypes.c_void_p
        lib.tern_model_isa.restype, lib.tern_model_isa.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
        for name in ("tern_input_info", "tern_output_info"):
            getattr(lib, name).restype, getattr(lib, name).argtypes = ctypes.POINTER(Info), [ctypes.c_void_p, ctypes.c_size_t]
        for name in ("tern_input_count", "tern_output_count"):
            getattr(lib, name).restype, getattr(lib, name).argtypes = ctypes.c_size_t, [ctypes.c_void_p]
        lib.tern_run_pointers.argtypes = [ctypes.c_void_p] * 3
        error = Error()
        with workers_pinned(threads):
            options = Options(ctypes.sizeof(Options), threads, 0, -1)
            model = lib.tern_model_open(None, ctypes.byref(options), ctypes.byref(error))
        if not model:
            raise RuntimeError(error.text.decode())
        self.context = lib.tern_context_open(ctypes.c_void_p(model), None, ctypes.c_size_t(0), ctypes.byref(error))
        if not self.context:
            raise RuntimeError(error.text.decode())
        self.isa = lib.tern_model_isa(model).decode()
        infos = [lib.tern_input_info(model, i).contents for i in range(lib.tern_input_count(model))]
        self.inputs = [np.ascontiguousarray(feeds[i.name.decode()]) for i in infos]
        for info, array in zip(infos, self.inputs):
            assert info.bytes == array.nbytes, f"{info.name.decode()}: {array.nbytes} bytes, the program takes {info.bytes}"
        outs = [lib.tern_output_info(model, i).contents for i in range(lib.tern_output_count(model))]
        self.outputs = [np.zeros(o.bytes, np.uint8) for o in outs]
        pointers = lambda arrays: (ctypes.c_void_p * max(1, len(arrays)))(*(a.ctypes.data for a in arrays))
        self.arguments = self.context, pointers(self.inputs), pointers(self.outputs)

    def __call__(self, count=1):
        run, arguments = self.lib.tern_run_pointers, self.arguments
        start = time.perf_counter()
        for _ in range(count):
            run(*arguments)
        return (time.perf_counter() - start) / count


class OnnxRuntime:
    """An ONNX Runtime session with bound buffers, all graph optimizations on."""

    def __init__(self, path, feeds, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
        with workers_pinned(threads):
            session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            results = session.run(None, feeds)
        self.session, self.feeds = session, {k: np.ascontiguousarray(v) for k, v in feeds.items()}
        # A model that declares another rank than it computes takes no bound buffers.
        self.bound = all(len(info.shape) == r.ndim for info, r in zip(session.get_outputs(), results))
        self.binding = session.io_binding()
        for name, value in self.feeds.items():
            self.binding.bind_cpu_input(name, value)
        self.outputs = [np.zeros_like(r) for r in results]
        for info, out in zip(session.get_outputs(), self.outputs):
            self.binding.bind_output(info.name, "cpu", 0, out.dtype, out.shape, out.ctypes.data)

    def __call__(self, count=1):
        run, binding = self.session._sess.run_with_iobinding, self.binding._iobinding
        start = time.perf_counter()
        for _ in range(count):
            run(binding, None) if self.bound else self.session.run(None, self.feeds)
        return (time.perf_counter() - start) / count


def quiet():
    """Waits until no thread of this process uses a cpu; the look spans four ticks."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(0.016)
        if time.process_time() - before < 0.001:
            return


def others():
    """Nanoseconds that tasks of other processes have run, by the scheduler's accounting."""
    own, total = f"/proc/{os.getpid()}/", 0
    for stat in glob.glob("/proc/[0-9]*/task/[0-9]*/schedstat"):
        if not stat.startswith(own):
            with contextlib.suppress(OSError, ValueError, IndexError):
                total += int(open(stat).read().split()[0])
    return total


class Samples:
    """Seconds per run, one entry a round."""

    def __init__(self):
        self.times, self.clean = [], []

    def add(self, seconds, clean):
        self.times.append(seconds)
        self.clean.append(clean)

    def p10(self):
        return float(np.percentile(self.times, 10))

    def median(self):
        return float(np.median(self.times))


def rounds(engines, count=31, target=0.02):
    """{name: Samples}; the engines take turns within a round, and each round starts with another one."""
    names = list(engines)
    repeats = {n: max(1, int(target / max(engines[n](2), 1e-6))) for n in names}
    found = {n: Samples() for n in names}
    for r in range(count):
        for name in names[r % len(names):] + names[:r % len(names)]:
            engine = engines[name]
            quiet()
            engine(1)                                    # its workers wake up here
            before, start = others(), time.perf_counter()
            seconds = engine(repeats[name])
            wall = time.perf_counter() - start
            found[name].add(seconds, others() - before < 0.02e9 * wall)
    return found


def ratio(slow, fast):
    """(p10 over p10, median of the ratios per round, the same over rounds in which neither was disturbed or None, their number)"""
    pairs = np.array(slow.times) / np.array(fast.times)
    clean = np.array(slow.clean) & np.array(fast.clean)
    return slow.p10() / fast.p10(), float(np.median(pairs)), float(np.median(pairs[clean])) if clean.any() else None, int(clean.sum())
