"""Says whether two models have equal initializers and nodes."""
import sys

import onnx

a, b = (onnx.load(path).graph for path in sys.argv[1:3])
for field in ("initializer", "node"):
    left, right = ({x.name: x.SerializeToString() for x in getattr(g, field)} for g in (a, b))
    if left != right:
        sys.exit(f"{field}: {sorted(k for k in left.keys() | right.keys() if left.get(k) != right.get(k))}")
print("equal")
