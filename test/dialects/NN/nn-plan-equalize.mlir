// A plan that divides activations by factors of their channels and multiplies the weights of all readers.
// RUN: split-file %s %t
// RUN: quant-opt %t/net.mlir --nn-plan=plan=%t/plan.json --mlir-print-local-scope | FileCheck %s
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/name.json 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/twice.json 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/shared.json 2>&1 | FileCheck %s --check-prefix=SHARED
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/count.json 2>&1 | FileCheck %s --check-prefix=COUNT
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/zero.json 2>&1 | FileCheck %s --check-prefix=ZERO
// RUN: not quant-opt %t/net.mlir --nn-plan=plan=%t/kind.json 2>&1 | FileCheck %s --check-prefix=KIND

// CHECK: %[[ROWS:.*]] = nn.binary mul %{{.*}}, %{{.*}} {name = "rows.equalized"
// CHECK: %[[X:.*]] = nn.unary relu %{{.*}} {name = "relu"}
// CHECK: %[[INVERSE:.*]] = arith.constant dense<{{\[\[\[}}5.000000e-01]], {{\[\[}}2.500000e-01]]]> : tensor<2x1x1xf32>
// CHECK: %[[Q:.*]] = nn.binary mul %[[X]], %[[INVERSE]] {name = "relu.equalized", tern.codes = {{.*}}group = "relu.equalized"
// One factor an input channel; a depthwise weight has them as outputs.
// CHECK: %[[DENSE:.*]] = arith.constant dense<{{\[\[\[\[}}2.000000e+00]], {{\[\[}}4.000000e+00]]]]> : tensor<1x2x1x1xf32>
// CHECK: %[[W:.*]] = nn.binary mul %{{.*}}, %[[DENSE]]
// CHECK: nn.conv %[[Q]], %[[W]] {{.*}}name = "dense"
// CHECK: %[[DEEP:.*]] = arith.constant dense<{{\[\[\[\[}}2.000000e+00]]], {{\[\[\[}}4.000000e+00]]]]> : tensor<2x1x1x1xf32>
// CHECK: %[[W2:.*]] = nn.binary mul %{{.*}}, %[[DEEP]]
// CHECK: nn.conv %[[Q]], %[[W2]] {{.*}}name = "deep"
// CHECK: arith.constant dense<{{\[\[}}1.000000e+00, 2.000000e+00, 4.000000e+00, 8.000000e+00]]> : tensor<1x4xf32>
// CHECK: nn.matmul %[[ROWS]], %{{.*}} {name = "fc"

// NAME: error: the plan equalizes 'rely', which is no value that only quantized ops read, or one that it has equalized before; did you mean 'relu'?
// TWICE: error: the plan equalizes 'relu', which is no value that only quantized ops read
// SHARED: error: the plan equalizes 'x', which is no value that only quantized ops read
// COUNT: error: the plan equalizes 'relu' with 3 factors; it has 2 channels
// ZERO: error: {{.*}}zero.json: transforms[0] has a factor that is no positive number of 32 bits
// KIND: error: {{.*}}kind.json: transforms[0] has the kind 'rotate'; known is equalize

//--- net.mlir
func.func @main(%x: tensor<1x2x4x4xf32> {tern.name = "x"}, %p: tensor<4x4xf32> {tern.name = "p"}) -> (tensor<1x3x4x4xf32>, tensor<1x2x4x4xf32>, tensor<4x5xf32>) {
  %w = arith.constant dense<0.5> : tensor<3x2x1x1xf32>
  %d = arith.constant dense<0.25> : tensor<2x1x3x3xf32>
  %f = arith.constant dense<0.25> : tensor<5x4xf32>
  %rows = nn.unary relu %p {name = "rows"} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = nn.unary relu %x {name = "relu"} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %y = nn.conv %r, %w {name = "dense", strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x2x4x4xf32>, tensor<3x2x1x1xf32>) -> tensor<1x3x4x4xf32>
  %z = nn.conv %r, %d {name = "deep", strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>, group = 2 : i64} : (tensor<1x2x4x4xf32>, tensor<2x1x3x3xf32>) -> tensor<1x2x4x4xf32>
  %m = nn.matmul %rows, %f {name = "fc", transpose_b} : (tensor<4x4xf32>, tensor<5x4xf32>) -> tensor<4x5xf32>
  return %y, %z, %m : tensor<1x3x4x4xf32>, tensor<1x2x4x4xf32>, tensor<4x5xf32>
}
//--- plan.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "relu", "factors": [2, 4]}, {"kind": "equalize", "name": "rows", "factors": [1, 2, 4, 8]}],
 "ops": [{"name": "dense", "x": "<ui8, scale<f32>, zero<ui8>>", "x_static": true, "w": "<si8, scale<f32, [1, *, *, *]>>", "w_encode": "<absmax, -127 to 127>", "method": "rtn"},
         {"name": "deep", "x": "<ui8, scale<f32>, zero<ui8>>", "x_static": true, "w": "<si8, scale<f32, [1, *, *, *]>>", "w_encode": "<absmax, -127 to 127>", "method": "rtn"}],
 "tensors": [{"name": "relu.equalized", "format": "<ui8, scale<f32>, zero<ui8>>", "scale": 0.01, "zero": 0, "lo": 0, "hi": 2.55}]}
//--- name.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "rely", "factors": [2, 4]}], "ops": []}
//--- twice.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "relu", "factors": [2, 4]}, {"kind": "equalize", "name": "relu", "factors": [2, 4]}], "ops": []}
//--- shared.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "x", "factors": [2, 4]}], "ops": []}
//--- count.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "relu", "factors": [2, 4, 8]}], "ops": []}
//--- zero.json
{"tern_plan": 1, "transforms": [{"kind": "equalize", "name": "relu", "factors": [2, 0]}], "ops": []}
//--- kind.json
{"tern_plan": 1, "transforms": [{"kind": "rotate", "name": "relu", "factors": [2, 4]}], "ops": []}
