// RUN: quant-opt %s --mlir-print-local-scope | quant-opt --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @multi_head
func.func @multi_head(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x3xf32>, %m: tensor<2x1x1x7xf32>) -> tensor<2x4x5x3xf32> {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} mask %{{.*}} {name = "a", scale = 2.500000e-01 : f32}
  %0 = nn.attention %q, %k, %v mask %m {scale = 0.25 : f32, name = "a"} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x3xf32>, tensor<2x1x1x7xf32>) -> tensor<2x4x5x3xf32>
  return %0 : tensor<2x4x5x3xf32>
}

// CHECK-LABEL: @grouped_causal
func.func @grouped_causal(%q: tensor<?x6x?x8xf32>, %k: tensor<?x2x?x8xf32>, %v: tensor<?x2x?x8xf32>) -> tensor<?x6x?x8xf32> {
  // CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f32, softcap = 3.000000e+01 : f32, window = 16 : i64}
  %0 = nn.attention %q, %k, %v {scale = 0.25 : f32, causal, softcap = 30.0 : f32, window = 16 : i64} : (tensor<?x6x?x8xf32>, tensor<?x2x?x8xf32>, tensor<?x2x?x8xf32>) -> tensor<?x6x?x8xf32>
  return %0 : tensor<?x6x?x8xf32>
}

// CHECK-LABEL: @boolean_mask
func.func @boolean_mask(%q: tensor<1x6x5x8xf32>, %k: tensor<1x2x7x8xf32>, %m: tensor<5x7xi1>) -> tensor<1x6x5x8xf32> {
  // CHECK: nn.attention {{.*}} mask
  %0 = nn.attention %q, %k, %k mask %m {scale = 0.25 : f32} : (tensor<1x6x5x8xf32>, tensor<1x2x7x8xf32>, tensor<1x2x7x8xf32>, tensor<5x7xi1>) -> tensor<1x6x5x8xf32>
  return %0 : tensor<1x6x5x8xf32>
}

// CHECK-LABEL: @rope
func.func @rope(%x: tensor<2x4x5x8xf32>, %c: tensor<2x1x5x4xf32>, %p: tensor<5x2xf32>) -> (tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>) {
  // CHECK: nn.rope %{{.*}}, %{{.*}}, %{{.*}} : (tensor<2x4x5x8xf32>, tensor<2x1x5x4xf32>, tensor<2x1x5x4xf32>) -> tensor<2x4x5x8xf32>
  %0 = nn.rope %x, %c, %c : (tensor<2x4x5x8xf32>, tensor<2x1x5x4xf32>, tensor<2x1x5x4xf32>) -> tensor<2x4x5x8xf32>
  // CHECK: nn.rope %{{.*}}, %{{.*}}, %{{.*}} {interleaved} : (tensor<2x4x5x8xf32>, tensor<5x2xf32>, tensor<5x2xf32>) -> tensor<2x4x5x8xf32>
  %1 = nn.rope %x, %p, %p {interleaved} : (tensor<2x4x5x8xf32>, tensor<5x2xf32>, tensor<5x2xf32>) -> tensor<2x4x5x8xf32>
  return %0, %1 : tensor<2x4x5x8xf32>, tensor<2x4x5x8xf32>
}
