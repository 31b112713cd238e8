// RUN: quant-opt %s --nn-fold-constants | FileCheck %s
// RUN: quant-opt %s --nn-fold-constants=max-fold-bytes=4 | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: func.func @sum
// CHECK-NEXT:    %[[C:.*]] = arith.constant dense<[4.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK-NEXT:    nn.binary mul %arg0, %[[C]]
// SMALL-LABEL: func.func @sum
// SMALL:         nn.binary add
func.func @sum(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %c = nn.binary add %a, %b : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  %y = nn.binary mul %x, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// Beyond 64 KiB an expression stays (W2).
// CHECK-LABEL: func.func @large
// CHECK:         nn.unary neg
func.func @large(%x: tensor<128x129xf32>) -> tensor<128x129xf32> {
  %a = arith.constant dense<1.0> : tensor<128x129xf32>
  %b = nn.unary neg %a : (tensor<128x129xf32>) -> tensor<128x129xf32>
  %y = nn.binary mul %x, %b : (tensor<128x129xf32>, tensor<128x129xf32>) -> tensor<128x129xf32>
  return %y : tensor<128x129xf32>
}

// -----

// A tensor without elements is a constant, whoever computes it; a sum over it is 0.
// CHECK-LABEL: func.func @empty
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : tensor<2xf32>
// CHECK-DAG:     %[[NONE:.*]] = arith.constant dense<> : tensor<2x0xf32>
// CHECK-NEXT:    return %[[NONE]], %[[ZERO]]
func.func @empty(%x: tensor<2x0xf32>) -> (tensor<2x0xf32>, tensor<2xf32>) {
  %y = nn.unary relu %x : (tensor<2x0xf32>) -> tensor<2x0xf32>
  %s = nn.reduce sum %y {axes = array<i64: 1>} : (tensor<2x0xf32>) -> tensor<2xf32>
  return %y, %s : tensor<2x0xf32>, tensor<2xf32>
}
