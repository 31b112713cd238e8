// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable,avx2 | FileCheck %s
// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=portable --cpu-plan-memory | FileCheck %s --check-prefix=PLAN
// RUN: rm -rf %t.tern && quant-opt %s --tern-emit='out=%t.tern name=two' -o /dev/null
// RUN: ls %t.tern | FileCheck %s --check-prefix=FILES
// RUN: FileCheck %s --check-prefix=HEADER < %t.tern/model.h
// RUN: rm -rf %t2.tern && quant-opt %s --tern-emit='out=%t2.tern name=two' -o /dev/null && diff -r %t.tern %t2.tern

// Two layers that differ in their constants only share one kernel; each level has its own.
// CHECK: func.func private @[[A:k[0-9]+_conv.portable]](
// CHECK-NOT: _conv.portable(
// CHECK: func.func @run_portable
// CHECK: call @[[A]]({{.*}}cpu.step = {{{.*}}name = "first"
// CHECK: call @[[A]]({{.*}}cpu.step = {{{.*}}name = "second"
// CHECK: func.func private @[[B:k[0-9]+_conv.avx2]](
// CHECK: func.func @run_avx2
// CHECK: call @[[B]](
// CHECK: call @[[B]](

// Lifetimes do not overlap twice: three equal buffers, two places.
// PLAN: cpu.arena_bytes = {{[0-9]+}}
// PLAN-LABEL: func.func @run_portable
// PLAN-NOT: memref.alloc

// FILES: libmodel.so
// FILES: manifest.json
// FILES: model.h
// FILES: weights.bin
// HEADER-NOT: dims[
// HEADER: tern_model *two_open(
// HEADER: two_run(tern_context *context, const float *in0, float *out0)
module {
  ml_program.global private @w1(dense<0.5> : tensor<4x4x1x1xf32>) : tensor<4x4x1x1xf32>
  ml_program.global private @w2(dense<0.25> : tensor<4x4x1x1xf32>) : tensor<4x4x1x1xf32>
  func.func private @k.first(%x: tensor<1x4x4x4xf32>, %w: tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32>
    return %0 : tensor<1x4x4x4xf32>
  }
  func.func private @k.second(%x: tensor<1x4x4x4xf32>, %w: tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32> {
    %0 = nn.conv %x, %w {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>} : (tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32>
    return %0 : tensor<1x4x4x4xf32>
  }
  func.func @main(%x: tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32> {
    %w1 = ml_program.global_load_const @w1 : tensor<4x4x1x1xf32>
    %w2 = ml_program.global_load_const @w2 : tensor<4x4x1x1xf32>
    %a = tern.call @k.first(%x, %w1) {name = "first"} : (tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32>
    %b = tern.call @k.second(%a, %w2) {name = "second"} : (tensor<1x4x4x4xf32>, tensor<4x4x1x1xf32>) -> tensor<1x4x4x4xf32>
    return %b : tensor<1x4x4x4xf32>
  }
}
