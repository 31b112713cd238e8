// RUN: quant-opt %s -split-input-file -verify-diagnostics --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @shape
func.func @shape(%x: tensor<2x?x4xf32>, %s: tensor<i64>) -> (tensor<3xi64>, tensor<1xi64>, tensor<?xi64>) {
  // CHECK: nn.shape %{{.*}} : (tensor<2x?x4xf32>) -> tensor<3xi64>
  %0 = nn.shape %x : (tensor<2x?x4xf32>) -> tensor<3xi64>
  // CHECK: nn.shape %{{.*}} {end = 2 : i64, start = 1 : i64} : (tensor<2x?x4xf32>) -> tensor<1xi64>
  %1 = nn.shape %x {start = 1 : i64, end = 2 : i64} : (tensor<2x?x4xf32>) -> tensor<1xi64>
  // CHECK: nn.range %{{.*}}, %{{.*}}, %{{.*}} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  %2 = nn.range %s, %s, %s : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return %0, %1, %2 : tensor<3xi64>, tensor<1xi64>, tensor<?xi64>
}

// CHECK-LABEL: @onnx
func.func @onnx(%x: tensor<2xf32>) -> tensor<*xf32> {
  // CHECK: nn.onnx "Unique"(%{{.*}}) {attrs = {sorted = 1 : i64}, domain = "ai.onnx", name = "u", opset = 17 : i64} : (tensor<2xf32>) -> tensor<*xf32>
  %0 = nn.onnx "Unique"(%x) {attrs = {sorted = 1 : i64}, domain = "ai.onnx", opset = 17 : i64, name = "u"} : (tensor<2xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

func.func @n9_shape(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{dimensions 1 to 3 of a tensor of rank 2; 0 <= start <= end <= rank must hold}}
  %0 = nn.shape %x {start = 1 : i64, end = 3 : i64} : (tensor<2x3xf32>) -> tensor<2xi64>
  return
}

// -----

func.func @n18_scalar(%s: tensor<1xi64>) {
  // expected-error @+1 {{an operand has shape 1; start, limit and delta are scalars of rank 0}}
  %0 = nn.range %s, %s, %s : (tensor<1xi64>, tensor<1xi64>, tensor<1xi64>) -> tensor<?xi64>
  return
}

// -----

func.func @n18_result(%s: tensor<i64>) {
  // expected-error @+1 {{result has rank 0; it must be 1}}
  %0 = nn.range %s, %s, %s : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<i64>
  return
}
