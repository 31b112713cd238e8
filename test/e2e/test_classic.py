"""Tree ensembles and support vector machines of ai.onnx.ml as programs, against ONNX Runtime."""
import unittest

import numpy as np
import onnx
from onnx import helper, numpy_helper

import programs

FOLDER = programs.OUT / "classic"
COLUMNS, ROWS = 6, 9
X = np.random.default_rng(1).normal(0, 1, (ROWS, COLUMNS)).astype(np.float32)


def trees(seed, outputs, prefix, modes=("BRANCH_LEQ",), missing=False, low=-1.0, ids=None):
    """Attributes of five random trees whose leaves give to `outputs` outputs (or to those in `ids`)."""
    rng = np.random.default_rng(seed)
    columns = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
                                     "missing_value_tracks_true")}
    leaves = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}

    def grow(tree, depth):
        node = sum(t == tree for t in columns["treeids"])
        place = len(columns["treeids"])
        leaf = depth == 0 or (depth < 3 and rng.random() < 0.2)
        value = float(X[rng.integers(ROWS), rng.integers(COLUMNS)])
        row = (tree, node, int(rng.integers(COLUMNS)), value, "LEAF" if leaf else str(rng.choice(modes)), 0, 0, int(missing and rng.random() < 0.5))
        for name, entry in zip(columns, row):
            columns[name].append(entry)
        if leaf:
            for output in ids or range(outputs):
                for name, entry in zip(leaves, (tree, node, output, float(rng.uniform(low, 1)))):
                    leaves[name].append(entry)
        else:
            columns["truenodeids"][place] = grow(tree, depth - 1)
            columns["falsenodeids"][place] = grow(tree, depth - 1)
        return node

    for tree in range(5):
        grow(tree, 4)
    return {**{f"nodes_{k}": v for k, v in columns.items()}, **{f"{prefix}_{k}": v for k, v in leaves.items()}}


def vectors(seed, classes, kernel, probability):
    rng = np.random.default_rng(seed)
    per_class = [3 + i for i in range(classes)]
    count, pairs = sum(per_class), classes * (classes - 1) // 2
    real = lambda *shape: rng.normal(0, 1, shape).astype(np.float32).ravel().tolist()
    return dict(classlabels_ints=[7 + 2 * i for i in range(classes)], vectors_per_class=per_class, support_vectors=real(count, COLUMNS),
                coefficients=real(classes - 1, count), rho=real(pairs), kernel_type=kernel, kernel_params=[0.2, 0.5, 2.0],
                **(dict(prob_a=[-1.0 - 0.1 * i for i in range(pairs)], prob_b=real(pairs)) if probability else {}))


class Classic(unittest.TestCase):
    count = 0

    def check(self, op, outputs, x=X, tolerance=1e-5, ml=3, skip=0, **attributes):
        Classic.count += 1
        node = helper.make_node(op, ["x"], ["y0", "y1"][:outputs], name="node", domain="ai.onnx.ml", **attributes)
        kinds = [onnx.TensorProto.FLOAT] if outputs == 1 else [onnx.TensorProto.INT64, onnx.TensorProto.FLOAT]
        graph = helper.make_graph([node], "graph", [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
                                  [helper.make_tensor_value_info(f"y{i}", kind, None) for i, kind in enumerate(kinds)])
        path = FOLDER / f"{op}_{Classic.count}.onnx"
        FOLDER.mkdir(parents=True, exist_ok=True)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", ml)], ir_version=10), path)
        want = programs.ort_runner(path)({"x": x})
        got = programs.runner(programs.compile_model(path, f"classic/{path.stem}", "float", target="native"), threads=1)({"x": x})
        self.assertEqual(len(got), len(want))
        for g, w in zip(got[skip:], want[skip:]):
            np.testing.assert_allclose(g.reshape(w.shape), w, rtol=tolerance, atol=tolerance)

    def test_regressor(self):
        self.check("TreeEnsembleRegressor", 1, n_targets=2, base_values=[0.5, -0.25], **trees(0, 2, "target"))

    def test_average(self):
        self.check("TreeEnsembleRegressor", 1, n_targets=1, aggregate_function="AVERAGE", **trees(1, 1, "target"))

    def test_all_modes_and_missing_values(self):
        x = X.copy()
        x[::2, ::2] = np.nan
        for modes in (["BRANCH_LEQ"], ["BRANCH_LT", "BRANCH_GT"], ["BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"]):
            for missing in (False, True):
                with self.subTest(modes=modes, missing=missing):
                    self.check("TreeEnsembleRegressor", 1, x=x, n_targets=1, **trees(2, 1, "target", modes, missing))

    def test_classifier(self):
        labels = [3, 5, 9]
        for transform in ("NONE", "SOFTMAX", "LOGISTIC"):
            with self.subTest(transform=transform):
                self.check("TreeEnsembleClassifier", 2, classlabels_int64s=labels, post_transform=transform, **trees(3, 3, "class"))

    def test_two_classes_of_one_score(self):
        for low, transform, base in ((0, "NONE", []), (-1, "NONE", []), (-1, "LOGISTIC", [0.125])):
            with self.subTest(low=low, transform=transform):
                extra = dict(base_values=base) if base else {}
                self.check("TreeEnsembleClassifier", 2, classlabels_int64s=[2, 4], post_transform=transform, **extra,
                           **trees(4, 2, "class", low=low, ids=[0]))

    def test_two_classes_of_two_scores(self):
        # ONNX Runtime answers 1 for every row, which is no label of this model.
        self.check("TreeEnsembleClassifier", 2, skip=1, classlabels_int64s=[2, 4], **trees(5, 2, "class", low=0))

    def test_ensemble(self):
        tensor = lambda values, kind: numpy_helper.from_array(np.array(values, kind), "t")
        self.check("TreeEnsemble", 1, ml=5, n_targets=2, aggregate_function=1, post_transform=0, tree_roots=[0, 2],
                   nodes_featureids=[1, 2, 3], nodes_modes=tensor([0, 3, 1], np.uint8), nodes_splits=tensor([0.25, -0.5, 0.0], np.float32),
                   nodes_truenodeids=[1, 0, 3], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[1, 2, 4], nodes_falseleafs=[1, 1, 1],
                   leaf_targetids=[0, 1, 0, 1, 0], leaf_weights=tensor([1.0, 2.0, 4.0, 8.0, 16.0], np.float32))

    def test_support_vectors(self):
        for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
            with self.subTest(kernel=kernel):
                self.check("SVMClassifier", 2, **vectors(6, 3, kernel, False))

    def test_support_vectors_of_two_classes(self):
        self.check("SVMClassifier", 2, **vectors(7, 2, "RBF", False))

    def test_probabilities(self):
        # ONNX Runtime iterates until the equations of the probabilities hold to 0.005 / classes.
        for classes in (2, 4):
            with self.subTest(classes=classes):
                self.check("SVMClassifier", 2, tolerance=1e-2, **vectors(8, classes, "RBF", True))

    def test_tables(self):
        nan = float("nan")
        x = np.array([[1, 5, 2], [3, 2, 7]], np.int64)
        self.check("LabelEncoder", 1, x=x, keys_int64s=[2, 1, 3], values_floats=[0.5, 1.5, 2.5], default_float=-4.0)
        self.check("OneHotEncoder", 1, x=x, cats_int64s=[1, 2, 3], zeros=1)
        self.check("Imputer", 1, x=np.array([[1, nan, 2], [nan, 3, nan]], np.float32), imputed_value_floats=[7.0, 8.0, 9.0], replaced_value_float=nan)
        self.check("Normalizer", 1, norm="MAX")

    def test_support_vector_regression(self):
        rng = np.random.default_rng(9)
        for kernel, one_class in (("RBF", 0), ("POLY", 0), ("RBF", 1)):
            with self.subTest(kernel=kernel, one_class=one_class):
                self.check("SVMRegressor", 1, n_supports=5, support_vectors=rng.normal(0, 1, 5 * COLUMNS).tolist(), kernel_type=kernel,
                           coefficients=rng.normal(0, 1, 5).tolist(), rho=[0.3], kernel_params=[0.2, 0.5, 3.0], one_class=one_class)


if __name__ == "__main__":
    unittest.main()
