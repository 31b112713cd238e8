// RUN: quant-opt %s --nn-raise | FileCheck %s
// RUN: quant-opt %s --nn-raise --remarks-filter=nn-raise --remark-format=emitRemark --mlir-disable-threading 2>&1 | FileCheck %s --check-prefix=REMARK
// test/unit/Transforms/RaiseTest.cpp runs every function before and after the pass.

// REMARK-DAG: remark: [Passed] Raised | Category:nn-raise{{.*}}Reason="layer_norm recognised"
// REMARK-DAG: remark: [Missed] NearMiss | Category:nn-raise{{.*}}Reason="no layer_norm: what is divided by the deviation of x is not x minus its mean"
// REMARK-DAG: remark: [Missed] NearMiss | Category:nn-raise{{.*}}Reason="no layer_norm: the squares are not divided by their number"

// (x - mean) / sqrt(mean(pow(x - mean, 2)) + epsilon) * scale + bias, as PyTorch writes it
// CHECK-LABEL: func.func @torch(
// CHECK: %[[Y:.*]] = nn.layer_norm %arg0 scale %{{.*}} bias %{{.*}} {axis = 2 : i64, epsilon = 9.99999974E-6 : f32, name = "norm"} : (tensor<2x3x8xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @torch(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = arith.constant dense<2.0> : tensor<f32>
  %3 = nn.binary pow %1, %2 : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %4 = nn.reduce mean %3 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %5 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %6 = nn.binary add %4, %5 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = nn.unary sqrt %6 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = nn.binary div %1, %7 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %9 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %10 = nn.binary mul %8, %9 {name = "norm"} : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %11 = arith.constant dense<[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]> : tensor<8xf32>
  %12 = nn.binary add %10, %11 : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  return %12 : tensor<2x3x8xf32>
}

// The same with sizes that are known at run time only
// CHECK-LABEL: func.func @unknown_sizes(
// CHECK: nn.layer_norm %arg0 scale %{{.*}} bias %{{.*}} {axis = 2 : i64
// CHECK-NEXT: return
func.func @unknown_sizes(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %2 = arith.constant dense<2.0> : tensor<f32>
  %3 = nn.binary pow %1, %2 : (tensor<?x?x8xf32>, tensor<f32>) -> tensor<?x?x8xf32>
  %4 = nn.reduce mean %3 {axes = array<i64: 2>, keepdims} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %5 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %6 = nn.binary add %4, %5 : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %7 = nn.unary sqrt %6 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %8 = nn.binary div %1, %7 : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %9 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %10 = nn.binary mul %8, %9 {name = "norm"} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %11 = arith.constant dense<[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]> : tensor<8xf32>
  %12 = nn.binary add %10, %11 : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %12 : tensor<?x?x8xf32>
}

// x * r + (bias - mean * r), r = scale / sqrt(variance + epsilon): tf.nn.batch_normalization, of which Keras makes layer norms
// CHECK-LABEL: func.func @keras(
// CHECK: nn.layer_norm %arg0 scale %{{.*}} bias %{{.*}} {axis = 2 : i64, epsilon = 1.000000e-03 : f32}
// CHECK-NEXT: return
func.func @keras(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = nn.binary mul %1, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %3 = nn.reduce mean %2 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %4 = arith.constant dense<0.0010000000474974513> : tensor<f32>
  %5 = nn.binary add %4, %3 : (tensor<f32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %6 = nn.unary rsqrt %5 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %7 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %8 = nn.binary mul %6, %7 : (tensor<2x3x1xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %9 = nn.binary mul %x, %8 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %10 = arith.constant dense<[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]> : tensor<8xf32>
  %11 = nn.binary mul %0, %8 : (tensor<2x3x1xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %12 = nn.binary sub %10, %11 : (tensor<8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %13 = nn.binary add %9, %12 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %13 : tensor<2x3x8xf32>
}

// mean(x * x) - mean(x)^2 with sums times 1 / n, 1 / sqrt in two steps: flax, written by tf2onnx
// CHECK-LABEL: func.func @difference_of_means(
// CHECK: nn.layer_norm %arg0 scale %{{.*}} bias %{{.*}} {axis = 2 : i64, epsilon = 9.99999997E-7 : f32}
// CHECK-NEXT: return
func.func @difference_of_means(%x: tensor<1x4x8xf32>) -> tensor<1x4x8xf32> {
  %0 = arith.constant dense<0.125> : tensor<f32>
  %1 = nn.reduce sum %x {axes = array<i64: 2>} : (tensor<1x4x8xf32>) -> tensor<1x4xf32>
  %2 = nn.binary mul %1, %0 : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %3 = nn.binary mul %x, %x : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %4 = nn.reduce sum %3 {axes = array<i64: 2>} : (tensor<1x4x8xf32>) -> tensor<1x4xf32>
  %5 = nn.binary mul %4, %0 : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %6 = arith.constant dense<0.0> : tensor<f32>
  %7 = nn.binary mul %2, %2 : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %8 = nn.binary sub %5, %7 : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %9 = nn.binary max %6, %8 : (tensor<f32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %10 = nn.reshape %9 : (tensor<1x4xf32>) -> tensor<1x4x1xf32>
  %11 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %12 = nn.binary add %10, %11 : (tensor<1x4x1xf32>, tensor<f32>) -> tensor<1x4x1xf32>
  %13 = nn.unary sqrt %12 : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %14 = nn.unary reciprocal %13 : (tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
  %15 = arith.constant dense<[[[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]]]> : tensor<1x1x8xf32>
  %16 = nn.binary mul %14, %15 : (tensor<1x4x1xf32>, tensor<1x1x8xf32>) -> tensor<1x4x8xf32>
  %17 = nn.reshape %2 : (tensor<1x4xf32>) -> tensor<1x4x1xf32>
  %18 = nn.binary sub %x, %17 : (tensor<1x4x8xf32>, tensor<1x4x1xf32>) -> tensor<1x4x8xf32>
  %19 = nn.binary mul %18, %16 : (tensor<1x4x8xf32>, tensor<1x4x8xf32>) -> tensor<1x4x8xf32>
  %20 = arith.constant dense<[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]> : tensor<8xf32>
  %21 = nn.binary add %19, %20 : (tensor<1x4x8xf32>, tensor<8xf32>) -> tensor<1x4x8xf32>
  return %21 : tensor<1x4x8xf32>
}

// Over another than the last axis: by way of transpositions
// CHECK-LABEL: func.func @middle_axis(
// CHECK: %[[T:.*]] = nn.transpose %arg0 {perm = array<i64: 0, 2, 1>}
// CHECK: %[[Y:.*]] = nn.layer_norm %[[T]] scale %{{.*}} bias %{{.*}} {axis = 2 : i64
// CHECK: nn.transpose %[[Y]] {perm = array<i64: 0, 2, 1>}
func.func @middle_axis(%x: tensor<1x8x4xf32>) -> tensor<1x8x4xf32> {
  %0 = arith.constant dense<0.125> : tensor<f32>
  %1 = nn.reduce sum %x {axes = array<i64: 1>} : (tensor<1x8x4xf32>) -> tensor<1x4xf32>
  %2 = nn.binary mul %1, %0 : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %3 = nn.binary mul %x, %x : (tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x8x4xf32>
  %4 = nn.reduce sum %3 {axes = array<i64: 1>} : (tensor<1x8x4xf32>) -> tensor<1x4xf32>
  %5 = nn.binary mul %4, %0 : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %6 = nn.binary mul %2, %2 : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %7 = nn.binary sub %5, %6 : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  %8 = nn.reshape %7 : (tensor<1x4xf32>) -> tensor<1x1x4xf32>
  %9 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %10 = nn.binary add %8, %9 : (tensor<1x1x4xf32>, tensor<f32>) -> tensor<1x1x4xf32>
  %11 = nn.unary sqrt %10 : (tensor<1x1x4xf32>) -> tensor<1x1x4xf32>
  %12 = nn.unary reciprocal %11 : (tensor<1x1x4xf32>) -> tensor<1x1x4xf32>
  %13 = arith.constant dense<[[[0.5], [0.6428571343421936], [0.7857142686843872], [0.9285714030265808], [1.0714285373687744], [1.2142857313156128], [1.3571428060531616], [1.5]]]> : tensor<1x8x1xf32>
  %14 = nn.binary mul %12, %13 : (tensor<1x1x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>
  %15 = nn.reshape %2 : (tensor<1x4xf32>) -> tensor<1x1x4xf32>
  %16 = nn.binary sub %x, %15 : (tensor<1x8x4xf32>, tensor<1x1x4xf32>) -> tensor<1x8x4xf32>
  %17 = nn.binary mul %16, %14 : (tensor<1x8x4xf32>, tensor<1x8x4xf32>) -> tensor<1x8x4xf32>
  %18 = arith.constant dense<[[[-1.0], [-0.7142857313156128], [-0.4285714328289032], [-0.1428571492433548], [0.1428571492433548], [0.4285714328289032], [0.7142857313156128], [1.0]]]> : tensor<1x8x1xf32>
  %19 = nn.binary add %17, %18 : (tensor<1x8x4xf32>, tensor<1x8x1xf32>) -> tensor<1x8x4xf32>
  return %19 : tensor<1x8x4xf32>
}

// Reductions expanded to the size of x, differences computed twice, neither scale nor bias
// CHECK-LABEL: func.func @expanded(
// CHECK-NEXT: %[[Y:.*]] = nn.layer_norm %arg0 {axis = 2 : i64, epsilon = 9.99999974E-6 : f32}
// CHECK-NEXT: return %[[Y]]
func.func @expanded(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.expand %0 : (tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = nn.binary sub %x, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %3 = nn.binary sub %x, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %4 = nn.binary mul %2, %3 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %5 = nn.reduce mean %4 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %6 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %7 = nn.binary add %5, %6 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %8 = nn.unary sqrt %7 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %9 = nn.expand %8 : (tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %10 = nn.binary div %2, %9 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %10 : tensor<2x3x8xf32>
}

// Over two axes, pow(variance + epsilon, -0.5), the mean added with its sign changed
// CHECK-LABEL: func.func @two_axes(
// CHECK-NEXT: nn.layer_norm %arg0 {axis = 1 : i64
func.func @two_axes(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x1x1xf32>
  %1 = nn.unary neg %0 : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %2 = nn.binary add %x, %1 : (tensor<2x3x8xf32>, tensor<2x1x1xf32>) -> tensor<2x3x8xf32>
  %3 = arith.constant dense<2.0> : tensor<f32>
  %4 = nn.binary pow %2, %3 : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %5 = nn.reduce mean %4 {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x1x1xf32>
  %6 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %7 = nn.binary add %5, %6 : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %8 = arith.constant dense<-0.5> : tensor<f32>
  %9 = nn.binary pow %7, %8 : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %10 = nn.binary mul %9, %2 : (tensor<2x1x1xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %10 : tensor<2x3x8xf32>
}

// sqrt as a power, parameters on the left: Paddle
// CHECK-LABEL: func.func @paddle(
// CHECK: nn.layer_norm %arg0 scale %{{.*}} bias
func.func @paddle(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = arith.constant dense<2.0> : tensor<f32>
  %3 = nn.binary pow %1, %2 : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %4 = nn.reduce mean %3 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %5 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %6 = nn.binary add %4, %5 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = arith.constant dense<0.5> : tensor<f32>
  %8 = nn.binary pow %6, %7 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %9 = nn.binary div %1, %8 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %10 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %11 = nn.binary mul %10, %9 : (tensor<8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %12 = arith.constant dense<[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]> : tensor<8xf32>
  %13 = nn.binary add %11, %12 : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  return %13 : tensor<2x3x8xf32>
}

// x / sqrt(mean(x * x) + epsilon) * scale
// CHECK-LABEL: func.func @rms(
// CHECK: %[[Y:.*]] = nn.rms_norm %arg0 scale %{{.*}} {axis = 2 : i64, epsilon = 9.99999974E-6 : f32}
// CHECK-NEXT: return %[[Y]]
func.func @rms(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.binary mul %x, %x : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %1 = nn.reduce mean %0 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %2 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %3 = nn.binary add %1, %2 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %4 = nn.unary sqrt %3 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %5 = nn.unary reciprocal %4 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %6 = nn.binary mul %x, %5 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %7 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %8 = nn.binary mul %6, %7 : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  return %8 : tensor<2x3x8xf32>
}

// The same with sizes that are known at run time only
// CHECK-LABEL: func.func @rms_unknown_sizes(
// CHECK: nn.rms_norm %arg0 scale
func.func @rms_unknown_sizes(%x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.binary mul %x, %x : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %1 = nn.reduce mean %0 {axes = array<i64: 2>, keepdims} : (tensor<?x?x8xf32>) -> tensor<?x?x1xf32>
  %2 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %3 = nn.binary add %1, %2 : (tensor<?x?x1xf32>, tensor<f32>) -> tensor<?x?x1xf32>
  %4 = nn.unary sqrt %3 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %5 = nn.unary reciprocal %4 : (tensor<?x?x1xf32>) -> tensor<?x?x1xf32>
  %6 = nn.binary mul %x, %5 : (tensor<?x?x8xf32>, tensor<?x?x1xf32>) -> tensor<?x?x8xf32>
  %7 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %8 = nn.binary mul %6, %7 : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  return %8 : tensor<?x?x8xf32>
}

// weight * (x * (1 / sqrt(mean(pow(x, 2)) + epsilon))), as transformers writes it
// CHECK-LABEL: func.func @rms_llama(
// CHECK: nn.rms_norm %arg0 scale
func.func @rms_llama(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = arith.constant dense<2.0> : tensor<f32>
  %1 = nn.binary pow %x, %0 : (tensor<2x3x8xf32>, tensor<f32>) -> tensor<2x3x8xf32>
  %2 = nn.reduce mean %1 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %3 = arith.constant dense<1.0> : tensor<f32>
  %4 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %5 = nn.binary add %2, %4 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %6 = nn.unary sqrt %5 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %7 = nn.binary div %3, %6 : (tensor<f32>, tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %9 = nn.binary mul %x, %7 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %10 = nn.binary mul %8, %9 : (tensor<8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %10 : tensor<2x3x8xf32>
}

// sum of squares times 1 / n, scale before the quotient
// CHECK-LABEL: func.func @rms_sum_square(
// CHECK: nn.rms_norm %arg0 scale
func.func @rms_sum_square(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce sum_square %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = arith.constant dense<0.125> : tensor<f32>
  %2 = nn.binary mul %0, %1 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %3 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %4 = nn.binary add %2, %3 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %5 = nn.unary sqrt %4 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %6 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %7 = nn.binary mul %x, %6 : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  %8 = nn.binary div %7, %5 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  return %8 : tensor<2x3x8xf32>
}

// The scale is 1 + weight: Gemma
// CHECK-LABEL: func.func @rms_plus_one(
// CHECK: nn.rms_norm %arg0 scale
func.func @rms_plus_one(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.binary mul %x, %x : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %1 = nn.reduce mean %0 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %2 = arith.constant dense<9.999999974752427e-07> : tensor<f32>
  %3 = nn.binary add %1, %2 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %4 = nn.unary rsqrt %3 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %5 = arith.constant dense<[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]> : tensor<8xf32>
  %6 = arith.constant dense<1.0> : tensor<f32>
  %7 = nn.binary add %5, %6 : (tensor<8xf32>, tensor<f32>) -> tensor<8xf32>
  %8 = nn.binary mul %x, %4 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %9 = nn.binary mul %8, %7 : (tensor<2x3x8xf32>, tensor<8xf32>) -> tensor<2x3x8xf32>
  return %9 : tensor<2x3x8xf32>
}

// Groups reshaped to rows and back: a group norm
// CHECK-LABEL: func.func @group(
// CHECK: nn.group_norm %arg0 scale %{{.*}} bias %{{.*}} {epsilon = 9.99999974E-6 : f32, groups = 3 : i64} : (tensor<2x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>)
// CHECK-NEXT: return
func.func @group(%x: tensor<2x6x4x4xf32>) -> tensor<2x6x4x4xf32> {
  %0 = nn.reshape %x : (tensor<2x6x4x4xf32>) -> tensor<2x3x32xf32>
  %1 = nn.reduce mean %0 {axes = array<i64: 2>, keepdims} : (tensor<2x3x32xf32>) -> tensor<2x3x1xf32>
  %2 = nn.binary sub %0, %1 : (tensor<2x3x32xf32>, tensor<2x3x1xf32>) -> tensor<2x3x32xf32>
  %3 = nn.binary mul %2, %2 : (tensor<2x3x32xf32>, tensor<2x3x32xf32>) -> tensor<2x3x32xf32>
  %4 = nn.reduce mean %3 {axes = array<i64: 2>, keepdims} : (tensor<2x3x32xf32>) -> tensor<2x3x1xf32>
  %5 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %6 = nn.binary add %4, %5 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = nn.unary sqrt %6 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = nn.binary div %2, %7 : (tensor<2x3x32xf32>, tensor<2x3x1xf32>) -> tensor<2x3x32xf32>
  %9 = nn.reshape %8 : (tensor<2x3x32xf32>) -> tensor<2x6x4x4xf32>
  %10 = arith.constant dense<[[[0.5]], [[0.699999988079071]], [[0.8999999761581421]], [[1.100000023841858]], [[1.2999999523162842]], [[1.5]]]> : tensor<6x1x1xf32>
  %11 = arith.constant dense<[[[-1.0]], [[-0.6000000238418579]], [[-0.20000000298023224]], [[0.20000000298023224]], [[0.6000000238418579]], [[1.0]]]> : tensor<6x1x1xf32>
  %12 = nn.binary mul %9, %10 : (tensor<2x6x4x4xf32>, tensor<6x1x1xf32>) -> tensor<2x6x4x4xf32>
  %13 = nn.binary add %12, %11 : (tensor<2x6x4x4xf32>, tensor<6x1x1xf32>) -> tensor<2x6x4x4xf32>
  return %13 : tensor<2x6x4x4xf32>
}

// Over the positions of each channel, times a number a channel: a group norm of one channel a group
// CHECK-LABEL: func.func @instance(
// CHECK: nn.group_norm %arg0 scale %{{.*}} {epsilon = 9.99999974E-6 : f32, groups = 3 : i64}
func.func @instance(%x: tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2, 3>, keepdims} : (tensor<2x3x4x4xf32>) -> tensor<2x3x1x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<2x3x4x4xf32>
  %2 = nn.binary mul %1, %1 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %3 = nn.reduce mean %2 {axes = array<i64: 2, 3>, keepdims} : (tensor<2x3x4x4xf32>) -> tensor<2x3x1x1xf32>
  %4 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %5 = nn.binary add %3, %4 : (tensor<2x3x1x1xf32>, tensor<f32>) -> tensor<2x3x1x1xf32>
  %6 = nn.unary sqrt %5 : (tensor<2x3x1x1xf32>) -> tensor<2x3x1x1xf32>
  %7 = nn.binary div %1, %6 : (tensor<2x3x4x4xf32>, tensor<2x3x1x1xf32>) -> tensor<2x3x4x4xf32>
  %8 = arith.constant dense<[[[[0.5]], [[1.0]], [[1.5]]]]> : tensor<1x3x1x1xf32>
  %9 = nn.binary mul %7, %8 : (tensor<2x3x4x4xf32>, tensor<1x3x1x1xf32>) -> tensor<2x3x4x4xf32>
  return %9 : tensor<2x3x4x4xf32>
}

// InstanceNormalization of groups reshaped to channels: how PyTorch writes a group norm before opset 18
// CHECK-LABEL: func.func @group_by_instance(
// CHECK: nn.group_norm %arg0 scale %{{.*}} bias %{{.*}} {epsilon = 9.99999974E-6 : f32, groups = 3 : i64} : (tensor<2x6x4x4xf32>, tensor<6xf32>, tensor<6xf32>)
func.func @group_by_instance(%x: tensor<2x6x4x4xf32>) -> tensor<2x6x4x4xf32> {
  %0 = nn.reshape %x : (tensor<2x6x4x4xf32>) -> tensor<2x3x32xf32>
  %2 = arith.constant dense<1.0> : tensor<3xf32>
  %3 = arith.constant dense<0.0> : tensor<3xf32>
  %1 = nn.group_norm %0 scale %2 bias %3 {groups = 3 : i64, epsilon = 1.0e-5 : f32} : (tensor<2x3x32xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x32xf32>
  %4 = nn.reshape %1 : (tensor<2x3x32xf32>) -> tensor<2x6x4x4xf32>
  %5 = arith.constant dense<[[[0.5]], [[0.699999988079071]], [[0.8999999761581421]], [[1.100000023841858]], [[1.2999999523162842]], [[1.5]]]> : tensor<6x1x1xf32>
  %6 = arith.constant dense<[[[-1.0]], [[-0.6000000238418579]], [[-0.20000000298023224]], [[0.20000000298023224]], [[0.6000000238418579]], [[1.0]]]> : tensor<6x1x1xf32>
  %7 = nn.binary mul %4, %5 : (tensor<2x6x4x4xf32>, tensor<6x1x1xf32>) -> tensor<2x6x4x4xf32>
  %8 = nn.binary add %7, %6 : (tensor<2x6x4x4xf32>, tensor<6x1x1xf32>) -> tensor<2x6x4x4xf32>
  return %8 : tensor<2x6x4x4xf32>
}

// Near misses: another value is divided
// CHECK-LABEL: func.func @not_of_x(
// CHECK-NOT: nn.layer_norm
// CHECK: return
func.func @not_of_x(%x: tensor<2x3x8xf32>, %z: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = nn.binary mul %1, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %3 = nn.reduce mean %2 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %4 = nn.binary sub %z, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %5 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %6 = nn.binary add %3, %5 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = nn.unary sqrt %6 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = nn.binary div %4, %7 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  return %8 : tensor<2x3x8xf32>
}

// the squares are divided by n - 1
// CHECK-LABEL: func.func @unbiased(
// CHECK-NOT: nn.layer_norm
// CHECK: return
func.func @unbiased(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = nn.binary mul %1, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %3 = nn.reduce sum %2 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %4 = arith.constant dense<0.1428571492433548> : tensor<f32>
  %5 = nn.binary mul %3, %4 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %6 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %7 = nn.binary add %5, %6 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %8 = nn.unary sqrt %7 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %9 = nn.binary div %1, %8 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  return %9 : tensor<2x3x8xf32>
}

// Mean and variance over different axes: no layer norm, but the RMS norm of a difference
// CHECK-LABEL: func.func @different_axes(
// CHECK: %[[D:.*]] = nn.binary sub
// CHECK: nn.rms_norm %[[D]] {axis = 1 : i64
// CHECK-NEXT: return
func.func @different_axes(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %2 = nn.binary mul %1, %1 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %3 = nn.reduce mean %2 {axes = array<i64: 1, 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x1x1xf32>
  %4 = arith.constant dense<9.999999747378752e-06> : tensor<f32>
  %5 = nn.binary add %3, %4 : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %6 = nn.unary sqrt %5 : (tensor<2x1x1xf32>) -> tensor<2x1x1xf32>
  %7 = nn.binary div %1, %6 : (tensor<2x3x8xf32>, tensor<2x1x1xf32>) -> tensor<2x3x8xf32>
  return %7 : tensor<2x3x8xf32>
}

// x * f + (-mean * f + beta), as Keras writes it; f = scale / sqrt(variance + epsilon)
// CHECK-LABEL: func.func @keras3(
// CHECK: %[[Y:.*]] = nn.layer_norm %arg0 scale %{{.*}} bias %{{.*}} {axis = 2 : i64, epsilon = 9.99999997E-7 : f32, name = "norm"}
// CHECK-NEXT: return %[[Y]]
func.func @keras3(%x: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %0 = nn.reduce mean %x {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %1 = nn.unary neg %0 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %2 = nn.binary sub %x, %0 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  %3 = nn.binary mul %2, %2 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %4 = nn.reduce mean %3 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %5 = arith.constant dense<1.0e-06> : tensor<f32>
  %6 = nn.binary add %4, %5 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %7 = nn.unary sqrt %6 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %8 = nn.unary reciprocal %7 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %9 = arith.constant dense<[[[0.5, 0.6428571343421936, 0.7857142686843872, 0.9285714030265808, 1.0714285373687744, 1.2142857313156128, 1.3571428060531616, 1.5]]]> : tensor<1x1x8xf32>
  %10 = nn.binary mul %8, %9 : (tensor<2x3x1xf32>, tensor<1x1x8xf32>) -> tensor<2x3x8xf32>
  %11 = nn.binary mul %x, %10 : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %12 = nn.binary mul %1, %10 : (tensor<2x3x1xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %13 = arith.constant dense<[[[-1.0, -0.7142857313156128, -0.4285714328289032, -0.1428571492433548, 0.1428571492433548, 0.4285714328289032, 0.7142857313156128, 1.0]]]> : tensor<1x1x8xf32>
  %14 = nn.binary add %12, %13 : (tensor<2x3x8xf32>, tensor<1x1x8xf32>) -> tensor<2x3x8xf32>
  %15 = nn.binary add %11, %14 {name = "norm"} : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %15 : tensor<2x3x8xf32>
}

// What is normalized is a product itself: its factors are not those of the norm
// CHECK-LABEL: func.func @rms_of_product(
// CHECK: %[[X:.*]] = nn.binary mul %arg0, %arg1
// CHECK-NEXT: %[[Y:.*]] = nn.rms_norm %[[X]] {axis = 2 : i64
// CHECK-NEXT: return %[[Y]]
func.func @rms_of_product(%a: tensor<2x3x8xf32>, %b: tensor<2x3x8xf32>) -> tensor<2x3x8xf32> {
  %x = nn.binary mul %a, %b : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %0 = nn.binary mul %x, %x : (tensor<2x3x8xf32>, tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  %1 = nn.reduce mean %0 {axes = array<i64: 2>, keepdims} : (tensor<2x3x8xf32>) -> tensor<2x3x1xf32>
  %2 = arith.constant dense<1.0e-05> : tensor<f32>
  %3 = nn.binary add %1, %2 : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %4 = nn.unary sqrt %3 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %5 = nn.unary reciprocal %4 : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %6 = nn.binary mul %x, %5 : (tensor<2x3x8xf32>, tensor<2x3x1xf32>) -> tensor<2x3x8xf32>
  return %6 : tensor<2x3x8xf32>
}
