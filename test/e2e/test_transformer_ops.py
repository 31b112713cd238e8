"""Normalization, attention and ONNX Runtime's fused operators as programs, against ONNX Runtime."""
import unittest

import numpy as np
import onnx
from onnx import helper, numpy_helper

import programs

FOLDER = programs.OUT / "transformer_ops"
RNG = np.random.default_rng(0)
B, S, T, H, G, D = 2, 5, 7, 4, 2, 8


def real(*shape):
    return RNG.normal(0, 1, shape).astype(np.float32)


def ints(*shape, high=2):
    return RNG.integers(0, high, shape).astype(np.int32)


def attention(q, k, v):
    """[B, H, S, D] of q, k, v -> [B, S, H * D]"""
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    y = (weights / weights.sum(-1, keepdims=True)) @ v
    return y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], -1).astype(np.float32)


class Operators(unittest.TestCase):
    count = 0

    def check(self, op, inputs, outputs=1, domain="com.microsoft", opset=23, constants=(), rows=None, want=None, kinds=None,
              tolerance=1e-5, **attributes):
        """One node on `inputs` (None: absent); those numbered in `constants` are initializers. `rows(outputs)` picks what is
        defined; `want` is given where ONNX Runtime's CPU version lacks the form."""
        names = ["" if x is None else f"x{i}" for i, x in enumerate(inputs)]
        results = [f"y{i}" for i in range(outputs)]
        node = helper.make_node(op, names, results, name="node", domain=domain, **attributes)
        given = {n: helper.np_dtype_to_tensor_dtype(x.dtype) for n, x in zip(names, inputs) if n}
        fixed = {names[i] for i in constants}
        graph = helper.make_graph(
            [node], "graph", [helper.make_tensor_value_info(n, given[n], x.shape) for n, x in zip(names, inputs) if n and n not in fixed],
            [helper.make_empty_tensor_value_info(r) for r in results],
            [numpy_helper.from_array(x, n) for n, x in zip(names, inputs) if n in fixed])
        for result, kind in zip(graph.output, kinds or [given[names[0]]] * outputs):
            result.type.tensor_type.elem_type = kind
        imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(domain, 1)] * bool(domain)
        Operators.count += 1
        path = FOLDER / f"{op}_{Operators.count}.onnx"
        FOLDER.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=10), path)
        feeds = {n: x for n, x in zip(names, inputs) if n and n not in fixed}
        want = want or programs.ort_runner(path)(feeds)
        got = programs.runner(programs.compile_model(path, f"transformer_ops/{path.stem}", "float", target="native"), threads=1)(feeds)
        self.assertEqual(len(got), len(want))
        for g, w in zip(*(map(rows, (got, want)) if rows else (got, want))):
            self.assertEqual(g.shape, w.shape)
            np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)

    def test_norms(self):
        x, s, b = real(2, 3, 16), real(16), real(16)
        self.check("LayerNormalization", [x, s, b], domain="", opset=17)
        self.check("LayerNormalization", [x, s], domain="", opset=17, axis=-1, epsilon=1e-3)
        self.check("LayerNormalization", [x, real(3, 16), real(3, 16)], 3, domain="", opset=17, axis=1)
        self.check("RMSNormalization", [x, s], domain="", opset=23)
        self.check("RMSNormalization", [x, real(3, 16)], domain="", opset=23, axis=1)
        self.check("SimplifiedLayerNormalization", [x, s], domain="", opset=17, epsilon=1e-6)
        self.check("InstanceNormalization", [real(2, 3, 4, 5), real(3), real(3)], domain="", opset=17)
        self.check("GroupNormalization", [real(2, 6, 4, 5), real(6), real(6)], domain="", opset=21, num_groups=3)
        self.check("GroupNormalization", [real(2, 6, 4, 5), real(3), real(3)], domain="", opset=18, num_groups=3)

    def test_skip_norms(self):
        x, skip, s, b, bias = real(2, 3, 16), real(2, 3, 16), real(16), real(16), real(16)
        self.check("SkipLayerNormalization", [x, skip, s, b, bias], epsilon=1e-5)
        self.check("SkipLayerNormalization", [x, real(3, 16), s], epsilon=1e-5)
        self.check("SkipSimplifiedLayerNormalization", [x, skip, s, bias], epsilon=1e-5)

    def test_skip_norm_keeps_the_sum(self):
        x, skip, s = real(2, 3, 16), real(2, 3, 16), real(16)
        model = [x, skip, s]
        node = helper.make_node("SkipSimplifiedLayerNormalization", ["x0", "x1", "x2"], ["y0", "", "", "y1"], domain="com.microsoft")
        graph = helper.make_graph([node], "graph", [helper.make_tensor_value_info(f"x{i}", 1, v.shape) for i, v in enumerate(model)],
                                  [helper.make_tensor_value_info(f"y{i}", 1, x.shape) for i in (0, 1)])
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / "skip_sum.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)], ir_version=8), path)
        feeds = {f"x{i}": v for i, v in enumerate(model)}
        got = programs.runner(programs.compile_model(path, "transformer_ops/skip_sum", "float", target="native"))(feeds)
        for g, w in zip(got, programs.ort_runner(path)(feeds)):
            np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-5)

    def test_embed_layer_norm(self):
        ids, segments, mask = ints(2, 6, high=20), ints(2, 6), np.array([[1, 1, 1, 1, 0, 0], [1] * 6], np.int32)
        tables = [real(20, 16), real(10, 16), real(2, 16), real(16), real(16)]
        self.check("EmbedLayerNormalization", [ids, segments, *tables, mask], 2, epsilon=1e-5, constants=range(2, 7), kinds=(1, 6))
        self.check("EmbedLayerNormalization", [ids, None, *tables[:2], None, *tables[3:], None, ints(2, 6, high=10)], 2, epsilon=1e-5,
                   kinds=(1, 6))

    def test_activations(self):
        x, b = real(2, 3, 16), real(16)
        self.check("Gelu", [x])
        self.check("BiasGelu", [x, b])
        self.check("FastGelu", [x, b])
        self.check("FastGelu", [x])
        self.check("QuickGelu", [x], alpha=1.702)
        self.check("Gelu", [x], domain="", opset=20, approximate="tanh")
        self.check("Gelu", [x], domain="", opset=20)

    def test_fused_matmul(self):
        self.check("FusedMatMul", [real(2, 3, 4), real(2, 5, 4)], alpha=0.5, transB=1)
        self.check("FusedMatMul", [real(2, 4, 3), real(4, 5)], alpha=2.0, transA=1, constants=(1,))
        self.check("FusedMatMul", [real(3, 2, 4), real(2, 4, 5)], transBatchA=1)

    def test_attention_of_contrib(self):
        x, w, b = real(B, S, 32), real(32, 96), real(96)
        self.check("Attention", [x, w, b], num_heads=H, constants=(1, 2))
        self.check("Attention", [x, w, b, np.array([3, 5], np.int32)], num_heads=H, constants=(1, 2), rows=lambda y: [y[0][0, :3], y[0][1]])
        self.check("Attention", [x, w, b, ints(B, S) | np.eye(1, S, dtype=np.int32)], num_heads=H, constants=(1, 2), unidirectional=1)
        self.check("Attention", [x, w, b, None, real(2, B, H, 3, 8)], 2, num_heads=H, constants=(1, 2), scale=0.3)
        self.check("Attention", [x, w, b, None, None, real(B, H, S, S)], num_heads=H, constants=(1, 2))

    def test_multi_head_attention(self):
        q, k, v = real(B, S, 32), real(B, T, 32), real(B, T, 32)
        self.check("MultiHeadAttention", [q, k, v], num_heads=H)
        self.check("MultiHeadAttention", [q, k, v, real(96)], num_heads=H)
        self.check("MultiHeadAttention", [q, k, v, None, np.array([[1] * 4 + [0] * 3, [1] * 7], np.int32)], num_heads=H)
        self.check("MultiHeadAttention", [q, k, v, None, None, real(B, H, S, T)], num_heads=H, scale=0.2)
        self.check("MultiHeadAttention", [q, q, q, None, None, None, real(B, H, 3, 8), real(B, H, 3, 8)], 3, num_heads=H, unidirectional=1)
        packed = real(B, S, H, 3, 8)
        self.check("MultiHeadAttention", [packed], num_heads=H, want=[attention(*(packed[:, :, :, i].transpose(0, 2, 1, 3) for i in range(3)))])
        self.check("MultiHeadAttention", [q, real(B, H, T, 8), real(B, H, T, 8)], num_heads=H)

    def group_query(self, batch, past, lengths, rows=None, packed=False, size=16, new=S, **attributes):
        q, k, v = real(batch, new, H * size), real(batch, new, G * size), real(batch, new, G * size)
        inputs = [np.concatenate([q, k, v], 2), None, None] if packed else [q, k, v]
        cache = [real(batch, G, past, size), real(batch, G, past, size)] if past is not None else [None, None]
        rotary = [real(32, size // 2), real(32, size // 2)] if attributes.get("do_rotary") else [None, None]
        total = (past or 0) + new
        self.check("GroupQueryAttention", inputs + cache + [np.array(lengths, np.int32) - 1, np.array(total, np.int32)] + rotary, 3,
                   num_heads=H, kv_num_heads=G, rows=rows, constants=(6,), **attributes)

    def test_group_query_attention(self):
        self.group_query(1, None, [S])
        self.group_query(1, 3, [S + 3])
        self.group_query(1, 3, [S + 3], do_rotary=1)
        self.group_query(2, 0, [S, S], do_rotary=1, rotary_interleaved=1)
        self.group_query(2, None, [S, S], packed=True, do_rotary=1)
        self.group_query(1, 3, [S + 3], local_window_size=3)
        self.group_query(1, 3, [S + 3], softcap=2.0, scale=0.5)
        self.group_query(1, None, [S], smooth_softmax=1)

    def test_group_query_attention_of_ragged_batches(self):
        # Sequences that are shorter than the batch: what lies behind their ends is not defined.
        self.group_query(2, None, [3, S], rows=lambda y: [y[0][0, :3], y[0][1]] + [c[0, :, :3] for c in y[1:]])
        # The first sequence has one old position, the second three; a new one follows.
        self.group_query(2, 3, [2, 4], new=1, do_rotary=1, rows=lambda y: [y[0]] + [c[0, :, :2] for c in y[1:]] + [c[1] for c in y[1:]])

    def test_rotary_embedding(self):
        cos, sin = real(20, 4), real(20, 4)
        places = np.array([[3, 4, 5, 6, 7], [0, 1, 2, 3, 4]], np.int64)
        self.check("RotaryEmbedding", [real(B, S, 32), places, cos, sin])
        self.check("RotaryEmbedding", [real(B, H, S, 8), np.array([2], np.int64), cos, sin], interleaved=1)
        self.check("RotaryEmbedding", [real(B, S, 64), places, cos, sin], num_heads=H, rotary_embedding_dim=8)
        self.check("RotaryEmbedding", [real(B, H, S, 8), cos, sin, places], domain="", opset=23)
        self.check("RotaryEmbedding", [real(B, S, 32), real(B, S, 4), real(B, S, 4)], domain="", opset=23, num_heads=H, interleaved=1)

    def test_attention_of_onnx(self):
        q, k, v = real(B, H, S, D), real(B, G, T, D), real(B, G, T, D)
        self.check("Attention", [q, k, v], domain="")
        self.check("Attention", [q, k, v, RNG.random((S, T)) < 0.7], domain="")
        self.check("Attention", [q, k, v, real(B, 1, S, T)], domain="", softcap=2.0, scale=0.3)
        self.check("Attention", [q, real(B, G, S, D), real(B, G, S, D), None, real(B, G, 3, D), real(B, G, 3, D)], 3, domain="", is_causal=1)
        self.check("Attention", [real(B, S, 32), real(B, T, 16), real(B, T, 16)], domain="", q_num_heads=H, kv_num_heads=G)

    def refused(self, text, op, shapes, domain="com.microsoft", types=None, **attributes):
        """Compiling one node ends in a diagnostic that names it and says `text`."""
        names = ["" if s is None else f"x{i}" for i, s in enumerate(shapes)]
        node = helper.make_node(op, names, ["y"], name="culprit", domain=domain, **attributes)
        inputs = [helper.make_tensor_value_info(n, (types or {}).get(n, 1), s) for n, s in zip(names, shapes) if n]
        graph = helper.make_graph([node], "graph", inputs, [helper.make_empty_tensor_value_info("y")])
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / "refused.onnx"
        path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)],
                                           ir_version=10).SerializeToString())
        with self.assertRaises(programs.tern.Error) as caught:
            programs.compile_model(path, "transformer_ops/refused", "float", target="native")
        self.assertIn("culprit", str(caught.exception))
        self.assertIn(text, str(caught.exception))

    def test_fused_convolutions(self):
        x, w, b, z = real(1, 3, 7, 6), real(8, 3, 3, 3), real(8), real(1, 8, 7, 6)
        for activation, parameters in (("Relu", []), ("Sigmoid", []), ("Tanh", []), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 0.75]), ("HardSigmoid", [0.25, 0.4])):
            with self.subTest(activation=activation):
                self.check("FusedConv", [x, w, b], constants=(1, 2), activation=activation, pads=[1, 1, 1, 1],
                           **(dict(activation_params=parameters) if parameters else {}))
        self.check("FusedConv", [x, w, b, z], constants=(1, 2), activation="Relu", pads=[1, 1, 1, 1])
        self.check("FusedGemm", [real(3, 5), real(4, 5), real(4)], constants=(1, 2), transB=1, alpha=0.5, activation="LeakyRelu", activation_alpha=0.1)

    def test_malformed_nodes(self):
        self.refused("axis 5 is outside -3..2", "LayerNormalization", [(2, 3, 8), (8,)], "", axis=5)
        self.refused("do not broadcast", "SkipLayerNormalization", [(2, 3, 8), (5, 3, 8), (8,)])
        self.refused("divide into 4 groups", "GroupNormalization", [(2, 6, 4), (6,), (6,)], "", num_groups=4)
        self.refused("input 5 of EmbedLayerNormalization is missing", "EmbedLayerNormalization", [(2, 4), None, (9, 8), (9, 8)], types={"x0": 6})
        self.refused("does not take scalars", "FusedMatMul", [(), (3, 3)])
        self.refused("all have 3 or all have 4", "Attention", [(2, 4, 8), (2, 4, 5, 8), (2, 4, 5, 8)], "")
        self.refused("q_num_heads and kv_num_heads must say", "Attention", [(2, 4, 8)] * 3, "")
        self.refused("does not divide into 3 heads", "Attention", [(2, 4, 8)] * 3, "", q_num_heads=3, kv_num_heads=3)
        self.refused("sizes of a head of q and k are 8 and 9", "Attention", [(2, 4, 3, 8), (2, 4, 5, 9), (2, 4, 5, 8)], "")
        self.refused("past_key and past_value come together", "Attention", [(2, 4, 3, 8)] * 3 + [None, (2, 4, 3, 8)], "")
        self.refused("do not divide into q, k and v", "Attention", [(2, 4, 8), (8, 24)], num_heads=2, qkv_hidden_sizes=[8, 9, 7])
        self.refused("num_heads is 0", "MultiHeadAttention", [(2, 4, 8)] * 3, num_heads=0)
        self.refused("a mask of type", "MultiHeadAttention", [(2, 4, 8)] * 3 + [None, (2, 9)], num_heads=2, types={"x4": 6})
        self.refused("kv_num_heads 3", "GroupQueryAttention", [(1, 4, 8)] * 3 + [None, None, (1,), (1,)], num_heads=4, kv_num_heads=3,
                     types={"x5": 6, "x6": 6})
        self.refused("do_rotary needs cos_cache", "GroupQueryAttention", [(1, 4, 32)] * 3 + [None, None, (1,), (1,)], num_heads=2,
                     kv_num_heads=2, do_rotary=1, types={"x5": 6, "x6": 6})
        self.refused("do not fit heads", "RotaryEmbedding", [(2, 4, 10), (2, 4), (9, 4), (9, 4)], types={"x1": 7})
        self.refused("must divide", "RotaryEmbedding", [(2, 4, 10), (9, 4), (9, 4), (2, 4)], "", num_heads=3, types={"x3": 7})

    def test_refusals(self):
        with self.assertRaisesRegex(programs.tern.Error, "share a buffer"):
            self.check("MultiHeadAttention", [real(B, 1, 32), real(B, 1, 32), real(B, 1, 32), None, None, None, real(B, H, 8, 8),
                                              real(B, H, 8, 8), np.array([3], np.int32)], 3, num_heads=H)
