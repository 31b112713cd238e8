#!/usr/bin/env python3
"""Compiles a model as float, W8A8 and W4A8 and compares each with the float model on ONNX Runtime. Called by scripts/demo.

    demo.py [NAME]      digits (default), ocr_cls, ocr_det, efficientnet_lite0, magika
"""
import dataclasses
import os
import pathlib
import subprocess
import sys

import numpy as np

sys.dont_write_bytecode = True
TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TERN_BUILD") or TOP / "build")
sys.path[:0] = [str(TOP / "python"), str(TOP / "models"), str(TOP / "bench")]
SCHEMES = {"float": "float", "w8a8": "W8A8", "w4a8": "W4A8"}


@dataclasses.dataclass
class Job:
    name: str
    path: pathlib.Path
    calibration: pathlib.Path
    scores: callable        # run -> {score name: value}; run(feeds) -> list of arrays
    feeds: list             # inputs on which outputs are compared
    shown: str              # the model as a user would type it


def relative(path):
    return os.path.relpath(path, TOP)


def digits():
    folder = TOP / "examples" / "digits"
    images, labels = np.load(folder / "test.npz")["image"], np.load(folder / "test_labels.npy")

    def scores(run):
        return {"accuracy": float(np.mean([run({"image": x[None]})[0].argmax() == y for x, y in zip(images, labels)]))}
    return Job("digits", folder / "digits.onnx", folder / "calibration.npz", scores, [{"image": x[None]} for x in images],
               "examples/digits/digits.onnx")


def real(name):
    import zoo
    if name in zoo.MODELS and zoo.MODELS[name].varying:
        sys.exit(f"demo: the inputs of {name} vary in size and programs have fixed sizes; try digits, "
                 f"{', '.join(m.name for m in zoo.MODELS.values() if not m.varying)}")
    model = zoo.get(name)
    calibration = model.calibration(BUILD / "demo" / f"{name}.calibration")
    return Job(name, model.path, calibration, model.scores, model.task.calibration(zoo.CACHE, 8), relative(model.path))


def compile_all(job):
    """{scheme: artifact folder}"""
    found = {}
    for scheme in SCHEMES:
        out = BUILD / "demo" / f"{job.name}.{scheme}.tern"
        command = ["build/bin/quant-compile", job.shown, "-o", relative(out), f"--scheme={scheme}", f"--calib={relative(job.calibration)}"]
        print("$ " + " ".join(command), flush=True)
        done = subprocess.run([BUILD / "bin" / "quant-compile", *command[1:]], cwd=TOP)
        if done.returncode:
            sys.exit(f"demo: quant-compile stopped with exit code {done.returncode}; its last message says why")
        found[scheme] = out
        print()
    return found


def size(path):
    """Bytes of weights as a reader knows them."""
    n = path.stat().st_size
    return f"{n / 1e6:.2f} MB" if n >= 1e6 else f"{n / 1e3:.1f} kB"


def agreement(outputs, wanted):
    """'top-1 540/540, 35.1 dB': equal classes where the output is one row of classes, and the signal to noise ratio."""
    flat = lambda arrays: np.concatenate([np.asarray(a, np.float64).ravel() for a in arrays])
    got, want = flat(outputs), flat(wanted)
    noise = np.square(got - want).sum()
    text = f"{10 * np.log10(np.square(want).sum() / noise):.1f} dB" if noise else "equal"
    if all(w.ndim == 2 and len(w) == 1 and w.shape[1] > 1 for w in wanted):
        same = sum(int(g.argmax() == w.argmax()) for g, w in zip(outputs, wanted))
        text = f"top-1 {same}/{len(wanted)}, {text}"
    return text


def table(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))))


def main():
    if len(sys.argv) > 2 or (len(sys.argv) == 2 and sys.argv[1].startswith("-")):
        sys.exit(__doc__)
    name = sys.argv[1] if len(sys.argv) == 2 else "digits"
    import harness
    job = digits() if name == "digits" else real(name)
    (BUILD / "demo").mkdir(parents=True, exist_ok=True)
    artifacts = compile_all(job)

    threads = len(os.sched_getaffinity(0))
    engines = {"ONNX Runtime float": harness.OnnxRuntime(job.path, job.feeds[0], threads)}
    engines |= {f"Tern {label}": harness.Tern(artifacts[s], job.feeds[0], threads) for s, label in SCHEMES.items()}
    isa = engines["Tern W8A8"].isa
    timed = harness.rounds(engines, 11)
    del engines
    os.sched_setaffinity(0, harness.CPUS)

    import onnxruntime as ort
    import tern
    session = ort.InferenceSession(str(job.path), providers=["CPUExecutionProvider"])
    runs = {"ONNX Runtime float": lambda feeds: session.run(None, feeds)}
    for scheme, label in SCHEMES.items():
        model = tern.load(artifacts[scheme])
        runs[f"Tern {label}"] = lambda feeds, model=model: list(model.run(feeds).values())
    wanted = [runs["ONNX Runtime float"](f)[0] for f in job.feeds]
    rows = None
    for label, run in runs.items():
        scores = job.scores(run)
        if rows is None:
            rows = [["", *scores, "weights", "latency", "agrees with ONNX Runtime"]]
        scheme = next((s for s, text in SCHEMES.items() if label == f"Tern {text}"), None)
        weights = size(artifacts[scheme] / "weights.bin" if scheme else job.path)
        agrees = agreement([run(f)[0] for f in job.feeds], wanted) if scheme else "-"
        rows.append([label, *(f"{v:.4f}" for v in scores.values()), weights, f"{1e3 * timed[label].median():.3f} ms", agrees])
    print(f"{job.name}: batch 1, {threads} threads, {isa}")
    table(rows)
    w8 = relative(artifacts["w8a8"])
    print(f"""
Try next:
  build/bin/quant-run {w8} --bench
  build/bin/quant-run {w8} --compare={job.shown}
  {"scripts/demo ocr_cls" if job.name == "digits" else f"build/bin/quant-compile {job.shown} --scheme=w4a8 --plan-only --calib={relative(job.calibration)}"}""")


if __name__ == "__main__":
    main()
