// RUN: quant-opt %s --split-input-file --cpu-assign-layouts --cpu-guard-calls | FileCheck %s
// RUN: quant-opt %s --split-input-file --cpu-assign-layouts --cpu-guard-calls --cpu-emit-kernels=isas=portable | FileCheck %s --check-prefix=EMIT

// Each side runs when it is taken, and computes its result where that of the selection lies: no copy is left.
// CHECK-LABEL: func.func @main
// CHECK-SAME: cpu.argument_conditions = array<i64: 0, 1>
// CHECK: tern.call @k.yes({{.*}}cpu.guard = array<i64: 1>
// CHECK: tern.call @k.no({{.*}}cpu.guard = array<i64: -1>
// CHECK: tern.call @k.choose({{.*}}cpu.branch = array<i64: 0, 1, 2>, cpu.embedded = array<i1: false, true, true>
// EMIT-LABEL: func.func @run_portable
// EMIT: %[[FLAG:.*]] = memref.load %{{.*}} : memref<1xi8>
// EMIT: %[[TRUE:.*]] = arith.cmpi ne, %[[FLAG]]
// EMIT: scf.if %[[TRUE]] {
// EMIT: memref.view %arg3
// EMIT: call {{.*}}name = "yes"
// EMIT: }
// EMIT: %[[FALSE:.*]] = arith.cmpi eq
// EMIT: scf.if %[[FALSE]] {
// EMIT: memref.view %arg3
// EMIT: call {{.*}}name = "no"
// EMIT-NOT: call
// EMIT: return
func.func private @k.yes(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.no(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.choose(%c: tensor<i1>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.select %c, %a, %b : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>, %c: tensor<i1>) -> tensor<4xf32> {
  %a = tern.call @k.yes(%x) {name = "yes"} : (tensor<4xf32>) -> tensor<4xf32>
  %b = tern.call @k.no(%x) {name = "no"} : (tensor<4xf32>) -> tensor<4xf32>
  %y = tern.call @k.choose(%c, %a, %b) {name = "choose"} : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// A branch in a branch, whose condition is computed in it; what is read on both sides always runs, and what is computed
// before the condition moves behind it. A side that is an input is copied when it is taken.
// CHECK-LABEL: func.func @main
// CHECK: tern.call @k.shared({{.*}}
// CHECK-NOT: cpu.guard
// CHECK: tern.call @k.positive({{.*}}cpu.conditions = array<i64: [[OUTER:[0-9]+]]>
// CHECK: tern.call @k.early({{.*}}cpu.guard = array<i64: [[OUTER]]>
// CHECK: tern.call @k.large({{.*}}cpu.conditions = array<i64: [[INNER:[0-9]+]]>, cpu.guard = array<i64: [[OUTER]]>
// CHECK: tern.call @k.deep({{.*}}cpu.guard = array<i64: [[OUTER]], [[INNER]]>
// CHECK: tern.call @k.inner({{.*}}cpu.guard = array<i64: [[OUTER]]>
// CHECK: tern.call @k.outer({{.*}}cpu.branch = array<i64: 0, 1, 2>, cpu.embedded = array<i1: false, true, false>
// EMIT-LABEL: func.func @run_portable
// EMIT: call {{.*}}name = "shared"
// EMIT: call {{.*}}name = "positive"
// EMIT: scf.if
// EMIT: call {{.*}}name = "early"
// EMIT: call {{.*}}name = "large"
// EMIT: scf.if
// EMIT: call {{.*}}name = "deep"
// EMIT: scf.if
// EMIT: call {{.*}}name = "inner.else"
// EMIT: scf.if
// EMIT: call {{.*}}name = "outer.else"
// EMIT: return
func.func private @k.early(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary relu %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.shared(%x: tensor<4xf32>) -> tensor<1xf32> {
  %0 = nn.reduce sum %x {axes = array<i64: 0>, keepdims} : (tensor<4xf32>) -> tensor<1xf32>
  return %0 : tensor<1xf32>
}
func.func private @k.positive(%x: tensor<1xf32>) -> tensor<1xi1> {
  %c = arith.constant dense<0.0> : tensor<1xf32>
  %0 = nn.compare gt %x, %c : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
  return %0 : tensor<1xi1>
}
func.func private @k.large(%x: tensor<1xf32>) -> tensor<1xi1> {
  %c = arith.constant dense<8.0> : tensor<1xf32>
  %0 = nn.compare gt %x, %c : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xi1>
  return %0 : tensor<1xi1>
}
func.func private @k.deep(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.unary exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.inner(%c: tensor<i1>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.select %c, %a, %b : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func private @k.outer(%c: tensor<i1>, %a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.select %c, %a, %b : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<1xf32>) {
  %early = tern.call @k.early(%x) {name = "early"} : (tensor<4xf32>) -> tensor<4xf32>
  %sum = tern.call @k.shared(%x) {name = "shared"} : (tensor<4xf32>) -> tensor<1xf32>
  %p = tern.call @k.positive(%sum) {name = "positive"} : (tensor<1xf32>) -> tensor<1xi1>
  %outer = nn.reshape %p : (tensor<1xi1>) -> tensor<i1>
  %l = tern.call @k.large(%sum) {name = "large"} : (tensor<1xf32>) -> tensor<1xi1>
  %inner = nn.reshape %l : (tensor<1xi1>) -> tensor<i1>
  %deep = tern.call @k.deep(%early) {name = "deep"} : (tensor<4xf32>) -> tensor<4xf32>
  %i = tern.call @k.inner(%inner, %deep, %early) {name = "inner"} : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = tern.call @k.outer(%outer, %i, %x) {name = "outer"} : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %y, %sum : tensor<4xf32>, tensor<1xf32>
}
