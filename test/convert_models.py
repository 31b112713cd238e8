#!/usr/bin/env python3
"""Turns every ONNX text model below a folder into a binary one, in one process, and writes the models of other exporters.

    convert_models.py SOURCE DESTINATION

SOURCE/a/b.onnxtxt becomes DESTINATION/a/b.onnx; SOURCE/exporters/*.py give DESTINATION/exporters/<name>.onnx with
`models()`, a dictionary of name to ModelProto. A file that is newer than its source stays. Lines starting with `#` are
comments; one of them may add random float initializers that are too long to spell out (normal, seeded by the name):

    # weight: NAME float[8,3,3,3]
"""
import importlib.util
import pathlib
import re
import sys
import zlib

sys.dont_write_bytecode = True
_WEIGHT = re.compile(r"^# weight: (\S+) float\[([\d,]*)\]\s*$", re.M)


def parse(text):
    import numpy as np
    import onnx
    model = onnx.parser.parse_model(text)
    for name, dims in _WEIGHT.findall(text):
        shape = [int(d) for d in dims.split(",") if d]
        values = np.random.default_rng(zlib.crc32(name.encode())).normal(0, 0.5, shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    return model


def exporter_models(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.models()


def write(model, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    part.replace(target)


def main(source, destination):
    failed = 0
    sys.path.insert(0, str(source / "support"))
    own = pathlib.Path(__file__).stat().st_mtime
    for path in sorted(source.rglob("*.onnxtxt")):
        target = destination / path.relative_to(source).with_suffix(".onnx")
        if target.is_file() and target.stat().st_mtime > max(path.stat().st_mtime, own):
            continue
        try:
            write(parse(path.read_text()), target)
        except Exception as e:                       # onnx.parser.ParseError and protobuf errors, all the same to the reader
            print(f"{path}: {str(e).strip()}", file=sys.stderr)
            failed += 1
    for path in sorted((source / "exporters").glob("*.py")):
        stamp = destination / "exporters" / f"{path.stem}.stamp"
        if stamp.is_file() and stamp.stat().st_mtime > max(path.stat().st_mtime, own):
            continue
        for name, model in exporter_models(path).items():
            write(model, destination / "exporters" / f"{name}.onnx")
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
