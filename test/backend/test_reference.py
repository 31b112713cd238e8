"""Every ONNX node test in one process through the reference: evaluated to the expected values, kept by name, or a diagnostic. Never a crash.

The quantization cases, with all their element types, have to be evaluated. `python3 test_reference.py NAME` prints one case.
"""
import re
import sys
import unittest
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

import programs
from programs import tern

FOLDER = programs.OUT / "reference"
QUANTIZATION = re.compile(r"(quantizelinear|dequantizelinear|dynamicquantizelinear|qlinear|matmulinteger|convinteger)\w*|cast(like)?_\w+")

# What neither is evaluated nor kept: (regular expression for the whole name, reason).
OTHERWISE = [
    (r"training_dropout\w*|.*bernoulli.*|random.*", "the values are random"),
    (r"attention_\w*(bf16|fp16)\w*", "numbers of 16 bits: the expected values were rounded in other places, and the tolerance is that of f32"),
    (r"dft_inverse\w*", "sums of f32 that cancel"),
    (r"resize_downsample_scales_(linear|cubic)_align_corners", "the expected values align the corners of a size that is not rounded down"),
]


def is_tensor(value):
    return isinstance(value, (np.ndarray, np.generic, onnx.TensorProto))


def array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def with_constants(model, feeds):
    """The model with its integer vectors and scalars as constants: parameters that decide shapes."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for info in list(copy.graph.input):
        value = feeds[info.name]
        if value.ndim <= 1 and value.dtype.name in ("int64", "int32", "bool", "float32") and value.size <= 16:
            copy.graph.initializer.append(numpy_helper.from_array(value, info.name))
            copy.graph.input.remove(info)
    return copy


def evaluate(name, model, feeds):
    """(outputs, kept ops)"""
    path = FOLDER / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    reference = tern.Reference(path, shapes={key: value.shape for key, value in feeds.items()})
    return (None, reference.kept) if reference.kept else (list(reference.run(feeds).values()), [])


def same(got, want, rtol, atol):
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)}, expected {want.dtype}{list(want.shape)}"
    if got.dtype.itemsize == 1:
        equal = np.array_equal(got.astype(np.float32), want.astype(np.float32), equal_nan=True)
        return "" if equal else f"{got.ravel()[:8]}, expected {want.ravel()[:8]}"
    close = np.isclose(got.astype(np.float64), want.astype(np.float64), rtol, atol, equal_nan=True)
    return "" if close.all() else f"{got[~close][:4]}, expected {want[~close][:4]} at {np.argwhere(~close)[:2].tolist()}"


def outcome(case):
    """('evaluated' | 'kept' | 'refused' | 'wrong' | 'no tensor', text)"""
    model, (inputs, outputs) = case.model, case.data_sets[0]
    if not all(map(is_tensor, [*inputs, *outputs])):
        return "no tensor", ""
    inputs, outputs = [list(map(array, values)) for values in (inputs, outputs)]
    if any(value.dtype.kind in "OUSc" for value in [*inputs, *outputs]):
        return "no tensor", ""
    feeds = dict(zip([info.name for info in model.graph.input], inputs))
    kept = []
    for form in (model, with_constants(model, feeds)):
        try:
            got, kept = evaluate(case.name, form, feeds)
        except tern.Error as problem:
            return ("kept" if "does not know" in str(problem) else "refused"), str(problem)
        if got is not None:
            break
    if got is None:
        return "kept", "; ".join(kept)
    if len(got) != len(outputs):
        return "wrong", f"{len(got)} outputs, expected {len(outputs)}"
    problems = [same(*pair, case.rtol, case.atol) for pair in zip(got, outputs)]
    return ("wrong" if any(problems) else "evaluated"), "; ".join(filter(None, problems))


def load():
    from onnx.backend.test.loader import load_model_tests
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    return {case.name.removeprefix("test_"): case for case in found if case.model is not None}


class Reference(unittest.TestCase):
    def test_all_node_cases(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        results = {name: outcome(case) for name, case in load().items()}
        of = lambda kind: {name: text for name, (found, text) in results.items() if found == kind}
        print(f"\n{len(results)} node cases: " + ", ".join(f"{len(of(k))} {k}" for k in ("evaluated", "kept", "refused", "wrong", "no tensor")))
        quantization = {name: result for name, result in results.items() if QUANTIZATION.fullmatch(name)}
        left = {name: result for name, result in quantization.items() if result[0] != "evaluated"}
        self.assertEqual(left, {}, f"of {len(quantization)} quantization cases")
        expected = {name for name in results if any(re.fullmatch(pattern, name) for pattern, _ in OTHERWISE)}
        self.assertEqual({name: text for name, text in of("wrong").items() if name not in expected}, {})
        self.assertGreaterEqual(len(of("evaluated")) + len(of("kept")), 0.75 * len(results))


if __name__ == "__main__" and len(sys.argv) > 1:
    FOLDER.mkdir(parents=True, exist_ok=True)
    cases = load()
    counts = {}
    for name in cases if sys.argv[1] == "all" else sys.argv[1:]:
        print(name, flush=True, end=" ")
        kind, text = outcome(cases[name])
        print(kind, text, flush=True)
        counts[kind] = counts.get(kind, 0) + 1
    print(counts)
