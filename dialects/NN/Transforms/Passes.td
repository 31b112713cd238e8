//===- Passes.td - passes that consume nn ----------------------------------===//
#ifndef NN_PASSES
#define NN_PASSES

include "mlir/Pass/PassBase.td"

class NNPass<string flag, string scope> : Pass<flag, scope> {
  let dependentDialects = ["::tern::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::ml_program::MLProgramDialect"];
}

//===-- prepare ---------------------------------------------------------------===//
def NNInferShapes : NNPass<"nn-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "replace unknown sizes that follow from the operands";
  let description = [{
    Result types become what type inference says where they have a `?`, operands first; the function's type follows its returned values.

    Test: test/dialects/NN/nn-infer-shapes.mlir

    ```mlir
    %y = nn.unary relu %x : (tensor<2x3xf32>) -> tensor<?x3xf32>
    // becomes
    %y = nn.unary relu %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
    ```
  }];
}

def NNWidenHalves : NNPass<"nn-widen-halves", "::mlir::func::FuncOp"> {
  let summary = "compute floats of 16 bits in 32";
  let description = [{
    A processor without arithmetic on f16 or bf16 rounds behind every op, and no kernel takes them. Inputs are widened, results are narrowed,
    and what lies between is f32: the numbers are those of the model or closer to the real ones. Constants are widened when they are encoded.
    Casts between the types of floats that are now one disappear, but for those to halves that are only cast again; functions with loops over such values stay as they are.

    Test: test/dialects/NN/nn-widen-halves.mlir

    ```mlir
    %y = nn.unary relu %x : (tensor<4xf16>) -> tensor<4xf16>
    // becomes
    %a = nn.cast %x : (tensor<4xf16>) -> tensor<4xf32>
    %b = nn.unary relu %a : (tensor<4xf32>) -> tensor<4xf32>
    %y = nn.cast %b : (tensor<4xf32>) -> tensor<4xf16>
    ```
  }];
}

def NNRaise : NNPass<"nn-raise", "::mlir::func::FuncOp"> {
  let summary = "recognise norms, attention, rotary embeddings, softmax and activations spelled out in simpler ops";
  let description = [{
    One file a family (Raise*.cpp), from small forms to large ones:
    - activations: products and quotients by constants are flattened, so the order and association in which an exporter wrote
      `x * clip(x + 3, 0, 6) / 6` do not matter; the argument of erf and tanh is compared as a polynomial in x. Constants may differ by
      1e-4 from the exact ones (0.16667 for 1/6);
    - softmax with or without the maximum subtracted;
    - layer, RMS, group and instance norms: the variance as the mean of squared differences or as a difference of means, means also as
      sums times 1 / n, the root as sqrt, rsqrt, reciprocal or powers, factors in any order, over any axes; constant scales and biases
      become parameters;
    - rotary embeddings, in halves and interleaved;
    - 1 / sqrt in its spellings, where no norm took it;
    - attention: scale before or after the product or on both operands, added and selected masks, guards against NaN, keys transposed in
      any spelling, batch and heads in one dimension, keys and values repeated for groups of heads;
    - transposes that only dimensions of size 1 keep apart are one.
    Casts that another cast takes back, and elementwise minima and maxima with constants, are simplified on the way. What nearly is a norm
    or an attention gets a remark that says what differs.

    Test: test/dialects/NN/nn-raise.mlir, nn-raise-norm.mlir, nn-raise-attention.mlir, nn-raise-rope.mlir

    ```mlir
    %a = nn.binary add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    %c = nn.binary mul %x, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %y = nn.binary div %c, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    // becomes
    %y = nn.unary hard_swish %x : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let statistics = [
    Statistic<"clips", "clips", "minima and maxima that became nn.clip">,
    Statistic<"hardSigmoids", "hard-sigmoids", "hard_sigmoid recognised">,
    Statistic<"hardSwishes", "hard-swishes", "hard_swish recognised">,
    Statistic<"silus", "silus", "silu recognised">,
    Statistic<"casts", "casts", "casts removed">,
    Statistic<"sigmoids", "sigmoids", "sigmoid recognised">,
    Statistic<"softpluses", "softpluses", "softplus recognised">,
    Statistic<"gelus", "gelus", "gelu and gelu_tanh recognised">,
    Statistic<"mishes", "mishes", "mish recognised">,
    Statistic<"softmaxes", "softmaxes", "softmax recognised">,
    Statistic<"layerNorms", "layer-norms", "layer_norm recognised">,
    Statistic<"rmsNorms", "rms-norms", "rms_norm recognised">,
    Statistic<"groupNorms", "group-norms", "group_norm recognised">,
    Statistic<"attentions", "attentions", "attention recognised">,
    Statistic<"ropes", "ropes", "rope recognised">,
    Statistic<"roots", "roots", "roots and their reciprocals that were powers or quotients">
  ];
}

def NNFoldBatchNorm : NNPass<"nn-fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "batch_norm and per-channel constants become part of weights and biases";
  let description = [{
    batch_norm after conv, conv_transpose or matmul becomes a factor on the weight and a term of the bias; both stay expressions (W2).
    So do products with and sums of constants that differ along the output channels only. A batch_norm that follows no such op
    becomes a product and a sum. The op that has more than one user keeps its weight.

    Test: test/dialects/NN/nn-fold-batch-norm.mlir

    ```mlir
    %c = nn.conv %x, %w {...} : (tensor<1x8x4x4xf32>, tensor<16x8x1x1xf32>) -> tensor<1x16x4x4xf32>
    %y = nn.batch_norm %c, %scale, %bias, %mean, %variance {epsilon = 1.0e-5 : f32} : (...)
    // becomes, with k = scale / sqrt(variance + epsilon)
    %w1 = nn.binary mul %w, %k : (tensor<16x8x1x1xf32>, tensor<16x1x1x1xf32>) -> tensor<16x8x1x1xf32>
    %b1 = ... // bias - mean * k
    %y = nn.conv %x, %w1, %b1 {...}
    ```
  }];
  let statistics = [
    Statistic<"batchNorms", "batch-norms", "batch norms folded into weights">,
    Statistic<"scaled", "batch-norms-scaled", "batch norms that became a product and a sum">,
    Statistic<"biases", "biases", "sums of constants folded into biases">,
    Statistic<"factors", "factors", "products with constants folded into weights">
  ];
}

def NNFoldPads : NNPass<"nn-fold-pads", "::mlir::func::FuncOp"> {
  let summary = "padding with zeros becomes the padding of the convolution or pooling behind it";
  let description = [{
    Only spatial, non-negative padding: of zeros before conv and before average pooling that counts the padding, of minus infinity
    (or any value when the pooled tensor is a relu's, zero) before max pooling.

    Test: test/dialects/NN/nn-fold-pads.mlir

    ```mlir
    %p = nn.pad %x {low = array<i64: 0, 0, 1, 1>, high = array<i64: 0, 0, 1, 1>} : (tensor<1x3x4x4xf32>) -> tensor<1x3x6x6xf32>
    %y = nn.conv %p, %w {pads = array<i64: 0, 0, 0, 0>, ...}
    // becomes
    %y = nn.conv %x, %w {pads = array<i64: 1, 1, 1, 1>, ...}
    ```
  }];
  let statistics = [Statistic<"folded", "folded", "pads folded">];
}

def NNSinkTransposes : NNPass<"nn-sink-transposes", "::mlir::func::FuncOp"> {
  let summary = "move transposes behind elementwise ops, pads, concats and reductions until they cancel";
  let description = [{
    Models that were NHWC have a transpose before and after each convolution. A transpose moves towards the results; two that
    meet become one, or none. One that only moves dimensions of size 1 becomes a reshape.

    Test: test/dialects/NN/nn-sink-transposes.mlir

    ```mlir
    %t = nn.transpose %x {perm = array<i64: 0, 2, 3, 1>} : (tensor<1x8x4x4xf32>) -> tensor<1x4x4x8xf32>
    %r = nn.unary relu %t : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
    %y = nn.transpose %r {perm = array<i64: 0, 3, 1, 2>} : (tensor<1x4x4x8xf32>) -> tensor<1x8x4x4xf32>
    // becomes
    %y = nn.unary relu %x : (tensor<1x8x4x4xf32>) -> tensor<1x8x4x4xf32>
    ```
  }];
  let statistics = [Statistic<"moved", "moved", "ops that a transpose was moved behind">];
}

def NNNormalizeWeights : NNPass<"nn-normalize-weights", "::mlir::func::FuncOp"> {
  let summary = "constant right operands of matmul become [out, in] (N2), computed weights of recurrent layers products in front of them";
  let description = [{
    The weight gets an nn.transpose (an expression, W2) and the op `transpose_b`. An nn.rnn whose w is computed reads an nn.matmul instead.

    Test: test/dialects/NN/nn-normalize-weights.mlir

    ```mlir
    %y = nn.matmul %x, %w : (tensor<2x4xf32>, tensor<4x8xf32>) -> tensor<2x8xf32>
    // becomes
    %wt = nn.transpose %w {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
    %y = nn.matmul %x, %wt {transpose_b} : (tensor<2x4xf32>, tensor<8x4xf32>) -> tensor<2x8xf32>
    ```
  }];
}

def NNRecognizeWeights : NNPass<"nn-recognize-weights", "::mlir::func::FuncOp"> {
  let summary = "constant codes that are cast and scaled by ordinary ops become quantized weights";
  let description = [{
    `(cast(codes) - zero) * scale` of constants, as exporters without QuantizeLinear write weight-only models: codes of 8 or 16 bits, the scale
    one number, one a channel, or what broadcasts; the zero point absent or subtracted before or after the cast to float; moved by
    transposes and reshapes in between. Each gets a remark. The numbers are the same: lib/Formats rounds where these ops do.

    Test: test/dialects/NN/nn-recognize-weights.mlir

    ```mlir
    %w = ml_program.global_load_const @w : tensor<384x384xi8>
    %c = nn.cast %w : (tensor<384x384xi8>) -> tensor<384x384xf32>
    %d = nn.binary mul %c, %s : (tensor<384x384xf32>, tensor<1x384xf32>) -> tensor<384x384xf32>
    // becomes
    %q = tern.bundle %w, %s : ... -> !tern.quant<384x384xf32, #tern.format<si8, scale<f32, [*, 1]>>>
    %d = tern.dequantize %q : ... -> tensor<384x384xf32>
    ```
  }];
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect", "::mlir::arith::ArithDialect"];
  let statistics = [Statistic<"recognized", "recognized", "weights that turned out to be quantized">];
}

def NNFoldConstants : NNPass<"nn-fold-constants", "::mlir::func::FuncOp"> {
  let summary = "evaluate small constant expressions with lib/Reference";
  let description = [{
    Results up to `max-fold-bytes`, never above 64 KiB: shape arithmetic, factors of batch norms. Larger expressions, weights, stay (W2).

    Test: test/dialects/NN/nn-fold-constants.mlir

    ```mlir
    %c = nn.binary add %one, %two : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    // becomes
    %c = arith.constant dense<3.0> : tensor<2xf32>
    ```
  }];
  let options = [Option<"maxFoldBytes", "max-fold-bytes", "int64_t", "65536", "largest result in bytes">];
  let statistics = [Statistic<"folded", "folded", "ops that became constants">];
}

//===-- calibrate, plan, quantize -----------------------------------------------===//
def NNInsertProbes : NNPass<"nn-insert-probes", "::mlir::ModuleOp"> {
  let summary = "mark the values whose ranges static quantization needs";
  let description = [{
    A value that a quantizable op reads is marked where it is defined, looking through moves; values that one scale must serve carry one
    name. tern-outline makes marked values results of kernels, so that calibration sees them.

    Test: test/dialects/NN/nn-insert-probes.mlir

    ```mlir
    %r = nn.unary relu %c {name = "relu1"} : ...
    %y = nn.conv %r, %w {...} : ...
    // becomes
    %r = nn.unary relu %c {name = "relu1", tern.probe = "relu1"} : ...
    ```
  }];
}

def NNAttachStats : NNPass<"nn-attach-stats", "::mlir::ModuleOp"> {
  let summary = "probes become observed ranges, from a file";
  let description = [{
    `stats` is a JSON object `{"relu1": {"min": 0, "max": 6.1, "lo": 0, "hi": 5.9}, ...}`: the observed and the chosen range of each probe.
    A probe without an entry is dropped: ops that read the value are quantized at run time.

    Test: test/dialects/NN/nn-attach-stats.mlir

    ```mlir
    %r = nn.unary relu %c {name = "relu1", tern.probe = "relu1"} : ...
    // becomes
    %r = nn.unary relu %c {name = "relu1", tern.stats = {hi = 5.9 : f32, lo = 0.0 : f32, max = 6.1 : f32, min = 0.0 : f32}} : ...
    ```
  }];
  let options = [Option<"stats", "stats", "std::string", "", "JSON file with the ranges">];
}

def NNPlan : NNPass<"nn-plan", "::mlir::ModuleOp"> {
  let summary = "decide the formats of every quantizable op: tern.choice and tern.codes";
  let description = [{
    A scheme or a plan file decides; nothing chooses afterwards (L3). Schemes: float, w8a8, w4a8, w4a16, w8a16; 4-bit ones take :32, :64,
    :128 or :channel. Activations of a*8 schemes are static where all values that share the scale have `tern.stats`, else they are
    quantized at run time: per row of a product, per picture of a convolution. With 4-bit weights, stems, depthwise and transposed
    convolutions keep 8 bits; codes are rounded to nearest in groups of products and tables, elsewhere the range is searched (rtn-mse). Activations of transposed convolutions become codes only when their zero point is 0. Recurrent layers have weights of 8 bits, one scale for
    each row of a gate, and float activations. Why an op stays float is a remark of category tern-plan. A plan may equalize
    activations first: x / s for the ops that read x, w * s as their weights, s a factor for each channel
    (test/dialects/NN/nn-plan-equalize.mlir).

    Test: test/dialects/NN/nn-plan.mlir

    ```mlir
    %y = nn.matmul %x, %w {name = "fc", transpose_b} : ...
    // becomes, w8a8 without ranges
    %y = nn.matmul %x, %w {name = "fc", transpose_b, tern.choice = #tern.choice<method = "rtn", x = <si8, scale<f32, [1, *]>>, ...>} : ...
    ```
  }];
  let options = [
    Option<"scheme", "scheme", "std::string", "\"w8a8\"", "float, w8a8, w4a8, w4a16 or w8a16">,
    ListOption<"overrides", "override", "std::string", "RE=SCHEME for the ops whose whole name matches; later ones win">,
    ListOption<"excludes", "exclude", "std::string", "RE of ops that stay float">,
    Option<"plan", "plan", "std::string", "", "plan.json to take the decisions from">,
    Option<"write", "write", "std::string", "", "file to write the plan to">,
    Option<"attach", "attach", "bool", "false", "keep the plan as the attribute tern.plan of the module, which tern-emit writes">,
    Option<"sha256", "sha256", "std::string", "", "hash of the model file, compared with that of the plan">
  ];
  let dependentDialects = ["::tern::nn::NNDialect", "::tern::TernDialect"];
}

def NNQuantize : NNPass<"nn-quantize", "::mlir::ModuleOp"> {
  let summary = "decisions become quantize and dequantize: the QDQ form";
  let description = [{
    A value with `tern.codes` is rounded once, where it is defined; all its users read the rounded value. Max pools and nearest resizes of
    such values round again with the same scale, which changes nothing. Weights are quantized by the method of the choice; int32 biases
    have the product of the scales of activation and weight.

    Test: test/dialects/NN/nn-quantize.mlir

    ```mlir
    %y = nn.matmul %x, %w {name = "fc", transpose_b, tern.choice = #tern.choice<method = "rtn", w = <si8, scale<f32, [1, *]>>, ...>} : ...
    // becomes
    %wq = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "fc"} : ...
    %wd = tern.dequantize %wq : ...
    %y = nn.matmul %x, %wd {name = "fc", transpose_b, tern.choice = ...} : ...
    ```
  }];
  let dependentDialects = ["::tern::nn::NNDialect", "::tern::TernDialect", "::mlir::arith::ArithDialect"];
}
#endif
