"""The number of norms, attentions, rotary embeddings and activations that nn-raise finds in real models is that of their definitions."""
import re
import subprocess
import unittest

import programs
import zoo

QUANT_OPT = programs.BUILD / "bin" / "quant-opt"
TEXT = ["--dim=batch=2", "--dim=sequence=16"]
LLM = ["--dim=batch=2", "--dim=seq=4", "--dim=past=3", "--dim=total=7"]


class Raising(unittest.TestCase):
    def counts(self, path, dims):
        """{op or elementwise kind: how often} behind nn-raise."""
        run = subprocess.run([QUANT_OPT, path, *dims, "--nn-infer-shapes", "--canonicalize", "--nn-raise", "--mlir-elide-resource-strings-if-larger=8",
                              "--mlir-elide-elementsattrs-if-larger=8"], capture_output=True, text=True, timeout=300)
        self.assertEqual(run.returncode, 0, run.stderr[-2000:])
        found = re.findall(r"= nn\.(?:unary (\w+)|(\w+))", run.stdout)
        names = [kind or op for kind, op in found]
        return {name: names.count(name) for name in set(names)}

    def check(self, name, dims, **wanted):
        found = self.counts(zoo.get(name).path, dims)
        self.assertEqual({kind: found.get(kind, 0) for kind in wanted}, wanted)

    def test_minilm(self):
        # Six layers with two norms each, and one behind the embeddings.
        self.check("minilm", TEXT, layer_norm=13, attention=6, gelu=6, softmax=0, erf=0)

    def test_minilm_with_norms_spelled_out(self):
        import minilm_to_onnx
        programs.OUT.mkdir(parents=True, exist_ok=True)
        path = programs.OUT / "minilm.decomposed.onnx"
        zoo.get("minilm")
        minilm_to_onnx.convert(str(zoo.CACHE / "raw" / "model.safetensors"), str(path), decomposed=True)
        found = self.counts(path, TEXT)
        self.assertEqual([found.get(k, 0) for k in ("layer_norm", "attention", "gelu", "sqrt")], [13, 6, 6, 0])

    def test_minilm_int8(self):
        self.check("minilm_int8", TEXT, layer_norm=13, attention=6, gelu=6, softmax=0, erf=0)

    def test_smollm2(self):
        # 30 layers with two norms each, and one before the head; q and k of every layer are rotated.
        self.check("smollm2", LLM, rms_norm=61, attention=30, rope=60, silu=30, softmax=0)

    def test_sizes_that_are_only_known_at_run_time(self):
        self.check("minilm", ["--dim=batch=1..8", "--dim=sequence=1..512"], layer_norm=13, attention=6, gelu=6, softmax=0, erf=0)
        self.check("smollm2", ["--dim=batch=1..4", "--dim=seq=1..64", "--dim=past=0..512"], rms_norm=61, attention=30, rope=60, silu=30, softmax=0)

    def test_ocr_rec(self):
        self.check("ocr_rec", ["--dim=x.2=48", "--dim=x.3=320"], layer_norm=5, attention=2, hard_swish=28, sqrt=0)

    def test_magika(self):
        self.check("magika", [], layer_norm=2, gelu_tanh=2, tanh=0)
