#!/usr/bin/env python3
"""MiniLM and SmolLM2 against ONNX Runtime, interleaved in one process.

    bench/transformers.py [minilm] [smollm2] [--threads 1 2] [--lengths 16 77 128 384] [--rounds 31] [--schemes ...] [--json FILE]

MiniLM: one text of each length; peers are ONNX Runtime's float model, the same after its transformer optimizer (Attention,
SkipLayerNormalization, BiasGelu), and its dynamic int8 (per channel). SmolLM2: prefill of 128 tokens after one in the cache, and one token after 128; peers are the float model and MatMulNBits of 4 bits in
blocks of 32 and 128 (int8 activations, accuracy level 4). Ratios as in peers.py. Run it on a quiet machine.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys

import numpy as np

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or TOP / "build")
sys.path[:0] = [str(TOP / "bench"), str(TOP / "models"), str(TOP / "python")]
import harness  # noqa: E402
import peers  # noqa: E402
import zoo  # noqa: E402


def made(target, make):
    """The file `target`, made once."""
    if not target.is_file():
        scratch = target.with_suffix(".part")
        make(scratch)
        os.replace(scratch, target)
    return target


def dynamic_int8(source, target):
    from onnxruntime import quantization as q
    q.quantize_dynamic(source, target, per_channel=True, weight_type=q.QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"])


def unsqueezed_twice(model):
    """A mask that gets two dimensions at once gets them one by one: the only form in which the optimizer sees an attention."""
    import onnx
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    for index, node in reversed(list(enumerate(model.graph.node))):
        axes = constants.get(node.input[1]) if node.op_type == "Unsqueeze" and len(node.input) == 2 else None
        if axes is None or len(axes) != 2:
            continue
        names = [f"{node.output[0]}.axis{i}" for i in range(2)]
        for name, axis in zip(names, sorted(axes)):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([axis]), name))
        first = onnx.helper.make_node("Unsqueeze", [node.input[0], names[0]], [f"{node.output[0]}.first"])
        node.input[:] = [first.output[0], names[1]]
        model.graph.node.insert(index, first)
    return model


def optimized(source, target):
    """ONNX Runtime's fused operators. At level 0: the levels above only run the session's own optimizations first, and need PyTorch for that."""
    import logging
    import onnx
    from onnxruntime.transformers import optimizer
    logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)      # it names the exporter that it knows
    model = unsqueezed_twice(onnx.load(str(source)))
    model = optimizer.optimize_model(model, model_type="bert", num_heads=12, hidden_size=384, opt_level=0)
    fused = {kind: count for kind, count in model.get_fused_operator_statistics().items() if count}
    if not {"Attention", "SkipLayerNormalization"} <= fused.keys():
        raise RuntimeError(f"ONNX Runtime's transformer optimizer fused only {fused}: it is no peer")
    print("ONNX Runtime's transformer optimizer fused " + ", ".join(f"{count} {kind}" for kind, count in fused.items()))
    model.save_model_to_file(str(target))


def nbits(source, target, block):
    import logging
    import onnx
    from onnxruntime.quantization import matmul_nbits_quantizer as m
    logging.getLogger(m.__name__).setLevel(logging.WARNING)   # it prints a line for every node
    quantizer = m.MatMulNBitsQuantizer(onnx.load(str(source)), block_size=block, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), use_external_data_format=False)


def artifact(model, scheme, dims, folder):
    """A program for these sizes, compiled once. dims: {name: size}."""
    name = ".".join([model.name, scheme.replace(":", "g")] + [f"{k}{v}" for k, v in dims.items()])
    out = folder / f"{name}.tern"
    command = [str(BUILD / "bin" / "quant-compile"), str(model.path), "-o", str(out), f"--scheme={scheme}", "-q"]
    if not out.is_dir():
        subprocess.run(command + [f"--dim={k}={v}" for k, v in dims.items()], check=True)
    return out


def case(title, peer_files, artifacts, feeds, threads, rounds, baselines, found_rows):
    engines = {name: harness.OnnxRuntime(path, feeds, threads) for name, path in peer_files.items()}
    engines |= {name: harness.Tern(path, feeds, threads) for name, path in artifacts.items()}
    found = harness.rounds(engines, rounds)
    peers.report(f"{title}, {threads} thread{'s' * (threads > 1)}, {rounds} rounds", found, baselines)
    found_rows += [{"case": title, "threads": threads, "engine": e, "p10_ms": 1e3 * s.p10(), "median_ms": 1e3 * s.median(), "undisturbed": s.clean}
                   for e, s in found.items()]


def minilm(a, folder, rows):
    model = zoo.get("minilm")
    files = {"ort float": model.path, "ort int8": made(folder / "minilm.dynamic.onnx", lambda t: dynamic_int8(model.path, t)),
             "ort optimized": made(folder / "minilm.fused.onnx", lambda t: optimized(model.path, t))}
    schemes = a.schemes or ["float", "w8a8"]
    for length in a.lengths:
        ids = np.random.default_rng(1).integers(1000, 20000, (1, length))
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        programs = {f"tern {s}": artifact(model, s, {"batch": 1, "sequence": length}, folder) for s in schemes}
        baselines = {f"tern {s}": [p for p in files if (p == "ort int8") == (s != "float")] for s in schemes}
        for threads in a.threads:
            case(f"minilm, {length} tokens", files, programs, feeds, threads, a.rounds, baselines, rows)


def smollm2(a, folder, rows):
    model = zoo.get("smollm2")
    files = {"ort float": model.path}
    for block in (32, 128):
        files[f"ort 4 bits g{block}"] = made(folder / f"smollm2.nbits{block}.onnx", lambda t, block=block: nbits(model.path, t, block))
    schemes = a.schemes or ["float", "w4a8"]
    for title, tokens, past in (("prefill of 128 after 1", 128, 1), ("decode after 128", 1, 128)):
        cache = [np.random.default_rng(2).standard_normal((1, model.task.KV_HEADS, past, model.task.HEAD)).astype(np.float32)] * (2 * model.task.LAYERS)
        feeds = model.task.feeds(np.random.default_rng(1).integers(1000, 20000, (1, tokens)), cache)
        programs = {f"tern {s}": artifact(model, s, {"batch": 1, "seq": tokens, "past": past, "total": tokens + past}, folder) for s in schemes}
        baselines = {f"tern {s}": [p for p in files if (p == "ort float") == (s == "float")] for s in schemes}
        for threads in a.threads:
            case(f"smollm2, {title}", files, programs, feeds, threads, a.rounds, baselines, rows)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("models", nargs="*", default=["minilm", "smollm2"], choices=["minilm", "smollm2"])
    ap.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    ap.add_argument("--lengths", type=int, nargs="*", default=[16, 77, 128, 384])
    ap.add_argument("--rounds", type=int, default=31)
    ap.add_argument("--schemes", nargs="*")
    ap.add_argument("--json", type=pathlib.Path)
    a = ap.parse_args()
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in a.models:
        {"minilm": minilm, "smollm2": smollm2}[name](a, folder, rows)
    if a.json:
        a.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
