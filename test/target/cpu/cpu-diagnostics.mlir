// RUN: quant-opt %s -split-input-file -verify-diagnostics --cpu-assign-layouts
// RUN: not quant-opt %s -split-input-file --cpu-emit-kernels=isas=mmx 2>&1 | FileCheck %s --check-prefix=ISA
// RUN: not quant-opt %s -split-input-file --tern-emit 2>&1 | FileCheck %s --check-prefix=OUT
// ISA: unknown instruction set 'mmx'; allowed: portable, avx2, avx512vnni
// OUT: tern-emit needs the folder to write

// expected-error @below {{cpu-assign-layouts needs a function @main of kernel calls (tern-outline makes it)}}
module @no_main {
}

// -----

func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{is left in @main; after tern-outline only calls, reshapes, loops and constants are}}
  %0 = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func private @k.range(%from: tensor<i64>, %to: tensor<i64>, %by: tensor<i64>) -> tensor<?xi64> {
  // expected-error @below {{yields 'tensor<?xi64>', and nothing tells the size of dimension 0; bind the open dimensions that it depends on with --dim NAME=N}}
  %0 = nn.range %from, %to, %by : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return %0 : tensor<?xi64>
}
func.func @main(%x: tensor<i64>) -> tensor<?xi64> {
  %0 = tern.call @k.range(%x, %x, %x) {name = "range"} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<?xi64>
  return %0 : tensor<?xi64>
}
