// RUN: quant-opt %s --tern-outline --split-input-file --mlir-print-local-scope | FileCheck %s

// A float network: conv with relu and residual in one kernel, pool, product; weights are operands.
ml_program.global private @c1.w(dense<1.0> : tensor<8x3x3x3xf32>) : tensor<8x3x3x3xf32>
ml_program.global private @c2.w(dense<1.0> : tensor<8x8x3x3xf32>) : tensor<8x8x3x3xf32>
ml_program.global private @fc.w(dense<1.0> : tensor<5x8xf32>) : tensor<5x8xf32>

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:.*]]: tensor<1x3x8x8xf32>)
// CHECK-DAG:     %[[W1:.*]] = ml_program.global_load_const @c1.w
// CHECK-DAG:     %[[W2:.*]] = ml_program.global_load_const @c2.w
// CHECK-DAG:     %[[FC:.*]] = ml_program.global_load_const @fc.w
// CHECK:         %[[A:.*]] = tern.call @k.c1(%[[X]], %[[W1]]) {name = "c1"}
// CHECK:         %[[B:.*]] = tern.call @k.c2(%[[A]], %[[W2]]) {name = "c2"}
// CHECK:         %[[P:.*]] = tern.call @k.pool(%[[B]]) {name = "pool"}
// CHECK:         %[[R:.*]] = nn.reshape %[[P]] : (tensor<1x8x1x1xf32>) -> tensor<1x8xf32>
// CHECK:         %[[Y:.*]] = tern.call @k.fc(%[[R]], %[[FC]]) {name = "fc"}
// CHECK:         %[[S:.*]] = tern.call @k.softmax_0(%[[Y]]) {name = "softmax_0"}
// CHECK:         return %[[S]]
// CHECK:       func.func private @k.c1(%arg0: tensor<1x3x8x8xf32>, %arg1: tensor<8x3x3x3xf32>) -> tensor<1x8x8x8xf32> {
// CHECK-NEXT:    nn.conv %arg0, %arg1
// CHECK-NEXT:    nn.unary relu
// CHECK-NEXT:    return
// CHECK:       func.func private @k.c2(
// CHECK-NEXT:    nn.conv
// CHECK-NEXT:    nn.binary add
// CHECK-NEXT:    nn.clip
// CHECK-NEXT:    return
// CHECK:       func.func private @k.pool(
// CHECK:       func.func private @k.fc(
// CHECK-NEXT:    nn.matmul
// CHECK-NEXT:    return
func.func @main(%x: tensor<1x3x8x8xf32>) -> tensor<1x5xf32> {
  %w1 = ml_program.global_load_const @c1.w : tensor<8x3x3x3xf32>
  %w2 = ml_program.global_load_const @c2.w : tensor<8x8x3x3xf32>
  %fc = ml_program.global_load_const @fc.w : tensor<5x8xf32>
  %c1 = nn.conv %x, %w1 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, name = "c1"} : (tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32>) -> tensor<1x8x8x8xf32>
  %a = nn.unary relu %c1 {name = "relu1"} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %c2 = nn.conv %a, %w2 {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, name = "c2"} : (tensor<1x8x8x8xf32>, tensor<8x8x3x3xf32>) -> tensor<1x8x8x8xf32>
  %s = nn.binary add %a, %c2 {name = "add"} : (tensor<1x8x8x8xf32>, tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %b = nn.clip %s {min = 0.0 : f64, max = 6.0 : f64} : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
  %p = nn.reduce mean %b {axes = array<i64: 2, 3>, keepdims, name = "pool"} : (tensor<1x8x8x8xf32>) -> tensor<1x8x1x1xf32>
  %r = nn.reshape %p : (tensor<1x8x1x1xf32>) -> tensor<1x8xf32>
  %y = nn.matmul %r, %fc {name = "fc", transpose_b} : (tensor<1x8xf32>, tensor<5x8xf32>) -> tensor<1x5xf32>
  %z = nn.softmax %y {axis = 1 : i64} : (tensor<1x5xf32>) -> tensor<1x5xf32>
  return %z : tensor<1x5xf32>
}

// -----

// A probed value ends its kernel, and so does one that another result needs. A per-channel constant is an operand, a scalar is in the body.
// CHECK-LABEL: func.func @borders
// CHECK:         %[[C:.*]] = arith.constant dense<[{{.*}}> : tensor<2x1x1xf32>
// CHECK:         tern.call @k.p(%{{.*}}) {name = "p", tern.probe = "p"}
// CHECK:         tern.call @k.s(%{{.*}}) {name = "s"}
// CHECK:         tern.call @k.m(%{{.*}}, %[[C]]) {name = "m"}
// CHECK:       func.func private @k.p(
// CHECK-NEXT:    nn.pool
// CHECK-NEXT:    return
// CHECK:       func.func private @k.s(
// CHECK-NEXT:    %[[TWO:.*]] = arith.constant dense<2.0
// CHECK-NEXT:    nn.binary mul
// CHECK-NEXT:    return
// CHECK:       func.func private @k.m(
// CHECK-NEXT:    nn.unary relu
// CHECK-NEXT:    nn.binary add
// CHECK-NEXT:    nn.binary mul
func.func @borders(%x: tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) {
  %two = arith.constant dense<2.0> : tensor<f32>
  %c = arith.constant dense<[[[1.0]], [[3.0]]]> : tensor<2x1x1xf32>
  %p = nn.pool max %x {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "p", tern.probe = "p"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %s = nn.binary mul %p, %two {name = "s"} : (tensor<1x2x4x4xf32>, tensor<f32>) -> tensor<1x2x4x4xf32>
  %t = nn.unary relu %s {name = "t"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %u = nn.binary add %s, %t {name = "u"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %m = nn.binary mul %u, %c {name = "m"} : (tensor<1x2x4x4xf32>, tensor<2x1x1xf32>) -> tensor<1x2x4x4xf32>
  return %m, %s : tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>
}

// -----

// Two elementwise chains meet in one kernel, and a chain that only a convolution's epilogue reads is computed there.
// CHECK-LABEL: func.func @chains
// CHECK-NEXT:    %[[W:.*]] = arith.constant
// CHECK-NEXT:    %[[Y:.*]] = tern.call @k.c(%arg0, %arg2, %arg1, %[[W]]) {name = "c"}
// CHECK-NEXT:    return %[[Y]]
// CHECK:       func.func private @k.c(
// CHECK:         nn.binary mul %arg0, %arg1
// CHECK:         nn.binary add %arg0,
// CHECK:         nn.conv %arg2, %arg3
// CHECK:         nn.binary add
func.func @chains(%x: tensor<1x2x4x4xf32>, %z: tensor<1x2x4x4xf32>, %g: tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32> {
  %w = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %m = nn.binary mul %x, %g {name = "m"} : (tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %a = nn.binary add %x, %m {name = "a"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %c = nn.conv %z, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %s = nn.binary add %a, %c {name = "s"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %s : tensor<1x2x4x4xf32>
}

// -----

// x * f(x) behind a convolution: the value in between has two readers, both in the kernel.
// CHECK-LABEL: func.func @gated
// CHECK-NEXT:    %[[W:.*]] = arith.constant
// CHECK-NEXT:    %[[Y:.*]] = tern.call @k.c(%arg0, %[[W]]) {name = "c"}
// CHECK-NEXT:    return %[[Y]]
// CHECK:       func.func private @k.c(
// CHECK:         nn.conv
// CHECK:         nn.unary softplus
// CHECK:         nn.unary tanh
// CHECK:         nn.binary mul
func.func @gated(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %c = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %s = nn.unary softplus %c : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %t = nn.unary tanh %s : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %m = nn.binary mul %c, %t {name = "m"} : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %m : tensor<1x2x4x4xf32>
}

// -----

// Codes cross borders; the consumer bundles them again with the constants of the producer.
// CHECK-LABEL: func.func @codes
// CHECK:         %[[Q:.*]] = tern.call @k.in(%{{.*}}) {name = "in"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xi8>
// CHECK:         %[[T:.*]] = tern.call @k.t(%[[Q]]) {name = "t"} : (tensor<1x2x4x4xi8>) -> tensor<1x4x4x2xi8>
// CHECK:         tern.call @k.out(%[[T]])
// CHECK:       func.func private @k.in(
// CHECK:         tern.quantize
// CHECK:         %[[U:.*]]:3 = tern.unbundle
// CHECK:         return %[[U]]#0
// CHECK:       func.func private @k.t(%arg0: tensor<1x2x4x4xi8>) -> tensor<1x4x4x2xi8>
// CHECK-NEXT:    nn.transpose
// CHECK:       func.func private @k.out(%arg0: tensor<1x4x4x2xi8>) -> tensor<1x4x4x2xf32>
// CHECK:         tern.bundle %arg0, %{{.*}}, %{{.*}}
// CHECK:         tern.dequantize
// CHECK:         nn.unary relu
func.func @codes(%x: tensor<1x2x4x4xf32>) -> tensor<1x4x4x2xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %q = tern.quantize %x, %s, %z {name = "in"} : (tensor<1x2x4x4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<1x2x4x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  %c, %s1, %z1 = tern.unbundle %q : (!tern.quant<1x2x4x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> (tensor<1x2x4x4xi8>, tensor<f32>, tensor<i8>)
  %t = nn.transpose %c {perm = array<i64: 0, 2, 3, 1>, name = "t"} : (tensor<1x2x4x4xi8>) -> tensor<1x4x4x2xi8>
  %b = tern.bundle %t, %s1, %z1 : (tensor<1x4x4x2xi8>, tensor<f32>, tensor<i8>) -> !tern.quant<1x4x4x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
  %d = tern.dequantize %b : (!tern.quant<1x4x4x2xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>) -> tensor<1x4x4x2xf32>
  %r = nn.unary relu %d {name = "out"} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  return %r : tensor<1x4x4x2xf32>
}

// -----

// Real numbers that reshapes and return read lie in memory: their dequantize is a kernel, other kernels read the codes.
// CHECK-LABEL: func.func @outside
// CHECK:         %[[F:.*]] = tern.call @k.d(%arg0) {name = "d"} : (tensor<2x6xi8>) -> tensor<2x6xf32>
// CHECK:         %[[R:.*]] = tern.call @k.r(%arg0) {name = "r"} : (tensor<2x6xi8>) -> tensor<2x6xf32>
// CHECK:         %[[S:.*]] = nn.reshape %[[F]]
// CHECK:         return %[[F]], %[[S]], %[[R]]
// CHECK:       func.func private @k.d(%arg0: tensor<2x6xi8>) -> tensor<2x6xf32>
// CHECK:         tern.dequantize
// CHECK-NEXT:    return
func.func @outside(%c: tensor<2x6xi8>) -> (tensor<2x6xf32>, tensor<12xf32>, tensor<2x6xf32>) {
  %s = arith.constant dense<0.5> : tensor<f32>
  %b = tern.bundle %c, %s : (tensor<2x6xi8>, tensor<f32>) -> !tern.quant<2x6xf32, #tern.format<si8, scale<f32>>>
  %d = tern.dequantize %b {name = "d"} : (!tern.quant<2x6xf32, #tern.format<si8, scale<f32>>>) -> tensor<2x6xf32>
  %r = nn.unary relu %d {name = "r"} : (tensor<2x6xf32>) -> tensor<2x6xf32>
  %f = nn.reshape %d {name = "f"} : (tensor<2x6xf32>) -> tensor<12xf32>
  return %d, %f, %r : tensor<2x6xf32>, tensor<12xf32>, tensor<2x6xf32>
}

// -----

// Reductions of other axes than those of a picture, and broadcasts that are no gate of one, read and write plain numbers: the dequantize is a
// kernel, and so is the quantize behind.
// CHECK-LABEL: func.func @plain_numbers
// CHECK:         %[[F:.*]] = tern.call @k.d(%arg0) {name = "d"} : (tensor<1x2x3x4xi8>) -> tensor<1x2x3x4xf32>
// CHECK:         %[[R:.*]] = tern.call @k.r(%[[F]]) {name = "r"} : (tensor<1x2x3x4xf32>) -> tensor<1x1x1x4xf32>
// CHECK:         %[[M:.*]] = tern.call @k.m(%[[F]], %[[R]]) {name = "m"} : (tensor<1x2x3x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x2x3x4xf32>
// CHECK:         tern.call @k.q(%[[M]]) {name = "q"} : (tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xi8>
func.func @plain_numbers(%c: tensor<1x2x3x4xi8>) -> tensor<1x2x3x4xi8> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %b = tern.bundle %c, %s : (tensor<1x2x3x4xi8>, tensor<f32>) -> !tern.quant<1x2x3x4xf32, #tern.format<si8, scale<f32>>>
  %d = tern.dequantize %b {name = "d"} : (!tern.quant<1x2x3x4xf32, #tern.format<si8, scale<f32>>>) -> tensor<1x2x3x4xf32>
  %r = nn.reduce l2 %d {axes = array<i64: 1, 2>, keepdims, name = "r"} : (tensor<1x2x3x4xf32>) -> tensor<1x1x1x4xf32>
  %m = nn.binary mul %d, %r {name = "m"} : (tensor<1x2x3x4xf32>, tensor<1x1x1x4xf32>) -> tensor<1x2x3x4xf32>
  %q = tern.quantize %m, %s {name = "q"} : (tensor<1x2x3x4xf32>, tensor<f32>) -> !tern.quant<1x2x3x4xf32, #tern.format<si8, scale<f32>>>
  %k, %s1 = tern.unbundle %q : (!tern.quant<1x2x3x4xf32, #tern.format<si8, scale<f32>>>) -> (tensor<1x2x3x4xi8>, tensor<f32>)
  return %k : tensor<1x2x3x4xi8>
}

// -----

// Halves of a product that meet in one elementwise program are its end, whatever else the program reads; a third reader keeps them apart.
// CHECK-LABEL: func.func @halves
// CHECK:         tern.call @k.both(%{{.*}}, %{{.*}}, %{{.*}}) {name = "both"}
// CHECK:         tern.call @k.apart
// CHECK:       func.func private @k.both(%arg0: tensor<1x5x8xf32>, %arg1: tensor<12x8xf32>, %arg2: tensor<1x5x6xf32>) -> tensor<1x5x6xf32> {
// CHECK-NEXT:    nn.matmul
// CHECK-NEXT:    nn.slice
// CHECK-NEXT:    nn.slice
// CHECK-NEXT:    nn.unary silu
// CHECK-NEXT:    nn.binary mul
// CHECK-NEXT:    nn.binary add
// CHECK-NEXT:    return
// CHECK:       func.func private @k.apart(
// CHECK-NEXT:    nn.matmul
// CHECK-NEXT:    return
ml_program.global private @both.w(dense<1.0> : tensor<12x8xf32>) : tensor<12x8xf32>
func.func @halves(%x: tensor<1x5x8xf32>, %r: tensor<1x5x6xf32>) -> (tensor<1x5x6xf32>, tensor<1x5x6xf32>, tensor<1x5x12xf32>) {
  %w = ml_program.global_load_const @both.w : tensor<12x8xf32>
  %y = nn.matmul %x, %w {name = "both", transpose_b} : (tensor<1x5x8xf32>, tensor<12x8xf32>) -> tensor<1x5x12xf32>
  %u = nn.slice %y {starts = array<i64: 0, 0, 6>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %g = nn.slice %y {starts = array<i64: 0, 0, 0>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %s = nn.unary silu %g : (tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  %m = nn.binary mul %s, %u : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  %a = nn.binary add %m, %r : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  %z = nn.matmul %x, %w {name = "apart", transpose_b} : (tensor<1x5x8xf32>, tensor<12x8xf32>) -> tensor<1x5x12xf32>
  %p = nn.slice %z {starts = array<i64: 0, 0, 0>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %q = nn.slice %z {starts = array<i64: 0, 0, 6>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %b = nn.binary mul %p, %q : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  return %a, %b, %z : tensor<1x5x6xf32>, tensor<1x5x6xf32>, tensor<1x5x12xf32>
}

// -----

// Scales between an integer product and its halves are computed for each half.
// CHECK-LABEL: func.func @scaled_halves
// CHECK:       func.func private @k.p(
// CHECK:         tern.matmul
// CHECK-NEXT:    nn.cast
// CHECK-NEXT:    nn.binary mul
// CHECK-NEXT:    nn.slice
// CHECK-NEXT:    nn.slice
// CHECK-NEXT:    nn.binary mul
// CHECK-NEXT:    return
#f = #tern.format<si8, scale<f32>>
ml_program.global private @p.w(dense<1> : tensor<12x8xi8>) : tensor<12x8xi8>
ml_program.global private @p.s(dense<[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0, 2.1]> : tensor<12xf32>) : tensor<12xf32>
func.func @scaled_halves(%x: tensor<1x5x8xi8>, %s: tensor<f32>) -> tensor<1x5x6xf32> {
  %codes = ml_program.global_load_const @p.w : tensor<12x8xi8>
  %scale = ml_program.global_load_const @p.s : tensor<12xf32>
  %w = tern.bundle %codes, %s : (tensor<12x8xi8>, tensor<f32>) -> !tern.quant<12x8xf32, #f>
  %q = tern.bundle %x, %s : (tensor<1x5x8xi8>, tensor<f32>) -> !tern.quant<1x5x8xf32, #f>
  %y = tern.matmul %q, %w {name = "p"} : (!tern.quant<1x5x8xf32, #f>, !tern.quant<12x8xf32, #f>) -> tensor<1x5x12xi32>
  %r = nn.cast %y : (tensor<1x5x12xi32>) -> tensor<1x5x12xf32>
  %z = nn.binary mul %r, %scale : (tensor<1x5x12xf32>, tensor<12xf32>) -> tensor<1x5x12xf32>
  %a = nn.slice %z {starts = array<i64: 0, 0, 0>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %b = nn.slice %z {starts = array<i64: 0, 0, 6>, sizes = array<i64: 1, 5, 6>, steps = array<i64: 1, 1, 1>} : (tensor<1x5x12xf32>) -> tensor<1x5x6xf32>
  %m = nn.binary mul %a, %b : (tensor<1x5x6xf32>, tensor<1x5x6xf32>) -> tensor<1x5x6xf32>
  return %m : tensor<1x5x6xf32>
}
