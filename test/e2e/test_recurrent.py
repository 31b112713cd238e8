"""Recurrent nets: the three forms of silero (over a signal, step by step, and for two rates behind nested Ifs) as programs."""
import unittest

import numpy as np
import programs
import zoo

TOLERANCE = 1e-4


class Silero(unittest.TestCase):
    def check(self, name, dims, feeds):
        """Over all feeds, the error of every output is at most 1e-4 of its spread."""
        path = zoo.fetch("silero") / f"{name}.onnx"
        sizes = "x".join(str(size) for size in dims.values())
        run = programs.runner(programs.compile_model(path, f"{name}.{sizes}", "float", dims=dims))
        ort = programs.ort_runner(path)
        got, want = zip(*[(run(f), ort(f)) for f in feeds])
        for a, b in zip(zip(*got), zip(*want), strict=True):
            self.assertLessEqual(programs.relative_error(np.stack(a), np.stack(b)), TOLERANCE)

    def steps(self, batch, samples, rate):
        rng = np.random.default_rng(0)
        return [{"input": rng.normal(0, level, (batch, samples)).astype(np.float32), "sr": np.array(rate),
                 "state": rng.normal(0, 0.5, (2, batch, 128)).astype(np.float32)} for level in (0, 0.01, 0.1, 0.3, 1)]

    def test_sequence(self):
        rng = np.random.default_rng(0)
        signal = rng.normal(0, 1, (20, 576)) * rng.uniform(0, 0.5, (20, 1))
        feeds = {"input": signal.astype(np.float32), "h": np.zeros((1, 1, 128), np.float32), "c": np.zeros((1, 1, 128), np.float32)}
        self.check("silero_vad_sequence", {"sequence_length": 20}, [feeds])

    def test_16k(self):
        self.check("silero_vad_16k", {"batch": 3, "sequence": 576}, self.steps(3, 576, 16000))

    def test_both_rates(self):
        dims = {"input.0": 2, "state.1": 2}
        self.check("silero_vad", {**dims, "input.1": 576}, self.steps(2, 576, 16000))
        self.check("silero_vad", {**dims, "input.1": 288}, self.steps(2, 288, 8000))
