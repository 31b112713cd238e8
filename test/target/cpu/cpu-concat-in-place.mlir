// RUN: quant-opt %s --cpu-assign-layouts | FileCheck %s
// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable | FileCheck %s --check-prefix=EMIT

// Both operands of the concat are computed in their channels of the result, with the halo that its reader needs.
// CHECK: tern.call @k.a({{.*}}cpu.results = ["channels f32 n1 h4 w4 c4 cs12 halo 1,1,1,1"]
// CHECK: tern.call @k.b({{.*}}cpu.results = ["channels f32 n1 h4 w4 c8 cs12 halo 1,1,1,1 base 4"]
// CHECK: tern.call @k.cat({{.*}}cpu.embedded = array<i1: true, true>
// EMIT-LABEL: func.func @run_portable
// EMIT-NOT: name = "cat
module {
  ml_program.global private @wa(dense<0.5> : tensor<4x3x1x1xf32>) : tensor<4x3x1x1xf32>
  ml_program.global private @wb(dense<0.5> : tensor<8x3x1x1xf32>) : tensor<8x3x1x1xf32>
  ml_program.global private @wc(dense<0.5> : tensor<2x12x3x3xf32>) : tensor<2x12x3x3xf32>
  func.func private @k.a(%x: tensor<1x3x4x4xf32>, %w: tensor<4x3x1x1xf32>) -> tensor<1x4x4x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x4x4xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x4x4xf32>
    return %0 : tensor<1x4x4x4xf32>
  }
  func.func private @k.b(%x: tensor<1x3x4x4xf32>, %w: tensor<8x3x1x1xf32>) -> tensor<1x8x4x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x3x4x4xf32>, tensor<8x3x1x1xf32>) -> tensor<1x8x4x4xf32>
    return %0 : tensor<1x8x4x4xf32>
  }
  func.func private @k.cat(%a: tensor<1x4x4x4xf32>, %b: tensor<1x8x4x4xf32>) -> tensor<1x12x4x4xf32> {
    %0 = nn.concat %a, %b {axis = 1 : i64} : (tensor<1x4x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x12x4x4xf32>
    return %0 : tensor<1x12x4x4xf32>
  }
  func.func private @k.c(%x: tensor<1x12x4x4xf32>, %w: tensor<2x12x3x3xf32>) -> tensor<1x2x4x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>} : (tensor<1x12x4x4xf32>, tensor<2x12x3x3xf32>) -> tensor<1x2x4x4xf32>
    return %0 : tensor<1x2x4x4xf32>
  }
  func.func @main(%x: tensor<1x3x4x4xf32>) -> tensor<1x2x4x4xf32> {
    %wa = ml_program.global_load_const @wa : tensor<4x3x1x1xf32>
    %wb = ml_program.global_load_const @wb : tensor<8x3x1x1xf32>
    %wc = ml_program.global_load_const @wc : tensor<2x12x3x3xf32>
    %a = tern.call @k.a(%x, %wa) {name = "a"} : (tensor<1x3x4x4xf32>, tensor<4x3x1x1xf32>) -> tensor<1x4x4x4xf32>
    %b = tern.call @k.b(%x, %wb) {name = "b"} : (tensor<1x3x4x4xf32>, tensor<8x3x1x1xf32>) -> tensor<1x8x4x4xf32>
    %t = tern.call @k.cat(%a, %b) {name = "cat"} : (tensor<1x4x4x4xf32>, tensor<1x8x4x4xf32>) -> tensor<1x12x4x4xf32>
    %c = tern.call @k.c(%t, %wc) {name = "c"} : (tensor<1x12x4x4xf32>, tensor<2x12x3x3xf32>) -> tensor<1x2x4x4xf32>
    return %c : tensor<1x2x4x4xf32>
  }
}
