//===- Passes.td - passes that consume tern --------------------------------===//
#ifndef TERN_PASSES
#define TERN_PASSES

include "mlir/Pass/PassBase.td"

class TernPass<string flag, string scope> : Pass<flag, scope> {
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect", "::mlir::arith::ArithDialect", "::mlir::ml_program::MLProgramDialect"];
}

def TernNormalizeWeights : TernPass<"tern-normalize-weights", "::mlir::func::FuncOp"> {
  let summary = "constant weights that came quantized get the form that kernels read";
  let description = [{
    The transpose of a dequantized constant moves to its codes and planes (codes below 8 bits are unpacked, moved and packed again), and
    unsigned codes whose zero point is everywhere the middle, 2^(b-1), become signed ones without zero point. The results are expressions
    on planes (W2), which tern-encode-weights evaluates. No value changes.

    Test: test/dialects/Tern/tern-normalize-weights.mlir

    ```mlir
    %d = tern.dequantize %q : (!tern.quant<4x8xf32, #tern.format<ui8, scale<f32, [*, 1]>, zero<ui8>>>) -> tensor<4x8xf32>   // %z = 128
    %t = nn.transpose %d {perm = array<i64: 1, 0>} : (tensor<4x8xf32>) -> tensor<8x4xf32>
    // becomes
    %ct = nn.transpose %c {perm = array<i64: 1, 0>} : (tensor<4x8xi8>) -> tensor<8x4xi8>
    %cs = nn.binary bitwise_xor %ct, %m128 : (tensor<8x4xi8>, tensor<i8>) -> tensor<8x4xi8>
    %qt = tern.bundle %cs, %st : ... -> !tern.quant<8x4xf32, #tern.format<si8, scale<f32, [1, *]>>>
    %t = tern.dequantize %qt : ... -> tensor<8x4xf32>
    ```
  }];
  let statistics = [
    Statistic<"transposed", "transposed", "transposes that moved to codes">,
    Statistic<"signedCodes", "signed", "unsigned codes that became signed">
  ];
}

def TernSinkDequantize : TernPass<"tern-sink-dequantize", "::mlir::func::FuncOp"> {
  let summary = "reshape, transpose, slice, concat, expand and pad work on codes";
  let description = [{
    For 8-bit codes with one constant scale; the operands of a concat need the same one. Padding of 0 becomes the code of the zero point.

    Test: test/dialects/Tern/tern-sink-dequantize.mlir

    ```mlir
    %d = tern.dequantize %q : (!a) -> tensor<1x2x4xf32>
    %t = nn.transpose %d {perm = array<i64: 0, 2, 1>} : (tensor<1x2x4xf32>) -> tensor<1x4x2xf32>
    // becomes
    %c, %s, %z = tern.unbundle %q : (!a) -> (tensor<1x2x4xi8>, tensor<f32>, tensor<i8>)
    %m = nn.transpose %c {perm = array<i64: 0, 2, 1>} : (tensor<1x2x4xi8>) -> tensor<1x4x2xi8>
    %b = tern.bundle %m, %s, %z : (tensor<1x4x2xi8>, tensor<f32>, tensor<i8>) -> !at
    %t = tern.dequantize %b : (!at) -> tensor<1x4x2xf32>
    ```
  }];
  let statistics = [Statistic<"moved", "moved", "moves that work on codes">];
}

def TernMergeProducts : TernPass<"tern-merge-products", "::mlir::func::FuncOp"> {
  let summary = "products of one x whose results are divided into heads, or meet in a gate, become one product";
  let description = [{
    The query, key and value projections of attention: their weights lie below one another, and the heads of each are a slice that attention and
    rotary embeddings read where it lies. Only products with equal choices are merged, and only weights of which each row is encoded on its own, so that
    plans, overrides and codes stay those of each. The merged op is named "q+k+v". Gate and up projections of gated feed-forward layers are the two
    halves of one product, which its kernel combines as it computes them.

    Test: test/dialects/Tern/tern-merge-products.mlir

    ```mlir
    %q = nn.matmul %x, %wq {name = "q", transpose_b} : (tensor<1x5x8xf32>, tensor<8x8xf32>) -> tensor<1x5x8xf32>
    %k = nn.matmul %x, %wk {name = "k", transpose_b} : (tensor<1x5x8xf32>, tensor<4x8xf32>) -> tensor<1x5x4xf32>
    %qh = nn.reshape %q : (tensor<1x5x8xf32>) -> tensor<1x5x2x4xf32>
    %kh = nn.reshape %k : (tensor<1x5x4xf32>) -> tensor<1x5x1x4xf32>
    // becomes
    %w = nn.concat %wq, %wk {axis = 0 : i64} : (tensor<8x8xf32>, tensor<4x8xf32>) -> tensor<12x8xf32>
    %y = nn.matmul %x, %w {name = "q+k", transpose_b} : (tensor<1x5x8xf32>, tensor<12x8xf32>) -> tensor<1x5x12xf32>
    %h = nn.reshape %y : (tensor<1x5x12xf32>) -> tensor<1x5x3x4xf32>
    %qh = nn.slice %h {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 1, 5, 2, 4>, steps = array<i64: 1, 1, 1, 1>} : (...)
    %kh = nn.slice %h {starts = array<i64: 0, 0, 2, 0>, sizes = array<i64: 1, 5, 1, 4>, steps = array<i64: 1, 1, 1, 1>} : (...)
    ```
  }];
  let statistics = [Statistic<"products", "products", "products that became part of another">];
}

def TernFuse : TernPass<"tern-fuse", "::mlir::func::FuncOp"> {
  let summary = "QDQ form to fused form: tern.conv, tern.matmul, tern.requantize";
  let description = [{
    A product of dequantized operands becomes tern.conv or tern.matmul on the codes. Where both have integer codes with scales
    that are constant along the reduction, its result is the i32 accumulator, and the scales are one factor a channel behind it. A quantize
    of a computed value becomes tern.requantize: relu and clip are the range of its codes, the factor of an accumulator and the scale of a
    residual are its multipliers, so nothing is rounded in between. Error against the QDQ form: one code (order of f32 products).

    Test: test/dialects/Tern/tern-fuse.mlir

    ```mlir
    %y = nn.conv %xd, %wd, %bd {...}           // of dequantized x, w, b
    %r = nn.unary relu %y
    %yq = tern.quantize %r, %s, %z
    // becomes, m = s_x * s_w / s
    %acc = tern.conv %xq, %wq, %b {...} : ... -> tensor<1x64x56x56xi32>
    %yq = tern.requantize %acc by %m to %s, %z {lo = 3, hi = 255} : ...
    ```
  }];
  let statistics = [
    Statistic<"products", "products", "convolutions and matrix products on codes">,
    Statistic<"requantized", "requantized", "quantizes fused into requantize">
  ];
}

def TernEncodeWeights : TernPass<"tern-encode-weights", "::mlir::ModuleOp"> {
  let summary = "evaluate weight expressions, choose their codes, keep them as planes";
  let description = [{
    One weight at a time (W3): the expression is evaluated by lib/Reference, `method` chooses the codes, the planes become globals named
    after the op (`conv2.w.codes`, `conv2.w.scale`), and the source's blob is released when nothing else uses it. The scale of a channel is
    raised where its int32 bias would not fit. Then what else is constant is computed: float weights with folded batch norms, int32 biases,
    multipliers of requantize; up to 64 KiB as arith.constant.

    Test: test/dialects/Tern/tern-encode-weights.mlir

    ```mlir
    %q = tern.quantize %w by <absmax, -127 to 127> {method = "rtn", name = "fc"} : (tensor<8x4xf32>) -> !w
    // becomes
    %c = ml_program.global_load_const @fc.w.codes : tensor<8x4xi8>
    %s = ml_program.global_load_const @fc.w.scale : tensor<8x1xf32>
    %q = tern.bundle %c, %s : (tensor<8x4xi8>, tensor<8x1xf32>) -> !w
    ```
  }];
  let options = [Option<"keepSources", "keep-sources", "bool", "false", "do not release the blobs of weights: another module reads them">];
  let statistics = [Statistic<"encoded", "encoded", "weights encoded">];
}

def TernOutline : TernPass<"tern-outline", "::mlir::ModuleOp"> {
  let summary = "one function per kernel; @main becomes a list of tern.call";
  let description = [{
    A kernel is an op that needs loops of its own (convolution, product, pooling, reduction, softmax, resize, move, run-time
    quantization, anything unknown) with its elementwise consumers up to the next quantize or requantize, as long as each
    value in between has one user and the shape of the result. Elementwise ops that follow no such op form kernels of their
    own. A sum of two kernels' results joins the later one. A value with `tern.probe` ends its kernel, and the call carries the attribute.

    Codes cross kernel borders as plain tensors; bundle and dequantize are repeated in every consumer, with scales and zero points of
    activations as constants of the body. Weights and per-channel constants are operands of the call. nn.reshape, constants and
    return stay in the function; a dequantize that they read is a kernel.

    Test: test/dialects/Tern/tern-outline.mlir

    ```mlir
    func.func @main(%x: tensor<1x4xf32>) -> tensor<1x8xf32> {
      %w = ml_program.global_load_const @fc.w : tensor<8x4xf32>
      %y = nn.matmul %x, %w {name = "fc", transpose_b} : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
      %r = nn.unary relu %y : (tensor<1x8xf32>) -> tensor<1x8xf32>
      return %r : tensor<1x8xf32>
    }
    // becomes
    func.func @main(%x: tensor<1x4xf32>) -> tensor<1x8xf32> {
      %w = ml_program.global_load_const @fc.w : tensor<8x4xf32>
      %r = tern.call @k.fc(%x, %w) {name = "fc"} : (tensor<1x4xf32>, tensor<8x4xf32>) -> tensor<1x8xf32>
      return %r : tensor<1x8xf32>
    }
    func.func private @k.fc(%x: tensor<1x4xf32>, %w: tensor<8x4xf32>) -> tensor<1x8xf32> { ... }
    ```
  }];
  let dependentDialects = ["::tern::TernDialect", "::tern::nn::NNDialect", "::mlir::func::FuncDialect"];
}

def TernToLinalg : TernPass<"tern-to-linalg", "::mlir::ModuleOp"> {
  let summary = "nn, QDQ and fused ops become linalg, tensor, arith and math on plain tensors (L4)";
  let description = [{
    Lowers every op of nn and tern: what a foreign compiler continues from, and what the `portable.linalg` row runs. A
    quantized value becomes its planes, integers become signless, loads of constant globals become arith.constant, and
    tern.call becomes func.call. Sizes may be open: a result that its operands do not tell the size of needs `nn.sizes`, or dimensions of
    arguments that it follows from; it becomes arithmetic on tensor.dim of arguments. Formats: elements of up to 32
    bits with scales, zero points, minima and tables; codes of floats are chosen by rounding to nearest. Integer results and codes are bit-equal to lib/Reference; float sums differ by rounding in f32.

    Library function: `tern::lowerToLinalg(op)`, also on a single function.

    Test: test/dialects/Tern/tern-to-linalg-elementwise.mlir (and one file for each family), test/unit/ToLinalg

    ```mlir
    %y = nn.unary relu %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
    // becomes
    %0 = tensor.empty() : tensor<2x3xf32>
    %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<2x3xf32>) outs(%0 : tensor<2x3xf32>) {
    ^bb0(%in: f32, %out: f32):
      %zero = arith.constant 0.0 : f32
      %max = arith.maximumf %in, %zero : f32
      linalg.yield %max : f32
    } -> tensor<2x3xf32>
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect", "::mlir::tensor::TensorDialect", "::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect", "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
                           "::mlir::func::FuncDialect"];
}
#endif
