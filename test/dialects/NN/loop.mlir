// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @scan
// CHECK: nn.loop count "seq" states(%{{.*}}) over(%{{.*}}) captures(%{{.*}}) {reversed = array<i1: true, false>}
// CHECK: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<2xf32>, %{{.*}}: tensor<2xf32>, %{{.*}}: tensor<2xf32>):
// CHECK: nn.yield %{{.*}}, %{{.*}} : tensor<2xf32>, tensor<2xf32>
func.func @scan(%h: tensor<2xf32>, %x: tensor<?x2xf32> {tern.dims = ["seq", ""]}, %w: tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32>) {
  %0:2 = nn.loop count "seq" states(%h) over(%x) captures(%w) {reversed = array<i1: true, false>}
    : (tensor<2xf32>, tensor<?x2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32>) {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>, %element: tensor<2xf32>, %c: tensor<2xf32>):
    %1 = nn.binary mul %state, %c : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %2 = nn.binary add %1, %element : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    nn.yield %2, %2 : tensor<2xf32>, tensor<2xf32>
  }
  return %0#0, %0#1 : tensor<2xf32>, tensor<?x2xf32>
}

// CHECK-LABEL: @while
// CHECK: nn.loop trips(%{{.*}}) while(%{{.*}}) states(%{{.*}}) over() captures()
func.func @while(%m: tensor<i64>, %c: tensor<i1>, %s: tensor<i64>) -> tensor<i64> {
  %0 = nn.loop trips(%m) while(%c) states(%s) over() captures() : (tensor<i64>, tensor<i1>, tensor<i64>) -> tensor<i64> {
  ^bb0(%step: tensor<i64>, %state: tensor<i64>):
    %1 = nn.binary add %state, %step : (tensor<i64>, tensor<i64>) -> tensor<i64>
    %limit = arith.constant dense<20> : tensor<i64>
    %2 = nn.compare lt %1, %limit : (tensor<i64>, tensor<i64>) -> tensor<i1>
    nn.yield %2, %1 : tensor<i1>, tensor<i64>
  }
  return %0 : tensor<i64>
}
