// RUN: quant-opt %s --micro-lower -split-input-file -verify-diagnostics | FileCheck %s
// Without the option each function's own features decide.

// CHECK-LABEL: @vnni
// CHECK: vpdpbusd
func.func @vnni(%acc: vector<16xi32>, %u: vector<64xi8>, %s: vector<64xi8>) -> vector<16xi32>
    attributes {target_features = #llvm.target_features<["+avx512f", "+avx512vnni"]>} {
  %r = micro.dot4 %acc, %u, %s : vector<16xi32>, vector<64xi8>
  return %r : vector<16xi32>
}

// CHECK-LABEL: @portable
// CHECK: sse2.pmadd.wd
func.func @portable(%acc: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) -> vector<4xi32> {
  %r = micro.dot4 %acc, %u, %s : vector<4xi32>, vector<16xi8>
  return %r : vector<4xi32>
}

// -----

func.func @narrow(%acc: vector<4xi32>, %u: vector<16xi8>, %s: vector<16xi8>) -> vector<4xi32>
    attributes {target_features = #llvm.target_features<["+avx2"]>} {
  // expected-error @+1 {{has 4 lanes; this instruction set multiplies 8 lanes at once, use a multiple of it}}
  %r = micro.dot4 %acc, %u, %s : vector<4xi32>, vector<16xi8>
  return %r : vector<4xi32>
}
