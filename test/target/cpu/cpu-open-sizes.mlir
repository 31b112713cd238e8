// RUN: quant-opt %s --cpu-assign-layouts | FileCheck %s --check-prefix=PLACES
// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable | FileCheck %s
// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable --cpu-plan-memory | FileCheck %s --check-prefix=PLAN
// RUN: rm -rf %t.tern && quant-opt %s --tern-emit='out=%t.tern name=open' -o /dev/null
// RUN: FileCheck %s --check-prefix=HEADER < %t.tern/model.h
// RUN: FileCheck %s --check-prefix=MANIFEST < %t.tern/manifest.json

// Sizes of all values are in the IR, and expressions in the places.
// PLACES: func.func private @k.join(%arg0: tensor<?x?x8xf32> {tern.dims = ["n", "p", ""]}, %arg1: tensor<?x?x8xf32> {tern.dims = ["n", "s", ""]})
// PLACES: nn.concat {{.*}}nn.sizes = ["n", "p+s"]
// PLACES: tern.call @k.join({{.*}}cpu.results = ["plain f32 n1 h1 w{n*p+n*s} c8 cs8"]{{.*}}nn.sizes = ["n", "p+s"]

// One kernel for two sizes; the sizes are loaded from the numbers of the run, where the runtime puts the offsets of the buffers, too.
// CHECK: cpu.dims = ["n", "s", "p"]
// CHECK-SAME: cpu.inputs = [{name = "x", sizes = ["n", "s", ""]
// CHECK-SAME: cpu.sizes = ["{{.*}}"
// CHECK: func.func private @[[RELU:k[0-9]+_eltwise.portable]](%{{.*}}: memref<1073741824xf32>, %{{.*}}: memref<1073741824xf32>, %{{.*}}: memref<1073741824xindex>, %{{.*}}: index)
// CHECK-NOT: _eltwise.portable(
// CHECK: func.func @run_portable(%{{.*}}: !llvm.ptr, {{.*}}%[[NUMBERS:.*]]: memref<1099511627776xi8>, %{{.*}}: memref<{{[0-9]+}}xi8>)
// CHECK: memref.alloc() {cpu.bytes = {{[0-9]+}} : i64}
// CHECK: call @[[RELU]]({{.*}}name = "a"
// CHECK: call @[[RELU]]({{.*}}name = "b"

// PLAN: cpu.buffers.portable = array<i64: {{[0-9]+, [0-9]+, [0-9]+, [0-9]+, [0-9]+, [0-9]+}}>
// PLAN-NOT: memref.alloc

// HEADER: #define OPEN_OUT_Y 0 /* float [n, p+s, 8] "y" */
// HEADER: #define OPEN_DIM_N 0 /* "n", 1..8 */
// HEADER: #define OPEN_DIM_S 1 /* "s", at least 0 */
// HEADER: open_context(tern_model *model, const int64_t dims[3], tern_error *error)
// MANIFEST: "dims": [
// MANIFEST: "sizes": [
module attributes {tern.bounds = {n = array<i64: 1, 8>}} {
  func.func private @k.a(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
    %y = nn.unary relu %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    return %y : tensor<?x?x8xf32>
  }
  func.func private @k.b(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
    %y = nn.unary relu %x : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    return %y : tensor<?x?x8xf32>
  }
  func.func private @k.join(%x: tensor<?x?x8xf32>, %z: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
    %y = nn.concat %x, %z {axis = 1 : i64} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    return %y : tensor<?x?x8xf32>
  }
  func.func @main(%x: tensor<?x?x8xf32> {tern.dims = ["n", "s", ""], tern.name = "x"}, %past: tensor<?x?x8xf32> {tern.dims = ["n", "p", ""], tern.name = "past"})
      -> (tensor<?x?x8xf32> {tern.name = "y"}) {
    %0 = tern.call @k.a(%x) {name = "a"} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %1 = tern.call @k.b(%past) {name = "b"} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    %2 = tern.call @k.join(%1, %0) {name = "join"} : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
    return %2 : tensor<?x?x8xf32>
  }
}
