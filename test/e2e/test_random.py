"""A few random graphs of each family on all instruction sets; test/fuzz/fuzz.py runs any number."""
import pathlib
import sys
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fuzz"))
import fuzz  # noqa: E402

CASES = {"pictures": (range(1, 13), ["float", "w8a8+", "w4a8+"]), "sequences": (range(1, 13), ["float", "w8a8"]),
         "control": (range(1, 13), ["float", "w8a8"]), "pictures sizes": (range(13, 19), ["float", "w8a8+"]),
         "sequences batch": (range(20, 26), ["float", "w8a8"])}


class RandomGraphs(unittest.TestCase):
    pass


def add_tests():
    for family, (seeds, schemes) in CASES.items():
        family, _, dynamic = family.partition(" ")
        for seed in seeds:
            def test(self, family=family, seed=seed, schemes=schemes, dynamic=dynamic):
                for scheme in schemes:
                    try:
                        problem = fuzz.check(family, seed, scheme, dynamic)
                    except fuzz.Skip as why:
                        self.skipTest(str(why))
                    self.assertIsNone(problem, f"{family} {seed} {scheme}: {problem}")
            setattr(RandomGraphs, f"test_{family}_{dynamic}_{seed}".replace("__", "_"), test)


add_tests()
