// RUN: quant-opt %s --nn-quantize --split-input-file --mlir-print-local-scope | FileCheck %s

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>
#w8 = #tern.format<si8, scale<f32, [1, *, *, *]>>

// A value is rounded once, where it is defined, and everybody reads the rounded value; int32 bias with the product of the scales; the
// rounding behind a max pool has the scale of its input.
// CHECK-LABEL: func.func @main(
// CHECK:         %[[X:.*]] = tern.quantize %arg0, %{{.*}}, %{{.*}} {name = "x"}
// CHECK:         %[[XD:.*]] = tern.dequantize %[[X]]
// CHECK:         %[[W:.*]] = tern.quantize %{{.*}} by <absmax, -127 to 127> {method = "rtn", name = "c1"}
// CHECK:         %[[WD:.*]] = tern.dequantize %[[W]]
// CHECK:         %[[P:.*]]:2 = tern.unbundle %[[W]]
// CHECK:         %[[S:.*]] = nn.reshape %[[P]]#1 : (tensor<2x1x1x1xf32>) -> tensor<2xf32>
// CHECK:         %[[BS:.*]] = nn.binary mul %[[S]], %{{.*}} : (tensor<2xf32>, tensor<f32>) -> tensor<2xf32>
// CHECK:         %[[B:.*]] = tern.quantize %{{.*}}, %[[BS]] : {{.*}}#tern.format<si32, scale<f32, [1]>>
// CHECK:         %[[BD:.*]] = tern.dequantize %[[B]]
// CHECK:         %[[C:.*]] = nn.conv %[[XD]], %[[WD]], %[[BD]] {{.*}}tern.choice = #tern.choice<kernels = <"cpu.conv.u8s8", 1 to -1>>
// CHECK:         %[[R:.*]] = nn.unary relu %[[C]]
// CHECK:         %[[Q:.*]] = tern.quantize %[[R]]
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         %[[M:.*]] = nn.pool max %[[D]]
// CHECK:         tern.quantize %[[M]]
// CHECK:         nn.binary add %{{.*}}, %[[D]]
func.func @main(%x: tensor<1x2x4x4xf32> {tern.name = "x", tern.codes = {format = #u8, group = "x", scale = 0.5 : f32, zero = 3 : i64}}) -> tensor<1x2x4x4xf32> {
  %w = arith.constant dense<0.5> : tensor<2x2x1x1xf32>
  %b = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %c = nn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c1", tern.choice = #tern.choice<method = "rtn", x = #u8, x_scale = 0.5 : f32, x_zero = 3 : i64, w = #w8, w_encode = <absmax, -127 to 127>, kernels = <"cpu.conv.u8s8", 1 to -1>>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %r = nn.unary relu %c {name = "relu1", tern.codes = {format = #u8, group = "relu1", scale = 0.25 : f32, zero = 0 : i64}} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %p = nn.pool max %r {kernel = array<i64: 1, 1>, strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "pool", tern.codes = {format = #u8, group = "relu1", scale = 0.25 : f32, zero = 0 : i64}} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %y = nn.binary add %p, %r : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// -----

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>

// What the program yields is not rounded because somebody reads it inside.
// CHECK-LABEL: func.func @main(
// CHECK:         %[[R:.*]] = nn.unary relu %arg0
// CHECK:         %[[Q:.*]] = tern.quantize %[[R]]
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         %[[S:.*]] = nn.unary sigmoid %[[D]]
// CHECK:         return %[[R]], %[[S]]
func.func @main(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %r = nn.unary relu %x {name = "relu1", tern.codes = {format = #u8, group = "relu1", scale = 0.25 : f32, zero = 0 : i64}} : (tensor<2xf32>) -> tensor<2xf32>
  %s = nn.unary sigmoid %r : (tensor<2xf32>) -> tensor<2xf32>
  return %r, %s : tensor<2xf32>, tensor<2xf32>
}

// -----

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>

// The residual stream behind a norm stays in floats: only products read the codes.
// CHECK-LABEL: func.func @main(
// CHECK:         %[[N:.*]] = nn.layer_norm
// CHECK:         %[[Q:.*]] = tern.quantize %[[N]]
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         %[[M:.*]] = nn.matmul %[[D]]
// CHECK:         nn.binary add %[[N]], %[[M]]
func.func @main(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  %n = nn.layer_norm %x {axis = 1 : i64, epsilon = 1.0e-5 : f32, name = "norm", tern.codes = {format = #u8, group = "norm", scale = 0.25 : f32, zero = 0 : i64}} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %m = nn.matmul %n, %w {transpose_b, name = "fc"} : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %y = nn.binary add %n, %m : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

#t8 = #tern.format<si8, scale<f32, [1, *]>>

// The table of an embedding is operand 0.
// CHECK-LABEL: func.func @main(
// CHECK:         %[[Q:.*]] = tern.quantize %{{.*}} by <absmax, -127 to 127> {method = "rtn", name = "words"}
// CHECK:         %[[D:.*]] = tern.dequantize %[[Q]]
// CHECK:         nn.gather %[[D]], %arg0
func.func @main(%ids: tensor<1x4xi64>) -> tensor<1x4x8xf32> {
  %t = arith.constant dense<0.5> : tensor<16x8xf32>
  %y = nn.gather %t, %ids {axis = 0 : i64, name = "words", tern.choice = #tern.choice<method = "rtn", w = #t8, w_encode = <absmax, -127 to 127>, kernels = <"cpu.gather", 1 to -1>>} : (tensor<16x8xf32>, tensor<1x4xi64>) -> tensor<1x4x8xf32>
  return %y : tensor<1x4x8xf32>
}
