// RUN: quant-opt %s --nn-raise | FileCheck %s
// RUN: quant-opt %s --nn-raise --remarks-filter=nn-raise --remark-format=emitRemark 2>&1 | FileCheck %s --check-prefix=REMARK

// REMARK: remark: [Passed] Raised | Category:nn-raise{{.*}}Reason="hard_swish recognised"

// x * clip(x + 3, 0, 6) / 6, as PyTorch writes it
// CHECK-LABEL: func.func @torch
// CHECK-NEXT:    %[[Y:.*]] = nn.unary hard_swish %arg0 {name = "div"}
// CHECK-NEXT:    return %[[Y]]
func.func @torch(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = nn.binary add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %x, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = nn.binary div %c, %six {name = "div"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// x * (relu6(x + 3) * 0.16667), as Keras and tf2onnx write it: minimum and relu, constants of rank 1 on the left
// CHECK-LABEL: func.func @keras
// CHECK-NEXT:    %[[Y:.*]] = nn.unary hard_swish %arg0
// CHECK-NEXT:    return %[[Y]]
func.func @keras(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %three = arith.constant dense<3.0> : tensor<1xf32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %sixth = arith.constant dense<0.16667> : tensor<1x1xf32>
  %a = nn.binary add %three, %x : (tensor<1xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %r = nn.unary relu %a : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %b = nn.binary min %r, %six : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %c = nn.binary mul %b, %sixth : (tensor<2x4xf32>, tensor<1x1xf32>) -> tensor<2x4xf32>
  %d = nn.binary mul %c, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %d : tensor<2x4xf32>
}

// (x / 6) * clip(x + 3, 0, 6): the quotient comes first
// CHECK-LABEL: func.func @quotient_first
// CHECK-NEXT:    nn.unary hard_swish %arg0
func.func @quotient_first(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant dense<-3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %q = nn.binary div %x, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %a = nn.binary sub %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %q, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %c : tensor<4xf32>
}

// What is gated is itself a sum with a constant: the ramp ends there.
// CHECK-LABEL: func.func @affine_input
// CHECK:         %[[A:.*]] = nn.binary add %arg0
// CHECK-NEXT:    nn.unary hard_swish %[[A]]
func.func @affine_input(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %y = nn.binary add %x, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %a = nn.binary add %y, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %y, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = nn.binary div %c, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// x * hard_sigmoid(x), as Paddle writes it
// CHECK-LABEL: func.func @paddle
// CHECK-NEXT:    nn.unary hard_swish %arg0
func.func @paddle(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = nn.unary hard_sigmoid %x {alpha = 0.16666667 : f32, beta = 0.5 : f32} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %x, %a : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %c : tensor<4xf32>
}

// clip(x + 3, 0, 6) / 6 on a gate
// CHECK-LABEL: func.func @hard_sigmoid
// CHECK-NEXT:    nn.unary hard_sigmoid %arg0 {alpha = 0.166666672 : f32, beta = 5.000000e-01 : f32}
func.func @hard_sigmoid(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = nn.binary add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %d = nn.binary div %b, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// CHECK-LABEL: func.func @silu
// CHECK-NEXT:    nn.unary silu %arg0
func.func @silu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = nn.unary sigmoid %x : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %a, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %c : tensor<4xf32>
}

// Another offset is no hard_swish.
// CHECK-LABEL: func.func @not_hard_swish
// CHECK:         nn.binary div
func.func @not_hard_swish(%x: tensor<4xf32>) -> tensor<4xf32> {
  %two = arith.constant dense<2.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = nn.binary add %x, %two : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %x, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %d = nn.binary div %c, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %d : tensor<4xf32>
}

// CHECK-LABEL: func.func @min_max
// CHECK-NEXT:    nn.clip %arg0 {max = 6.000000e+00 : f64, min = 0.000000e+00 : f64}
func.func @min_max(%x: tensor<4xf32>) -> tensor<4xf32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = nn.binary min %x, %six : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.binary max %zero, %a : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  return %b : tensor<4xf32>
}

// A wider type in the middle changes nothing, a narrower one rounds.
// CHECK-LABEL: func.func @casts
// CHECK-NEXT:    %[[N:.*]] = nn.cast %arg0 : (tensor<4xf32>) -> tensor<4xf16>
// CHECK-NEXT:    %[[W:.*]] = nn.cast %[[N]]
// CHECK-NEXT:    return %arg0, %[[W]]
func.func @casts(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %a = nn.cast %x : (tensor<4xf32>) -> tensor<4xf64>
  %b = nn.cast %a : (tensor<4xf64>) -> tensor<4xf32>
  %c = nn.cast %x : (tensor<4xf32>) -> tensor<4xf16>
  %d = nn.cast %c : (tensor<4xf16>) -> tensor<4xf32>
  return %b, %d : tensor<4xf32>, tensor<4xf32>
}
