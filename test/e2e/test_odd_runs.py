"""quant-run and quant-opt with damaged programs, inputs that do not fit and odd flags: exit code 1, one located message."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
from onnx import TensorProto
from net import Net

import programs

BIN = programs.BUILD / "bin"


def setUpModule():
    """One model of a fixed size, one with open sizes."""
    global FOLDER, MODEL
    FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="tern-odd-"))
    unittest.addModuleCleanup(shutil.rmtree, FOLDER, ignore_errors=True)
    net = Net("fixed", 17, 8, "test")
    net.op("Relu", net.op("Conv", net.input("x", [1, 3, 4, 4]), net.random("w", 8, 3, 3, 3), pads=[1] * 4, name="conv"), out="y")
    net.output("y", [1, 8, 4, 4])
    MODEL = FOLDER / "fixed.onnx"
    MODEL.write_bytes(net.model().SerializeToString())
    net = Net("open", 17, 8, "test")
    rows = net.op("MatMul", net.input("x", ["n", 16]), net.random("w", 16, 8))
    net.op("Gather", rows, net.input("i", ["m"], TensorProto.INT64), out="y", axis=1)
    net.output("y", ["n", "m"])
    (FOLDER / "open.onnx").write_bytes(net.model().SerializeToString())
    programs.tern.compile(MODEL, "float", out=FOLDER / "fixed.tern").close()
    programs.tern.compile(FOLDER / "open.onnx", "float", out=FOLDER / "open.tern", dims={"n": f"1..{2**63 - 2}", "m": "1..8"}).close()


class Case(unittest.TestCase):
    def refused(self, tool, *arguments, text, env=None):
        with self.subTest(" ".join(map(str, arguments))):
            run = subprocess.run([str(BIN / tool), *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=60,
                                 cwd=FOLDER, env={**os.environ, **(env or {})})
            self.assertEqual(run.returncode, 1, run.stderr[-2000:])
            errors = [line for line in run.stderr.splitlines() if "error:" in line]
            self.assertEqual(len(errors), 1, run.stderr[-2000:])
            self.assertIn(text, errors[0])


class Programs(Case):
    def damaged(self, name, data, text):
        """A program with other bytes in one of its files (None: without it)."""
        folder = FOLDER / "damaged.tern"
        shutil.copytree(FOLDER / "fixed.tern", folder)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        (folder / name).unlink() if data is None else (folder / name).write_bytes(data)
        for more in ((), (f"--compare={MODEL}",), ("--reference",)):
            if name != "compile.json" or more:                   # a run does not need it
                self.refused("quant-run", folder.name, *more, text=text)
        if name == "libmodel.so":
            with self.assertRaisesRegex(programs.tern.Error, "cannot be loaded"):
                programs.tern.load(folder)
        shutil.rmtree(folder)

    def test_library(self):
        whole = (FOLDER / "fixed.tern" / "libmodel.so").read_bytes()
        self.damaged("libmodel.so", whole[:len(whole) // 2], "libmodel.so is damaged (it is cut off")
        self.damaged("libmodel.so", whole[:-1], "it is cut off")
        self.damaged("libmodel.so", b"", "it has only 0 bytes")
        self.damaged("libmodel.so", b"#!/bin/sh" * 20, "it is no shared library")
        self.damaged("libmodel.so", None, "cannot load libmodel.so")

    def test_weights(self):
        whole = (FOLDER / "fixed.tern" / "weights.bin").read_bytes()
        self.damaged("weights.bin", whole[:-64], f"have {len(whole) - 64} bytes, model 'fixed' has {len(whole)}")
        self.damaged("weights.bin", bytes([whole[0] ^ 1]) + whole[1:], "damaged or of another compilation")
        self.damaged("weights.bin", None, "cannot read weights")

    def test_manifest(self):
        for data, text in ((b"", "Unexpected EOF"), (b"[1, 2]", "expected object"), (b"{}", "missing value at manifest.abi"),
                           (b"[" * 10**6, "more than 100 levels of brackets")):
            self.damaged("manifest.json", data, text)
        self.damaged("manifest.json", None, "not a compiled model")

    def test_what_the_program_was_made_from(self):
        for data, text in ((b"{", "damaged"), (b'{"stamp":{"options":{"model":3}}}', "option 'model' is 3, it takes a string"),
                           (b"[" * 10**6, "more than 100 levels"), (None, "cannot be read")):
            self.damaged("compile.json", data, text)

    def test_no_program(self):
        (FOLDER / "empty").mkdir(exist_ok=True)
        for what, text in (("none.tern", "there is no such folder"), ("empty", "not a compiled model"), ("fixed.tern/weights.bin", "this is a file"),
                           (MODEL, "is a model")):
            self.refused("quant-run", what, text=text)


class Inputs(Case):
    def test_arrays(self):
        good = np.zeros((1, 3, 4, 4), np.float32)
        whole = FOLDER / "whole.npz"
        np.savez(whole, x=good)
        for data, text in ((dict(z=good), "array 'z' is not an input"), (dict(x=good[0, 0]), "has the shape [4,4]; input 'x' takes [1,3,4,4]"),
                           (dict(x=good.astype(np.int64)), "array 'x' is int64; input 'x' takes float32"), (dict(x=good[:0]), "is empty"),
                           (dict(x=good.astype(np.complex64)), "array 'x' is complex64"), (dict(x=good + np.nan), "only finite values are allowed"),
                           (dict(x=np.array([1, "a"], object)), "holds Python objects"), (dict(x=np.array(["a"])), "has the type '<U1'"),
                           (dict(x=np.float32(1)), "has the shape []"), ({}, "holds no array"), (b"", "it has only 0 bytes"),
                           (b"junk" * 99, "the end record is missing"), (whole.read_bytes()[:-30], "the end record is missing")):
            path = FOLDER / "odd.npz"
            path.write_bytes(data) if isinstance(data, bytes) else np.savez(path, **data)
            self.refused("quant-run", "fixed.tern", "--input=odd.npz", text=text)
        (FOLDER / "nothing").mkdir(exist_ok=True)
        for path, text in (("none.npz", "cannot be opened"), ("/dev/null", "has an unknown ending"), ("nothing", "is a folder without .npz")):
            self.refused("quant-run", "fixed.tern", f"--input={path}", text=text)

    def test_open_sizes(self):
        x, i = np.zeros((3, 16), np.float32), np.array([0, 7])
        for data, text in ((dict(x=x), "has no array for input 'i'; inputs are 'x', 'i'"), (dict(x=x[:, :15], i=i), "has the shape [3,15]"),
                           (dict(x=x, i=np.zeros(9, np.int64)), "dimension 'm' is 9; model 'open' takes 1 to 8")):
            np.savez(FOLDER / "odd.npz", **data)
            self.refused("quant-run", "open.tern", "--input=odd.npz", text=text)
        for dims, text in ((["n=0", "m=1"], "dimension 'n' is 0"),
                           (["n=-1", "m=1"], "dimension 'n' is -1"), (["n=1", "m=9"], "takes 1 to 8"), (["k=1"], "no open dimension 'k'; it has n, m"),
                           (["n=x"], "is not NAME=N"), (["=4"], "is not NAME=N"), (["n=99999999999999999999"], "is not NAME=N"),
                           (["n=4611686018427387904", "m=8"], "needs more memory than there can be"), (["n=1099511627776", "m=8"], "memory")):
            self.refused("quant-run", "open.tern", *(f"--dim={d}" for d in dims), text=text)


class Flags(Case):
    def test_values(self):
        for flag, text in (("--bench=all", "'all' is not known"), ("--trace=", "empty name"), ("--threads=0", "out of range"),
                           ("--threads=two", "not a whole number"), ("--seed=-1", "out of range"), ("--compare=none.onnx", "cannot read the model"),
                           ("--compare=open.onnx", "has 2 inputs, the program 1"), ("--reference=open.onnx", "the plan was made for another model")):
            self.refused("quant-run", "fixed.tern", flag, text=text)

    def test_environment(self):
        self.refused("quant-run", "fixed.tern", text="TERN_ISA=sse9 is not known", env={"TERN_ISA": "sse9"})
        self.refused("quant-run", "fixed.tern", text="TERN_THREADS=-3 is not a number", env={"TERN_THREADS": "-3"})

    def test_output(self):
        (FOLDER / "folder.npz").mkdir(exist_ok=True)
        if not (FOLDER / "full.npz").is_symlink():
            (FOLDER / "full.npz").symlink_to("/dev/full")
        for path, text in (("folder.npz", "Is a directory"), ("full.npz", "No space left"), ("none/y.npz", "No such file"), ("y.txt", "does not end with .npz")):
            self.refused("quant-run", "fixed.tern", f"--output={path}", text=text)

    def test_reference(self):
        cut = FOLDER / "cut.onnx"
        cut.write_bytes(MODEL.read_bytes()[:200])
        for arguments, text in ((["cut.onnx"], "bytes, "), (["none.onnx"], "cannot read the model"), (["fixed.onnx", "--input=none.npz"], "cannot be opened")):
            self.refused("quant-run", *arguments, "--reference", text=text)


class Plans(Case):
    """Plans that somebody has edited."""

    def setUp(self):
        net = Net("plans", 17, 8, "test")
        x = net.op("Conv", net.input("x", [1, 8, 6, 6]), net.random("w", 8, 8, 3, 3), pads=[1] * 4, name="conv")
        x = net.op("ConvTranspose", x, net.random("t", 8, 8, 2, 2), strides=[2, 2], name="up")
        x = net.op("Reshape", x, net.ints("s", [1, 8, 144]))
        net.op("MatMul", x, net.op("Transpose", x, perm=[0, 2, 1]), name="product", out="y")
        net.output("y", [1, 8, 8])
        (FOLDER / "plans.onnx").write_bytes(net.model().SerializeToString())
        np.savez(FOLDER / "plans.npz", x=np.random.default_rng(0).normal(size=(4, 8, 6, 6)).astype(np.float32))
        for name, flags in (("dynamic.json", []), ("static.json", ["--calib=plans.npz"])):
            subprocess.run([str(BIN / "quant-compile"), "plans.onnx", "--plan-only", "-o", name, "-q", *flags], check=True, cwd=FOLDER)

    def edited(self, name, text, edit):
        plan = json.loads((FOLDER / name).read_text())
        edit(plan, {op["name"]: op for op in plan["ops"]})
        (FOLDER / "edited.json").write_text(json.dumps(plan))
        flags = ["--calib=plans.npz"] if name == "static.json" else []
        self.refused("quant-compile", "plans.onnx", "--plan=edited.json", "-o", "edited.tern", *flags, text=text)
        self.assertFalse((FOLDER / "edited.tern").exists())

    def test_ops(self):
        def codes(plan, ops):
            ops["up"].update({key: ops["conv"][key] for key in ("x", "x_encode")})
        self.edited("dynamic.json", "quantizes the activation of 'up' at run time", codes)
        self.edited("dynamic.json", "quantizes 'product', but its weight is not constant", lambda p, ops: ops["product"].update(w=ops["conv"]["w"]))
        for key, value, text in (("w", "<si3, scale<f32>>", "the codes of si3 are -4 to 3"), ("w", "codes", "expected '<' at 'codes'"),
                                 ("w_encode", "<absmax, 3 to 1>", "from the smaller to the larger code"), ("w_encode", "", "a weight format but no w_encode"),
                                 ("method", "guess", "unknown quantization method 'guess'")):
            self.edited("static.json", text, lambda p, ops, key=key, value=value: ops["conv"].update({key: value}))
        self.edited("static.json", "names 'conv' twice", lambda p, ops: p["ops"].append(ops["conv"]))

    def test_tensors(self):
        self.edited("static.json", "stores the tensor 'x' as <si4, scale<f32>>", lambda p, ops: p["tensors"][0].update(format="<si4, scale<f32>>", zero=0))
        for key, value, text in (("name", "z", "no scale for the tensor 'x'"),
                                 ("scale", 0, "a scale that is not positive"), ("zero", 999, "the zero point 999; codes of ui8 are 0 to 255")):
            self.edited("static.json", text, lambda p, ops, key=key, value=value: p["tensors"][0].update({key: value}))


class Optimizer(Case):
    def test_onnx(self):
        (FOLDER / "cut.onnx").write_bytes(MODEL.read_bytes()[:200])
        for arguments, text in ((["cut.onnx"], "damaged"), (["none.onnx"], "cannot read the model"), (["open.onnx", "--dim=n"], "NAME=N or NAME=LOW..HIGH is needed"),
                                (["fixed.onnx", "-o", "none/x.mlir"], "cannot open output file"),
                                (["fixed.onnx", "--pass-pipeline=builtin.module(cpu-emit-kernels{isas=mmx})"], "unknown instruction set 'mmx'")):
            self.refused("quant-opt", *arguments, text=text)


if __name__ == "__main__":
    unittest.main()
