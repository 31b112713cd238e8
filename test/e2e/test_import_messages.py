"""Nodes that no model may have, and nodes without a rule: what the compiler says of each. One row a message.

A row is (inputs, nodes, constants, what is said[, version of the operator set]); the models are written in ONNX's text form.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import onnx
import onnx.parser

import programs

#: nodes of ONNX itself
OPERATORS = [
    ("float[4] x", "y = Tile(x, r)", "int64[2] r = {1,2}", "repeats has 2 entries; the input has 1 dimensions"),
    ("float[4] x", "y = Tile(x, r)", "int64[1] r = {2000000000000}", "the result has more than 2^40 elements"),
    ("float[4] x", "y = Trilu(x)", "", "input of rank 1; Trilu takes matrices"),
    ("float[4] x", "y = DepthToSpace<blocksize=2>(x)", "", "input of rank 1; DepthToSpace takes [N, C, H, W]"),
    ("float[1,4,2,2] x", "y = DepthToSpace<blocksize=0>(x)", "", "blocksize is 0; it must be at least 1"),
    ("float[1,6,2,2] x", "y = DepthToSpace<blocksize=2>(x)", "", "the 6 channels do not divide by the square of blocksize 2"),
    ("float[1,6] x", "y = SpaceToDepth<blocksize=2>(x)", "", "input of rank 2; SpaceToDepth takes [N, C, H, W]"),
    ("float[3] x, int64[1] k", "y = CumSum(x, a)", "int64[2] a = {0,1}", "axis has 2 elements; it is one number"),
    ("float[3,4] x", "y = CenterCropPad<axes=[0]>(x, s)", "int64[2] s = {2,2}", "shape has 2 entries for 1 axes"),
    ("float[3,4] x", "y = CenterCropPad(x, s)", "int64[2] s = {2,-2}", "shape has the entry -2"),
    ("float[1,5,5] x", "y = Col2Im(x, a, b)",
     "int64[2] a = {5,5}, int64[2] b = {1,1}", "input of type 'tensor<1x5x5xf32>'; blocks of 1 elements at 25 positions are needed"),
    ("float[1,2,4,8] q, float[1,2,4,8] k, float[1,2,4,8] v, float[9,9] m", "y = Attention(q,k,v,m)",
     "", "'nn.attention' op mask has shape 9x9; it must broadcast to 1x2x4x4, [batch, heads, queries, keys]", 24),
    ("float[4,8] q, float[1,2,4,8] k, float[1,2,4,8] v", "y = Attention(q,k,v)",
     "", "Q, K and V have ranks 2, 4 and 4; all have 3 or all have 4", 24),
    ("float[4] x, float[4,4] c, float[4,4] s", "y = RotaryEmbedding(x,c,s)", "", "X has rank 1; it is 3 or 4", 24),
    ("float[1,2,4,8] x, float[4,9] c, float[4,9] s", "y = RotaryEmbedding(x,c,s)",
     "", "a cache of type 'tensor<4x9xf32>' without position_ids; it has 3 dimensions", 24),
    ("float[2] x", "c = Constant() y = Add(x,c)", "", "Constant has 0 attributes; it takes one"),
    ("float[2] x", "c = Constant<value_int=3, value_float=1.0>() y = Add(x,c)", "", "Constant has 2 attributes; it takes one"),
    ("float[2] x", "y = ConstantOfShape<value = int64[2] {1,2}>(s)", "int64[1] s = {3}", "attribute 'value' must be a tensor with one number"),
    ("float[2,3] x", "y = Conv(x,w)",
     "float[1,1,1,1] w = {1}", "input of rank 2 and weight of rank 4; both have batch or output channels, channels, and one to three spatial dimensions"),
    ("float[1,1,4,4] x", "y = ConvTranspose<output_shape=[8]>(x,w)",
     "float[1,1,2,2] w = {1,1,1,1}", "attribute 'output_shape' has 1 entries, 2 are needed"),
    ("float[1,1,4,4] x", 'y = Conv<auto_pad="SAME">(x,w)',
     "float[1,1,2,2] w = {1,1,1,1}", "auto_pad is 'SAME'; NOTSET, VALID, SAME_UPPER and SAME_LOWER are defined"),
    ("float[1,1,4,4] x", "y = MaxPool(x)", "", "attribute 'kernel_shape' is missing"),
    ("float[1,1,4,4] x", "y = MaxPool<kernel_shape=[2]>(x)", "", "attribute 'kernel_shape' has 1 entries, 2 are needed"),
    ("float[4] x", "y = MaxPool<kernel_shape=[2]>(x)", "", "input of rank 1; pooling needs batch, channels and one to three spatial dimensions"),
    ("float[4] x", "y = GlobalAveragePool(x)", "", "input of rank 1; pooling needs batch, channels and spatial dimensions"),
    ("float[1,1,4,4] x", "y = Conv<kernel_shape=[3,3]>(x,w)",
     "float[1,1,2,2] w = {1,1,1,1}", "kernel_shape [3, 3] is not the shape of the weight, [2, 2]"),
    ("float[2,3] x", 'y = Einsum<equation="ij,jk->ik">(x)', "", "equation 'ij,jk->ik' has 2 terms for 1 inputs"),
    ("float[2,3] x", 'y = Einsum<equation="ijk->ik">(x)', "", "term 'ijk' has 3 labels for an input of rank 2"),
    ("float[2,3] x", 'y = Einsum<equation="i1->i">(x)', "", "'1' is no label of an equation"),
    ("float[2,3] x", 'y = Einsum<equation="ij->ii">(x)', "", "the result names 'i' twice"),
    ("float[2,3] x", 'y = Einsum<equation="ij->k">(x)', "", "the result names 'k', which no term has"),
    ("float[2,3] x, float[2] b", "y = Clip(x,b)", "", "a bound has type 'tensor<2xf32>'; it must be a scalar"),
    ("float[2,3] x, int64 b", "y = Clip(x,b)",
     "", "'nn.binary' op lhs and rhs have element types 'f32' and 'i64'; they must be one type (cast one of them)"),
    ("float[2,3] x", "y = Cast<to=8>(x)", "", "it casts to strings or an unknown type"),
    ("float[2,3] x", "y = Cast<to=14>(x)", "", "it casts to complex numbers"),
    ("float[2,3] x", "y = Cast<to=99>(x)", "", "it casts to strings or an unknown type"),
    ("float[2,3] x", "y = Cast(x)", "", "attribute 'to' is missing"),
    ("float[2,3] x", 'y = Cast<to=24,round_mode="left">(x)', "", "round_mode is 'left'; up, down and nearest are defined"),
    ("float[2,3] x", "y = MeanVarianceNormalization<axes=[0,0]>(x)", "", "axis 0 is given twice"),
    ("float[2] x", "y = LRN<size=3>(x)", "", "input of rank 1 and size 3; LRN takes [N, C, ...] and a size of at least 1"),
    ("float[1,4,2] x", "y = LRN<size=0>(x)", "", "input of rank 3 and size 0; LRN takes [N, C, ...] and a size of at least 1"),
    ("float[3,4] x, int64[3] l", 'y = SoftmaxCrossEntropyLoss<reduction="all">(x,l)', "", "reduction is 'all'; none, sum and mean are defined"),
    ("float[3] x, int64[3] l", "y = SoftmaxCrossEntropyLoss(x,l)", "", "scores of rank 1; the second dimension holds the classes"),
    ("float[3] x, int64[3] l", "y = NegativeLogLikelihoodLoss(x,l)",
     "", "scores of rank 1 and labels of rank 1; the scores have one more dimension, the classes"),
    ("int64 x", "y = HannWindow(s)", "int64[2] s = {1,2}", "size is no number of elements"),
    ("float[2] x", "y = DFT(x)", "", "axis -2 is outside -1..0"),
    ("float[2,70000,1] x", "y = DFT(x,l,a)", "int64 l = {0}, int64 a = {1}", "its length is 0 or beyond 65536"),
    ("float[2,8,1] x", "y = DFT<inverse=1,onesided=1>(x)", "", "it is inverse and one-sided"),
    ("float[2,3] x, int64[2,3] i, float[2,3] u", 'y = ScatterElements<reduction="avg">(x,i,u)',
     "", "reduction is 'avg'; none, add, mul, max and min are defined"),
    ("int64[2] x", "y = OneHot(x,d,v)", "int64 d = {-3}, float[2] v = {0,1}", "depth is -"),
    ("float[1,1,2,2] x, int64[1,1,2,2] i", "y = MaxUnpool<kernel_shape=[2]>(x,i)",
     "", "kernel_shape has 1 entries; an input of rank 4 has 2 spatial dimensions"),
    ("float[1,1,2,2] x, int64[1,1,2,2] i", "y = MaxUnpool<kernel_shape=[2,2],strides=[2,2]>(x,i,s)",
     "int64[3] s = {1,4,4}", "output_shape has 3 entries, 4 are needed"),
    ("float[1,5,2] x, float[5] s, float[5] b", "y = GroupNormalization<num_groups=2>(x,s,b)",
     "", "input of type 'tensor<1x5x2xf32>' does not have channels that divide into 2 groups"),
    ("float[4] x, float[4] s, float[4] b", "y = InstanceNormalization(x,s,b)", "", "input of rank 1; InstanceNormalization takes [N, C, ...]"),
    ("float[2,3] x", "y = Concat(x,x)", "", "attribute 'axis' is missing"),
    ("float[2,3] x, float[2,3] z", "y = Concat<axis=0>(x,,z)", "", "input 1 of Concat is missing"),
    ("float[2,6] x", "y, z = Split<axis=1,num_outputs=3>(x)", "", "num_outputs is 3, the node has 2 outputs"),
    ("float[2,6] x", "y, z = Split<axis=1>(x,s)", "int64[2] s = {9,-3}", "a part of 9 elements cannot be split off a dimension of 6"),
    ("float[2,6] x", "y, z = Split<axis=1>(x,s)", "int64[2] s = {2,2}", "the 2 parts have 4 elements together; 2 outputs share 6"),
    ("float[2,6] x", "y = Slice(x,a,b,c,d)", "int64[1] a = {0}, int64[1] b = {4}, int64[1] c = {1}, int64[1] d = {0}", "the step of axis 1 is 0"),
    ("float[1,3,2] x, float[3] s, float[3] b, float[3] m, float[3] v", "y, rm, rv = BatchNormalization<training_mode=1>(x,s,b,m,v)",
     "", "it is in training mode"),
    ("float[1,1,4,4] x", "y = Resize(x,,s)", "float[3] s = {1,1,2}", "scales has 3 entries, 4 are needed"),
    ("float[1,1,4,4] x", "y = Resize(x,,,s)", "int64[3] s = {1,8,8}", "sizes has 3 entries, 4 are needed"),
    ("float[1,1,4,4] x", "y = Resize(x)", "", "Resize needs scales or sizes"),
    ("float[3,1,4] x, float[1,16,4] w, float[1,16,4] r", 'y = LSTM<hidden_size=4,direction="sideways">(x,w,r)',
     "", "direction is 'sideways'; forward, reverse and bidirectional are defined"),
    ("float[3,4] x, float[1,16,4] w, float[1,16,4] r", "y = LSTM<hidden_size=4>(x,w,r)", "", "X and R have ranks 2 and 3; both must be 3"),
    ("float[1,1,4,4] x, float[1,2,2] g", "y = GridSample(x,g)",
     "", "a grid of type 'tensor<1x2x2xf32>' does not fit an input of type 'tensor<1x1x4x4xf32>'; it is [N, positions..., 2]"),
    ("float[1,1,4,4] x, float[1,2,2,2] g", 'y = GridSample<mode="odd">(x,g)',
     "", "mode is 'odd' and padding_mode 'zeros'; nearest, linear, cubic and zeros, border, reflection are defined"),
    ("int64[1,1,4,4] x, float[1,2,2,2] g", "y = GridSample(x,g)", "", "it samples integers"),
    ("float[1,2,3] t", "y = AffineGrid(t,s)", "int64[3] s = {1,1,4}", "theta of type 'tensor<1x2x3xf32>' does not fit a size of 3 entries"),
    ("float[1,2,3] t", "y = AffineGrid(t,s)", "int64[4] s = {1,1,100000,100000}", "the grid has more than 2^24 positions or a negative size"),
    ("float[2,3] x", "y = Reshape(x,s)", "int64[3] s = {0,0,0}", "shape copies dimension 2 of an input of rank 2"),
    ("float[2,3] x", "y = Reshape(x,s)", "int64[2] s = {-1,-1}", "shape has two entries -1"),
    ("float[2,3] x", "y = Reshape(x,s)", "int64[2] s = {-2,3}", "shape has a negative entry other than -1"),
    ("float[2,3] x", "y = Reshape(x,s)", "int64[2] s = {4611686018427387904,4}", "shape has more than 2^63 elements"),
    ("float[2,3] x", "y = Reshape(x,s)", "int64[2] s = {2,4}", "shape has 8 elements, the input 'tensor<2x3xf32>' has 6"),
    ("float[n,3] x", "y = Reshape(x,s)", "int64[2] s = {-1,-1}", "shape has two entries -1"),
    ("float[n,3] x", "y = Reshape(x,s)", "int64[3] s = {0,0,0}", "shape copies dimension 2 of an input of rank 2"),
    ("float[n,3] x", "y = Reshape(x,s)", "int64[2] s = {2,4}", "shape has 8 elements, the input 'tensor<1x3xf32>' has 3"),
    ("float[n,6] x", "y = Slice(x,a,b,c,d)", "int64[1] a = {0}, int64[1] b = {4}, int64[1] c = {0}, int64[1] d = {0}", "the step of axis 0 is 0"),
    ("int64 x", "y = Range(a,b,c)", "int64 a = {0}, int64 b = {9000000000000}, int64 c = {1}", "the range has more than 2^40 elements, or no end"),
    ("bool[2,3] x", "y = ReduceSum(x)", "", "ReduceSum does not take truth values"),
    ("float[2,3] x", "y = ReduceMean(x,a)", "int64[2] a = {1,1}", "axis 1 is given twice"),
    ("float[2,3] x", "y = Squeeze(x,a)", "int64[2] a = {0,0}", "axis 0 is given twice"),
    ("float[2,3] x", "y = Transpose<perm=[0,0]>(x)", "", "'nn.transpose' op perm names axis 0 twice"),
    ("uint8[2,3] x", "y = DequantizeLinear(x,s,z)", "float s = {1}, int8 z = {0}", "zero point of type 'tensor<i8>' for codes of type 'ui8'"),
    ("float[2,3] x", "y = MatMul(x)", "", "MatMul has 1 inputs; it takes 2"),
    ("float[2,3] x, float[4,5] w", "y = MatMul(x,w)", "", "'nn.matmul' op lhs of shape 2x3 sums over 3 elements, rhs of shape 4x5 over 4"),
    ("float x, float[4,5] w", "y = MatMul(x,w)", "", "MatMul does not take scalars"),
    ("float[2,3] x, float[3] w", "y = Gemm(x,w)", "", "operands of rank 2 and 1; Gemm takes matrices"),
    ("float[2,3] x", "y = Relu<axis=1>(x,x)", "", "Relu has 2 inputs; it takes 1"),
    ("complex64[2] x", "y = Abs(x)", "", "'x' has complex numbers"),
    ("float[2,3] x", 'y = Pad<mode="odd">(x,p)', "int64[4] p = {1,1,1,1}", "mode is 'odd'; constant, reflect, edge and wrap are defined"),
    ("float[2,3] x", "y = TopK(x,k)", "int64[1] k = {9}", "'nn.topk' op k is 9; axis 1 has 3 elements to choose from"),
    ("float[2,3] x", "y = GatherND<batch_dims=3>(x,i)", "int64[1,1] i = {0}", "'nn.gather_nd' op batch_dims is 3; x has rank 2 and indices 2"),
    ("float[2,3] x, int64[3,1] i", "y = GatherND<batch_dims=1>(x,i)", "", "'nn.gather_nd' op batch dimension 0 has 2 elements in x and 3 in indices"),
    ("float[2,3] x", "y = Gather<axis=5>(x,i)", "int64[1] i = {0}", "axis 5 is outside -2..1"),
    ("float[2,3] x, float[4,3] z", "y = Add(x,z)",
     "", "'nn.binary' op shapes 2x3 and 4x3 do not broadcast: aligned at the last dimension, sizes must be equal or 1"),
    ("float[2,3] x, int64[2,3] z", "y = Add(x,z)",
     "", "'nn.binary' op lhs and rhs have element types 'f32' and 'i64'; they must be one type (cast one of them)"),
    ("float[2,3] x", "y = Expand(x,s)",
     "int64[2] s = {3,3}", "input of type 'tensor<2x3xf32>' does not broadcast to the shape, or the shape is too large"),
    ("float[2,3] x", "y = LayerNormalization<epsilon=-1.0>(x,s)", "float[3] s = {1,1,1}", "'nn.layer_norm' op epsilon is -"),
    ("float[2,3] x", "y = LayerNormalization<axis=7>(x,s)", "float[3] s = {1,1,1}", "axis 7 is outside -2..1"),
    ("float[2,3] x", "y = Softmax<axis=4>(x)", "", "axis 4 is outside -2..1"),
    ("float[0,1,4,4] x", "y = Resize(x,,,s)", "int64[4] s = {1,1,8,8}", "axis 0 cannot be resized from 0 to 1 elements"),
    ("float[1,3,2] x, float[3] s, float[3] b, float[3] m, float[3] v", "y = BatchNormalization<spatial=0>(x,s,b,m,v)",
     "", "it normalizes every position on its own (spatial = 0)", 7),
    ("float[1,1,4,4] x", "y = Upsample(x,s)", "float[3] s = {1,1,2}", "scales has 3 entries, 4 are needed", 9),
    ("float[2] x, float[2] x", "y = Relu(x)", "", "the graph has two inputs named 'x'"),
    ("float[2] x", "y = Hardmax<axis=3>(x)", "", "axis 3 is outside -1..0"),
    ("float[2,2] x", "y = SpaceToDepth(x)", "", "input of rank 2; SpaceToDepth takes [N, C, H, W]"),
]

#: nodes of ONNX Runtime and of classic machine learning
CONTRIB = [
    ("float[2,2,2] x", "y = ai.onnx.ml.LinearRegressor<coefficients=[1.0,2.0]>(x)", "", "input of rank 3; LinearRegressor takes rows"),
    ("float[2,2] x", "y = ai.onnx.ml.LinearRegressor<coefficients=[1.0,2.0,3.0]>(x)",
     "", "coefficients has 3 entries and intercepts 0; the input has 2 columns"),
    ("float[2,2] x", 'l, y = ai.onnx.ml.LinearClassifier<coefficients=[1.0,2.0,3.0,4.0],intercepts=[0.0,1.0],classlabels_strings=["a","b"]>(x)',
     "", "its labels are strings"),
    ("float[2,2] x", "l, y = ai.onnx.ml.LinearClassifier<coefficients=[1.0,2.0],intercepts=[0.0],classlabels_ints=[0,1]>(x)",
     "", "it has one score for two classes"),
    ("float[2,2] x", 'l, y = ai.onnx.ml.LinearClassifier<coefficients=[1.0,2.0,3.0,4.0],intercepts=[0.0,1.0],classlabels_ints=[0,1],post_transform="PROBIT">(x)',
     "", "its post_transform is neither NONE, SOFTMAX nor LOGISTIC"),
    ("float[2,2] x", 'y = ai.onnx.ml.LinearRegressor<coefficients=[1.0,2.0],intercepts=[1.0],post_transform="PROBIT">(x)',
     "", "its post_transform is neither NONE, SOFTMAX nor LOGISTIC"),
    ("float x, float[4,5] w", "y = com.microsoft.FusedMatMul(x,w)", "", "FusedMatMul does not take scalars"),
    ("float[2,3] x", "y = com.microsoft.BiasGelu(x)", "", "BiasGelu has 1 inputs; it takes 2"),
    ("float[2,4,8] x, float[8,24] w", "y = com.microsoft.Attention<num_heads=2,do_rotary=1>(x,w)", "", "it rotates positions inside (do_rotary)"),
    ("float[4,8] x, float[8,24] w", "y = com.microsoft.Attention<num_heads=2>(x,w)",
     "", "input and weights of types 'tensor<4x8xf32>' and 'tensor<8x24xf32>' with 2 heads; they have 3 and 2 dimensions and num_heads is at least 1"),
    ("float[2,4,8] x, float[8,24] w, float[3] b", "y = com.microsoft.Attention<num_heads=3>(x,w,b)",
     "", "'nn.matmul' op bias has shape 3; it needs one entry for each of the 24 columns"),
    ("float[4,8] q", "y = com.microsoft.MultiHeadAttention<num_heads=2>(q)", "", "key is missing; only a packed query [B, S, H, 3, D] holds it"),
    ("float[2,4,8] q, float[2,4,8] k, float[2,4,8] v, float[3] b", "y = com.microsoft.MultiHeadAttention<num_heads=2>(q,k,v,b)",
     "", "bias of type 'tensor<3xf32>'; it holds those of q, k and v"),
    ("float[1,4,8] x, int64[1,4] p, float[9,2] c, float[9,3] s", "y = com.microsoft.RotaryEmbedding(x,p,c,s)",
     "", "'nn.rope' op sin rotates 3 pairs; a head of 4 elements has 2"),
    ("float[1,4,8] x, int64[1,4] p, float[9,2] c, float[9,2] s", "y = com.microsoft.RotaryEmbedding<is_packed_batching=1>(x,p,c,s)",
     "", "its sequences lie behind one another (is_packed_batching)"),
    ("float[1,4,8] x, int64[1,4] p, float[9,2] c, float[9,2] s", "y = com.microsoft.RotaryEmbedding<scale=2.0>(x,p,c,s)", "", "it scales (scale)"),
    ("float[1,4,16] q, float[1,4,8] k, float[1,4,8] v, float[3] l, int32 t", "y = com.microsoft.GroupQueryAttention<num_heads=2,kv_num_heads=1>(q,k,v,,,l,t)",
     "", "seqlens_k has type 'tensor<3xf32>'; it needs one entry for each of the 1 sequences"),
    ("float[4,16] q, float[1,4,8] k, float[1,4,8] v, int32[1] l, int32 t", "y = com.microsoft.GroupQueryAttention<num_heads=2,kv_num_heads=1>(q,k,v,,,l,t)",
     "", "query has type 'tensor<4x16xf32>'; it has three dimensions"),
    ("float[2,4,8] x, float[8,24] w, float[24] b, float[3] p", "y = com.microsoft.Attention<num_heads=2>(x,w,b,,p)",
     "", "past has type 'tensor<3xf32>'; it is [2, B, H, P, D]"),
]

#: nodes on codes
QUANTIZED = [
    ("float[2,32] x", "y = com.microsoft.MatMulNBits<K=32,N=4,bits=5,block_size=32>(x,b,s)",
     "uint8[4,1,16] b = {0}, float[4] s = {1,1,1,1}", "tensor 'b' holds 1 bytes, uint8[4, 1, 16] needs 64"),
    ("float[2,30] x", "y = com.microsoft.MatMulNBits<K=32,N=4,bits=4,block_size=32>(x,b,s)",
     "float[4] s = {1,1,1,1}", "reads 'b', which no node, input or initializer defines"),
    ("float[2,3] x, uint8 z, float[2] s", "y = QuantizeLinear(x,s,z)", "", "scale has 2 entries, axis 1 of the tensor has 3"),
    ("float[2,3] x, float s, uint8[2] z", "y = QuantizeLinear<axis=0>(x,s,z)",
     "", "zero point of type 'tensor<2xui8>' and scale of type 'tensor<f32>' have different shapes"),
    ("float[2,3] x", "y = QuantizeLinear<output_dtype=3>(x,s,z)", "float s = {1}, uint8 z = {0}", "output_dtype is 3, the zero point has type 'ui8'"),
    ("float[2,3] x", 'y = qonnx.Quant<signed=1,narrow=0,rounding_mode="ODD">(x,s,z,b)',
     "float s = {1}, float z = {0}, float b = {4}", "rounding_mode is 'ODD'; ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP and HALF_DOWN are defined"),
    ("float[2,3] x, float b", "y = qonnx.Quant<signed=1>(x,s,z,b)", "float s = {1}, float z = {0}", "its bit width is computed"),
    ("float[2,3] x", "y = qonnx.Quant<signed=1>(x,s,z,b)", "float s = {1}, float z = {0}, float b = {33}", "the bit width is"),
    ("float[2,3] x", "y = qonnx.Quant<signed=1>(x,s,z,b)", "float s = {1}, float z = {1}, float b = {1}", "it has one signed bit and a zero point"),
    ("float[2,3] x", "y = qonnx.Trunc(x,s)", "float s = {1}", "Trunc has 2 inputs; it takes 5 to 7"),
    ("float[2,3] x, float[2,3] z", "y = com.microsoft.QLinearAdd(x,s,z0,z,s,z0,s,z0)",
     "float s = {1}, uint8 z0 = {0}", "codes of type 'tensor<2x3xf32>'; QLinearAdd takes integers of 8 bits"),
    ("float[2,3] x, float[3,2] w", "y = MatMulInteger(x,w)", "", "its operands are no 8-bit integers"),
    ("uint8[2,3] x, float[3,2] w", "y = QLinearMatMul(x,s,z,w,s,z,s,z)", "float s = {1}, uint8 z = {0}", "its operands are no 8-bit integers"),
    ("uint8[2,3] x, uint8[1,1,2,2] w", "y = QLinearConv(x,s,z,w,s,z,s,z)",
     "float s = {1}, uint8 z = {0}", "input of rank 2 and weight of rank 4; both have batch or output channels, channels, and one to three spatial dimensions"),
    ("uint8[1,1,3,3] x, uint8[1,1,2,2] w", 'y = ConvInteger<auto_pad="X">(x,w)',
     "", "auto_pad is 'X'; NOTSET, VALID, SAME_UPPER and SAME_LOWER are defined"),
    ("float[3,2,4] x, float[2,8] w", "y = com.microsoft.DynamicQuantizeLSTM(x,w,w)", "", "X, W and R have ranks 3, 2 and 2; all must be 3"),
    ("float[2,32] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulNBits<K=32,N=4,bits=5,block_size=32>(x,b,s)",
     "int64[3] bs = {4,1,16}, int64[1] ss = {4}", "codes of type 'tensor<4x1x16xui8>'; for N = 4, K = 32 they are 4 x 1 blocks of 20 bytes"),
    ("float[2,30] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulNBits<K=32,N=4,bits=4,block_size=32>(x,b,s)",
     "int64[3] bs = {4,1,16}, int64[1] ss = {4}", "x of type 'tensor<2x30xf32>' has no rows of K = 32"),
    ("float[2,32] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulNBits<K=32,N=4,bits=4,block_size=32>(x,b,s)",
     "int64[3] bs = {4,1,9}, int64[1] ss = {4}", "codes of type 'tensor<4x1x9xui8>'; for N = 4, K = 32 they are 4 x 1 blocks of 16 bytes"),
    ("float[2,32] x, int32[32] g", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulNBits<K=32,N=4,bits=4,block_size=32>(x,b,s,,g)",
     "int64[3] bs = {4,1,16}, int64[1] ss = {4}", "g_idx reorders its blocks"),
    ("int64[2] i", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.GatherBlockQuantized<block_size=5,bits=4>(b,i,s)",
     "int64[2] bs = {4,16}, int64[2] ss = {4,1}", "'s' has 4 elements, 28 are needed for these sizes, bits and blocks"),
    ("float[2,32] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulBnb4<K=32,N=4,quant_type=7,block_size=32>(x,b,s)",
     "int64[1] bs = {64}, int64[1] ss = {4}", "quant_type is 7; 0 (FP4) and 1 (NF4) are defined"),
    ("float[2,32] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulBnb4<K=32,N=4,quant_type=1,block_size=32>(x,b,s)",
     "int64[1] bs = {60}, int64[1] ss = {4}", "codes of type 'tensor<60xui8>'; for N = 4, K = 32 they are 64 bytes"),
    ("float[2,32] x", "b = ConstantOfShape<value=uint8[1]{7}>(bs) s = ConstantOfShape<value=float[1]{1}>(ss) y = com.microsoft.MatMulBnb4<K=32,N=4,quant_type=1,block_size=32>(x,b,s)",
     "int64[1] bs = {64}, int64[1] ss = {5}", "absmax of type 'tensor<5xf32>'; there are 4 blocks"),
    ("uint8[2,3] x", "y = com.microsoft.QLinearConcat<axis=0>(s,z,x,s)",
     "float s = {1}, uint8 z = {0}", "QLinearConcat has 4 inputs; it takes two, and three for each operand"),
    ("uint8[3] x", "y = com.microsoft.QLinearGlobalAveragePool(x,s,z,s,z)",
     "float s = {1}, uint8 z = {0}", "input of rank 1; pooling needs batch, channels and spatial dimensions"),
    ("uint8[2,3] x, uint8[3,2] w", "y = QLinearMatMul(x,s,z,w,s,z,s,z)",
     "float[2,2] s = {1,1,1,1}, uint8 z = {0}", "a scale or zero point of type 'tensor<2x2xf32>' for 'tensor<2x3xui8>'; it has one value, or one a row"),
    ("uint8[2,3] x, float[2] s", "y = com.microsoft.QLinearSigmoid(x,s,z,s,z)",
     "uint8 z = {0}", "a scale or zero point of type 'tensor<2xf32>'; QLinearSigmoid takes one value"),
    ("float[2,3] x", "y = com.microsoft.DynamicQuantizeMatMul(x,w,s)", "float[3,1] w = {1,1,1}, float s = {1}", "its weight is no 8-bit integer"),
    ("float[2,3] x", "y = com.microsoft.MatMulIntegerToFloat(x,w,s,s)",
     "float[3,1] w = {1,1,1}, float s = {1}", "its operands are no 8-bit integers"),
    ("float[2,3] x", "y = qonnx.Trunc<signed=1>(x,s,z,i,s,o)", "float s = {1}, float z = {0}, float i = {99}, float o = {4}", "the bit widths are"),
    ("float[2,3] x", "y = qonnx.FloatQuant(x,s,e,m,b,v)",
     "float s = {1}, float e = {9}, float m = {9}, float b = {7}, float v = {1}", "its format has no code of at most 8 bits"),
    ("float[2,3] x", "y = qonnx.FloatQuant(x,s,e,m,b,v)",
     "float s = {1}, float e = {4}, float m = {3}, float b = {7}, float v = {17}", "its largest value is not that of a format"),
]

#: nodes with bodies
BODIES = [
    ("bool c, float[2] x", "y = If<then_branch = a () => (float[2] p) { p = Relu(x) }, else_branch = b () => (float[3] q, float[2] r) { q = Relu(x) r = Relu(x) }>(c)",
     "", "its branches return 1 and 2 values; the node has 1 outputs"),
    ("float c, float[2] x", "y = If<then_branch = a () => (float[2] p) { p = Relu(x) }, else_branch = b () => (float[2] q) { q = Abs(x) }>(c)",
     "", "its condition has type 'tensor<f32>'; it must be one truth value"),
    ("int64 m, float[2] x", "y = Loop<body = b (int64 i, bool c, float[2] s) => (bool c) { t = Relu(s) }>(m,,x)",
     "", "its body returns 1 values; a condition and 1 states are needed"),
    ("float[2] x", "y = Loop<body = b (int64 i, bool c, float[2] s) => (bool c, float[2] t) { t = Relu(s) }>(m,,x)",
     "int64 m = {99999999}", "it has more than 4096 steps"),
    ("float[3] x", "y = Scan<num_scan_inputs=3, body = b (float z) => (float t) { t = Relu(z) }>(x)",
     "", "num_scan_inputs is 3; the node has 1 inputs and its body 1 outputs"),
    ("int64[2] l, float[2,3,4] x", "y = Scan<num_scan_inputs=1, body = b (float[4] z) => (float[4] t) { t = Relu(z) }>(l,x)",
     "", "its sequences have lengths of their own", 8),
    ("float[2,3,4] x", "y = Scan<num_scan_inputs=3, body = b (float[4] z) => (float[4] t) { t = Relu(z) }>(,x)",
     "", "num_scan_inputs is 3; the node has 2 inputs", 8),
    ("float[2] x", "y = Loop<body = b (int64 i, bool c, float[2] s) => (bool c, float[2] q) { t = Relu(s) }>(m,,x)",
     "int64 m = {2}", "reads 'q', which no node, input or initializer defines"),
    ("int64 m, float[2] x", "y = Loop<body = b (int64 i) => (bool c, float[2] t) { t = Relu(x) }>(m,,x)",
     "", "reads 'c', which no node, input or initializer defines"),
    ("float[2] x", "c = ConstantOfShape<value=bool[1]{0}>(z) s, y = Loop<body = b (int64 i, bool k, float[2] s) => (bool k, float[2] t, float[2] u) { t = Relu(s) u = Abs(s) }>(m,,x)",
     "int64 m = {0}, int64[0] z = {}", "it has no steps, and the shape of what they collect is not known"),
]


class Messages(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tern-messages-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def said(self, number, inputs, nodes, constants, opset=22):
        """Exit code and messages of compiling the nodes."""
        domains = f'"" : {opset}, "com.microsoft" : 1, "ai.onnx.ml" : 3, "qonnx.custom_op.general" : 1'
        nodes = nodes.replace("qonnx.", "qonnx.custom_op.general.")
        model = onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{domains}]> odd ({inputs}) => (float y) "
                                        f"{f'<{constants}>' if constants else ''} {{ {nodes} }}")
        model.graph.output[0].ClearField("type")
        path = self.folder / f"{number}.onnx"
        onnx.save(model, str(path))
        run = subprocess.run([str(programs.BUILD / "bin" / "quant-compile"), str(path), "--scheme=float", "-q"], capture_output=True, text=True,
                             errors="replace", timeout=60, cwd=self.folder)
        return run.returncode, run.stderr

    def check(self, rows):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda r: self.said(r[0], *r[1][:3], *r[1][4:]), enumerate(rows))
        for (inputs, nodes, _, text, *_), (code, said) in zip(rows, answers, strict=True):
            with self.subTest(nodes):
                errors = [line for line in said.splitlines() if "error:" in line]
                self.assertEqual((code, len(errors)), (1, 1), said[-2000:])
                self.assertIn(text, errors[0])

    def test_operators(self):
        self.check(OPERATORS)

    def test_contributed_operators(self):
        self.check(CONTRIB)

    def test_codes(self):
        self.check(QUANTIZED)

    def test_bodies(self):
        self.check(BODIES)


if __name__ == "__main__":
    unittest.main()
