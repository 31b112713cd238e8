"""The single operators that bench/ops.py measures: sizes of exported models, and odd ones."""
import numpy as np

RNG = np.random.default_rng(1)


def f(*shape, dtype=np.float32):
    return RNG.standard_normal(shape).astype(dtype)


def i(high, *shape, dtype=np.int64):
    return RNG.integers(0, high, shape).astype(dtype)


def signs(*shape):
    return RNG.integers(-100, 100, shape).astype(np.int8)


def choices(rows, size, count):
    return np.stack([RNG.permutation(size)[:count] for _ in range(rows)]).astype(np.int64)


def ints(*values):
    return (np.array(values, np.int64),)


def one(value, dtype=np.float32):
    return (np.array(value, dtype),)


def scales(n):
    return (np.abs(f(n)) * 0.02 + 0.01,)


def recurrent(gates, steps, batch, inputs, hidden):
    return [f(steps, batch, inputs), (f(1, gates * hidden, inputs) * 0.1,), (f(1, gates * hidden, hidden) * 0.1,), (f(1, 2 * gates * hidden),)]


# name: (operator, attributes, inputs in order; what is a tuple (array,) is a constant, [number of results])
SELECT = {
    "topk 64x1000, 5": ("TopK", {}, [f(64, 1000), ints(5)], 2),
    "topk 8400, 300": ("TopK", {}, [f(1, 8400), ints(300)], 2),
    "topk middle axis": ("TopK", {"axis": 1}, [f(8, 100, 64), ints(10)], 2),
    "gather_elements": ("GatherElements", {"axis": 1}, [f(256, 256), i(256, 256, 200)]),
    "gather_elements first axis": ("GatherElements", {"axis": 0}, [f(256, 256), i(256, 200, 256)]),
    "gather_nd": ("GatherND", {}, [f(32, 128, 64), np.stack([i(32, 1000), i(128, 1000)], -1)]),
    "gather_nd scalars": ("GatherND", {}, [f(32, 128), np.stack([i(32, 1000), i(128, 1000)], -1)]),
    "gather rows": ("Gather", {}, [f(1000, 384), i(1000, 128)]),
    "gather last axis": ("Gather", {"axis": 2}, [f(8, 64, 100), i(100, 77)]),
    "gather middle axis": ("Gather", {"axis": 1}, [f(8, 64, 100), i(64, 33)]),
    "gather of i64": ("Gather", {}, [i(99, 1000, 3), i(1000, 777)]),
    "scatter_nd": ("ScatterND", {}, [f(512, 64), choices(1, 512, 100).T, f(100, 64)]),
    "scatter_elements": ("ScatterElements", {"axis": 1}, [f(256, 256), choices(256, 256, 100), f(256, 100)]),
    "scatter_elements add": ("ScatterElements", {"axis": 1, "reduction": "add"}, [f(256, 256), i(256, 256, 100), f(256, 100)]),
    "cumsum last axis": ("CumSum", {}, [f(64, 512), one(1, np.int64)]),
    "cumsum first axis": ("CumSum", {}, [f(64, 512), one(0, np.int64)]),
    "cumsum middle axis": ("CumSum", {"exclusive": 1}, [f(4, 77, 65), one(1, np.int64)]),
    "cumsum of i64 mask": ("CumSum", {}, [i(2, 8, 512), one(1, np.int64)]),
    "reverse_sequence": ("ReverseSequence", {"batch_axis": 1, "time_axis": 0}, [f(64, 8, 128), i(64, 8) + 1]),
    "one_hot": ("OneHot", {}, [i(1000, 64), ints(1000), (np.array([0, 1], np.float32),)]),
    "where": ("Where", {}, [i(2, 1, 1, 128, 128).astype(bool), f(1, 8, 128, 128), f(1)]),
    "where of i64": ("Where", {}, [i(2, 64, 512).astype(bool), i(9, 64, 512), i(9, 64, 1)]),
    "trilu": ("Trilu", {}, [f(4, 257, 257)]),
    "argmax": ("ArgMax", {"axis": 1}, [f(64, 512)]),
    "argmax of channels": ("ArgMax", {"axis": 1}, [f(1, 21, 65, 65)]),
}

MOVE = {
    "tile": ("Tile", {}, [f(1, 64, 64), ints(1, 4, 4)]),
    "tile last axis by 3": ("Tile", {}, [f(64, 77), ints(1, 3)]),
    "expand": ("Expand", {}, [f(8, 1, 77), ints(8, 64, 77)]),
    "expand last axis": ("Expand", {}, [f(8, 64, 1), ints(8, 64, 77)]),
    "pad constant": ("Pad", {}, [f(1, 32, 64, 64), ints(0, 0, 1, 1, 0, 0, 1, 1)]),
    "pad reflect": ("Pad", {"mode": "reflect"}, [f(1, 32, 64, 64), ints(0, 0, 3, 3, 0, 0, 3, 3)]),
    "pad edge": ("Pad", {"mode": "edge"}, [f(1, 32, 64, 64), ints(0, 0, 3, 3, 0, 0, 3, 3)]),
    "pad wrap": ("Pad", {"mode": "wrap"}, [f(1, 32, 64, 64), ints(0, 0, 3, 3, 0, 0, 3, 3)]),
    "split last axis": ("Split", {"axis": 1, "num_outputs": 3}, [f(128, 1152)], 3),
    "split odd sizes": ("Split", {"axis": 1}, [f(8, 100, 33), ints(17, 50, 33)], 3),
    "concat first axis": ("Concat", {"axis": 0}, [f(64, 384), f(17, 384)]),
    "concat last axis": ("Concat", {"axis": 2}, [f(8, 64, 33), f(8, 64, 17), f(8, 64, 1)]),
    "concat of 4 maps": ("Concat", {"axis": 1}, [f(1, 16, 40, 40) for _ in range(4)]),
    "transpose 10": ("Transpose", {"perm": [1, 0]}, [f(384, 384)]),
    "transpose 10 odd": ("Transpose", {"perm": [1, 0]}, [f(333, 77)]),
    "transpose 021": ("Transpose", {"perm": [0, 2, 1]}, [f(8, 64, 100)]),
    "transpose 0213": ("Transpose", {"perm": [0, 2, 1, 3]}, [f(1, 128, 12, 64)]),
    "transpose 0231": ("Transpose", {"perm": [0, 2, 3, 1]}, [f(1, 64, 56, 56)]),
    "transpose 0312": ("Transpose", {"perm": [0, 3, 1, 2]}, [f(1, 56, 56, 64)]),
    "transpose 3210": ("Transpose", {"perm": [3, 2, 1, 0]}, [f(8, 16, 24, 32)]),
    "transpose 20314": ("Transpose", {"perm": [2, 0, 3, 1, 4]}, [f(1, 49, 3, 12, 32)]),
    "transpose 014253": ("Transpose", {"perm": [0, 1, 4, 2, 5, 3]}, [f(1, 16, 2, 2, 28, 28)]),
    "transpose of bytes": ("Transpose", {"perm": [0, 2, 3, 1]}, [i(255, 1, 64, 56, 56, dtype=np.uint8)]),
    "transpose of i64": ("Transpose", {"perm": [1, 0]}, [i(99, 128, 384)]),
    "transpose of f16": ("Transpose", {"perm": [0, 2, 1]}, [f(8, 64, 100, dtype=np.float16)]),
    "slice with steps": ("Slice", {}, [f(1, 64, 64, 64), ints(0, 0), ints(64, 64), ints(2, 3), ints(2, 2)]),
    "slice backwards": ("Slice", {}, [f(64, 512), ints(-1), ints(-1000), ints(1), ints(-1)]),
    "space_to_depth": ("SpaceToDepth", {"blocksize": 2}, [f(1, 16, 64, 64)]),
    "depth_to_space": ("DepthToSpace", {"blocksize": 2}, [f(1, 64, 32, 32)]),
    "resize nearest": ("Resize", {"mode": "nearest"}, [f(1, 32, 32, 32), None, (np.array([1, 1, 2, 2], np.float32),)]),
    "resize linear": ("Resize", {"mode": "linear"}, [f(1, 32, 32, 32), None, (np.array([1, 1, 2, 2], np.float32),)]),
    "resize linear to odd": ("Resize", {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, [f(1, 32, 33, 33), None, None, ints(1, 32, 65, 77)]),
    "resize cubic": ("Resize", {"mode": "cubic"}, [f(1, 8, 32, 32), None, (np.array([1, 1, 2, 2], np.float32),)]),
    "grid_sample": ("GridSample", {}, [f(1, 16, 32, 32), np.tanh(f(1, 32, 32, 2))]),
}

WINDOW = {
    "conv 1d": ("Conv", {"pads": [1, 1]}, [f(1, 80, 300), (f(128, 80, 3),)]),
    "conv 1d depthwise": ("Conv", {"group": 96, "pads": [15, 15]}, [f(1, 96, 300), (f(96, 1, 31),)]),
    "conv 1d dilated": ("Conv", {"dilations": [4], "pads": [8, 8]}, [f(1, 33, 300), (f(33, 33, 5),)]),
    "conv odd channels": ("Conv", {"pads": [1] * 4}, [f(1, 17, 29, 31), (f(35, 17, 3, 3),)]),
    "conv grouped odd": ("Conv", {"group": 3, "pads": [1] * 4}, [f(1, 51, 28, 28), (f(21, 17, 3, 3),)]),
    "conv grouped 32": ("Conv", {"group": 32, "pads": [1] * 4}, [f(1, 128, 28, 28), (f(128, 4, 3, 3),)]),
    "conv depthwise 5x5": ("Conv", {"group": 120, "pads": [2] * 4}, [f(1, 120, 28, 28), (f(120, 1, 5, 5),)]),
    "conv depthwise odd": ("Conv", {"group": 17, "pads": [1] * 4}, [f(1, 17, 29, 31), (f(17, 1, 3, 3),)]),
    "conv 3d": ("Conv", {"pads": [1] * 6}, [f(1, 16, 8, 28, 28), (f(16, 16, 3, 3, 3),)]),
    "conv, weight computed": ("Conv", {"pads": [1] * 4}, [f(1, 16, 28, 28), f(32, 16, 3, 3)]),
    "conv_transpose 2x2": ("ConvTranspose", {"strides": [2] * 2}, [f(1, 32, 28, 28), (f(32, 16, 2, 2),)]),
    "conv_transpose 3x3": ("ConvTranspose", {"strides": [2] * 2, "pads": [1] * 4, "output_padding": [1, 1]}, [f(1, 33, 28, 28), (f(33, 17, 3, 3),)]),
    "conv_transpose 4x4 stride 1": ("ConvTranspose", {"pads": [1] * 4}, [f(1, 16, 28, 28), (f(16, 8, 4, 4),)]),
    "conv_transpose 1d": ("ConvTranspose", {"strides": [8], "pads": [4, 4]}, [f(1, 64, 100), (f(64, 32, 16),)]),
    "conv_transpose 3d": ("ConvTranspose", {"strides": [2] * 3}, [f(1, 16, 4, 14, 14), (f(16, 8, 2, 2, 2),)]),
    "conv_transpose grouped": ("ConvTranspose", {"strides": [2] * 2, "group": 16}, [f(1, 16, 28, 28), (f(16, 1, 4, 4),)]),
    "max_pool 3x3": ("MaxPool", {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1] * 4}, [f(1, 64, 56, 56)]),
    "max_pool 5x5": ("MaxPool", {"kernel_shape": [5, 5], "pads": [2] * 4}, [f(1, 128, 20, 20)]),
    "max_pool with places": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, [f(1, 64, 56, 56)], 2),
    "max_pool 3d": ("MaxPool", {"kernel_shape": [2] * 3, "strides": [2] * 3}, [f(1, 32, 8, 28, 28)]),
    "max_pool 3d 3x3x3": ("MaxPool", {"kernel_shape": [3] * 3, "strides": [2] * 3, "pads": [1] * 6}, [f(1, 32, 8, 28, 28)]),
    "average_pool ceil": ("AveragePool", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, [f(1, 64, 56, 56)]),
    "average_pool padded": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1}, [f(1, 33, 29, 31)]),
    "average_pool 1d": ("AveragePool", {"kernel_shape": [2], "strides": [2]}, [f(1, 64, 300)]),
    "average_pool 3d": ("AveragePool", {"kernel_shape": [3] * 3, "strides": [2] * 3, "pads": [1] * 6}, [f(1, 32, 8, 28, 28)]),
    "global_average_pool": ("GlobalAveragePool", {}, [f(1, 320, 14, 14)]),
    "global_max_pool": ("GlobalMaxPool", {}, [f(1, 320, 14, 14)]),
    "lrn": ("LRN", {"size": 5}, [f(1, 64, 28, 28)]),
}

PRODUCT = {
    "matmul of two activations": ("MatMul", {}, [f(8, 64, 64), f(8, 64, 64)]),
    "matmul odd": ("MatMul", {}, [f(3, 17, 33), f(3, 33, 65)]),
    "matmul 1 column": ("MatMul", {}, [f(8, 128, 64), f(8, 64, 1)]),
    "matmul 1 row": ("MatMul", {}, [f(8, 1, 64), f(8, 64, 128)]),
    "matmul K 1": ("MatMul", {}, [f(8, 64, 1), f(8, 1, 64)]),
    "matmul 3x3": ("MatMul", {}, [f(100, 3, 3), f(100, 3, 3)]),
    "matmul vector": ("MatMul", {}, [f(512), f(512, 384)]),
    "matmul by vector": ("MatMul", {}, [f(64, 512), f(512)]),
    "matmul broadcast": ("MatMul", {}, [f(4, 1, 33, 64), f(1, 5, 64, 33)]),
    "matmul weight odd": ("MatMul", {}, [f(17, 333), (f(333, 77),)]),
    "matmul weight 3 columns": ("MatMul", {}, [f(128, 384), (f(384, 3),)]),
    "matmul batched weight": ("MatMul", {}, [f(4, 32, 64), (f(4, 64, 48),)]),
    "gemm transposed": ("Gemm", {"transB": 1}, [f(64, 256), (f(100, 256),), (f(100),)]),
    "gemm of activations": ("Gemm", {"transA": 1, "alpha": 0.5}, [f(64, 65), f(64, 33), f(33)]),
    "matmul f64": ("MatMul", {}, [f(64, 64, dtype=np.float64), f(64, 64, dtype=np.float64)]),
    "matmul i32": ("MatMul", {}, [i(9, 64, 64, dtype=np.int32), i(9, 64, 64, dtype=np.int32)]),
    "matmul_integer": ("MatMulInteger", {}, [i(255, 64, 384, dtype=np.uint8), (signs(384, 384),), one(128, np.uint8)]),
    "matmul f16": ("MatMul", {}, [f(64, 128, dtype=np.float16), (f(128, 128, dtype=np.float16),)]),
    "einsum bhwc,hkc->bhwk": ("Einsum", {"equation": "bhwc,hkc->bhwk"}, [f(2, 14, 14, 32), f(14, 14, 32)]),
    "einsum bid,bjd->bij": ("Einsum", {"equation": "bid,bjd->bij"}, [f(4, 64, 32), f(4, 64, 32)]),
    "einsum bnhd,bmhd->bhnm": ("Einsum", {"equation": "bnhd,bmhd->bhnm"}, [f(1, 64, 4, 32), f(1, 64, 4, 32)]),
    "einsum i,j->ij": ("Einsum", {"equation": "i,j->ij"}, [f(128), f(64)]),
    "einsum bij,bij->b": ("Einsum", {"equation": "bij,bij->b"}, [f(8, 32, 32), f(8, 32, 32)]),
    "lstm": ("LSTM", {"hidden_size": 64}, recurrent(4, 50, 1, 64, 64), 3),
    "gru": ("GRU", {"hidden_size": 96, "linear_before_reset": 1}, recurrent(3, 50, 1, 48, 96), 2),
}

FUNCTIONS = ["Abs", "Neg", "Sqrt", "Exp", "Erf", "Gelu", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Mish", "Softplus",
             "Softsign", "Elu", "Selu", "Celu", "ThresholdedRelu", "Floor", "Ceil", "Round", "Sign", "Reciprocal", "Sin", "Cos", "Tan", "Asin", "Acos",
             "Atan", "Sinh", "Cosh", "Asinh", "Atanh", "IsNaN", "IsInf"]
FLOAT = {name.lower(): (name, {}, [np.tanh(f(64, 512))]) for name in FUNCTIONS}
FLOAT.update({
    "log": ("Log", {}, [np.abs(f(64, 512))]),
    "acosh": ("Acosh", {}, [1 + np.abs(f(64, 512))]),
    "clip": ("Clip", {}, [f(64, 512), one(-1), one(1)]),
    "prelu": ("PRelu", {}, [f(1, 64, 28, 28), (f(64, 1, 1),)]),
    "pow 2": ("Pow", {}, [f(64, 512), one(2)]),
    "pow 0.37": ("Pow", {}, [np.abs(f(64, 512)), one(0.37)]),
    "pow of tensors": ("Pow", {}, [np.abs(f(64, 512)), f(64, 512)]),
    "mod f32": ("Mod", {"fmod": 1}, [f(64, 512), np.abs(f(512)) + 0.1]),
    "add f64": ("Add", {}, [f(64, 512, dtype=np.float64), f(64, 512, dtype=np.float64)]),
    "add f16": ("Add", {}, [f(64, 512, dtype=np.float16), f(64, 512, dtype=np.float16)]),
    "sigmoid f64": ("Sigmoid", {}, [f(64, 512, dtype=np.float64)]),
    "add of channels": ("Add", {}, [f(1, 64, 28, 28), f(1, 64, 1, 1)]),
    "mul outer": ("Mul", {}, [f(128, 1), f(1, 129)]),
    "max of 3": ("Max", {}, [f(64, 512), f(64, 512), f(512)]),
    "sum of 3": ("Sum", {}, [f(64, 512), f(64, 512), f(512)]),
    "less": ("Less", {}, [f(64, 512), f(64, 512)]),
    "equal i64": ("Equal", {}, [i(9, 64, 512), i(9, 512)]),
    "greater f64": ("Greater", {}, [f(64, 512, dtype=np.float64), f(64, 1, dtype=np.float64)]),
    "and": ("And", {}, [i(2, 64, 512).astype(bool), i(2, 512).astype(bool)]),
    "or": ("Or", {}, [i(2, 64, 512).astype(bool), i(2, 64, 512).astype(bool)]),
    "not": ("Not", {}, [i(2, 64, 512).astype(bool)]),
    "batch_norm": ("BatchNormalization", {}, [f(1, 64, 28, 28), (f(64),), (f(64),), (f(64),), (np.abs(f(64)) + 0.1,)]),
    "instance_norm": ("InstanceNormalization", {}, [f(1, 64, 28, 28), (f(64),), (f(64),)]),
    "layer_norm": ("LayerNormalization", {}, [f(128, 384), (f(384),), (f(384),)]),
    "layer_norm of 33": ("LayerNormalization", {}, [f(512, 33), (f(33),), (f(33),)]),
    "layer_norm of 4096": ("LayerNormalization", {}, [f(8, 4096), (f(4096),), (f(4096),)]),
    "layer_norm of 2 axes": ("LayerNormalization", {"axis": 1}, [f(8, 32, 64), f(32, 64)]),
    "softmax": ("Softmax", {}, [f(128, 128)]),
    "softmax of 1000": ("Softmax", {}, [f(1, 1000)]),
    "softmax of 17": ("Softmax", {}, [f(512, 17)]),
    "softmax of channels": ("Softmax", {"axis": 1}, [f(1, 21, 64, 64)]),
    "softmax first axis": ("Softmax", {"axis": 0}, [f(64, 100)]),
    "log_softmax": ("LogSoftmax", {}, [f(128, 100)]),
})

REDUCE = {
    "reduce_mean last": ("ReduceMean", {}, [f(128, 384), ints(1)]),
    "reduce_mean first": ("ReduceMean", {}, [f(128, 384), ints(0)]),
    "reduce_mean of 0 and 2": ("ReduceMean", {}, [f(16, 32, 256), ints(0, 2)]),
    "reduce_mean of 2 and 3": ("ReduceMean", {}, [f(1, 64, 28, 28), ints(2, 3)]),
    "reduce_mean middle": ("ReduceMean", {"keepdims": 0}, [f(4, 77, 65), ints(1)]),
    "reduce_sum all": ("ReduceSum", {"keepdims": 0}, [f(64, 512)]),
    "reduce_max last": ("ReduceMax", {}, [f(128, 384), ints(1)]),
    "reduce_min middle": ("ReduceMin", {}, [f(4, 77, 65), ints(1)]),
    "reduce_l2": ("ReduceL2", {}, [f(128, 384), ints(1)]),
    "reduce_prod": ("ReduceProd", {}, [f(128, 384), ints(1)]),
    "reduce_max i64": ("ReduceMax", {}, [i(99, 64, 512), ints(1)]),
    "reduce_sum i32": ("ReduceSum", {}, [i(99, 64, 512, dtype=np.int32), ints(1)]),
    "reduce_sum i64": ("ReduceSum", {}, [i(99, 64, 512), ints(1)]),
    "reduce_sum f64": ("ReduceSum", {}, [f(64, 512, dtype=np.float64), ints(1)]),
    "reduce_max u8": ("ReduceMax", {}, [i(99, 64, 512, dtype=np.uint8), ints(1)]),
    "reduce_log_sum_exp": ("ReduceLogSumExp", {}, [f(64, 512), ints(1)]),
}

INTEGER = {
    "add i64": ("Add", {}, [i(99, 64, 512), i(99, 512)]),
    "mul i32": ("Mul", {}, [i(99, 64, 512, dtype=np.int32), i(99, 64, 512, dtype=np.int32)]),
    "add u8": ("Add", {}, [i(255, 64, 512, dtype=np.uint8), i(255, 64, 512, dtype=np.uint8)]),
    "mul s8": ("Mul", {}, [signs(64, 512), signs(512)]),
    "sub i16": ("Sub", {}, [i(255, 64, 512, dtype=np.int16), i(255, 64, 512, dtype=np.int16)]),
    "max u8": ("Max", {}, [i(255, 64, 512, dtype=np.uint8), i(255, 64, 512, dtype=np.uint8)]),
    "div i64": ("Div", {}, [i(99, 64, 512), 1 + i(9, 512)]),
    "div i64 by constant": ("Div", {}, [i(99, 64, 512), one(7, np.int64)]),
    "mod i64": ("Mod", {}, [i(99, 64, 512), 1 + i(9, 512)]),
    "mod i32": ("Mod", {}, [i(99, 64, 512, dtype=np.int32), one(7, np.int32)]),
    "clip i32": ("Clip", {}, [i(99, 64, 512, dtype=np.int32), one(5, np.int32), one(50, np.int32)]),
    "clip u8": ("Clip", {}, [i(255, 64, 512, dtype=np.uint8), one(5, np.uint8), one(50, np.uint8)]),
    "quantize": ("QuantizeLinear", {}, [f(64, 512), one(0.02), one(128, np.uint8)]),
    "quantize s8": ("QuantizeLinear", {}, [f(64, 512), one(0.02), one(0, np.int8)]),
    "quantize of rows": ("QuantizeLinear", {"axis": 0}, [f(64, 512), scales(64), (i(255, 64, dtype=np.uint8),)]),
    "quantize of channels": ("QuantizeLinear", {"axis": 1}, [f(1, 64, 28, 28), scales(64), (signs(64),)]),
    "quantize last axis": ("QuantizeLinear", {"axis": 1}, [f(64, 512), scales(512), (signs(512),)]),
    "dequantize": ("DequantizeLinear", {}, [i(255, 64, 512, dtype=np.uint8), one(0.02), one(128, np.uint8)]),
    "dequantize i32": ("DequantizeLinear", {}, [i(255, 64, 512, dtype=np.int32), one(0.02)]),
    "dequantize of rows": ("DequantizeLinear", {"axis": 0}, [i(255, 64, 512, dtype=np.uint8), scales(64), (i(255, 64, dtype=np.uint8),)]),
    "dequantize of channels": ("DequantizeLinear", {"axis": 1}, [signs(1, 64, 28, 28), scales(64), (signs(64),)]),
    "dynamic_quantize": ("DynamicQuantizeLinear", {}, [f(64, 512)], 3),
}

# onnx.TensorProto's numbers
TYPES = {"f32": (1, np.float32), "u8": (2, np.uint8), "s8": (3, np.int8), "i16": (5, np.int16), "i32": (6, np.int32), "i64": (7, np.int64),
         "bool": (9, bool), "f16": (10, np.float16), "f64": (11, np.float64)}
CAST = {f"cast {x} to {y}": ("Cast", {"to": TYPES[y][0]}, [(10 * np.abs(f(64, 512))).astype(TYPES[x][1])]) for x in TYPES for y in TYPES if x != y}

CASES = {**SELECT, **MOVE, **WINDOW, **PRODUCT, **FLOAT, **REDUCE, **INTEGER, **CAST}
