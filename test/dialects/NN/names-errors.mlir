// RUN: quant-opt %s --nn-plan=scheme=w8a8 -split-input-file -verify-diagnostics
// The first pass that knows ops by their names checks them.

func.func @main(%x: tensor<1x4xf32>, %w: tensor<4x4xf32>) -> tensor<1x4xf32> {
  // expected-note @+1 {{the other op is here}}
  %0 = nn.matmul %x, %w {name = "fc", transpose_b} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  // expected-error @+1 {{'nn.matmul' op is named "fc" like another op; names are unique in a module (add a suffix)}}
  %1 = nn.matmul %0, %w {name = "fc", transpose_b} : (tensor<1x4xf32>, tensor<4x4xf32>) -> tensor<1x4xf32>
  return %1 : tensor<1x4xf32>
}

// -----

func.func @main(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
  // expected-error @+1 {{'nn.unary' op has an empty name; leave the attribute out or make it unique in the module}}
  %0 = nn.unary relu %x {name = ""} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  return %0 : tensor<1x4xf32>
}
