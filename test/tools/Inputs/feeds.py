"""feeds.py FILE.npz KIND: calibration data for cnn.onnxtxt, good or broken in one way."""
import sys

import numpy as np

kinds = {
    "good": {"image": np.random.default_rng(1).normal(0, 1, (16, 3, 8, 8))},
    "name": {"picture": np.zeros((1, 3, 8, 8))},
    "shape": {"image": np.zeros((4, 3, 9, 9))},
    "empty": {"image": np.zeros((0, 3, 8, 8))},
    "nan": {"image": np.full((4, 3, 8, 8), np.nan)},
    "text": {"image": np.full((4, 3, 8, 8), "x")},
    "more": {"image": np.random.default_rng(1).normal(0, 1, (16, 3, 8, 8)), "label": np.zeros(16)},
}
np.savez(sys.argv[1], **{k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in kinds[sys.argv[2]].items()})
