"""tern.encode, tern.decode, tern.formats: the golden numbers of docs/FORMATS.md 4 and one sentence for each mistake."""
import re
import subprocess
import unittest

import numpy as np

import programs

tern = programs.tern
SHAPE = (256, 1024)


def gauss(seed, n):
    """docs/FORMATS.md 4.1: three draws of splitmix64 a sample."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, 3 * n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    fields = z.view(np.uint16).reshape(n, 12).astype(np.int64).sum(1)
    return ((fields - 393210) / 65536).astype(np.float32)


def fnv1a(data):
    h = 0xcbf29ce484222325
    for byte in bytes(data):
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{h:016x}"


def sqnr(x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    return 10 * np.log10((x ** 2).sum() / ((x - y) ** 2).sum())


def tensors():
    outlier = gauss(3, 256 * 1024).reshape(SHAPE)
    outlier[:, 7::64] *= 32
    return gauss(1, 256 * 1024).reshape(SHAPE), outlier


HASHES = [
    ("<si8, scale<f32, [1, *]>>", "absmax, -127 to 127", ("3915ba48ddd488a9", "5da7a8afc1bba0f8"), ("553663e2660ae981", "1729d95022146539")),
    ("<si4, scale<f16, [1, 128]>>", "absmax, -7 to 7", ("d2799a5a2d7094ac", "649c4de4df4801da"), ("792830354c162378", "58a5c0de9bf1517a")),
    ("<ui4, scale<f16, [1, 128]>, zero<ui8, [1, 128]>>", "minmax", ("fc2de3c08fd7b8a7", "963600d671e5eba1"), ("c081eb232e562143", "a2ceaf728d927ad5")),
    ("<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", None, ("04fe0c34df67d7a6", "b4b03a67b982f606"), ("7421f5730d5d1b8b", "78cf48fe9416eb31")),
    ("<f6E2M3FN, scale<f8E8M0FNU, [1, 32]>>", None, ("1300422ae4ed6be5", "c4465a8d951fd74c"), ("7421f5730d5d1b8b", "78cf48fe9416eb31")),
    ("<f6E3M2FN, scale<f8E8M0FNU, [1, 32]>>", None, ("dd5ebcdb26a8bdb2", "f4651be7963f07c8"), ("fad14a9d5f969607", "f211198dfd603f19")),
    ("<f8E4M3FN, scale<f8E8M0FNU, [1, 32]>>", None, ("cd51b319868100b1", "4ec2f4c2a046777a"), ("0eb5667506670aef", "a1ebff8f8ad6dd69")),
    ("<f8E5M2, scale<f8E8M0FNU, [1, 32]>>", None, ("f3c6ff7149664252", "19c40fab72e12662"), ("4c2cca2132a376f7", "75a18440e46a27c5")),
    ("<#tern.fixed<8, 2>, scale<f8E8M0FNU, [1, 32]>>", "floor_pow2, -127 to 127", ("021f354b96e9485e", "a841d38496307272"),
     ("60c4f37ef4dd501f", "f5cfe27f46cf1d39")),
    ("<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", None, ("8f5b3fbe349738a7", "40876f37361873fd"), ("845b82d71ba92040", "130cbb0fb138a65f")),
    ("<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "absmax, -7 to 7", ("18028db177d63de6", "7b63cdc9a6c296e7"), ("845b82d71ba92040", "130cbb0fb138a65f")),
]
FIXED = "<#tern.fixed<{0}, 2>, scale<f8E8M0FNU, [1, {1}]>>"
MX = "<{0}, scale<f8E8M0FNU, [1, 32]>>"
NVFP4, NVINT4 = "<f4E2M1FN, scale<f8E4M3FN, [1, 16]>, scale<f32>>", "<si4, scale<f8E4M3FN, [1, 16]>, scale<f32>>"
# name, format, rule, block of the Hadamard rotation or 0, dB on gauss and outlier
SQNR = [
    ("INT8 sym per-tensor f32", "<si8, scale<f32>>", "absmax, -127 to 127", 0, 39.8882, 24.5231),
    ("INT8 sym per-row f32", "<si8, scale<f32, [1, *]>>", "absmax, -127 to 127", 0, 42.4730, 28.6725),
    ("INT8 asym per-row f32", "<ui8, scale<f32, [1, *]>, zero<ui8, [1, *]>>", "minmax", 0, 42.9670, 30.0254),
    ("INT6 sym g128 f16", "<si6, scale<f16, [1, 128]>>", "absmax, -31 to 31", 0, 31.7880, 20.8241),
    ("INT4 sym g128 f16", "<si4, scale<f16, [1, 128]>>", "absmax, -7 to 7", 0, 18.8584, 13.2158),
    ("INT4 asym g128 f16", "<ui4, scale<f16, [1, 128]>, zero<ui4, [1, 128]>>", "minmax", 0, 20.1334, 14.7552),
    ("INT4 sym g32 f16", "<si4, scale<f16, [1, 32]>>", "absmax, -7 to 7", 0, 20.3968, 17.6374),
    ("INT3 asym g128 f16", "<ui3, scale<f16, [1, 128]>, zero<ui3, [1, 128]>>", "minmax", 0, 13.5144, 12.6262),
    ("INT2 asym g64 f16", "<ui2, scale<f16, [1, 64]>, zero<ui2, [1, 64]>>", "minmax", 0, 6.9407, 12.6253),
    ("KIVI INT2 asym g32 float-min", "<ui2, scale<f16, [1, 32]>, min<f16, [1, 32]>>", "minmax, 0 to 3", 0, 8.2122, 9.4757),
    ("MXINT8 OCP floor", FIXED.format(8, 32), "floor_pow2, -127 to 127", 0, 41.7280, 34.7580),
    ("MXINT8 ceil", FIXED.format(8, 32), "ceil_pow2, -127 to 127", 0, 41.6824, 34.6855),
    ("MXINT6 ceil", FIXED.format(6, 32), "ceil_pow2, -31 to 31", 0, 29.4770, 22.8982),
    ("MXINT4 OCP floor", FIXED.format(4, 32), "floor_pow2, -7 to 7", 0, 17.6025, 16.4092),
    ("MXINT4 ceil", FIXED.format(4, 32), "ceil_pow2, -7 to 7", 0, 16.9295, 16.1891),
    ("MXFP8 E4M3 floor", MX.format("f8E4M3FN"), "floor_pow2", 0, 30.6261, 27.6072),
    ("MXFP8 E4M3 ceil", MX.format("f8E4M3FN"), "ceil_pow2", 0, 31.4857, 31.4147),
    ("MXFP8 E5M2 floor", MX.format("f8E5M2"), "floor_pow2", 0, 25.3500, 24.4414),
    ("MXFP6 E2M3 floor", MX.format("f6E2M3FN"), "floor_pow2", 0, 30.9233, 26.7816),
    ("MXFP6 E2M3 ceil", MX.format("f6E2M3FN"), "ceil_pow2", 0, 30.9453, 26.5832),
    ("MXFP6 E3M2 floor", MX.format("f6E3M2FN"), "floor_pow2", 0, 25.3498, 24.4319),
    ("MXFP4 E2M1 floor", MX.format("f4E2M1FN"), "floor_pow2", 0, 18.8192, 15.4737),
    ("MXFP4 E2M1 ceil", MX.format("f4E2M1FN"), "ceil_pow2", 0, 18.8415, 16.0070),
    ("NVFP4", NVFP4, "absmax", 0, 20.4020, 21.9852),
    ("NVINT4", NVINT4, "absmax, -7 to 7", 0, 21.3767, 20.3979),
    ("NVFP4 + H16", NVFP4, "absmax", 16, 20.4277, 18.8052),
    ("NVINT4 + H16", NVINT4, "absmax, -7 to 7", 16, 21.2716, 25.9339),
    ("MXINT8 ceil + H32", FIXED.format(8, 32), "ceil_pow2, -127 to 127", 32, 41.5934, 46.9562),
    ("MXINT4 ceil + H32", FIXED.format(4, 32), "ceil_pow2, -7 to 7", 32, 16.8381, 21.8489),
    ("MXFP4 ceil + H32", MX.format("f4E2M1FN"), "ceil_pow2", 32, 18.7615, 19.7224),
    ("FP8 E4M3 per-tensor f32", "<f8E4M3FN, scale<f32>>", "absmax", 0, 31.5694, 31.6521),
    ("FP6 E3M2 per-row f16", "<f6E3M2FN, scale<f16, [1, *]>>", "absmax", 0, 25.5650, 26.9064),
    ("FP6 E2M3 per-row f16", "<f6E2M3FN, scale<f16, [1, *]>>", "absmax", 0, 31.1124, 21.8618),
    ("FP4 E2M1 g128 f16", "<f4E2M1FN, scale<f16, [1, 128]>>", "absmax", 0, 19.2892, 14.5653),
    ("FP4 E3M0 g128 f16", '<#tern.minifloat<3, 0, 3, "finite">, scale<f16, [1, 128]>>', "absmax", 0, 14.2737, 19.9155),
    ("ZQ-FP FP4 g256 free f32", "<f4E2M1FN, scale<f32, [1, 256]>>", "absmax", 0, 19.1324, 13.1765),
    ("ZQ-FP FP4 g256 M1", "<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>>", "ceil_pow2", 0, 17.7891, 12.1231),
    ("BFP12 (m4) n=64", FIXED.format(4, 64), "floor_pow2, -7 to 7", 0, 16.9725, 13.7807),
    ("BFP12 (m4) n=32", FIXED.format(4, 32), "floor_pow2, -7 to 7", 0, 17.6025, 16.4092),
    ("Ternary absmean tensor", "<#tern.ternary, scale<f32>>", None, 0, 5.8822, 0.4688),
    ("bipolar-INT4 per-row", "<#tern.bipolar<4>, scale<f32, [1, *]>>", "absmax, round = half_up", 0, 17.8966, 0.9019),
    ("bipolar-INT2 per-row", "<#tern.bipolar<2>, scale<f32, [1, *]>>", "absmax, round = half_up", 0, 3.8160, -14.3159),
    ("BitMoD FP4 g128 f16", "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<f16, [1, 128]>>", "absmax, round = tie_low", 0, 20.2260, 15.8693),
    ("BitMoD FP3 g128 f16", "<#tern.bitmod<3>, select<ui2, [1, 128]>, scale<f16, [1, 128]>>", "absmax, round = tie_low", 0, 14.2906, 12.9016),
    ("BitMoD FP4 g128 u8 SF, one channel scale", "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
     "absmax, round = tie_low", 0, 20.2259, 15.8691),
    ("BitMoD FP3 g128 u8 SF, one channel scale", "<#tern.bitmod<3>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f16, [1, *]>>",
     "absmax, round = tie_low", 0, 14.2909, 12.9013),
]


def rotated(x, n):
    h = np.array([[1.0]])
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return (x.reshape(-1, n).astype(np.float64) @ (h / np.sqrt(n))).astype(np.float32).reshape(x.shape)


class Golden(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tensors = tensors()

    def near(self, name, wanted, got):
        self.assertAlmostEqual(got, wanted, delta=1e-3, msg=name)

    def test_tensors(self):
        self.assertEqual([fnv1a(x.tobytes()[:4096 * 4]) for x in self.tensors], ["57de0f9517b2a360", "c110daf5db2e8f62"])

    def test_hashes(self):
        for format, rule, codes, scales in HASHES:
            for x, code, scale in zip(self.tensors, codes, scales):
                with self.subTest(format):
                    planes = tern.encode(x, format, rule)
                    self.assertEqual(fnv1a(planes.values("codes")[:64].astype(np.uint8)), code)
                    rows = lambda name: planes[name].reshape(256, -1)[:64].view(np.uint8).reshape(64, -1)
                    parts = [rows("scale")] + ([rows("zero")] if "zero" in planes.names else [])
                    self.assertEqual(fnv1a(np.concatenate(parts, axis=1)), scale)

    def test_sqnr(self):
        for name, format, rule, block, *wanted in SQNR:
            for x, db in zip(self.tensors, wanted):
                y = rotated(x, block) if block else x
                z = tern.decode(tern.encode(y, format, rule))
                self.near(name, db, sqnr(x, rotated(z, block) if block else z))

    def test_sqnr_nf4(self):
        for x, db in zip(self.tensors, (20.7706, 16.4296)):
            planes = tern.encode(x, "<#tern.lut<4>, table<f32>, scale<f32, [1, 64]>>", "absmax, round = tie_low", planes={"table": tern.NF4})
            self.near("NF4 g64 f32", db, sqnr(x, tern.decode(planes)))

    def test_sqnr_zeroquant_m2(self):
        for rounding, wanted in ((np.ceil, (15.4393, 10.7420)), (np.floor, (18.9126, 12.3092))):
            for x, db in zip(self.tensors, wanted):
                scale = np.abs(x).reshape(256, 4, 256).max(2).astype(np.float64) / 6
                most = scale.max(1, keepdims=True)
                planes = {"scale": [2.0 ** -rounding(np.log2(most / scale)), most]}
                y = tern.encode(x, "<f4E2M1FN, scale<f8E8M0FNU, [1, 256]>, scale<f32, [1, *]>>", "given", planes=planes)
                self.near("ZQ-FP FP4 g256 M2", db, sqnr(x, tern.decode(y)))

    def test_sqnr_bitmod_int8_scales(self):
        for x, db in zip(self.tensors, (20.2262, 15.8694)):
            most, tried = np.abs(x).reshape(256, 8, 128).max(2), []
            for a, q in enumerate((12, 12, 16, 16)):
                scale = np.clip((most / np.float32(q)).astype(np.float16).astype(np.float32), 1e-5, 1e4)
                channel = scale.max(1, keepdims=True) / np.float32(255)
                given = {"select": np.full((256, 8), a), "scale": [np.maximum(np.rint(scale / channel), 1), channel]}
                tried.append(tern.decode(tern.encode(x, "<#tern.bitmod<4>, select<ui2, [1, 128]>, scale<ui8, [1, 128]>, scale<f32, [1, *]>>",
                                                     "given, round = tie_low", planes=given)))
            y = np.stack(tried).reshape(4, 256, 8, 128)
            error = ((y.astype(np.float64) - x.reshape(256, 8, 128)) ** 2).sum(3)
            best = np.take_along_axis(y, error.argmin(0)[None, :, :, None], 0)[0].reshape(SHAPE)
            self.near("BitMoD FP4 g128 INT8 SF", db, sqnr(x, best))

    def test_sqnr_olive(self):
        format = "<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32, [1, *]>>"
        for x, plain, searched in zip(self.tensors, (18.0422, 15.7673), (19.3195, 17.5549)):
            mean, sd = x.astype(np.float64).mean(1, keepdims=True), x.astype(np.float64).std(1, ddof=1, keepdims=True)
            reach = np.maximum(np.abs(mean + 3 * sd), np.abs(mean - 3 * sd))
            coded = lambda p: tern.decode(tern.encode(x, format, "given, round = tie_low", planes={"scale": reach * p / 100 / 7}))
            self.near("OliVe 4b 3sigma no search", plain, sqnr(x, coded(100)))
            tried = np.stack([coded(p) for p in range(75, 150, 2)])
            best = ((tried - x.astype(np.float64)) ** 2).sum(2).argmin(0)
            self.near("OliVe 4b MSE search", searched, sqnr(x, tried[best, np.arange(256)]))
            # The general search for ranges finds scales as good, without the statistics of the recipe.
            general = tern.encode(x, format, "absmax, round = tie_low", method="rtn-mse")
            self.assertGreater(sqnr(x, tern.decode(general)), searched - 0.05)


class Api(unittest.TestCase):
    def setUp(self):
        self.x = gauss(5, 4 * 320).reshape(4, 320)

    def refused(self, call, *words):
        with self.assertRaises(tern.Error) as caught:
            call()
        for word in words:
            self.assertIn(word, str(caught.exception))

    def test_one_line(self):
        planes = tern.encode(self.x, "<ui4, scale<f16, [1, 128]>, zero<ui4>>", rule="minmax")
        self.assertEqual(planes.names, ["codes", "scale", "zero"])
        self.assertEqual([(p.dtype.name, p.shape) for p in planes], [("uint8", (4, 160)), ("float16", (4, 3)), ("uint8", (1,))])
        y = tern.decode(planes)
        self.assertEqual((y.dtype, y.shape), (np.float32, self.x.shape))
        self.assertGreater(sqnr(self.x, y), 17)
        np.testing.assert_array_equal(tern.decode(list(planes), planes.format, self.x.shape), y)
        by_hand = (planes.values("codes") - planes.values("zero")) * np.repeat(planes["scale"].astype(np.float32), 128, 1)[:, :320]
        np.testing.assert_array_equal(by_hand.astype(np.float32), y)

    def test_shapes_and_types(self):
        for shape in ((), (7,), (2, 3, 4, 5), (0, 4)):
            x = np.ones(shape)
            np.testing.assert_allclose(tern.decode(tern.encode(x, "<si8, scale<f32>>")), x, rtol=1e-2)
        np.testing.assert_array_equal(tern.decode(tern.encode(np.asfortranarray(self.x.astype(np.float64)), "<f32>")), self.x)
        planes = tern.encode(self.x, "<f8E4M3FN, scale<bf16, [1, 64]>>")
        self.assertEqual([p.dtype.name for p in planes], ["uint8", "uint16"])
        big = tern.encode(np.array([2.0 ** 30 + 128]), "<si32, scale<f32>>", "given", planes={"scale": 1})
        self.assertEqual(big.values("codes")[0], 2 ** 30 + 128)

    def test_rules(self):
        defaults = {"<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>": "<floor_pow2>", "<ui4, scale<f16, [1, 32]>, min<f16, [1, 32]>>": "<minmax>",
                    "<#tern.ternary, scale<f32>>": "<absmean>", "<si4, scale<f16, [1, 32]>>": "<absmax>"}
        for format, rule in defaults.items():
            for a, b in zip(tern.encode(self.x, format), tern.encode(self.x, format, rule)):
                np.testing.assert_array_equal(a, b)
        searched = tern.decode(tern.encode(self.x, "<si3, scale<f16, [1, 32]>>", "absmax, -3 to 3", method="rtn-mse"))
        self.assertGreater(sqnr(self.x, searched), sqnr(self.x, tern.decode(tern.encode(self.x, "<si3, scale<f16, [1, 32]>>", "absmax, -3 to 3"))))

    def test_cache(self):
        k = gauss(6, 300 * 64).reshape(1, 1, 300, 64)
        planes = tern.encode(k, "<ui2, scale<f16, [1, 1, 32, 1]>, min<f16, [1, 1, 32, 1]>, tail<f16, [1, 1, 128, *]>>")
        self.assertEqual(planes["tail"].shape, (1, 1, 128, 64))
        np.testing.assert_array_equal(tern.decode(planes)[:, :, 256:], k[:, :, 256:].astype(np.float16).astype(np.float32))

    def test_mistakes(self):
        x = self.x
        self.refused(lambda: tern.encode(x, "<si4, skale<f16>>"), "expected a plane", "at 'skale<f16>>'")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16, [1, 0]>>"), "F1: block extents are positive")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16, [32]>>"), "F1: the block of plane 'scale' has 1 extents; the tensor has rank 2")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", "absmux"), "expected a rule")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", "absmax, -9 to 7"), "F6: the codes of si4 are -8 to 7")
        self.refused(lambda: tern.encode(x, "<f4E2M1FN, scale<f8E8M0FNU, [1, 32]>>", "absmax"), "F5")
        self.refused(lambda: tern.encode(x, "<#tern.lut<4>, table<f32>, scale<f32>>"), "plane 'table'", "is not computed", "tern.NF4")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", "given"), "plane 'scale'", "by rule given")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", planes={"zero": 0}), "has no plane 'zero' to give")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16, [1, 32]>>", "given", planes={"scale": [1, 2]}), "has shape [4, 10]; found [2]")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", method="best"), "unknown quantization method 'best' (known: rtn")
        self.refused(lambda: tern.encode(x, 4), "a format is a string")
        self.refused(lambda: tern.encode(x, "<si4, scale<f16>>", 4), "a rule is a string")
        self.refused(lambda: tern.encode(x[:, :3], "<#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>, scale<f32>>"), "E2: the last extent")
        planes = tern.encode(x, "<si4, scale<f16>>")
        self.refused(lambda: tern.decode(list(planes)), "give decode(planes, format, shape)")
        self.refused(lambda: tern.decode(planes, shape=(4, 322)), "plane 'codes' of <si4, scale<f16>> has 644 bytes")
        self.refused(lambda: tern.decode(list(planes)[:1], planes.format, x.shape), "has 2 planes (codes, scale); found 1")
        self.refused(lambda: planes["zero"], "has no plane 'zero'; its planes are codes, scale")

    def test_formats(self):
        rows = {f.name: f for f in tern.formats()}
        self.assertAlmostEqual(rows["NVFP4"].bits, 4.5)
        self.assertIn("cpu.gemm.u8s8", rows["INT8 per channel, symmetric"].kernels["cpu"]["w"])
        for row in rows.values():
            shape = (1, 1, 64, 64) if "[1, 1, " in row.format else (8, 256)
            x = gauss(8, int(np.prod(shape))).reshape(shape)
            with self.subTest(row.name):
                if "given" in row.encode:
                    continue
                given = {"table": tern.NF4} if "lut" in row.format else None
                self.assertGreater(sqnr(x, tern.decode(tern.encode(x, row.format, row.encode, planes=given))), 1)

    def test_layouts(self):
        planes = tern.encode(self.x, "<ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>")
        buffers = tern.pack(planes, "#tern.matmulnbits")
        self.assertEqual({n: (b.dtype.name, b.shape) for n, b in buffers.items()},
                         {"B": ("uint8", (4, 10, 16)), "scales": ("float16", (4, 10)), "zero_points": ("uint8", (4, 5))})
        again = tern.unpack(buffers, "#tern.matmulnbits", planes.format, self.x.shape)
        for a, b in zip(planes, again):
            np.testing.assert_array_equal(a, b)
        self.refused(lambda: tern.pack(planes, "#tern.ggml<q4_0>"), "the format is <si4, scale<f16, [1, 32]>>")
        self.refused(lambda: tern.pack(planes, "#tern.nbits"), "unknown layout '#tern.nbits'; known are #tern.matmulnbits")
        self.refused(lambda: tern.unpack({"B": buffers["B"]}, "#tern.matmulnbits", planes.format, self.x.shape), "buffer 'scales' is missing")

    def test_matmulnbits_of_onnx_runtime(self):
        import onnx
        import onnxruntime
        n, k, eye = 16, 100, np.eye(100, dtype=np.float32)
        w = gauss(9, n * k).reshape(n, k)
        for bits in (2, 4, 8):
            planes = tern.encode(w, f"<ui{bits}, scale<f32, [1, 32]>, zero<ui{bits}, [1, 32]>>")
            buffers = tern.pack(planes, "#tern.matmulnbits")
            node = onnx.helper.make_node("MatMulNBits", ["x", *buffers], ["y"], domain="com.microsoft", K=k, N=n, bits=bits, block_size=32)
            graph = onnx.helper.make_graph([node], "g", [onnx.helper.make_tensor_value_info("x", 1, [k, k])],
                                           [onnx.helper.make_tensor_value_info("y", 1, [k, n])],
                                           [onnx.numpy_helper.from_array(b, name) for name, b in buffers.items()])
            model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21), onnx.helper.make_opsetid("com.microsoft", 1)],
                                           ir_version=10)
            y = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": eye})[0]
            np.testing.assert_array_equal(y.T, tern.decode(planes), err_msg=f"{bits} bits")


class Documentation(unittest.TestCase):
    def test_the_table_of_formats_is_what_quant_opt_prints(self):
        printed = subprocess.run([programs.BUILD / "bin" / "quant-opt", "--tern-print-formats"], capture_output=True, text=True, check=True).stdout
        columns = [" | ".join(line.split(" | ")[:5]) for line in printed.splitlines()[2:]]
        self.assertGreater(len(columns), 40)
        text = (programs.TOP / "docs" / "FORMATS.md").read_text()
        listed = [" | ".join(line.split(" | ")[:5]).rstrip(" |") for line in re.search(r"<!-- formats -->\n(.*?)<!-- end -->", text, re.S)[1].splitlines()[2:]]
        self.assertEqual([c.rstrip(" |") for c in columns], listed, "quant-opt --tern-print-formats has changed; copy its first five columns")


if __name__ == "__main__":
    unittest.main()
