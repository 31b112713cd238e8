// RUN: quant-opt %s --cpu-plan-memory | FileCheck %s

// Three buffers of 256 bytes in a chain: the third takes the place of the first. 256 + 128 bytes of slack each.
// CHECK: cpu.arena_bytes = 768
// CHECK-LABEL: func.func @run_portable(%arg0: !llvm.ptr, %arg1: memref<768xi8>, %arg2: memref<64xi8>)
// CHECK: memref.view %arg1[%c0{{.*}}][] : memref<768xi8> to memref<64xf32>
// CHECK: memref.view %arg1[%c384{{.*}}][] : memref<768xi8> to memref<64xf32>
// CHECK: memref.view %arg1[%c0{{.*}}][] : memref<768xi8> to memref<64xf32>
func.func private @use(memref<64xf32>, memref<64xf32>)
func.func @run_portable(%context: !llvm.ptr, %weights: memref<64xi8>) {
  %c0 = arith.constant 0 : index
  %a = memref.alloc() : memref<256xi8>
  %b = memref.alloc() : memref<256xi8>
  %c = memref.alloc() : memref<256xi8>
  %va = memref.view %a[%c0][] : memref<256xi8> to memref<64xf32>
  %vb = memref.view %b[%c0][] : memref<256xi8> to memref<64xf32>
  %vc = memref.view %c[%c0][] : memref<256xi8> to memref<64xf32>
  func.call @use(%va, %vb) : (memref<64xf32>, memref<64xf32>) -> ()
  func.call @use(%vb, %vc) : (memref<64xf32>, memref<64xf32>) -> ()
  return
}
