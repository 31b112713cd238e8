// RUN: quant-opt %s --tern-outline --cpu-assign-layouts --cpu-emit-kernels=isas=portable,avx512vnni -verify-diagnostics | FileCheck %s
// Nothing of a transformer is left to portable.linalg: that would be a remark, which -verify-diagnostics refuses.

// CHECK: func.func @run_portable
// CHECK-DAG: name = "table"{{.*}}row = "cpu.gather"
// CHECK-DAG: name = "norm"{{.*}}row = "cpu.norm"
// CHECK-DAG: name = "rotary"{{.*}}row = "cpu.rope"
// CHECK-DAG: name = "att"{{.*}}row = "cpu.attention"
// CHECK-DAG: name = "there"{{.*}}row = "cpu.nd"
// CHECK-DAG: name = "mask"{{.*}}row = "cpu.nd"
// CHECK-DAG: name = "positions"{{.*}}row = "cpu.nd"
// CHECK-DAG: name = "sum"{{.*}}row = "cpu.axes_reduce"
// CHECK-DAG: name = "columns"{{.*}}row = "cpu.axis"
// CHECK-DAG: name = "best"{{.*}}row = "cpu.axis"
// CHECK-DAG: name = "groups"{{.*}}row = "cpu.group_norm"
// CHECK-DAG: name = "wide"{{.*}}row = "cpu.nd"
// CHECK-DAG: name = "layer"{{.*}}row = "cpu.rnn"
func.func @main(%ids: tensor<1x4xi64>, %table: tensor<10x16xf32>, %cos: tensor<4x4xf32>, %sin: tensor<4x4xf32>, %there: tensor<1x4xi64>, %start: tensor<i64>)
    -> (tensor<1x4x16xf32>, tensor<1x16xf32>, tensor<1x4x16xf32>, tensor<1x4xi64>, tensor<4xi64>, tensor<2x4x16xf32>, tensor<4x1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>) {
  %x = nn.gather %table, %ids {axis = 0 : i64, name = "table"} : (tensor<10x16xf32>, tensor<1x4xi64>) -> tensor<1x4x16xf32>
  %n = nn.rms_norm %x {axis = 2 : i64, epsilon = 1.0e-5 : f32, name = "norm"} : (tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  %h = nn.reshape %n : (tensor<1x4x16xf32>) -> tensor<1x4x2x8xf32>
  %t = nn.transpose %h {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x4x2x8xf32>) -> tensor<1x2x4x8xf32>
  %r = nn.rope %t, %cos, %sin {name = "rotary"} : (tensor<1x2x4x8xf32>, tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<1x2x4x8xf32>
  %zero = arith.constant dense<0> : tensor<i64>
  %one = arith.constant dense<1> : tensor<i64>
  %four = arith.constant dense<4> : tensor<i64>
  %seen = nn.compare gt %there, %zero {name = "there"} : (tensor<1x4xi64>, tensor<i64>) -> tensor<1x4xi1>
  %none = arith.constant dense<0.0> : tensor<f32>
  %low = arith.constant dense<-1.0e+30> : tensor<f32>
  %bias = nn.select %seen, %none, %low {name = "mask"} : (tensor<1x4xi1>, tensor<f32>, tensor<f32>) -> tensor<1x4xf32>
  %m = nn.reshape %bias : (tensor<1x4xf32>) -> tensor<1x1x1x4xf32>
  %a = nn.attention %r, %r, %r mask %m {scale = 0.5 : f32, causal, name = "att"} : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x1x1x4xf32>) -> tensor<1x2x4x8xf32>
  %b = nn.transpose %a {perm = array<i64: 0, 2, 1, 3>} : (tensor<1x2x4x8xf32>) -> tensor<1x4x2x8xf32>
  %c = nn.reshape %b : (tensor<1x4x2x8xf32>) -> tensor<1x4x16xf32>
  %s = nn.reduce l2 %c {axes = array<i64: 1>, name = "sum"} : (tensor<1x4x16xf32>) -> tensor<1x16xf32>
  %soft = nn.softmax %c {axis = 1 : i64, name = "columns"} : (tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  %best = nn.arg_reduce max %c {axis = 2 : i64, name = "best"} : (tensor<1x4x16xf32>) -> tensor<1x4xi64>
  %positions = nn.range %start, %four, %one {name = "positions"} : (tensor<i64>, tensor<i64>, tensor<i64>) -> tensor<4xi64>
  %g = nn.group_norm %c {groups = 2 : i64, epsilon = 1.0e-5 : f32, name = "groups"} : (tensor<1x4x16xf32>) -> tensor<1x4x16xf32>
  %two = nn.reshape %s : (tensor<1x16xf32>) -> tensor<2x1x8xf32>
  %halves = nn.reshape %g : (tensor<1x4x16xf32>) -> tensor<1x8x8xf32>
  %sumOfBoth = nn.binary add %two, %halves {name = "wide"} : (tensor<2x1x8xf32>, tensor<1x8x8xf32>) -> tensor<2x8x8xf32>
  %w = nn.reshape %sumOfBoth : (tensor<2x8x8xf32>) -> tensor<2x4x16xf32>
  %steps = nn.reshape %c : (tensor<1x4x16xf32>) -> tensor<4x1x16xf32>
  %wx = arith.constant dense<0.5> : tensor<1x32x16xf32>
  %wh = arith.constant dense<0.25> : tensor<1x32x8xf32>
  %y:3 = nn.rnn lstm %steps by %wx, %wh {hidden = 8 : i64, activations = [#nn<rnn_activation sigmoid>, #nn<rnn_activation tanh>, #nn<rnn_activation tanh>], name = "layer"}
    : (tensor<4x1x16xf32>, tensor<1x32x16xf32>, tensor<1x32x8xf32>) -> (tensor<4x1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>)
  return %c, %s, %soft, %best, %positions, %w, %y#0, %y#1, %y#2 : tensor<1x4x16xf32>, tensor<1x16xf32>, tensor<1x4x16xf32>, tensor<1x4xi64>, tensor<4xi64>, tensor<2x4x16xf32>, tensor<4x1x1x8xf32>, tensor<1x1x8xf32>, tensor<1x1x8xf32>
}
