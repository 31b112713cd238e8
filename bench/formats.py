"""Speed of the number formats: bytes of f32 a second, one core.

    python3 bench/formats.py [--rows 4096] [--cols 11008] [--repeat 3]      (TERN_BUILD: an -O3 build)
"""
import argparse
import pathlib
import sys
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
import tern  # noqa: E402

ROWS = [("INT4 g128", "<si4, scale<f16, [1, 128]>>", "absmax, -7 to 7"),
        ("UINT4 g128", "<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", "minmax"),
        ("MXFP4", "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", "floor_pow2"),
        ("NVFP4", "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "absmax"),
        ("INT8 per channel", "<si8, scale<f32, [1, *]>>", "absmax, -127 to 127"),
        ("FP8 E4M3", "<f8E4M3FN, scale<f32>>", "absmax"),
        ("MXINT8", "<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>", "floor_pow2, -127 to 127"),
        ("NF4 g64", "<#tern.lut<4>, table<f32>, scale<f16, [1, 64]>>", "absmax, round = tie_low"),
        ("BitMoD FP4", "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<f16, [1, 128]>>", "absmax")]


def best(call, repeat):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--cols", type=int, default=11008)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    x = np.random.default_rng(0).normal(0, 1, (options.rows, options.cols)).astype(np.float32)
    print(f"{options.rows} x {options.cols} f32, one core\n{'format':<20}{'encode GB/s':>12}{'decode GB/s':>12}")
    for name, format, rule in ROWS:
        given = {"table": tern.NF4} if "lut" in format else None
        encode, planes = best(lambda: tern.encode(x, format, rule, planes=given), options.repeat)
        decode, _ = best(lambda: tern.decode(planes), options.repeat)
        print(f"{name:<20}{x.nbytes / encode / 1e9:>12.2f}{x.nbytes / decode / 1e9:>12.2f}", flush=True)


if __name__ == "__main__":
    main()
