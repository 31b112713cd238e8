// RUN: quant-opt %s --tern-outline --cpu-assign-layouts --cpu-emit-kernels=isas=portable -verify-diagnostics | FileCheck %s
// Padding with elements of the tensor is its inside and, axis by axis, copies from the result itself.

// CHECK-COUNT-3: name = "reflect{{[.0-9]*}}"{{.*}}row = "cpu.copy"
// CHECK-COUNT-5: name = "edge{{[.0-9]*}}"{{.*}}row = "cpu.copy"
// CHECK-COUNT-2: name = "wrap{{[.0-9]*}}"{{.*}}row = "cpu.copy"
func.func @main(%x: tensor<2x8xf32>) -> (tensor<2x13xf32>, tensor<4x10xf32>, tensor<2x11xf32>) {
  %a = nn.pad %x {low = array<i64: 0, 2>, high = array<i64: 0, 3>, mode = #nn<pad_mode reflect>, name = "reflect"} : (tensor<2x8xf32>) -> tensor<2x13xf32>
  %b = nn.pad %x {low = array<i64: 1, 1>, high = array<i64: 1, 1>, mode = #nn<pad_mode edge>, name = "edge"} : (tensor<2x8xf32>) -> tensor<4x10xf32>
  %c = nn.pad %x {low = array<i64: 0, 3>, high = array<i64: 0, 0>, mode = #nn<pad_mode wrap>, name = "wrap"} : (tensor<2x8xf32>) -> tensor<2x11xf32>
  return %a, %b, %c : tensor<2x13xf32>, tensor<4x10xf32>, tensor<2x11xf32>
}
