// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s

// The expression of Elementwise.def on SSA values.
// CHECK-LABEL: func.func @hard_swish(
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel"]} ins(%arg0 : tensor<2x3xf32>)
// CHECK: %[[M:.*]] = arith.mulf %in, %{{.*}} : f32
// CHECK: %[[A:.*]] = arith.addf %[[M]], %{{.*}} : f32
// CHECK: %[[MIN:.*]] = arith.minimumf %[[A]], %{{.*}} : f32
// CHECK: %[[MAX:.*]] = arith.maximumf %[[MIN]], %{{.*}} : f32
// CHECK: arith.mulf %in, %[[MAX]] : f32
func.func @hard_swish(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = nn.unary hard_swish %x : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: func.func @broadcast(
// CHECK: linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0, 0)>, affine_map<(d0, d1) -> (d1)>, affine_map<(d0, d1) -> (d0, d1)>]
func.func @broadcast(%x: tensor<2x1xf32>, %y: tensor<3xf32>) -> tensor<2x3xf32> {
  %0 = nn.binary add %x, %y : (tensor<2x1xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// Unsigned types become signless; the ops keep the meaning.
// CHECK-LABEL: func.func @unsigned(
// CHECK-SAME: tensor<4xi8>, %{{.*}}: tensor<4xi8>) -> tensor<4xi8>
// CHECK: arith.maxui
func.func @unsigned(%x: tensor<4xui8>, %y: tensor<4xui8>) -> tensor<4xui8> {
  %0 = nn.binary max %x, %y : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// Narrow floats compute in f32.
// CHECK-LABEL: func.func @narrow(
// CHECK: arith.extf %in : f16 to f32
// CHECK: math.exp
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @narrow(%x: tensor<4xf16>) -> tensor<4xf16> {
  %0 = nn.unary exp %x : (tensor<4xf16>) -> tensor<4xf16>
  return %0 : tensor<4xf16>
}

// CHECK-LABEL: func.func @unknown_size(
// CHECK: %[[D:.*]] = tensor.dim %arg0
// CHECK: tensor.empty(%[[D]]) : tensor<?x4xf32>
func.func @unknown_size(%x: tensor<?x4xf32>, %y: tensor<4xf32>) -> tensor<?x4xf32> {
  %0 = nn.binary mul %x, %y : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @others(
// CHECK: arith.cmpf olt
// CHECK: arith.select
// CHECK: arith.minimumf
// CHECK: arith.fptosi
func.func @others(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xi8> {
  %0 = nn.compare lt %x, %y : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %1 = nn.select %0, %x, %y : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %2 = nn.clip %1 {max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %3 = nn.cast %2 : (tensor<4xf32>) -> tensor<4xi8>
  return %3 : tensor<4xi8>
}
