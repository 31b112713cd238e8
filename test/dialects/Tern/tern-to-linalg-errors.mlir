// RUN: quant-opt %s --tern-to-linalg -split-input-file -verify-diagnostics

func.func @unknown_ops(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{3 ops cannot be lowered: 2 x Foo (first: a), 1 x Bar (first: b); --inputs and --outputs cut them off}}
  %0 = nn.onnx "Foo"(%x) {attrs = {}, name = "a"} : (tensor<2xf32>) -> tensor<2xf32>
  %1 = nn.onnx "Bar"(%0) {attrs = {}, name = "b"} : (tensor<2xf32>) -> tensor<2xf32>
  %2 = nn.onnx "Foo"(%1) {attrs = {}, name = "c"} : (tensor<2xf32>) -> tensor<2xf32>
  return %2 : tensor<2xf32>
}

// -----

func.func @unknown_size(%x: tensor<?x4xf32>) -> tensor<?x?x?xf32> {
  // expected-error @+1 {{cannot be lowered to linalg: the size of 'tensor<?x?x?xf32>' is not known (bind dimensions with --dim)}}
  %0 = nn.reshape %x : (tensor<?x4xf32>) -> tensor<?x?x?xf32>
  return %0 : tensor<?x?x?xf32>
}

// -----

func.func @unknown_heads(%q: tensor<1x?x3x4xf32>, %k: tensor<1x2x3x4xf32>) -> tensor<1x?x3x4xf32> {
  // expected-error @+1 {{cannot be lowered to linalg: the number of heads is not known (bind dimensions with --dim)}}
  %0 = nn.attention %q, %k, %k {scale = 1.0 : f32} : (tensor<1x?x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>) -> tensor<1x?x3x4xf32>
  return %0 : tensor<1x?x3x4xf32>
}

// -----

func.func @foreign_dimension(%x: tensor<?x4xf32> {tern.dims = ["2*n", ""]}) -> tensor<?x2xf32> {
  // expected-error @+1 {{'4*n' depends on 'n', which is the size of no argument of 'foreign_dimension'}}
  %0 = nn.reshape %x : (tensor<?x4xf32>) -> tensor<?x2xf32>
  return %0 : tensor<?x2xf32>
}

// -----

func.func @element(%q: !tern.quant<4xf32, #tern.format<#tern.minifloat<4, 3, -5, "finite">, scale<f32>>>) -> tensor<4xf32> {
  // expected-error @+1 {{cannot be lowered to linalg: element #tern.minifloat<4, 3, -5, "finite"> has an exponent beyond that of f32}}
  %0 = tern.dequantize %q : (!tern.quant<4xf32, #tern.format<#tern.minifloat<4, 3, -5, "finite">, scale<f32>>>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func @method(%x: tensor<4x4xf32>) -> !tern.quant<4x4xf32, #tern.format<si8, scale<f32>>> {
  // expected-error @+1 {{cannot be lowered to linalg: method rtn-mse runs in tern-encode-weights}}
  %0 = tern.quantize %x by <absmax> {method = "rtn-mse"} : (tensor<4x4xf32>) -> !tern.quant<4x4xf32, #tern.format<si8, scale<f32>>>
  return %0 : !tern.quant<4x4xf32, #tern.format<si8, scale<f32>>>
}
