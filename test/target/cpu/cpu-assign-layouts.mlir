// RUN: quant-opt %s --cpu-assign-layouts | FileCheck %s

// A convolution reads pictures with a halo: the plain input is copied once, its result is read as it is by the next kernel.
// CHECK-LABEL: func.func @main
// CHECK: tern.call @k.relayout_1(%arg0) {cpu.operands = ["plain f32 n1 h1 w24 c8 cs8"], cpu.results = ["channels f32 n1 h8 w8 c3 cs3 halo 1,1,1,1"]
// CHECK: tern.call @k.conv({{.*}}) {cpu.operands = ["channels f32 n1 h8 w8 c3 cs3 halo 1,1,1,1", "", ""], cpu.results = ["channels f32 n1 h8 w8 c8 cs8"]
// CHECK: tern.call @k.gap({{.*}}) {cpu.operands = ["channels f32 n1 h8 w8 c8 cs8"], cpu.results = ["channels f32 n1 h1 w1 c8 cs8"]
// One pixel a picture: the same bytes in both forms, so the reshape needs no copy.
// CHECK-NEXT: nn.reshape
// CHECK-NEXT: return
module {
  ml_program.global private @w(dense<0.5> : tensor<8x3x3x3xf32>) : tensor<8x3x3x3xf32>
  ml_program.global private @b(dense<1.0> : tensor<8xf32>) : tensor<8xf32>
  func.func private @k.conv(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<8xf32>) -> tensor<1x8x8x8xf32> {
    %0 = nn.conv %x, %w, %b {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<1x8x8x8xf32>
    %1 = nn.unary relu %0 : (tensor<1x8x8x8xf32>) -> tensor<1x8x8x8xf32>
    return %1 : tensor<1x8x8x8xf32>
  }
  func.func private @k.gap(%x: tensor<1x8x8x8xf32>) -> tensor<1x8x1x1xf32> {
    %0 = nn.reduce mean %x {axes = array<i64: 2, 3>, keepdims} : (tensor<1x8x8x8xf32>) -> tensor<1x8x1x1xf32>
    return %0 : tensor<1x8x1x1xf32>
  }
  func.func @main(%x: tensor<1x3x8x8xf32>) -> tensor<1x8xf32> {
    %w = ml_program.global_load_const @w : tensor<8x3x3x3xf32>
    %b = ml_program.global_load_const @b : tensor<8xf32>
    %c = tern.call @k.conv(%x, %w, %b) {name = "conv"} : (tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32>, tensor<8xf32>) -> tensor<1x8x8x8xf32>
    %g = tern.call @k.gap(%c) {name = "gap"} : (tensor<1x8x8x8xf32>) -> tensor<1x8x1x1xf32>
    %r = nn.reshape %g : (tensor<1x8x1x1xf32>) -> tensor<1x8xf32>
    return %r : tensor<1x8xf32>
  }
}
