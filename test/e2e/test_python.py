"""python/tern on the digits network: feeds of every form, and one sentence for each mistake."""
import pathlib
import shutil
import tempfile
import threading
import unittest

import numpy as np

import programs

tern = programs.tern
DIGITS = programs.TOP / "examples" / "digits"


class Python(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-python-"))
        cls.images = np.load(DIGITS / "test.npz")["image"]
        cls.calibration = np.load(DIGITS / "calibration.npz")["image"]
        cls.model = tern.compile(DIGITS / "digits.onnx", calib={"image": cls.calibration}, out=cls.folder / "digits.tern")

    @classmethod
    def tearDownClass(cls):
        cls.model.close()
        shutil.rmtree(cls.folder, ignore_errors=True)

    def refused(self, *words, call):
        with self.assertRaises(tern.Error) as caught:
            call()
        for word in words:
            self.assertIn(word, str(caught.exception))
        return caught.exception

    def test_signature(self):
        self.assertEqual([(t.name, t.dtype, t.shape) for t in self.model.inputs], [("image", np.float32, (1, 1, 8, 8))])
        self.assertEqual([(t.name, t.shape) for t in self.model.outputs], [("logits", (1, 10))])
        self.assertIn("image float32[1, 1, 8, 8] -> logits", repr(self.model))

    def test_feeds(self):
        x = self.images[:1]
        y = self.model.run(x)
        self.assertEqual((y.shape, y.dtype), ((1, 10), np.float32))
        np.testing.assert_array_equal(self.model.run({"image": x})["logits"], y)
        np.testing.assert_array_equal(self.model(x.astype(np.float64)), y)                     # converted where nothing is lost
        np.testing.assert_array_equal(self.model.run(np.asfortranarray(x)), y)

    def test_agrees_with_onnx_runtime(self):
        run = programs.ort_runner(DIGITS / "digits.onnx")
        same = [self.model.run(x[None]).argmax() == run({"image": x[None]})[0].argmax() for x in self.images[:100]]
        self.assertGreaterEqual(sum(same), 98)

    def test_calibration_forms(self):
        want = self.model.run(self.images[:1])
        forms = {"array": self.calibration, "path": str(DIGITS / "calibration.npz"), "list": [{"image": x[None]} for x in self.calibration],
                 "iterator": iter([x[None] for x in self.calibration])}
        for name, calib in forms.items():
            with self.subTest(name):
                model = tern.compile(DIGITS / "digits.onnx", calib=calib, out=self.folder / f"{name}.tern")
                np.testing.assert_array_equal(model.run(self.images[:1]), want)

    def test_plan_and_steps(self):
        self.assertEqual(self.model.plan["conv2"]["w"], "<si8, scale<f32, [1, *, *, *]>>")
        names = [s.name for s in self.model.steps]
        self.assertIn("conv2", names)
        step = self.model.steps[names.index("conv2")]
        self.assertEqual((step.row, step.macs), ("cpu.conv.u8s8", 24 * 24 * 9 * 64))

    def test_options(self):
        model = tern.compile(DIGITS / "digits.onnx", scheme="w8a8", overrides={"conv2": "float", "gemm.*": "w4a16"}, excludes=["conv3"],
                             dims={"N": 2}, calib=self.calibration, target="native", out=self.folder / "options.tern", threads=1)
        self.assertNotIn("w", model.plan["conv2"])
        self.assertNotIn("w", model.plan["conv3"])
        self.assertIn("si4", model.plan["gemm1"]["w"])
        self.assertEqual((model.inputs[0].shape, model.threads), ((2, 1, 8, 8), 1))

    def test_trace(self):
        x = self.images[:1]
        values = self.model.trace(x, ["conv1", "gemm1"])
        self.assertEqual({k: v.shape for k, v in values.items()}, {"conv1": (1, 24, 8, 8), "gemm1": (1, 10)})
        np.testing.assert_array_equal(values["gemm1"], self.model.run(x))
        exact = tern.compile(DIGITS / "digits.onnx", scheme="float", out=self.folder / "float.tern").trace(x, ["conv1"])["conv1"]
        np.testing.assert_allclose(values["conv1"], exact, atol=0.05 * np.abs(exact).max())     # codes decoded, in ONNX order
        self.assertGreater(len(self.model.trace(x)), 5)
        self.refused("'conv11'", "'conv1'", call=lambda: self.model.trace(x, ["conv11"]))

    def test_bench(self):
        times = self.model.bench(seconds=0.05)
        self.assertTrue(0 < times.p10 <= times.median)
        self.assertEqual(times.threads, self.model.threads)

    def test_isa(self):
        portable = tern.load(self.folder / "digits.tern", isa="portable")
        self.assertEqual(portable.isa, "portable")
        np.testing.assert_allclose(portable.run(self.images[:1]), self.model.run(self.images[:1]), rtol=1e-5, atol=1e-5)
        self.refused("sse9", "avx2", call=lambda: tern.load(self.folder / "digits.tern", isa="sse9"))

    def test_threads_share_a_model(self):
        want, wrong = [self.model.run(x[None]) for x in self.images[:20]], []

        def work():
            for x, y in zip(self.images[:20], want):
                if not np.array_equal(self.model.run(x[None]), y):
                    wrong.append(x)
        threads = [threading.Thread(target=work) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_two_models_in_one_process(self):
        other = tern.compile(DIGITS / "digits.onnx", scheme="float", out=self.folder / "float.tern")
        x = self.images[:1]
        a, b = self.model.run(x), other.run(x)
        self.assertFalse(np.array_equal(a, b))
        np.testing.assert_array_equal(self.model.run(x), a)

    def test_wrong_feeds(self):
        x = self.images[:1]
        self.refused("'image'", "[1, 1, 8, 8]", "[1, 8, 8]", call=lambda: self.model.run(x[0]))
        self.refused("'picture'", "image", call=lambda: self.model.run({"picture": x}))
        self.refused("'image' is missing", call=lambda: self.model.run({}))
        self.refused("2 arrays", "1 inputs", call=lambda: self.model.run(x, x))
        self.refused("complex128", "float32", call=lambda: self.model.run(x.astype(complex)))

    def test_wrong_folders(self):
        self.refused("no such folder", call=lambda: tern.load(self.folder / "nothing"))
        (self.folder / "empty").mkdir(exist_ok=True)
        self.refused("manifest.json", call=lambda: tern.load(self.folder / "empty"))

    def test_wrong_options(self):
        out = self.folder / "wrong.tern"
        compile_ = lambda **options: lambda: tern.compile(DIGITS / "digits.onnx", out=out, **options)
        self.refused("w9a9", "w8a8", call=compile_(scheme="w9a9"))
        self.refused("no feeds", call=compile_(calib=[]))
        self.refused("'images'", "'image'", call=compile_(calib={"images": self.calibration}))
        error = self.refused("nothing.onnx", call=lambda: tern.compile(self.folder / "nothing.onnx", out=out))
        self.assertEqual(error.code, 1)
        self.assertFalse(out.exists())

    def test_closed(self):
        model = tern.load(self.folder / "digits.tern")
        model.close()
        self.refused("closed", call=lambda: model.run(self.images[:1]))


if __name__ == "__main__":
    unittest.main()
