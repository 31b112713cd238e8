"""Programs whose batch and length the arrays choose: one artifact against ONNX Runtime at many sizes."""
import itertools
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import programs

tern = programs.tern
RNG = np.random.default_rng(0)


def weights(*shape):
    return RNG.normal(0, 0.3, shape).astype(np.float32)


def save(folder, name, nodes, inputs, outputs, constants, opset=17):
    """Shapes hold names of dimensions."""
    info = lambda tensor: helper.make_tensor_value_info(tensor[0], tensor[2] if len(tensor) > 2 else TensorProto.FLOAT, tensor[1])
    graph = helper.make_graph([helper.make_node(op, i, o, **attrs) for op, i, o, attrs in nodes], name, [info(t) for t in inputs],
                              [info(t) for t in outputs], [numpy_helper.from_array(v, k) for k, v in constants.items()])
    path = folder / f"{name}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9), path)
    return path


class Dynamic(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-dynamic-"))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def compile(self, path, **options):
        return tern.compile(path, options.pop("scheme", "float"), out=path.with_suffix(".tern"), force=True, **options)

    def agrees(self, path, model, sizes, tolerance=1e-5):
        """Equal at every combination of sizes: {dimension: [size, ...]}."""
        import onnxruntime as ort
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        for combination in itertools.product(*sizes.values()):
            dims = dict(zip(sizes, combination))
            feeds = {}
            for tensor in session.get_inputs():
                shape = [dims[d] if isinstance(d, str) else d for d in tensor.shape]
                feeds[tensor.name] = (RNG.normal(0, 1, shape).astype(np.float32) if "float" in tensor.type
                                      else RNG.integers(0, 2, shape).astype(np.int64))
            got, want = model.run(feeds), session.run(None, feeds)
            for tensor, expected in zip(session.get_outputs(), want):
                if expected.size:
                    self.assertLess(programs.relative_error(got[tensor.name], expected), tolerance, f"{tensor.name} at {dims}")
                self.assertEqual(got[tensor.name].shape, expected.shape)

    def test_resizing_to_the_size_of_another(self):
        for mode in ("nearest", "linear", "cubic"):
            nodes = [("Shape", ["x"], ["size"], {}), ("MaxPool", ["x"], ["small"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
                     ("Resize", ["small", "", "", "size"], ["y"], {"mode": mode})]
            path = save(self.folder, f"resize_{mode}", nodes, [("x", ["n", 3, "h", "w"])], [("y", ["n", 3, "h", "w"])], {})
            model = self.compile(path, dims={"n": "1..4", "h": "2..64", "w": "2..64"})
            self.agrees(path, model, {"n": [1, 3], "h": [2, 9], "w": [17, 64]})
        for attributes, why in (({"antialias": 1}, "how many elements antialias reads"), ({"keep_aspect_ratio_policy": "not_larger"}, "keep_aspect_ratio_policy")):
            nodes[-1] = ("Resize", ["small", "", "", "size"], ["y"], {"mode": "linear", **attributes})
            path = save(self.folder, "resize_kept", nodes, [("x", ["n", 3, "h", "w"])], [("y", ["n", 3, "h", "w"])], {}, opset=18)
            with self.assertRaisesRegex(tern.Error, why + ".*; bind --dim n=N --dim h=N --dim w=N"):
                self.compile(path, dims={"n": "1..4", "h": "2..64", "w": "2..64"})

    def test_samples_and_selections(self):
        """GridSample of every kind, AffineGrid, STFT, TopK of as many as there are: against ONNX Runtime."""
        for number, (mode, padding, align) in enumerate(itertools.product(("nearest", "linear", "cubic"), ("zeros", "border", "reflection"), (0, 1))):
            nodes = [("GridSample", ["x", "grid"], ["y"], {"mode": mode, "padding_mode": padding, "align_corners": align})]
            path = save(self.folder, f"grid{number}", nodes, [("x", ["n", 3, "h", "w"]), ("grid", ["n", "p", 2, 2])], [("y", ["n", 3, "p", 2])], {}, opset=20)
            model = self.compile(path, dims={"n": "1..4", "h": "1..64", "w": "1..64", "p": "1..64"})
            self.agrees(path, model, {"n": [1, 3], "h": [1, 6], "w": [5, 1], "p": [7]})
        nodes = [("Shape", ["x"], ["size"], {}), ("AffineGrid", ["theta", "size"], ["grid"], {"align_corners": 1}), ("GridSample", ["x", "grid"], ["y"], {}),
                 ("STFT", ["signal", "step", "", "length"], ["spectrum"], {}), ("Shape", ["signal"], ["all"], {"start": 1}),
                 ("TopK", ["signal", "all"], ["sorted", "order"], {}), ("Min", ["all", "few"], ["k"], {}), ("TopK", ["signal", "k"], ["best", "at"], {"largest": 0})]
        path = save(self.folder, "selections", nodes, [("x", ["n", 2, "h", 6]), ("theta", ["n", 2, 3]), ("signal", ["n", "s"])],
                    [("y", ["n", 2, "h", 6]), ("spectrum", ["n", None, 9, 2]), ("sorted", ["n", "s"]), ("order", ["n", "s"], TensorProto.INT64), ("best", ["n", None]),
                     ("at", ["n", None], TensorProto.INT64)], {"step": np.array(4), "length": np.array(16), "few": np.array([20])}, opset=20)
        model = self.compile(path, dims={"n": "1..4", "h": "1..64", "s": "1..100"})
        self.assertEqual(model.dims["s"], (16, 100))
        self.agrees(path, model, {"n": [1, 3], "h": [2, 5], "s": [16, 19, 20, 21, 100]})

    def test_products_of_any_rows(self):
        path = save(self.folder, "mlp", [("MatMul", ["x", "w"], ["a"], {}), ("Add", ["a", "b"], ["c"], {}), ("Relu", ["c"], ["d"], {}),
                                         ("MatMul", ["d", "v"], ["y"], {})],
                    [("x", ["n", "s", 24])], [("y", ["n", "s", 17])], {"w": weights(24, 40), "b": weights(40), "v": weights(40, 17)})
        model = self.compile(path, dims={"n": "1..8", "s": "1..512"})
        self.assertEqual(model.dims, {"n": (1, 8), "s": (1, 512)})
        self.agrees(path, model, {"n": [1, 3, 8], "s": [1, 2, 13, 64, 100, 511]})
        self.assertIn("#define MLP_DIM_S 1", (model.path / "model.h").read_text())

    def test_windows_over_any_length(self):
        """What speech models begin with: convolutions over an open length, then rows. Lengths without a window are excluded."""
        path = save(self.folder, "speech", [("Conv", ["x", "k"], ["a"], {"strides": [2]}), ("Relu", ["a"], ["b"], {}),
                                            ("Conv", ["b", "g"], ["c"], {"pads": [1, 1], "group": 4}), ("MaxPool", ["c"], ["d"], {"kernel_shape": [2], "strides": [2], "ceil_mode": 1}),
                                            ("Transpose", ["d"], ["e"], {"perm": [0, 2, 1]}), ("MatMul", ["e", "w"], ["f"], {}), ("Softmax", ["f"], ["y"], {"axis": 1})],
                    [("x", ["n", 3, "t"])], [("y", ["n", "s", 17])],
                    {"k": weights(40, 3, 5), "g": weights(40, 10, 3), "w": weights(40, 17)})
        model = self.compile(path, dims={"n": "1..4", "t": "1..4000"})
        self.assertEqual(model.dims, {"n": (1, 4), "t": (5, 4000)})
        self.agrees(path, model, {"n": [1, 3], "t": [5, 6, 7, 64, 333, 4000]})

    def test_windows_of_packed_weights(self):
        """Two codes of 4 bits lie in a byte: the windows are those of the weights, not of their bytes."""
        path = save(self.folder, "packed", [("Conv", ["x", "k"], ["a"], {"pads": [2, 2]}), ("Conv", ["a", "g"], ["y"], {"strides": [2]})],
                    [("x", ["n", 17, "t"])], [("y", ["n", 32, "s"])], {"k": weights(24, 17, 5), "g": weights(32, 24, 3)})
        for scheme in ("w4a8", "w4a16"):
            model = self.compile(path, scheme=scheme, dims={"n": "1..2", "t": "3..400"})
            self.agrees(path, model, {"n": [1, 2], "t": [3, 4, 33, 400]}, 0.15)

    def test_pictures_of_any_size(self):
        """Strided, depthwise and transposed convolutions, a gate, and a resize to the size of an earlier value."""
        path = save(self.folder, "pictures",
                    [("Conv", ["x", "k"], ["a"], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}), ("Conv", ["a", "d"], ["b"], {"group": 24, "pads": [1, 1, 1, 1]}),
                     ("GlobalAveragePool", ["b"], ["m"], {}), ("Mul", ["b", "m"], ["c"], {}), ("AveragePool", ["c"], ["p"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
                     ("ConvTranspose", ["p", "t"], ["u"], {"strides": [2, 2]}), ("Shape", ["c"], ["shape"], {}), ("Resize", ["u", "", "", "shape"], ["r"], {"mode": "linear"}),
                     ("Concat", ["r", "c"], ["y"], {"axis": 1})],
                    [("x", ["n", 3, "h", "w"])], [("y", ["n", 48, "oh", "ow"])],
                    {"k": weights(24, 3, 3, 3), "d": weights(24, 1, 3, 3), "t": weights(24, 24, 2, 2)})
        model = self.compile(path, dims={"n": "1..2", "h": "1..200", "w": "1..200"})
        self.agrees(path, model, {"n": [1, 2], "h": [1, 2, 33, 50], "w": [1, 16, 37, 200]})

    def test_past_and_present(self):
        """The new keys follow the old ones in the output; an empty past is one."""
        path = save(self.folder, "kv", [("Concat", ["past", "new"], ["present"], {"axis": 2}), ("Softmax", ["present"], ["y"], {"axis": -1})],
                    [("past", ["n", 3, "p", 8]), ("new", ["n", 3, "s", 8])], [("present", ["n", 3, "t", 8]), ("y", ["n", 3, "t", 8])], {})
        model = self.compile(path, dims={"n": "1..8"})
        self.assertEqual([t.shape for t in model.outputs], [("n", 3, "p+s", 8)] * 2)
        self.agrees(path, model, {"n": [1, 2], "p": [0, 1, 7], "s": [1, 4]})

    def test_shapes_computed_in_the_graph(self):
        one, far = np.array([1]), np.array([2 ** 63 - 1])
        path = save(self.folder, "shapes", [
            ("Shape", ["x"], ["shape"], {}), ("Gather", ["shape", "one"], ["length"], {"axis": 0}), ("Squeeze", ["length", "zero1"], ["count"], {}),
            ("Range", ["zero", "count", "step"], ["places"], {}), ("Cast", ["places"], ["floats"], {"to": 1}),
            ("Unsqueeze", ["floats", "one"], ["column"], {}), ("Mul", ["x", "column"], ["m"], {}),
            ("Slice", ["m", "minus", "far", "one"], ["last"], {}), ("Transpose", ["m"], ["t"], {"perm": [0, 2, 1]}),
            ("MatMul", ["m", "t"], ["y"], {})],
            [("x", ["n", "s", 6])], [("y", ["n", "s", "s"]), ("last", ["n", 1, 6])],
            {"one": one, "zero1": np.array([0]), "zero": np.array(0), "step": np.array(1), "minus": np.array([-1]), "far": far})
        model = self.compile(path, dims={"n": "1..8", "s": "1..64"})
        self.agrees(path, model, {"n": [1, 3], "s": [1, 2, 7, 33]}, 1e-4)

    def test_pictures_of_any_batch(self):
        path = save(self.folder, "cnn", [
            ("Conv", ["x", "w", "b"], ["a"], {"pads": [1, 1, 1, 1]}), ("Relu", ["a"], ["c"], {}),
            ("MaxPool", ["c"], ["p"], {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Conv", ["p", "w2"], ["q"], {"pads": [1, 1, 1, 1]}),
            ("Add", ["q", "p"], ["r"], {}), ("GlobalAveragePool", ["r"], ["g"], {}), ("Flatten", ["g"], ["f"], {}),
            ("Gemm", ["f", "w3", "b3"], ["y"], {"transB": 1})],
            [("x", ["n", 3, 16, 20])], [("y", ["n", 10])],
            {"w": weights(16, 3, 3, 3), "b": weights(16), "w2": weights(16, 16, 3, 3), "w3": weights(10, 16), "b3": weights(10)})
        self.agrees(path, self.compile(path, dims={"n": "1..8"}), {"n": [1, 2, 5, 8]})

    def test_mistakes(self):
        path = save(self.folder, "bad", [("Relu", ["x"], ["y"], {})], [("x", ["n", "s"])], [("y", ["n", "s"])], {})
        model = self.compile(path, dims={"n": "1..4", "s": "2..9"})
        for shape, words in [((5, 3), "dimension 'n' is 5; model 'bad' takes 1 to 4"), ((1, 1), "dimension 's' is 1; model 'bad' takes 2 to 9"),
                             ((1, 3, 2), "has 2 dimensions (n, s), the array 3")]:
            with self.assertRaises(tern.Error) as caught:
                model.run(np.zeros(shape, np.float32))
            self.assertIn(words, str(caught.exception))
        with self.assertRaises(tern.Error) as caught:
            tern.compile(path, "float", out=self.folder / "no.tern", dims={"n": "4..1"})
        self.assertIn("is not NAME=LOW..HIGH", str(caught.exception))

    def test_sizes_of_several_inputs(self):
        """What disagrees is named, with the sizes that it follows from."""
        path = save(self.folder, "several", [("Concat", ["past", "new"], ["all"], {"axis": 1}), ("Mul", ["all", "mask"], ["y"], {})],
                    [("past", ["n", "p"]), ("new", ["n", "s"]), ("mask", ["n", "t"])], [("y", ["n", "t"])], {})
        model = self.compile(path, dims={"n": "1..4"})
        shapes = lambda p, s, t, n=1: {"past": np.ones((n, p), np.float32), "new": np.ones((1, s), np.float32), "mask": np.ones((1, t), np.float32)}
        self.assertEqual(model.run(shapes(2, 3, 5))["y"].shape, (1, 5))
        with self.assertRaises(tern.Error) as caught:
            model.run(shapes(2, 3, 4))
        self.assertIn("axis 1 of input 'mask' is 4; it has to be 5, p+s with p = 2 and s = 3", str(caught.exception))
        with self.assertRaises(tern.Error) as caught:
            model.run(shapes(2, 3, 5, n=2))
        self.assertIn("dimension 'n' is 2, but 1 at axis 0 of input 'new'", str(caught.exception))
        feeds = shapes(2, 3, 5)
        del feeds["new"]
        with self.assertRaises(tern.Error) as caught:
            model.run(feeds)
        self.assertIn("input 'new' is missing", str(caught.exception))

    def test_parts_of_open_sizes(self):
        """A slice with an end is not the whole; one element repeats like a 1."""
        one, three, axis, zero = (np.array([v]) for v in (1, 3, 1, 0))
        path = save(self.folder, "parts", [("Slice", ["x", "zero", "three", "axis"], ["front"], {}), ("Slice", ["x", "zero", "one", "axis"], ["first"], {}),
                                           ("Add", ["x", "first"], ["y"], {})],
                    [("x", ["n", "s", 6])], [("front", ["n", "f", 6]), ("y", ["n", "s", 6])], {"one": one, "three": three, "axis": axis, "zero": zero})
        model = self.compile(path, dims={"n": "1..8"})
        self.assertEqual(model.dims["s"], (1, None))
        self.agrees(path, model, {"n": [1, 3], "s": [1, 2, 3, 7]})

    def test_compiled_anew(self):
        """A program that is written again to its folder is the one that is loaded next; the old one goes on."""
        models = []
        for factor in (2, 3):
            path = save(self.folder, "again", [("Mul", ["x", "k"], ["y"], {})], [("x", ["n", 4])], [("y", ["n", 4])], {"k": np.float32(factor)})
            models.append(self.compile(path))
        x = np.ones((1, 4), np.float32)
        self.assertEqual([model(x)[0, 0] for model in models], [2, 3])

    def test_run_allocates_nothing(self):
        """A program in C counts calls of malloc and its relatives while it runs with several sizes."""
        compiler = shutil.which("cc") or shutil.which("clang-22") or shutil.which("gcc")
        if not compiler:
            self.skipTest("no C compiler")
        path = save(self.folder, "alloc", [("MatMul", ["x", "w"], ["a"], {}), ("Softmax", ["a"], ["y"], {"axis": -1})],
                    [("x", ["n", "s", 24])], [("y", ["n", "s", 40])], {"w": weights(24, 40)})
        model = self.compile(path, dims={"n": "1..8", "s": "1..512"})
        source = self.folder / "count.c"
        source.write_text(r"""
#define _GNU_SOURCE
#include "alloc.tern/model.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
static int counting, calls;
void *malloc(size_t n) { static void *(*f)(size_t); if (!f) f = dlsym(RTLD_NEXT, "malloc"); calls += counting; return f(n); }
void *realloc(void *p, size_t n) { static void *(*f)(void *, size_t); if (!f) f = dlsym(RTLD_NEXT, "realloc"); calls += counting; return f(p, n); }
void *aligned_alloc(size_t a, size_t n) { static void *(*f)(size_t, size_t); if (!f) f = dlsym(RTLD_NEXT, "aligned_alloc"); calls += counting; return f(a, n); }
void *mmap(void *a, size_t n, int p, int g, int fd, long o) {
  static void *(*f)(void *, size_t, int, int, int, long);
  if (!f) f = dlsym(RTLD_NEXT, "mmap");
  calls += counting;
  return f(a, n, p, g, fd, o);
}
int main(void) {
  tern_error error;
  tern_model *model = alloc_open(NULL, NULL, &error);
  if (!model) return puts(error.text), 1;
  for (int64_t s = 1; s < 513; s += 73) {
    int64_t dims[ALLOC_DIMS] = {8, s};
    tern_context *context = alloc_context(model, dims, &error);
    if (!context) return puts(error.text), 1;
    float *x = calloc(8 * s * 24, 4), *y = calloc(8 * s * 40, 4);
    counting = 1;
    for (int i = 0; i < 3; i++) alloc_run(context, x, y);
    counting = 0;
    if (y[0] != 0.025f) return printf("%g at %d\n", y[0], (int)s), 1;
    free(x), free(y);
    tern_context_close(context);
  }
  tern_model_close(model);
  printf("%d calls\n", calls);
  return calls != 0;
}
""")
        program = self.folder / "count"
        subprocess.run([compiler, "-O1", "-I", str(self.folder), "-I", str(programs.TOP / "include"), str(source),
                        str(model.path / "libmodel.so"), f"-Wl,-rpath,{model.path}", "-ldl", "-o", str(program)], check=True)
        result = subprocess.run([str(program)], capture_output=True, text=True, timeout=60)
        self.assertEqual((result.returncode, result.stdout.strip()), (0, "0 calls"), result.stderr)


if __name__ == "__main__":
    unittest.main()
