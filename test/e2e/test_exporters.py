"""The small models of test/exporters as float programs, against ONNX Runtime."""
import unittest

import numpy as np
import onnx
import programs

MODELS = programs.BUILD / "test" / "models" / "exporters"


class Exporters(unittest.TestCase):
    def check(self, name, tolerance=1e-4):
        path = MODELS / f"{name}.onnx"
        graph = onnx.load(str(path)).graph
        weights = {t.name for t in graph.initializer}
        info = next(i for i in graph.input if i.name not in weights)
        shape = [max(1, d.dim_value) for d in info.type.tensor_type.shape.dim]
        run, ort = programs.runner(programs.compile_model(path, name, "float")), programs.ort_runner(path)
        for seed in range(3):
            feeds = {info.name: np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)}
            for got, want in zip(run(feeds), ort(feeds), strict=True):
                self.assertLessEqual(programs.relative_error(got, want), tolerance)

    def test_tf2onnx_cnn(self):
        self.check("tf2onnx_cnn")

    def test_tf2onnx_unet(self):
        self.check("tf2onnx_unet")

    def test_keras_cnn(self):
        self.check("keras_cnn")

    def test_pytorch_old(self):
        self.check("pytorch_old")

    def test_cntk_mnist(self):
        self.check("cntk_mnist")

    def test_paddle_mobile(self):
        self.check("paddle_mobile")

    def test_newest_opset(self):
        self.check("newest_opset")

    def test_onnxruntime_qdq(self):
        # A step of the last quantization is 6/255 and the outputs span 1.5: one code of difference is 0.016.
        self.check("onnxruntime_qdq", 0.017)
