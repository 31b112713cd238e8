//===- NNOps.td - graph ops with ONNX semantics ----------------------------===//
// ONNX semantics of one recent opset; optional inputs and attributes are normalized by the importer. Families (unary, binary, compare,
// reduce, pool) are one op with a kind: a new member is one row of Elementwise.def or one enum case.
#ifndef NN_OPS
#define NN_OPS
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/CommonAttrConstraints.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "dialects/NN/IR/NNInterfaces.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::tern::nn";
  let summary = "What to compute: ONNX semantics on tensors of real numbers";
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::ml_program::MLProgramDialect"];
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    /// The size expressions of this context.
    SizeTable &getSizeTable() { return *sizes; }

  private:
    std::shared_ptr<SizeTable> sizes;

  public:
  }];
}

//===-- kinds ---------------------------------------------------------------===//
class NN_Enum<string name, list<string> cases, list<int> numbers> : I32EnumAttr<name, name,
    !foreach(i, numbers, I32EnumAttrCase<cases[i], i>)> {
  let cppNamespace = "::tern::nn";
  let genSpecializedAttr = 0;
}
class NN_EnumAttr<EnumInfo info, string mnemonic> : EnumAttr<NN_Dialect, info, mnemonic>;

// Rows and their meaning: Elementwise.def.
def NN_UnaryKind : NN_Enum<"UnaryKind", [
  "relu", "leaky_relu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "exp", "log", "sqrt", "rsqrt", "reciprocal", "neg", "abs", "floor",
  "ceil", "round", "sign", "erf", "gelu", "gelu_tanh", "silu", "elu", "selu", "celu", "softplus", "softsign", "mish", "thresholded_relu",
  "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "logical_not", "bitwise_not", "isnan", "isinf"],
  !range(0, 43)>;
def NN_BinaryKind : NN_Enum<"BinaryKind", [
  "add", "sub", "mul", "div", "pow", "min", "max", "mod", "fmod", "prelu", "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
  "bitwise_xor", "shift_left", "shift_right"], !range(0, 18)>;
def NN_CompareKind : NN_Enum<"CompareKind", ["eq", "lt", "le", "gt", "ge"], !range(0, 5)>;
def NN_ReduceKind : NN_Enum<"ReduceKind", ["sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum", "log_sum_exp", "sum_square"], !range(0, 10)>;
def NN_PoolKind : NN_Enum<"PoolKind", ["max", "avg", "lp"], !range(0, 3)>;
def NN_PadMode : NN_Enum<"PadMode", ["constant", "reflect", "edge", "wrap"], !range(0, 4)>;
def NN_ResizeMode : NN_Enum<"ResizeMode", ["nearest", "linear", "cubic"], !range(0, 3)>;
def NN_ResizeCoord : NN_Enum<"ResizeCoord", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"], !range(0, 5)>;
def NN_CastRound : NN_Enum<"CastRound", ["nearest", "up", "down"], !range(0, 3)>;
def NN_NearestMode : NN_Enum<"NearestMode", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"], !range(0, 4)>;
def NN_ArgKind : NN_Enum<"ArgKind", ["max", "min"], !range(0, 2)>;
def NN_CumulateKind : NN_Enum<"CumulateKind", ["sum", "prod"], !range(0, 2)>;
def NN_ScatterMode : NN_Enum<"ScatterMode", ["replace", "add", "mul", "max", "min"], !range(0, 5)>;
def NN_RnnKind : NN_Enum<"RnnKind", ["lstm", "gru", "rnn"], !range(0, 3)>;
def NN_RnnDirection : NN_Enum<"RnnDirection", ["forward", "reverse", "bidirectional"], !range(0, 3)>;
def NN_RnnActivation : NN_Enum<"RnnActivation", ["relu", "tanh", "sigmoid", "affine", "leaky_relu", "thresholded_relu", "scaled_tanh",
  "hard_sigmoid", "elu", "softsign", "softplus"], !range(0, 11)>;

def NN_Unary : NN_EnumAttr<NN_UnaryKind, "unary">;
def NN_Binary : NN_EnumAttr<NN_BinaryKind, "binary">;
def NN_Compare : NN_EnumAttr<NN_CompareKind, "compare">;
def NN_Reduce : NN_EnumAttr<NN_ReduceKind, "reduce">;
def NN_Pool : NN_EnumAttr<NN_PoolKind, "pool">;
def NN_PadModeAttr : NN_EnumAttr<NN_PadMode, "pad_mode">;
def NN_ResizeModeAttr : NN_EnumAttr<NN_ResizeMode, "resize_mode">;
def NN_ResizeCoordAttr : NN_EnumAttr<NN_ResizeCoord, "resize_coord">;
def NN_NearestModeAttr : NN_EnumAttr<NN_NearestMode, "nearest_mode">;
def NN_Arg : NN_EnumAttr<NN_ArgKind, "arg">;
def NN_Cumulate : NN_EnumAttr<NN_CumulateKind, "cumulate_kind">;
def NN_ScatterModeAttr : NN_EnumAttr<NN_ScatterMode, "scatter_mode">;
def NN_Rnn : NN_EnumAttr<NN_RnnKind, "rnn_kind">;
def NN_RnnDirectionAttr : NN_EnumAttr<NN_RnnDirection, "rnn_direction">;
def NN_RnnActivationAttr : NN_EnumAttr<NN_RnnActivation, "rnn_activation">;
def NN_CastRoundAttr : NN_EnumAttr<NN_CastRound, "cast_round">;

//===-- base classes ----------------------------------------------------------===//
defvar NN_Tensor = AnyRankedTensor;
def NN_Name : OptionalAttr<StrAttr>;
defvar NN_Ints = DenseI64ArrayAttr;
// Type inference checks the rules of these ops (README.md); it runs before verify(), and also when an op is only being built.
defvar NN_Infer = InferTypeOpAdaptorWithIsCompatible;

class NN_Op<string mnemonic, list<Trait> traits = []> : Op<NN_Dialect, mnemonic, !listconcat([Pure], traits)>;

//===-- compute ---------------------------------------------------------------===//
def NN_MatmulOp : NN_Op<"matmul", [NN_Infer, DeclareOpInterfaceMethods<QuantizableOpInterface>]> {
  let summary = "Matrix product with numpy batch broadcasting, optional transposition and bias";
  let description = [{
    y[.., m, n] = sum_k a[.., m, k] * b[.., k, n] (+ bias[n]). `transpose_a`: a is [.., k, m]; `transpose_b`: b is [.., n, k] (constant weights, N2).
    Rank-1 operands are reshaped by the importer. bias: [N].
  }];
  let arguments = (ins NN_Tensor:$lhs, NN_Tensor:$rhs, Optional<NN_Tensor>:$bias, UnitAttr:$transpose_a, UnitAttr:$transpose_b, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$lhs `,` $rhs (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_ConvOp : NN_Op<"conv", [NN_Infer, DeclareOpInterfaceMethods<QuantizableOpInterface>]> {
  let summary = "Convolution over 1, 2 or 3 spatial dimensions, grouped, strided, dilated";
  let description = [{
    x: [N, C, spatial...], w: [O, C / group, kernel...], bias: [O]. `pads`: all begins, then all ends (explicit; auto_pad is resolved by the importer).
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, Optional<NN_Tensor>:$bias, NN_Ints:$strides, NN_Ints:$pads, NN_Ints:$dilations,
                       DefaultValuedAttr<I64Attr, "1">:$group, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_ConvTransposeOp : NN_Op<"conv_transpose", [NN_Infer, DeclareOpInterfaceMethods<QuantizableOpInterface>]> {
  let summary = "Transposed convolution";
  let description = [{ x: [N, C, spatial...], w: [C, O / group, kernel...] (ONNX order), bias: [O]. pads crop the result; output_padding adds rows at its end. }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$w, Optional<NN_Tensor>:$bias, NN_Ints:$strides, NN_Ints:$pads, NN_Ints:$dilations,
                       NN_Ints:$output_padding, DefaultValuedAttr<I64Attr, "1">:$group, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`,` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_PoolOp : NN_Op<"pool", [NN_Infer]> {
  let summary = "Pooling windows: max, avg or lp";
  let description = [{ x: [N, C, spatial...]. pads: begins, then ends. ceil_mode as ONNX. Padding is skipped unless count_include_pad (avg). p: exponent of lp. }];
  let arguments = (ins NN_Pool:$kind, NN_Tensor:$x, NN_Ints:$kernel, NN_Ints:$strides, NN_Ints:$pads, NN_Ints:$dilations, UnitAttr:$ceil_mode,
                       UnitAttr:$count_include_pad, DefaultValuedAttr<I64Attr, "2">:$p, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

def NN_BatchNormOp : NN_Op<"batch_norm", [NN_Infer]> {
  let summary = "Inference batch normalization over axis 1";
  let description = [{ y = (x - mean[c]) / sqrt(variance[c] + epsilon) * scale[c] + bias[c]. }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$scale, NN_Tensor:$bias, NN_Tensor:$mean, NN_Tensor:$variance, F32Attr:$epsilon, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

def NN_SoftmaxOp : NN_Op<"softmax", [NN_Infer]> {
  let summary = "Softmax (or its logarithm) along one axis";
  let arguments = (ins NN_Tensor:$x, I64Attr:$axis, UnitAttr:$log, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}

def NN_RnnOp : NN_Op<"rnn", [NN_Infer, AttrSizedOperandSegments]> {
  let summary = "ONNX LSTM, GRU or RNN: recurrent layers over a sequence, one or two directions";
  let description = [{
    S steps, B sequences, I inputs, H = `hidden`, D directions (2 when bidirectional), G gates (lstm: i o f c; gru: z r h; rnn: one).
    x: [S, B, I], w: [D, G * H, I], r: [D, G * H, H], b: [D, 2 * G * H] (of w, then of r), lens: [B] steps of each sequence (i32), h0, c0: [D, B, H],
    peephole: [D, 3 * H] (i o f; lstm). Results: y [S, D, B, H] (0 after the end of a sequence), y_h [D, B, H], lstm also y_c [D, B, H].
    `layout` 1 puts B first: x [B, S, I], h0, c0, y_h, y_c [B, D, H], y [B, S, D, H].
    Without w, x is [S, B, D * G * H]: the products of the inputs with w.
    `activations`: for each direction f, g, h (lstm), f, g (gru), f (rnn); `alpha` and `beta` have one entry each.
    linear_before_reset: of gru, as ONNX; input_forget: lstm with f = 1 - i; `clip` bounds the arguments of the activations.
    round_state (lstm; com.microsoft's DynamicQuantizeLSTM): at every step r multiplies h rounded to 256 codes; scale and zero point are those
    that DynamicQuantizeLinear takes from the h of all sequences that ran the step before.
  }];
  let arguments = (ins NN_Rnn:$kind, NN_Tensor:$x, Optional<NN_Tensor>:$w, NN_Tensor:$r, Optional<NN_Tensor>:$b, Optional<NN_Tensor>:$lens,
                       Optional<NN_Tensor>:$h0, Optional<NN_Tensor>:$c0, Optional<NN_Tensor>:$peephole, I64Attr:$hidden,
                       DefaultValuedAttr<NN_RnnDirectionAttr, "RnnDirection::forward">:$direction,
                       TypedArrayAttrBase<NN_RnnActivationAttr, "activations of the gates">:$activations,
                       OptionalAttr<DenseF32ArrayAttr>:$alpha, OptionalAttr<DenseF32ArrayAttr>:$beta, UnitAttr:$linear_before_reset,
                       UnitAttr:$input_forget, UnitAttr:$round_state, OptionalAttr<F32Attr>:$clip, DefaultValuedAttr<I64Attr, "0">:$layout, NN_Name:$name);
  let results = (outs NN_Tensor:$y, NN_Tensor:$y_h, Optional<NN_Tensor>:$y_c);
  let assemblyFormat = [{ `` $kind $x (`by` $w^)? `,` $r (`bias` $b^)? (`lens` $lens^)? (`h0` $h0^)? (`c0` $c0^)? (`peephole` $peephole^)? attr-dict `:`
                          functional-type(operands, results) }];
  let extraClassDeclaration = [{
    int64_t getDirections() { return getDirection() == RnnDirection::bidirectional ? 2 : 1; }
    /// Gates of a kind, and activation functions of one direction.
    static int64_t gatesOf(RnnKind kind) { return kind == RnnKind::lstm ? 4 : kind == RnnKind::gru ? 3 : 1; }
    static int64_t activationsOf(RnnKind kind) { return kind == RnnKind::lstm ? 3 : kind == RnnKind::gru ? 2 : 1; }
    int64_t getGates() { return gatesOf(getKind()); }
    RnnActivation getActivation(int64_t i) { return ::llvm::cast<RnnActivationAttr>(getActivations()[i]).getValue(); }
  }];
}

//===-- transformers ----------------------------------------------------------===//
class NN_NormOp<string mnemonic, list<Trait> traits = []> : NN_Op<mnemonic, !listconcat([NN_Infer], traits)> {
  let results = (outs NN_Tensor:$result);
}

def NN_LayerNormOp : NN_NormOp<"layer_norm", [AttrSizedOperandSegments]> {
  let summary = "Layer normalization over the dimensions axis..rank-1";
  let description = [{
    y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the mean and the biased variance of each row of x.shape[axis:].
    scale, bias: shape x.shape[axis:]. Sums and the quotient are computed in f32 or better whatever the element type.
  }];
  let arguments = (ins NN_Tensor:$x, Optional<NN_Tensor>:$scale, Optional<NN_Tensor>:$bias, I64Attr:$axis, F32Attr:$epsilon, NN_Name:$name);
  let assemblyFormat = "$x (`scale` $scale^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_RmsNormOp : NN_NormOp<"rms_norm"> {
  let summary = "Root mean square normalization over the dimensions axis..rank-1";
  let description = [{ y = x / sqrt(mean(x * x) + epsilon) * scale, the mean over each row of x.shape[axis:], which is the shape of scale. }];
  let arguments = (ins NN_Tensor:$x, Optional<NN_Tensor>:$scale, I64Attr:$axis, F32Attr:$epsilon, NN_Name:$name);
  let assemblyFormat = "$x (`scale` $scale^)? attr-dict `:` functional-type(operands, results)";
}

def NN_GroupNormOp : NN_NormOp<"group_norm", [AttrSizedOperandSegments]> {
  let summary = "Normalization of each group of C / groups channels of [N, C, ...]";
  let description = [{
    y = (x - mean) / sqrt(variance + epsilon) * scale[c] + bias[c]; mean and biased variance of one picture and one group. scale, bias: [C].
    groups = C is instance normalization.
  }];
  let arguments = (ins NN_Tensor:$x, Optional<NN_Tensor>:$scale, Optional<NN_Tensor>:$bias, I64Attr:$groups, F32Attr:$epsilon, NN_Name:$name);
  let assemblyFormat = "$x (`scale` $scale^)? (`bias` $bias^)? attr-dict `:` functional-type(operands, results)";
}

def NN_AttentionOp : NN_Op<"attention", [NN_Infer]> {
  let summary = "Scaled dot product attention, multi-head or grouped-query";
  let description = [{
    q [B, H, S, D], k [B, G, T, D], v [B, G, T, E], H a multiple of G: head h reads group h / (H / G). Result [B, H, S, E].
      s = softcap(scale * q . k) + mask, softcap(x) = c * tanh(x / c);   p = softmax of s over the keys;   y = p . v
    mask: floats that are added, or i1 (false: the key is not seen); broadcast to [B, H, S, T]. `causal`: query i sees keys j <= i + (T - S).
    `window` = w: it sees only keys j > i + (T - S) - w. A query that sees no key (every score is -inf) gives 0, as ONNX defines.
  }];
  let arguments = (ins NN_Tensor:$q, NN_Tensor:$k, NN_Tensor:$v, Optional<NN_Tensor>:$mask, F32Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<F32Attr>:$softcap, OptionalAttr<I64Attr>:$window, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$q `,` $k `,` $v (`mask` $mask^)? attr-dict `:` functional-type(operands, results)";
}

def NN_RopeOp : NN_Op<"rope", [NN_Infer]> {
  let summary = "Rotary position embedding: pairs of elements of a head are rotated";
  let description = [{
    x [.., S, D]; cos, sin broadcast to [.., S, R / 2], R <= D: the first R elements of the last dimension are rotated, the others copied.
      y[i] = x[i] * cos[i] - x[j] * sin[i],   y[j] = x[j] * cos[i] + x[i] * sin[i]
    with j = i + R / 2 for i < R / 2 (halves), or pairs (2 i, 2 i + 1) when `interleaved`.
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$cos, NN_Tensor:$sin, UnitAttr:$interleaved, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $cos `,` $sin attr-dict `:` functional-type(operands, results)";
}

//===-- elementwise -----------------------------------------------------------===//
def NN_UnaryOp : NN_Op<"unary", [NN_Infer]> {
  let summary = "Elementwise function of one tensor";
  let description = [{ alpha and beta as in ONNX (leaky_relu, elu, hard_sigmoid, selu, celu, thresholded_relu). isnan, isinf, logical_not: i1 results. }];
  let arguments = (ins NN_Unary:$kind, NN_Tensor:$x, OptionalAttr<F32Attr>:$alpha, OptionalAttr<F32Attr>:$beta, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_BinaryOp : NN_Op<"binary", [NN_Infer]> {
  let summary = "Elementwise function of two tensors with numpy broadcasting";
  let description = [{ Both operands have one element type (pow: the result has that of the base). prelu: x < 0 ? slope * x : x. }];
  let arguments = (ins NN_Binary:$kind, NN_Tensor:$lhs, NN_Tensor:$rhs, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_CompareOp : NN_Op<"compare", [NN_Infer]> {
  let summary = "Elementwise comparison with broadcasting; i1 result";
  let arguments = (ins NN_Compare:$kind, NN_Tensor:$lhs, NN_Tensor:$rhs, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $lhs `,` $rhs attr-dict `:` functional-type(operands, results)";
}

def NN_SelectOp : NN_Op<"select", [NN_Infer]> {
  let summary = "condition ? on_true : on_false, with broadcasting of all three (ONNX Where)";
  let arguments = (ins NN_Tensor:$condition, NN_Tensor:$on_true, NN_Tensor:$on_false, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$condition `,` $on_true `,` $on_false attr-dict `:` functional-type(operands, results)";
}

def NN_ClipOp : NN_Op<"clip", [NN_Infer]> {
  let summary = "min(max(x, min), max) with constant bounds; an absent bound does not bind";
  let description = [{ Bounds are exact in f64 for every element type. When min > max the result is max (ONNX). }];
  let arguments = (ins NN_Tensor:$x, OptionalAttr<F64Attr>:$min, OptionalAttr<F64Attr>:$max, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}

def NN_CastOp : NN_Op<"cast"> {
  let summary = "Element type conversion as ONNX Cast (float to integer truncates; to i1: x != 0)";
  let description = [{
    Integers of 8 bits and more saturate a float, smaller ones keep its low bits. Floats of 8 bits and fewer round to nearest and saturate; with
    `overflow` what is too large becomes infinity, or NaN where there is none. A NaN becomes minus zero where the type has no NaN. f8E8M0FNU
    takes the power of two that `round` says, of the magnitude.
  }];
  let arguments = (ins NN_Tensor:$x, NN_Name:$name, UnitAttr:$overflow, DefaultValuedAttr<NN_CastRoundAttr, "CastRound::nearest">:$round);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===-- reduction -------------------------------------------------------------===//
def NN_ReduceOp : NN_Op<"reduce", [NN_Infer]> {
  let summary = "Reduction over axes (ascending, non-negative, never empty)";
  let arguments = (ins NN_Reduce:$kind, NN_Tensor:$x, NN_Ints:$axes, UnitAttr:$keepdims, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

def NN_ArgReduceOp : NN_Op<"arg_reduce", [NN_Infer]> {
  let summary = "i64 index of the largest or smallest element along one axis; the first of equal ones unless select_last";
  let arguments = (ins NN_Arg:$kind, NN_Tensor:$x, I64Attr:$axis, UnitAttr:$keepdims, UnitAttr:$select_last, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

def NN_TopkOp : NN_Op<"topk", [NN_Infer]> {
  let summary = "The k largest (or smallest) elements along one axis in that order, and their i64 indices; the first of equal ones comes first";
  let arguments = (ins NN_Tensor:$x, I64Attr:$k, I64Attr:$axis, UnitAttr:$smallest, NN_Name:$name);
  let results = (outs NN_Tensor:$values, NN_Tensor:$indices);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}

def NN_CumulateOp : NN_Op<"cumulate", [NN_Infer]> {
  let summary = "Sums (or products) of the elements up to each place along one axis (CumSum, CumProd)";
  let description = [{
    With `exclusive` of those before it, with `reverse` counted from the end. Integers wrap.
  }];
  let arguments = (ins NN_Cumulate:$kind, NN_Tensor:$x, I64Attr:$axis, UnitAttr:$exclusive, UnitAttr:$reverse, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

//===-- movement --------------------------------------------------------------===//
def NN_ReshapeOp : NN_Op<"reshape"> {
  let summary = "Same elements in row-major order, other shape (Reshape, Flatten, Squeeze, Unsqueeze)";
  let arguments = (ins NN_Tensor:$x, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_TransposeOp : NN_Op<"transpose", [NN_Infer]> {
  let summary = "Permutation of axes: result dimension i is x dimension perm[i]";
  let arguments = (ins NN_Tensor:$x, NN_Ints:$perm, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_SliceOp : NN_Op<"slice", [NN_Infer]> {
  let summary = "Strided box; starts, sizes and steps for every axis, normalized (starts inside, steps may be negative)";
  let arguments = (ins NN_Tensor:$x, NN_Ints:$starts, NN_Ints:$sizes, NN_Ints:$steps, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_ConcatOp : NN_Op<"concat", [NN_Infer]> {
  let summary = "Concatenation along one axis (non-negative)";
  let arguments = (ins Variadic<NN_Tensor>:$xs, I64Attr:$axis, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$xs attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_PadOp : NN_Op<"pad", [NN_Infer]> {
  let summary = "Padding (negative: cropping) of every axis; `value` in constant mode";
  let arguments = (ins NN_Tensor:$x, NN_Ints:$low, NN_Ints:$high, DefaultValuedAttr<NN_PadModeAttr, "PadMode::constant">:$mode,
                       DefaultValuedAttr<F64Attr, "0.0">:$value, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
}

def NN_ExpandOp : NN_Op<"expand"> {
  let summary = "numpy broadcast to the shape of the result";
  let arguments = (ins NN_Tensor:$x, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def NN_GatherOp : NN_Op<"gather", [NN_Infer]> {
  let summary = "Rows of x along `axis` chosen by integer indices (negative ones count from the end)";
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$indices, I64Attr:$axis, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
}

def NN_GatherElementsOp : NN_Op<"gather_elements", [NN_Infer]> {
  let summary = "y[i, j, ...] = x[i, .., indices[i, j, ...], ..] along `axis` (negative indices count from the end)";
  let description = [{ Both have one rank; along the other axes indices has at most the size of x. The result has the shape of indices. }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$indices, I64Attr:$axis, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
}

def NN_GatherNdOp : NN_Op<"gather_nd", [NN_Infer]> {
  let summary = "Blocks of x chosen by index tuples, the last dimension of indices";
  let description = [{
    x: [batch.., d.., block..], indices: [batch.., n.., k] with k = number of d, batch_dims = number of batch dimensions -> [batch.., n.., block..].
  }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch_dims, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $indices attr-dict `:` functional-type(operands, results)";
}

def NN_ScatterElementsOp : NN_Op<"scatter_elements", [NN_Infer]> {
  let summary = "x with x[i, .., indices[i, j, ...], ..] along `axis` replaced by (or combined with) updates[i, j, ...], in row-major order";
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$indices, NN_Tensor:$updates, I64Attr:$axis,
                       DefaultValuedAttr<NN_ScatterModeAttr, "ScatterMode::replace">:$mode, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
}

def NN_ScatterNdOp : NN_Op<"scatter_nd", [NN_Infer]> {
  let summary = "x with the blocks that index tuples name replaced by (or combined with) updates, in row-major order";
  let description = [{ x: [d.., block..], indices: [n.., k] with k = number of d, updates: [n.., block..]. }];
  let arguments = (ins NN_Tensor:$x, NN_Tensor:$indices, NN_Tensor:$updates,
                       DefaultValuedAttr<NN_ScatterModeAttr, "ScatterMode::replace">:$mode, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
}

def NN_ResizeOp : NN_Op<"resize"> {
  let summary = "ONNX Resize; scales has one entry per axis (1 where nothing is resized; 0: the sizes of the result, which are open, over those of x)";
  let arguments = (ins NN_Tensor:$x, DenseF64ArrayAttr:$scales, NN_ResizeModeAttr:$mode, NN_ResizeCoordAttr:$coord,
                       DefaultValuedAttr<NN_NearestModeAttr, "NearestMode::round_prefer_floor">:$nearest,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coeff, UnitAttr:$exclude_outside, UnitAttr:$antialias, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- shape -----------------------------------------------------------------===//
def NN_ShapeOp : NN_Op<"shape", [NN_Infer]> {
  let summary = "Sizes of dimensions start..end as i64";
  let arguments = (ins NN_Tensor:$x, DefaultValuedAttr<I64Attr, "0">:$start, OptionalAttr<I64Attr>:$end, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def NN_RangeOp : NN_Op<"range"> {
  let summary = "start, start + delta, ... below limit (scalars: rank-0 tensors)";
  let arguments = (ins NN_Tensor:$start, NN_Tensor:$limit, NN_Tensor:$delta, NN_Name:$name);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$start `,` $limit `,` $delta attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def NN_SizesOp : NN_Op<"sizes"> {
  let summary = "Integers that are size expressions over the named dimensions of the function (rank 0: one)";
  let description = [{
    What a graph computes from the shapes of its inputs, where it is data: `nn.sizes ["past", "past+seq"] : tensor<2xi64>`.
  }];
  let arguments = (ins StrArrayAttr:$values);
  let results = (outs NN_Tensor:$result);
  let assemblyFormat = "$values attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def NN_SizeOp : NN_Op<"size"> {
  let summary = "A size expression as an index";
  let arguments = (ins StrAttr:$value);
  let results = (outs Index:$result);
  let assemblyFormat = "$value attr-dict";
}

//===-- control -----------------------------------------------------------------===//
def NN_LoopOp : NN_Op<"loop", [AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock]> {
  let summary = "A body that runs once a step, on states that it hands on and on elements of sequences";
  let description = [{
    ```
    %y, %all = nn.loop count "seq" states(%h) over(%x) captures(%w) {reversed = array<i1: false, false>} : (...) -> (tensor<1x8xf32>, tensor<?x1x8xf32>) {
    ^bb0(%step: tensor<i64>, %state: tensor<1x8xf32>, %element: tensor<1x4xf32>, %weight: tensor<8x4xf32>):
      ...
      nn.yield %next, %next : tensor<1x8xf32>, tensor<1x8xf32>
    }
    ```
    Steps: `count` (a size expression), at most `trips` (one i64), as long as `condition` (one i1) holds, which the body yields anew; at least one of
    `count` and `condition` or `trips` says when it ends. The body gets the number of the step, the states, one element along the first axis of each
    sequence, and the captures. It yields the next condition, if there is one, the next states, and one element of each collected result. Results are
    the last states and the collected tensors, whose first axis is the steps; only a loop of exactly `count` steps collects.
    `reversed`: one entry for each sequence, then for each collected result; the last element belongs to the first step.
  }];
  let arguments = (ins OptionalAttr<StrAttr>:$count, Optional<NN_Tensor>:$trips, Optional<NN_Tensor>:$condition, Variadic<NN_Tensor>:$states,
                       Variadic<NN_Tensor>:$sequences, Variadic<NN_Tensor>:$captures, OptionalAttr<DenseBoolArrayAttr>:$reversed, NN_Name:$name);
  let results = (outs Variadic<NN_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    (`count` $count^)? (`trips` `(` $trips^ `)`)? (`while` `(` $condition^ `)`)? `states` `(` $states `)` `over` `(` $sequences `)`
    `captures` `(` $captures `)` attr-dict `:` functional-type(operands, results) $body
  }];
  let extraClassDeclaration = [{
    ::mlir::Block &block() { return getBody().front(); }
    ::mlir::BlockArgument stepArgument() { return block().getArgument(0); }
    ::llvm::ArrayRef<::mlir::BlockArgument> stateArguments() { return block().getArguments().slice(1, getStates().size()); }
    ::llvm::ArrayRef<::mlir::BlockArgument> elementArguments() { return block().getArguments().slice(1 + getStates().size(), getSequences().size()); }
    ::llvm::ArrayRef<::mlir::BlockArgument> captureArguments() { return block().getArguments().take_back(getCaptures().size()); }
    /// What the body yields: the next condition (null: there is none), the next states, elements of collected results.
    ::mlir::Value yieldedCondition();
    ::mlir::OperandRange yieldedStates();
    ::mlir::OperandRange yieldedElements();
    ::mlir::ResultRange stateResults() { return getResults().take_front(getStates().size()); }
    ::mlir::ResultRange collectedResults() { return getResults().drop_front(getStates().size()); }
    bool isReversed(unsigned sequence) { return getReversed() && (*getReversed())[sequence]; }
    bool isCollectedReversed(unsigned result) { return getReversed() && (*getReversed())[getSequences().size() + result]; }
  }];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def NN_YieldOp : NN_Op<"yield", [Terminator, HasParent<"LoopOp">]> {
  let summary = "Ends the body of an nn.loop";
  let arguments = (ins Variadic<NN_Tensor>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

//===-- anything else ---------------------------------------------------------===//
def NN_OnnxOp : Op<NN_Dialect, "onnx"> {
  let summary = "An ONNX op that Tern does not know, kept as it is; lowering it is an error";
  let description = [{
    `op_type` of `domain` at `opset`; `attrs` holds the ONNX attributes (integers, floats, strings, arrays of them, tensors as elements attributes).
    An absent optional input is recorded by its position in `absent`. Results may be unranked when their shape is unknown.
  }];
  let arguments = (ins StrAttr:$op_type, Variadic<AnyType>:$inputs, DefaultValuedAttr<StrAttr, "\"\"">:$domain, DefaultValuedAttr<I64Attr, "0">:$opset,
                       DictionaryAttr:$attrs, OptionalAttr<NN_Ints>:$absent, NN_Name:$name);
  let results = (outs Variadic<AnyType>:$outputs);
  let assemblyFormat = "$op_type `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}
#endif
