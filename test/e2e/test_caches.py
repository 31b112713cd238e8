"""Attention behind a cache of keys and values: few and many queries, few and many keys, in one artifact of open sizes."""
import unittest

import numpy as np
import onnx
from onnx import TensorProto, helper

import programs

FOLDER = programs.OUT / "caches"
HEADS, GROUPS, DEPTH = 6, 2, 16


def model():
    def heads(name, count, length):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", count, length, DEPTH])
    inputs = [heads("q", HEADS, "seq"), heads("k", GROUPS, "seq"), heads("v", GROUPS, "seq"), heads("past_k", GROUPS, "past"), heads("past_v", GROUPS, "past")]
    outputs = [heads("y", HEADS, "seq"), heads("present_k", GROUPS, "total"), heads("present_v", GROUPS, "total")]
    node = helper.make_node("Attention", ["q", "k", "v", "", "past_k", "past_v"], ["y", "present_k", "present_v"], name="attention")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "cache.onnx"
    graph = helper.make_graph([node], "cache", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10), path)
    return path


def exact(q, k, v, past_k, past_v):
    """In double precision."""
    k, v = np.concatenate([past_k, k], 2), np.concatenate([past_v, v], 2)
    scores = q.astype(np.float64) @ np.repeat(k, HEADS // GROUPS, 1).swapaxes(2, 3) / np.sqrt(DEPTH)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ np.repeat(v, HEADS // GROUPS, 1), k, v


class Caches(unittest.TestCase):
    def test_sizes(self):
        folder = programs.compile_model(model(), "caches/cache", "float", dims={"batch": "1..8", "seq": "1..64", "past": "0..4096"})
        rng = np.random.default_rng(5)
        for isa in ("portable", "avx2", None):
            program = programs.tern.load(folder, threads=2, isa=isa)
            for batch, seq, past in ((1, 1, 0), (1, 1, 300), (2, 1, 1500), (1, 4, 257), (3, 3, 700), (1, 5, 700), (1, 35, 300)):
                shapes = {"q": (HEADS, seq), "k": (GROUPS, seq), "v": (GROUPS, seq), "past_k": (GROUPS, past), "past_v": (GROUPS, past)}
                feeds = {n: rng.standard_normal((batch, count, length, DEPTH)).astype(np.float32) for n, (count, length) in shapes.items()}
                found = program.run(feeds)
                for name, want in zip(("y", "present_k", "present_v"), exact(**feeds)):
                    self.assertLess(np.abs(found[name] - want).max(), 2e-6, f"{isa} {batch} {seq} {past} {name}")
                np.testing.assert_array_equal(program.trace(feeds)["attention"].reshape(found["y"].shape), found["y"])


if __name__ == "__main__":
    unittest.main()
