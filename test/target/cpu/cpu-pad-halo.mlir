// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable | FileCheck %s

// A pad fills its whole buffer with its value; the halo that the convolution reads gets its zeros afterwards.
// CHECK-LABEL: func.func @run_portable
// CHECK: name = "pad.0"
// CHECK: name = "pad.halo"
// CHECK: name = "pad"
// CHECK: name = "conv"
module {
  ml_program.global private @w(dense<0.5> : tensor<2x3x3x3xf32>) : tensor<2x3x3x3xf32>
  func.func private @k.pad(%x: tensor<1x3x4x4xf32>) -> tensor<1x3x5x4xf32> {
    %0 = nn.pad %x {low = array<i64: 0, 0, 1, 0>, high = array<i64: 0, 0, 0, 0>, value = 3.000000e-01 : f64} : (tensor<1x3x4x4xf32>) -> tensor<1x3x5x4xf32>
    return %0 : tensor<1x3x5x4xf32>
  }
  func.func private @k.conv(%x: tensor<1x3x5x4xf32>, %w: tensor<2x3x3x3xf32>) -> tensor<1x2x5x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x3x5x4xf32>, tensor<2x3x3x3xf32>) -> tensor<1x2x5x4xf32>
    return %0 : tensor<1x2x5x4xf32>
  }
  func.func @main(%x: tensor<1x3x4x4xf32>) -> tensor<1x2x5x4xf32> {
    %w = ml_program.global_load_const @w : tensor<2x3x3x3xf32>
    %p = tern.call @k.pad(%x) {name = "pad"} : (tensor<1x3x4x4xf32>) -> tensor<1x3x5x4xf32>
    %c = tern.call @k.conv(%p, %w) {name = "conv"} : (tensor<1x3x5x4xf32>, tensor<2x3x3x3xf32>) -> tensor<1x2x5x4xf32>
    return %c : tensor<1x2x5x4xf32>
  }
}
