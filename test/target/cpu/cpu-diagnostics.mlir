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
  // expected-error @below {{is left in @main; after tern-outline only calls, reshapes and constants are}}
  %0 = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func private @k.relu(%x: tensor<?xf32>) -> tensor<?xf32> {
  %0 = nn.unary relu %x : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
func.func @main(%x: tensor<?xf32>) -> tensor<?xf32> {
  // expected-error @below {{yields 'tensor<?xf32>'; the CPU target compiles static shapes (bind open dimensions with --dim NAME=N)}}
  %0 = tern.call @k.relu(%x) {name = "relu"} : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
