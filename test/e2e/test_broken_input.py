"""Broken models, calibration data, options and output folders: exit code 1, one located message, nothing half-written."""
import contextlib
import ctypes
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import unittest

import numpy as np
from onnx import TensorProto, helper

from net import Net

BUILD = pathlib.Path(os.environ["TERN_BUILD"])
COMPILE = BUILD / "bin" / "quant-compile"


def good():
    n = Net("good", 17, 8, "test")
    x = n.input("x", [1, 3, 8, 8])
    x = n.op("Conv", x, n.random("w", 32, 3, 3, 3), name="conv", pads=[1] * 4)
    x = n.op("Relu", x, name="relu")
    n.op("Conv", x, n.random("v", 64, 32, 3, 3), out="y", name="last", pads=[1] * 4)
    n.output("y", [1, 64, 8, 8])
    return n.model()


def tensor_of(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-broken-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.model = self.folder / "model.onnx"

    def save(self, model):
        self.model.write_bytes(model.SerializeToString())

    def refused(self, *words, arguments=(), out=None, **how):
        """Compiling self.model fails with one message that has all of `words`, and leaves no file behind."""
        out = out or self.folder / "out" / "m.tern"
        out.parent.mkdir(exist_ok=True)
        before = sorted(out.parent.iterdir())
        command = [*how.pop("prefix", []), str(COMPILE), str(self.model), "-o", str(out), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, **how)
        said = done.stderr
        self.assertEqual(done.returncode, 1, f"exit code {done.returncode}\n{said[-3000:]}")
        errors = [line for line in said.splitlines() if "error:" in line]
        self.assertEqual(len(errors), 1, f"expected one error line\n{said[-3000:]}")
        for word in words:
            self.assertIn(word, said)
        self.assertEqual(sorted(out.parent.iterdir()), before, "something half-written is left")


class Models(Case):
    def test_missing_file(self):
        self.refused("model.onnx")

    def test_folder_instead_of_a_file(self):
        self.model.mkdir()
        self.refused("model.onnx")

    def test_empty_file(self):
        self.model.write_bytes(b"")
        self.refused("model.onnx")

    def test_truncated(self):
        whole = good().SerializeToString()
        for size in (1, 40, len(whole) // 2, len(whole) - 1):
            with self.subTest(size=size):
                self.model.write_bytes(whole[:size])
                self.refused("model.onnx")

    def test_wrong_magic(self):
        for content in (b"\x89PNG\r\n\x1a\n" + bytes(200), b"PK\x03\x04" + bytes(200), b"hello, this is text\n" * 20):
            with self.subTest(content=content[:8]):
                self.model.write_bytes(content)
                self.refused("model.onnx")

    def test_flipped_bytes_never_crash(self):
        whole = good().SerializeToString()
        rng = np.random.default_rng(1)
        for _ in range(20):
            broken = bytearray(whole)
            for at in rng.integers(0, 200, 4):
                broken[at] = rng.integers(256)
            self.model.write_bytes(broken)
            done = subprocess.run([COMPILE, self.model, "-o", self.folder / "flip.tern", "--scheme=float"], capture_output=True, timeout=60)
            self.assertIn(done.returncode, (0, 1), done.stderr[-2000:])

    def test_size_overflow(self):
        model = good()
        tensor_of(model, "w").dims[:] = [1 << 40, 1 << 40, 3, 3]
        self.save(model)
        self.refused("w")

    def test_negative_dimension(self):
        model = good()
        tensor_of(model, "w").dims[:] = [-32, 3, 3, 3]
        self.save(model)
        self.refused("w")

    def test_data_shorter_than_the_shape(self):
        model = good()
        w = tensor_of(model, "w")
        w.raw_data = w.raw_data[:-4]
        self.save(model)
        self.refused("w")

    def external(self, location, **keys):
        model = good()
        w = tensor_of(model, "w")
        w.ClearField("raw_data")
        w.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **keys}.items():
            w.external_data.add(key=key, value=str(value))
        self.save(model)

    def test_external_data_outside_the_folder(self):
        (self.folder.parent / "tern-outside.bin").write_bytes(bytes(32 * 27 * 4))
        self.addCleanup((self.folder.parent / "tern-outside.bin").unlink)
        for location in ("../tern-outside.bin", "a/../../tern-outside.bin", str(self.folder.parent / "tern-outside.bin")):
            with self.subTest(location=location):
                self.external(location)
                self.refused("w", "outside.bin")

    def test_external_data_through_a_link(self):
        (self.folder / "link.bin").symlink_to("/etc/passwd")
        self.external("link.bin")
        self.refused("link.bin")

    def test_external_data_missing_or_short(self):
        self.external("nothing.bin")
        self.refused("nothing.bin")
        (self.folder / "short.bin").write_bytes(bytes(100))
        self.external("short.bin", offset=64, length=32 * 27 * 4)
        self.refused("short.bin")
        self.external("short.bin", offset=1 << 63)
        self.refused("short.bin")

    def test_cycle(self):
        model = good()
        nodes = {n.name: n for n in model.graph.node}
        nodes["conv"].input[0] = nodes["relu"].output[0]
        self.save(model)
        self.refused("conv")

    def test_missing_initializer(self):
        model = good()
        model.graph.initializer.remove(tensor_of(model, "w"))
        self.save(model)
        self.refused("'w'", "conv")

    def test_value_defined_twice(self):
        model = good()
        model.graph.node.add(op_type="Relu", input=["x"], output=["y"], name="again")
        self.save(model)
        self.refused("y")

    def test_output_that_nothing_computes(self):
        model = good()
        model.graph.output[0].name = "z"
        self.save(model)
        self.refused("z")

    def test_attribute_of_the_wrong_type(self):
        model = good()
        node = model.graph.node[0]
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("pads", "one"))
        self.save(model)
        self.refused("conv", "pads")

    def test_too_few_inputs(self):
        model = good()
        del model.graph.node[0].input[1:]
        self.save(model)
        self.refused("conv")

    def test_shapes_that_do_not_fit(self):
        model = good()
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
        self.save(model)
        self.refused("conv", "5")

    def test_pads_that_overflow(self):
        model = good()
        node = model.graph.node[0]
        del node.attribute[:]
        node.attribute.append(helper.make_attribute("pads", [1 << 62] * 4))
        self.save(model)
        self.refused("conv")

    def test_opset_too_old(self):
        model = good()
        model.opset_import[0].version = 5
        self.save(model)
        self.refused("5", "7")

    def test_unknown_operators_are_named_once(self):
        model = good()
        for i in range(3):
            model.graph.node.add(op_type="Det", input=["y" if i == 0 else f"d{i - 1}"], output=[f"d{i}"], name=f"det{i}")
        model.graph.output[0].name = "d2"
        model.graph.output[0].type.tensor_type.ClearField("shape")
        self.save(model)
        self.refused("Det", "3", "det0", "--outputs")

    def test_deep_nesting(self):
        def field(number, data):                         # protobuf: a length-delimited field
            size, length = len(data), b""
            while size > 127:
                length, size = length + bytes([size & 127 | 128]), size >> 7
            return bytes([number << 3 | 2]) + length + bytes([size]) + data
        graph = b""
        for _ in range(5000):                           # an If whose branch is a graph with an If ...
            attribute = field(1, b"then_branch") + field(6, graph)
            graph = field(1, field(2, b"o") + field(4, b"If") + field(5, attribute))
        self.model.write_bytes(good().SerializeToString() + field(7, graph))
        self.refused("model.onnx")


class Calibration(Case):
    def setUp(self):
        super().setUp()
        self.save(good())

    def data(self, *words, file="data.npz", **arrays):
        np.savez(self.folder / "data.npz", **arrays)
        self.refused(file, *words, arguments=[f"--calib={self.folder / file}"])

    def test_wrong_name(self):
        self.data("'picture'", "'x'", picture=np.zeros((1, 3, 8, 8), np.float32))

    def test_wrong_shape(self):
        self.data("x", "9", x=np.zeros((1, 3, 9, 9), np.float32))

    def test_wrong_type(self):
        self.data("x", x=np.zeros((1, 3, 8, 8), np.complex64))

    def test_nan(self):
        values = np.zeros((4, 3, 8, 8), np.float32)
        values[2, 1, 3, 3] = np.nan
        self.data("x", x=values)

    def test_infinity(self):
        self.data("x", x=np.full((1, 3, 8, 8), np.inf, np.float32))

    def test_missing_file(self):
        self.refused("nothing.npz", arguments=[f"--calib={self.folder / 'nothing.npz'}"])

    def test_empty_folder(self):
        (self.folder / "none").mkdir()
        self.refused("none", arguments=[f"--calib={self.folder / 'none'}"])

    def test_no_samples(self):
        self.data("x", x=np.zeros((0, 3, 8, 8), np.float32))

    def test_truncated(self):
        np.savez(self.folder / "data.npz", x=np.zeros((4, 3, 8, 8), np.float32))
        whole = (self.folder / "data.npz").read_bytes()
        for size in (0, 10, len(whole) // 2, len(whole) - 8):
            with self.subTest(size=size):
                (self.folder / "data.npz").write_bytes(whole[:size])
                self.refused("data.npz", arguments=[f"--calib={self.folder / 'data.npz'}"])

    def test_not_an_archive(self):
        (self.folder / "data.npz").write_text("no archive at all, but long enough to look at\n" * 10)
        self.refused("data.npz", arguments=[f"--calib={self.folder / 'data.npz'}"])


class Options(Case):
    def setUp(self):
        super().setUp()
        self.save(good())

    def test_unknown_scheme(self):
        self.refused("w9a9", "w8a8", arguments=["--scheme=w9a9"])

    def test_override_without_a_match_names_near_ones(self):
        self.refused("--override", "'conv'", arguments=["--override=convv=float"])

    def test_exclude_without_a_match(self):
        self.refused("--exclude", arguments=["--exclude=nothing_like_it"])

    def test_broken_regular_expression(self):
        self.refused("--exclude", arguments=["--exclude=(conv"])

    def test_unknown_dimension(self):
        self.refused("--dim", "batch", arguments=["--dim", "batch=4"])

    def test_unknown_output(self):
        self.refused("--outputs", "'nowhere'", arguments=["--outputs=nowhere"])

    def test_plan_of_another_model(self):
        plan = self.folder / "plan.json"
        plan.write_text('{"tern_plan": 1, "model": {"sha256": "00", "ops": 1}, "ops": []}')
        self.refused("plan.json", arguments=[f"--plan={plan}"])

    def test_plan_that_is_no_json(self):
        plan = self.folder / "plan.json"
        plan.write_text("{")
        self.refused("plan.json", arguments=[f"--plan={plan}"])


class Output(Case):
    def setUp(self):
        super().setUp()
        self.save(good())

    def test_parent_is_missing(self):
        out = self.folder / "out" / "m.tern"
        out.parent.mkdir()
        done = subprocess.run([COMPILE, self.model, "-o", self.folder / "no" / "such" / "m.tern", "--scheme=float"], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("no/such", done.stderr)
        self.assertFalse((self.folder / "no").exists())

    def test_a_file_is_in_the_way(self):
        out = self.folder / "out" / "m.tern"
        out.parent.mkdir()
        out.write_text("mine")
        self.refused("m.tern", arguments=["--scheme=float"], out=out)
        self.assertEqual(out.read_text(), "mine")

    def test_a_foreign_folder_is_in_the_way(self):
        out = self.folder / "out" / "m.tern"
        out.mkdir(parents=True)
        (out / "thesis.txt").write_text("mine")
        for name in ("manifest.json", "plan.json"):             # many projects have one
            self.refused("m.tern", "thesis.txt", arguments=["--scheme=float"], out=out)
            (out / name).write_text("{}")
        self.refused("m.tern", "thesis.txt", arguments=["--scheme=float"], out=out)
        self.assertEqual((out / "thesis.txt").read_text(), "mine")

    def test_a_plan_or_a_program_is_replaced(self):
        out = self.folder / "m.tern"
        for arguments in (["--plan-only"], [], ["--scheme=float"]):
            done = subprocess.run([COMPILE, self.model, "-o", out, *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((out / "libmodel.so").is_file())

    def test_read_only_folder(self):
        locked = self.folder / "locked"
        locked.mkdir(mode=0o555)
        # root writes anywhere unless it gives that right up
        prefix = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
        self.refused("locked", arguments=["--scheme=float"], out=locked / "m.tern", prefix=prefix)

    def test_file_size_limit(self):
        def limited():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        self.refused("m.tern", arguments=["--scheme=float"], preexec_fn=limited)

    @contextlib.contextmanager
    def small_disk(self, size):
        disk = self.folder / "disk"
        disk.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"tmpfs", str(disk).encode(), b"tmpfs", 0, f"size={size}k".encode()):
            self.skipTest("only root can mount a small disk")
        try:
            yield disk
        finally:
            libc.umount2(str(disk).encode(), 2)
            disk.rmdir()

    def test_full_disk(self):
        for size in range(4, 200, 16):                          # each step of writing meets it once
            with self.small_disk(size) as disk:
                self.refused("disk", "No space left", arguments=["--scheme=float"], out=disk / "m.tern")

    def test_full_disk_of_temporary_files(self):
        np.savez(self.folder / "data.npz", x=np.ones((2, 3, 8, 8), np.float32))
        for size in range(4, 200, 16):
            with self.small_disk(size) as disk:
                self.refused("No space left", arguments=[f"--calib={self.folder}/data.npz"], env={**os.environ, "TMPDIR": str(disk)})
                self.assertEqual(list(disk.iterdir()), [])

    def test_weights_that_fit_no_temporary_file(self):
        """They stay in memory."""
        net = Net("large", 17, 8, "test")
        net.op("Gemm", net.input("x", [1, 1024]), net.random("w", 1024, 1024), out="y", transB=1)
        net.output("y", [1, 1024])
        self.save(net.model())
        for size in (64, 3000):
            with self.small_disk(size) as disk:
                done = subprocess.run([COMPILE, self.model, "-o", self.folder / "m.tern", "--scheme=float"], capture_output=True, text=True,
                                      timeout=60, env={**os.environ, "TMPDIR": str(disk)})
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
