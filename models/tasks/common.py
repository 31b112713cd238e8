"""Shared by the accuracy tasks: model runners, text data, rendering, the command line.

A task module has
    MODEL                         file in the cache folder that the task was made for
    score(run, cache, limit)      one float; `run(feeds) -> list of arrays` is any callable (feeds: name -> array)
    calibration(cache, n)         list of n feeds for calibration, never from the scored data
"""
import argparse
import importlib
import pathlib
import sys
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
sys.dont_write_bytecode = True


def ort_runner(path, threads=0):
    """`run(feeds)` on ONNX Runtime's CPU provider; casts nothing, drops feeds the model does not take."""
    import onnxruntime as ort
    if not pathlib.Path(path).is_file():
        sys.exit(f"{path}: no such file; fill the cache with fetch.py first")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = {i.name for i in session.get_inputs()}

    def run(feeds):
        return session.run(None, {k: v for k, v in feeds.items() if k in names})
    run.session = session
    return run


def jargon():
    """[(headword, definition)] from the Jargon File 4.4.7 (public domain), 1,216 entries of 200 to 900 characters."""
    lines = (DATA / "jargon.tsv").read_text(encoding="ascii").splitlines()
    return [tuple(line.split("\t", 1)) for line in lines]


def devil():
    """Definitions from The Devil's Dictionary, 1911 (public domain): calibration text."""
    return (DATA / "devil.txt").read_text(encoding="ascii").splitlines()


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        previous, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (x != y))
    return row[-1]


_FACES = ("Vera.ttf", "VeraBd.ttf", "VeraIt.ttf", "VeraBI.ttf")


def font(cache, index, size):
    """Bitstream Vera in four cuts (from the reportlab wheel) and, as number 4, Pillow's built-in Aileron."""
    from PIL import ImageFont
    if index % 5 == 4:
        return ImageFont.load_default(size)
    return ImageFont.truetype(str(pathlib.Path(cache) / "fonts" / _FACES[index % 5]), size)


def text_line(cache, text, rng, size=None, noise=10.0, blur=0.6, contrast=1.0):
    """An RGB picture of one text line, tightly cut: random face, size, colours, blur and Gaussian noise.

    `contrast` below 1 draws the ink closer to the paper (down to that fraction of the distance).
    """
    from PIL import Image, ImageDraw, ImageFilter
    face = font(cache, int(rng.integers(5)), size or int(rng.integers(18, 40)))
    x0, y0, x1, y1 = face.getbbox(text)
    pad = int(rng.integers(2, 7))
    paper = rng.integers(170, 256, 3)
    ink = rng.integers(0, 110, 3)
    if rng.random() < 0.25:
        paper, ink = ink, paper
    ink = paper + (ink - paper) * rng.uniform(contrast, 1.0)
    image = Image.new("RGB", (x1 - x0 + 2 * pad, y1 - y0 + 2 * pad), tuple(int(v) for v in paper))
    ImageDraw.Draw(image).text((pad - x0, pad - y0), text, font=face, fill=tuple(int(v) for v in ink))
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, blur))))
    pixels = np.asarray(image, np.float32) + rng.normal(0, noise * rng.random(), (image.height, image.width, 1))
    return pixels.clip(0, 255).astype(np.uint8)


def phrases(rng, n, lo=8, hi=28):
    """n pieces of running text with lo to hi characters."""
    words = " ".join(d for _, d in jargon()).split()
    out = []
    while len(out) < n:
        at = int(rng.integers(len(words) - 8))
        line = ""
        for w in words[at:at + 8]:
            if len(line) + len(w) + 1 > hi:
                break
            line = f"{line} {w}".strip()
        if len(line) >= lo:
            out.append(line)
    return out


def resize(pixels, height, width):
    from PIL import Image
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def zip_of(cache, prefix):
    """The wheel in the cache's download folder whose name starts with `prefix`."""
    found = sorted((pathlib.Path(cache) / "download").glob(prefix + "-*.whl"))
    if not found:
        sys.exit(f"no {prefix} wheel under {cache}/download: run fetch.py first")
    return zipfile.ZipFile(found[-1])


def main(module):
    """Command line of a task: prints the score, or writes calibration feeds as .npz files."""
    ap = argparse.ArgumentParser(description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cache", help="folder filled by fetch.py")
    ap.add_argument("model", nargs="?", help=f"an .onnx file; default: CACHE/{module.MODEL}")
    ap.add_argument("--limit", type=int, help="score only so many cases")
    ap.add_argument("--threads", type=int, default=0, help="ONNX Runtime threads (0: its choice)")
    ap.add_argument("--calibration", nargs=2, metavar=("FOLDER", "N"), help="write N calibration feeds and stop")
    a = ap.parse_args()
    if a.calibration:
        folder = pathlib.Path(a.calibration[0])
        folder.mkdir(parents=True, exist_ok=True)
        for i, feeds in enumerate(module.calibration(a.cache, int(a.calibration[1]))):
            np.savez(folder / f"{i:04d}.npz", **feeds)
        return
    run = ort_runner(a.model or pathlib.Path(a.cache) / module.MODEL, a.threads)
    print(f"{module.score(run, a.cache, a.limit):.6g}")


def cli():
    main(importlib.import_module("__main__"))
