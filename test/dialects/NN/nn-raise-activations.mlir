// RUN: quant-opt %s --nn-raise | FileCheck %s
// test/unit/Transforms/RaiseTest.cpp runs every function before and after the pass.

// x * (1 + erf(x / sqrt 2)) * 0.5
// CHECK-LABEL: func.func @gelu_torch(
// CHECK: nn.unary gelu %arg0 {name = "gelu"}
func.func @gelu_torch(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<1.4142135381698608> : tensor<f32>
  %1 = nn.binary div %x, %0 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %2 = nn.unary erf %1 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = arith.constant dense<1.0> : tensor<f32>
  %4 = nn.binary add %2, %3 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %5 = nn.binary mul %x, %4 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %6 = arith.constant dense<0.5> : tensor<f32>
  %7 = nn.binary mul %5, %6 {name = "gelu"} : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  return %7 : tensor<2x5xf32>
}

// 0.5 * x * (1 + erf(x * 0.7071))
// CHECK-LABEL: func.func @gelu_tf(
// CHECK: %[[Y:.*]] = nn.unary gelu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tf(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<1.0> : tensor<f32>
  %1 = arith.constant dense<0.7071067690849304> : tensor<f32>
  %2 = nn.binary mul %x, %1 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %3 = nn.unary erf %2 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = nn.binary add %0, %3 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = arith.constant dense<0.5> : tensor<f32>
  %6 = nn.binary mul %5, %x : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %7 = nn.binary mul %6, %4 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %7 : tensor<2x5xf32>
}

// x * (0.5 * (erf(x / sqrt 2) + 1))
// CHECK-LABEL: func.func @gelu_half_of_the_gate(
// CHECK: %[[Y:.*]] = nn.unary gelu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_half_of_the_gate(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<0.5> : tensor<f32>
  %1 = arith.constant dense<1.4142135381698608> : tensor<f32>
  %2 = nn.binary div %x, %1 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %3 = nn.unary erf %2 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = arith.constant dense<1.0> : tensor<f32>
  %5 = nn.binary add %3, %4 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %6 = nn.binary mul %0, %5 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %7 = nn.binary mul %x, %6 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %7 : tensor<2x5xf32>
}

// x is a product itself
// CHECK-LABEL: func.func @gelu_of_a_product(
// CHECK: %[[X:.*]] = nn.binary mul %arg0, %arg1
// CHECK: nn.unary gelu %[[X]]
func.func @gelu_of_a_product(%a: tensor<2x5xf32>, %b: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.binary mul %a, %b : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = arith.constant dense<1.4142135381698608> : tensor<f32>
  %2 = nn.binary div %0, %1 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %3 = nn.unary erf %2 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = arith.constant dense<1.0> : tensor<f32>
  %5 = nn.binary add %3, %4 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %6 = nn.binary mul %0, %5 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %7 = arith.constant dense<0.5> : tensor<f32>
  %8 = nn.binary mul %6, %7 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  return %8 : tensor<2x5xf32>
}

// 0.5 * x * (1 + tanh(0.7979 * (x + 0.044715 * pow(x, 3))))
// CHECK-LABEL: func.func @gelu_tanh_gpt2(
// CHECK: %[[Y:.*]] = nn.unary gelu_tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh_gpt2(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<3.0> : tensor<f32>
  %1 = nn.binary pow %x, %0 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %2 = arith.constant dense<0.044714998453855515> : tensor<f32>
  %3 = nn.binary mul %1, %2 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %4 = nn.binary add %x, %3 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = arith.constant dense<0.7978845834732056> : tensor<f32>
  %6 = nn.binary mul %4, %5 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %7 = nn.unary tanh %6 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %8 = arith.constant dense<0.5> : tensor<f32>
  %9 = nn.binary mul %8, %x : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %10 = arith.constant dense<1.0> : tensor<f32>
  %11 = nn.binary add %7, %10 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %12 = nn.binary mul %9, %11 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %12 : tensor<2x5xf32>
}

// The cube as products, written by jax
// CHECK-LABEL: func.func @gelu_tanh_jax(
// CHECK: %[[Y:.*]] = nn.unary gelu_tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh_jax(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<0.044714998453855515> : tensor<f32>
  %1 = nn.binary mul %0, %x : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %2 = nn.binary mul %x, %1 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = nn.binary mul %x, %2 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = nn.binary add %x, %3 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = arith.constant dense<0.7978845834732056> : tensor<f32>
  %6 = nn.binary mul %5, %4 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %7 = nn.unary tanh %6 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %8 = arith.constant dense<0.5> : tensor<f32>
  %9 = arith.constant dense<1.0> : tensor<f32>
  %10 = nn.binary add %9, %7 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %11 = nn.binary mul %8, %10 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %12 = nn.binary mul %x, %11 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %12 : tensor<2x5xf32>
}

// x * 0.7979 * (1 + 0.044715 * x * x): gelu_new of transformers
// CHECK-LABEL: func.func @gelu_tanh_fast(
// CHECK: %[[Y:.*]] = nn.unary gelu_tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh_fast(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<0.7978845834732056> : tensor<f32>
  %1 = nn.binary mul %x, %0 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %2 = arith.constant dense<1.0> : tensor<f32>
  %3 = arith.constant dense<0.044714998453855515> : tensor<f32>
  %4 = nn.binary mul %3, %x : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = nn.binary mul %4, %x : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %6 = nn.binary add %2, %5 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %7 = nn.binary mul %1, %6 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %8 = nn.unary tanh %7 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %9 = arith.constant dense<0.5> : tensor<f32>
  %10 = nn.binary mul %x, %9 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %11 = arith.constant dense<1.0> : tensor<f32>
  %12 = nn.binary add %11, %8 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %13 = nn.binary mul %10, %12 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %13 : tensor<2x5xf32>
}

// x * sigmoid(x)
// CHECK-LABEL: func.func @silu(
// CHECK: %[[Y:.*]] = nn.unary silu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @silu(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary sigmoid %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = nn.binary mul %x, %0 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %1 : tensor<2x5xf32>
}

// x / (1 + exp(-x)) in steps
// CHECK-LABEL: func.func @silu_spelled_out(
// CHECK: %[[Y:.*]] = nn.unary silu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @silu_spelled_out(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<1.0> : tensor<f32>
  %1 = arith.constant dense<1.0> : tensor<f32>
  %2 = nn.unary neg %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = nn.unary exp %2 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = nn.binary add %1, %3 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = nn.binary div %0, %4 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %6 = nn.binary mul %5, %x : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %6 : tensor<2x5xf32>
}

// x * tanh(softplus(x))
// CHECK-LABEL: func.func @mish(
// CHECK: %[[Y:.*]] = nn.unary mish %arg0
// CHECK-NEXT: return %[[Y]]
func.func @mish(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary softplus %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = nn.unary tanh %0 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %2 = nn.binary mul %x, %1 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %2 : tensor<2x5xf32>
}

// The same with log(1 + exp(x))
// CHECK-LABEL: func.func @mish_spelled_out(
// CHECK: %[[Y:.*]] = nn.unary mish %arg0
// CHECK-NEXT: return %[[Y]]
func.func @mish_spelled_out(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary exp %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = arith.constant dense<1.0> : tensor<f32>
  %2 = nn.binary add %0, %1 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %3 = nn.unary log %2 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %4 = nn.unary tanh %3 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %5 = nn.binary mul %4, %x : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %5 : tensor<2x5xf32>
}

// exp(x - max) / sum
// CHECK-LABEL: func.func @softmax(
// CHECK: nn.softmax %arg0 {axis = 1 : i64}
func.func @softmax(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.reduce max %x {axes = array<i64: 1>, keepdims} : (tensor<2x5xf32>) -> tensor<2x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  %2 = nn.unary exp %1 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = nn.reduce sum %2 {axes = array<i64: 1>, keepdims} : (tensor<2x5xf32>) -> tensor<2x1xf32>
  %4 = nn.binary div %2, %3 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  return %4 : tensor<2x5xf32>
}

// The same as jax writes it: dropped dimensions, max(-inf, max)
// CHECK-LABEL: func.func @softmax_jax(
// CHECK: nn.softmax %arg0 {axis = 1 : i64}
func.func @softmax_jax(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<0xFF800000> : tensor<f32>
  %1 = nn.reduce max %x {axes = array<i64: 1>} : (tensor<2x5xf32>) -> tensor<2xf32>
  %2 = nn.binary max %0, %1 : (tensor<f32>, tensor<2xf32>) -> tensor<2xf32>
  %3 = nn.reshape %2 : (tensor<2xf32>) -> tensor<2x1xf32>
  %4 = nn.binary sub %x, %3 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  %5 = nn.unary exp %4 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %6 = nn.reduce sum %5 {axes = array<i64: 1>} : (tensor<2x5xf32>) -> tensor<2xf32>
  %7 = nn.reshape %6 : (tensor<2xf32>) -> tensor<2x1xf32>
  %8 = nn.binary div %5, %7 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  return %8 : tensor<2x5xf32>
}

// x - max - log(sum(exp(x - max)))
// CHECK-LABEL: func.func @log_softmax(
// CHECK: nn.softmax %arg0 {axis = 1 : i64, log}
func.func @log_softmax(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.reduce max %x {axes = array<i64: 1>, keepdims} : (tensor<2x5xf32>) -> tensor<2x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  %2 = nn.unary exp %1 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = nn.reduce sum %2 {axes = array<i64: 1>, keepdims} : (tensor<2x5xf32>) -> tensor<2x1xf32>
  %4 = nn.unary log %3 : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %5 = nn.binary sub %1, %4 : (tensor<2x5xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
  return %5 : tensor<2x5xf32>
}

// 1 / sqrt(x)
// CHECK-LABEL: func.func @root_of_quotient(
// CHECK: %[[X:.*]] = nn.unary exp
// CHECK-NEXT: nn.unary rsqrt %[[X]]
func.func @root_of_quotient(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary exp %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = arith.constant dense<1.0> : tensor<f32>
  %2 = nn.unary sqrt %0 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = nn.binary div %1, %2 : (tensor<f32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  return %3 : tensor<2x5xf32>
}

// reciprocal(sqrt(x))
// CHECK-LABEL: func.func @root_of_reciprocal(
// CHECK: %[[X:.*]] = nn.unary exp
// CHECK-NEXT: nn.unary rsqrt %[[X]]
func.func @root_of_reciprocal(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary exp %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = nn.unary sqrt %0 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %2 = nn.unary reciprocal %1 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  return %2 : tensor<2x5xf32>
}

// pow(x, -0.5)
// CHECK-LABEL: func.func @root_of_power(
// CHECK: %[[X:.*]] = nn.unary exp
// CHECK-NEXT: nn.unary rsqrt %[[X]]
func.func @root_of_power(%x: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = nn.unary exp %x : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %1 = arith.constant dense<-0.5> : tensor<f32>
  %2 = nn.binary pow %0, %1 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  return %2 : tensor<2x5xf32>
}

// The gate is of another value
// CHECK-LABEL: func.func @other_gate(
// CHECK-NOT: nn.unary gelu
// CHECK: return
func.func @other_gate(%x: tensor<2x5xf32>, %y: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %0 = arith.constant dense<1.4142135381698608> : tensor<f32>
  %1 = nn.binary div %y, %0 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %2 = nn.unary erf %1 : (tensor<2x5xf32>) -> tensor<2x5xf32>
  %3 = arith.constant dense<1.0> : tensor<f32>
  %4 = nn.binary add %2, %3 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  %5 = nn.binary mul %x, %4 : (tensor<2x5xf32>, tensor<2x5xf32>) -> tensor<2x5xf32>
  %6 = arith.constant dense<0.5> : tensor<f32>
  %7 = nn.binary mul %5, %6 : (tensor<2x5xf32>, tensor<f32>) -> tensor<2x5xf32>
  return %7 : tensor<2x5xf32>
}

// 0.5 * x * (1 - erf(-x / sqrt 2)): by way of erfc, as Keras writes it
// CHECK-LABEL: func.func @gelu_erfc
// CHECK-NEXT: %[[Y:.*]] = nn.unary gelu %arg0 {name = "y"} : (tensor<4xf32>) -> tensor<4xf32>
// CHECK-NEXT: return %[[Y]]
func.func @gelu_erfc(%x: tensor<4xf32>) -> tensor<4xf32> {
  %half = arith.constant dense<0.5> : tensor<f32>
  %root = arith.constant dense<0.707106769> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %0 = nn.binary mul %half, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = nn.unary neg %x : (tensor<4xf32>) -> tensor<4xf32>
  %2 = nn.binary mul %1, %root : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = nn.unary erf %2 : (tensor<4xf32>) -> tensor<4xf32>
  %4 = nn.binary sub %one, %3 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = nn.binary mul %0, %4 {name = "y"} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %5 : tensor<4xf32>
}
