// RUN: quant-opt %s --micro-lower=feature=avx512vnni | FileCheck %s --check-prefix=VNNI
// RUN: quant-opt %s --micro-lower=feature=avx2 | FileCheck %s --check-prefix=AVX2
// RUN: quant-opt %s --micro-lower=feature=portable | FileCheck %s --check-prefix=SSE2
// RUN: not quant-opt %s --micro-lower=feature=neon 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// UNKNOWN: error: micro-lower knows the features avx512vnni, avx2 and portable, not 'neon'

// VNNI-LABEL: @dot4
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"(%{{.*}}, %{{.*}}, %{{.*}}) : (vector<16xi32>, vector<64xi8>, vector<64xi8>)
// VNNI-NOT: micro.
// AVX2-LABEL: @dot4
// AVX2-NOT: maddubs
// AVX2-COUNT-4: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2-NOT: pmadd
// SSE2-LABEL: @dot4
// SSE2-COUNT-8: llvm.call_intrinsic "llvm.x86.sse2.pmadd.wd"
// SSE2-NOT: pmadd
// SSE2-LABEL: @shared
func.func @dot4(%acc: vector<16xi32>, %u: vector<64xi8>, %s: vector<64xi8>) -> vector<16xi32> {
  %r = micro.dot4 %acc, %u, %s : vector<16xi32>, vector<64xi8>
  return %r : vector<16xi32>
}

// The split of %s is made once for both dots.
// AVX2-LABEL: @shared
// AVX2-COUNT-2: arith.shrsi
// AVX2-NOT: arith.shrsi
// AVX2: return
func.func @shared(%acc: vector<16xi32>, %u: vector<64xi8>, %v: vector<64xi8>, %s: vector<64xi8>) -> vector<16xi32> {
  %r = micro.dot4 %acc, %u, %s : vector<16xi32>, vector<64xi8>
  %q = micro.dot4 %r, %v, %s : vector<16xi32>, vector<64xi8>
  return %q : vector<16xi32>
}

// VNNI-LABEL: @field
// VNNI-SAME: %[[B:.*]]: vector<64xi8>
// VNNI: %[[W:.*]] = vector.bitcast %[[B]] : vector<64xi8> to vector<32xi16>
// VNNI: %[[S:.*]] = arith.shli %[[W]]
// VNNI: %[[E:.*]] = vector.bitcast %[[S]]
// VNNI: arith.andi %[[E]]
// VNNI: arith.andi %[[B]]
func.func @field(%b: vector<64xi8>) -> (vector<64xi8>, vector<64xi8>) {
  %even = micro.field %b high {lsb = 0, bits = 4} : vector<64xi8>
  %odd = micro.field %b high {lsb = 4, bits = 4} : vector<64xi8>
  return %even, %odd : vector<64xi8>, vector<64xi8>
}

// Signed bytes from -64 to 63: two products fit 16 bits.
// AVX2-LABEL: @narrow
// AVX2-COUNT-2: llvm.x86.avx2.pmadd.ub.sw
// AVX2-NOT:     llvm.x86.avx2.pmadd.ub.sw
// AVX2:         return
// SSE2-LABEL: @narrow
// SSE2:         llvm.x86.sse2.pmadd.wd
func.func @narrow(%acc: vector<16xi32>, %u: vector<64xi8>, %s: vector<64xi8>) -> vector<16xi32> {
  %r = micro.dot4 %acc, %u, %s {narrow} : vector<16xi32>, vector<64xi8>
  return %r : vector<16xi32>
}
