// RUN: quant-opt %s --nn-raise --canonicalize | FileCheck %s
// RUN: quant-opt %s --nn-raise --remarks-filter=nn-raise --remark-format=emitRemark --mlir-disable-threading 2>&1 | FileCheck %s --check-prefix=REMARK
// test/unit/Transforms/RaiseTest.cpp runs every function before and after the pass.

// REMARK-DAG: remark: [Passed] Raised | Category:nn-raise{{.*}}Reason="rope recognised"

// x * cos + rotate_half(x) * sin with tables of whole heads: transformers
// CHECK-LABEL: func.func @halves(
// CHECK-DAG: nn.unary cos %{{.*}} : (tensor<2x1x4x4xf32>)
// CHECK-DAG: nn.unary sin %{{.*}} : (tensor<2x1x4x4xf32>)
// CHECK: nn.rope %arg1, %{{.*}}, %{{.*}} : (tensor<2x3x4x8xf32>, tensor<2x1x4x4xf32>, tensor<2x1x4x4xf32>) -> tensor<2x3x4x8xf32>
func.func @halves(%a: tensor<2x4x4xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.concat %a, %a {axis = 2 : i64} : (tensor<2x4x4xf32>, tensor<2x4x4xf32>) -> tensor<2x4x8xf32>
  %1 = nn.reshape %0 : (tensor<2x4x8xf32>) -> tensor<2x1x4x8xf32>
  %2 = nn.unary cos %1 : (tensor<2x1x4x8xf32>) -> tensor<2x1x4x8xf32>
  %3 = nn.unary sin %1 : (tensor<2x1x4x8xf32>) -> tensor<2x1x4x8xf32>
  %4 = nn.binary mul %x, %2 : (tensor<2x3x4x8xf32>, tensor<2x1x4x8xf32>) -> tensor<2x3x4x8xf32>
  %5 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %6 = nn.slice %x {starts = array<i64: 0, 0, 0, 4>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.unary neg %6 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.concat %7, %5 {axis = 3 : i64} : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x8xf32>
  %9 = nn.binary mul %8, %3 : (tensor<2x3x4x8xf32>, tensor<2x1x4x8xf32>) -> tensor<2x3x4x8xf32>
  %10 = nn.binary add %4, %9 : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  return %10 : tensor<2x3x4x8xf32>
}

// Rows of constant tables; both halves of a row are equal
// CHECK-LABEL: func.func @rows_of_constant_tables(
// CHECK: nn.rope %arg1, %{{.*}}, %{{.*}} : (tensor<2x3x4x8xf32>, tensor<4x4xf32>, tensor<4x4xf32>)
func.func @rows_of_constant_tables(%i: tensor<4xi64>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = arith.constant dense<[[-0.1920553594827652, 0.9209997653961182, 0.558070182800293, -0.6210618615150452, -0.1920553594827652, 0.9209997653961182, 0.558070182800293, -0.6210618615150452], [-0.2924249470233917, 0.5592811703681946, 0.581611156463623, 0.9885673522949219, -0.2924249470233917, 0.5592811703681946, 0.581611156463623, 0.9885673522949219], [0.9946776628494263, 0.9168820977210999, 0.9896436333656311, 0.11625935882329941, 0.9946776628494263, 0.9168820977210999, 0.9896436333656311, 0.11625935882329941], [0.7241207361221313, 0.9926066994667053, 0.9030994176864624, 0.9448453187942505, 0.7241207361221313, 0.9926066994667053, 0.9030994176864624, 0.9448453187942505], [0.0766419842839241, 0.9790287613868713, 0.9513932466506958, 0.6569005250930786, 0.0766419842839241, 0.9790287613868713, 0.9513932466506958, 0.6569005250930786], [-0.8317171335220337, 0.7938886880874634, 0.6490691304206848, 0.7370069622993469, -0.8317171335220337, 0.7938886880874634, 0.6490691304206848, 0.7370069622993469]]> : tensor<6x8xf32>
  %1 = arith.constant dense<[[0.9813840985298157, 0.3895631432533264, 0.8297937512397766, 0.7837615609169006, 0.9813840985298157, 0.3895631432533264, 0.8297937512397766, 0.7837615609169006], [0.9562884569168091, -0.8289780020713806, 0.8134669661521912, -0.15077996253967285, 0.9562884569168091, -0.8289780020713806, 0.8134669661521912, -0.15077996253967285], [-0.10303566604852676, 0.39915817975997925, 0.1435459703207016, 0.9932188987731934, -0.10303566604852676, 0.39915817975997925, 0.1435459703207016, 0.9932188987731934], [0.6896732449531555, 0.12137500941753387, 0.4294315576553345, 0.32751691341400146, 0.6896732449531555, 0.12137500941753387, 0.4294315576553345, 0.32751691341400146], [0.9970586895942688, -0.20372210443019867, 0.30797865986824036, -0.7539772391319275, 0.9970586895942688, -0.20372210443019867, 0.30797865986824036, -0.7539772391319275], [-0.5551996231079102, 0.6080631017684937, 0.7607294321060181, -0.6758851408958435, -0.5551996231079102, 0.6080631017684937, 0.7607294321060181, -0.6758851408958435]]> : tensor<6x8xf32>
  %2 = nn.gather %0, %i {axis = 0 : i64} : (tensor<6x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %3 = nn.gather %1, %i {axis = 0 : i64} : (tensor<6x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %4 = nn.binary mul %2, %x : (tensor<4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  %5 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %6 = nn.slice %x {starts = array<i64: 0, 0, 0, 4>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.unary neg %6 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.concat %7, %5 {axis = 3 : i64} : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x8xf32>
  %9 = nn.binary mul %3, %8 : (tensor<4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  %10 = nn.binary add %4, %9 : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  return %10 : tensor<2x3x4x8xf32>
}

// Both halves computed and put side by side
// CHECK-LABEL: func.func @two_halves(
// CHECK-NEXT: %[[Y:.*]] = nn.rope %arg2, %arg0, %arg1 :
// CHECK-NEXT: return %[[Y]]
func.func @two_halves(%c: tensor<4x4xf32>, %s: tensor<4x4xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %1 = nn.slice %x {starts = array<i64: 0, 0, 0, 4>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %2 = nn.binary mul %0, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %3 = nn.binary mul %1, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %4 = nn.binary sub %2, %3 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %5 = nn.binary mul %0, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %6 = nn.binary mul %1, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.binary add %5, %6 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.concat %4, %7 {axis = 3 : i64} : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x8xf32>
  return %8 : tensor<2x3x4x8xf32>
}

// Every other element, stacked and flattened: GPT-J, torch.stack
// CHECK-LABEL: func.func @interleaved(
// CHECK-NEXT: %[[Y:.*]] = nn.rope %arg2, %arg0, %arg1 {interleaved} :
// CHECK-NEXT: return %[[Y]]
func.func @interleaved(%c: tensor<4x4xf32>, %s: tensor<4x4xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 2>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %1 = nn.slice %x {starts = array<i64: 0, 0, 0, 1>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 2>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %2 = nn.binary mul %0, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %3 = nn.binary mul %1, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %4 = nn.binary sub %2, %3 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %5 = nn.reshape %4 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %6 = nn.binary mul %1, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.binary mul %0, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.binary add %6, %7 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %9 = nn.reshape %8 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %10 = nn.concat %5, %9 {axis = 4 : i64} : (tensor<2x3x4x4x1xf32>, tensor<2x3x4x4x1xf32>) -> tensor<2x3x4x4x2xf32>
  %11 = nn.reshape %10 : (tensor<2x3x4x4x2xf32>) -> tensor<2x3x4x8xf32>
  return %11 : tensor<2x3x4x8xf32>
}

// rotate_every_two(x) with tables of whole heads
// CHECK-LABEL: func.func @interleaved_tables(
// CHECK: nn.rope %arg1, %{{.*}}, %{{.*}} {interleaved} : (tensor<2x3x4x8xf32>, tensor<2x1x4x4xf32>, tensor<2x1x4x4xf32>)
func.func @interleaved_tables(%a: tensor<2x4x4xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.reshape %a : (tensor<2x4x4xf32>) -> tensor<2x4x4x1xf32>
  %1 = nn.concat %0, %0 {axis = 3 : i64} : (tensor<2x4x4x1xf32>, tensor<2x4x4x1xf32>) -> tensor<2x4x4x2xf32>
  %2 = nn.reshape %1 : (tensor<2x4x4x2xf32>) -> tensor<2x4x8xf32>
  %3 = nn.reshape %2 : (tensor<2x4x8xf32>) -> tensor<2x1x4x8xf32>
  %4 = nn.unary cos %3 : (tensor<2x1x4x8xf32>) -> tensor<2x1x4x8xf32>
  %5 = nn.unary sin %3 : (tensor<2x1x4x8xf32>) -> tensor<2x1x4x8xf32>
  %6 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 2>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.slice %x {starts = array<i64: 0, 0, 0, 1>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 2>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.unary neg %7 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %9 = nn.reshape %8 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %10 = nn.reshape %6 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %11 = nn.concat %9, %10 {axis = 4 : i64} : (tensor<2x3x4x4x1xf32>, tensor<2x3x4x4x1xf32>) -> tensor<2x3x4x4x2xf32>
  %12 = nn.reshape %11 : (tensor<2x3x4x4x2xf32>) -> tensor<2x3x4x8xf32>
  %13 = nn.binary mul %x, %4 : (tensor<2x3x4x8xf32>, tensor<2x1x4x8xf32>) -> tensor<2x3x4x8xf32>
  %14 = nn.binary mul %12, %5 : (tensor<2x3x4x8xf32>, tensor<2x1x4x8xf32>) -> tensor<2x3x4x8xf32>
  %15 = nn.binary add %13, %14 : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  return %15 : tensor<2x3x4x8xf32>
}

// Columns of x reshaped to pairs: Llama's complex product
// CHECK-LABEL: func.func @columns_of_pairs(
// CHECK-NEXT: %[[Y:.*]] = nn.rope %arg2, %arg0, %arg1 {interleaved} :
func.func @columns_of_pairs(%c: tensor<4x4xf32>, %s: tensor<4x4xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.reshape %x : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4x2xf32>
  %1 = nn.slice %0 {starts = array<i64: 0, 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4, 1>, steps = array<i64: 1, 1, 1, 1, 1>} : (tensor<2x3x4x4x2xf32>) -> tensor<2x3x4x4x1xf32>
  %2 = nn.reshape %1 : (tensor<2x3x4x4x1xf32>) -> tensor<2x3x4x4xf32>
  %3 = nn.slice %0 {starts = array<i64: 0, 0, 0, 0, 1>, sizes = array<i64: 2, 3, 4, 4, 1>, steps = array<i64: 1, 1, 1, 1, 1>} : (tensor<2x3x4x4x2xf32>) -> tensor<2x3x4x4x1xf32>
  %4 = nn.reshape %3 : (tensor<2x3x4x4x1xf32>) -> tensor<2x3x4x4xf32>
  %5 = nn.binary mul %2, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %6 = nn.binary mul %4, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %7 = nn.binary sub %5, %6 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %8 = nn.reshape %7 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %9 = nn.binary mul %2, %s : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %10 = nn.binary mul %4, %c : (tensor<2x3x4x4xf32>, tensor<4x4xf32>) -> tensor<2x3x4x4xf32>
  %11 = nn.binary add %9, %10 : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %12 = nn.reshape %11 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4x1xf32>
  %13 = nn.concat %8, %12 {axis = 4 : i64} : (tensor<2x3x4x4x1xf32>, tensor<2x3x4x4x1xf32>) -> tensor<2x3x4x4x2xf32>
  %14 = nn.reshape %13 : (tensor<2x3x4x4x2xf32>) -> tensor<2x3x4x8xf32>
  return %14 : tensor<2x3x4x8xf32>
}

// Only the first elements of a head are rotated: GPT-NeoX, Phi
// CHECK-LABEL: func.func @part_of_a_head(
// CHECK-NEXT: %[[Y:.*]] = nn.rope %arg2, %arg0, %arg1 : (tensor<2x3x4x8xf32>, tensor<4x2xf32>, tensor<4x2xf32>)
// CHECK-NEXT: return %[[Y]]
func.func @part_of_a_head(%c: tensor<4x2xf32>, %s: tensor<4x2xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %1 = nn.slice %0 {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 2>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x2xf32>
  %2 = nn.slice %0 {starts = array<i64: 0, 0, 0, 2>, sizes = array<i64: 2, 3, 4, 2>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x2xf32>
  %3 = nn.binary mul %1, %c : (tensor<2x3x4x2xf32>, tensor<4x2xf32>) -> tensor<2x3x4x2xf32>
  %4 = nn.binary mul %2, %s : (tensor<2x3x4x2xf32>, tensor<4x2xf32>) -> tensor<2x3x4x2xf32>
  %5 = nn.binary sub %3, %4 : (tensor<2x3x4x2xf32>, tensor<2x3x4x2xf32>) -> tensor<2x3x4x2xf32>
  %6 = nn.binary mul %2, %c : (tensor<2x3x4x2xf32>, tensor<4x2xf32>) -> tensor<2x3x4x2xf32>
  %7 = nn.binary mul %1, %s : (tensor<2x3x4x2xf32>, tensor<4x2xf32>) -> tensor<2x3x4x2xf32>
  %8 = nn.binary add %6, %7 : (tensor<2x3x4x2xf32>, tensor<2x3x4x2xf32>) -> tensor<2x3x4x2xf32>
  %9 = nn.concat %5, %8 {axis = 3 : i64} : (tensor<2x3x4x2xf32>, tensor<2x3x4x2xf32>) -> tensor<2x3x4x4xf32>
  %10 = nn.slice %x {starts = array<i64: 0, 0, 0, 4>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %11 = nn.concat %9, %10 {axis = 3 : i64} : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x8xf32>
  return %11 : tensor<2x3x4x8xf32>
}

// Sizes that are known at run time only
// CHECK-LABEL: func.func @unknown_sizes(
// CHECK: nn.rope %arg1, %{{.*}}, %{{.*}} : (tensor<?x?x8xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
func.func @unknown_sizes(%a: tensor<?x?x4xf32>, %x: tensor<?x?x8xf32>) -> tensor<?x?x8xf32> {
  %0 = nn.concat %a, %a {axis = 2 : i64} : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %1 = nn.unary cos %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %2 = nn.unary sin %0 : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = nn.binary mul %x, %1 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %4 = nn.slice %x {starts = array<i64: 0, 0, 0>, sizes = array<i64: -1, -1, 4>, steps = array<i64: 1, 1, 1>} : (tensor<?x?x8xf32>) -> tensor<?x?x4xf32>
  %5 = nn.slice %x {starts = array<i64: 0, 0, 4>, sizes = array<i64: -1, -1, 4>, steps = array<i64: 1, 1, 1>} : (tensor<?x?x8xf32>) -> tensor<?x?x4xf32>
  %6 = nn.unary neg %5 : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %7 = nn.concat %6, %4 {axis = 2 : i64} : (tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %8 = nn.binary mul %7, %2 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %9 = nn.binary add %3, %8 : (tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %9 : tensor<?x?x8xf32>
}

// Tables whose halves may differ are no rotation
// CHECK-LABEL: func.func @any_tables(
// CHECK-NOT: nn.rope
// CHECK: return
func.func @any_tables(%c: tensor<4x8xf32>, %s: tensor<4x8xf32>, %x: tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32> {
  %0 = nn.binary mul %x, %c : (tensor<2x3x4x8xf32>, tensor<4x8xf32>) -> tensor<2x3x4x8xf32>
  %1 = nn.slice %x {starts = array<i64: 0, 0, 0, 0>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %2 = nn.slice %x {starts = array<i64: 0, 0, 0, 4>, sizes = array<i64: 2, 3, 4, 4>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x3x4x8xf32>) -> tensor<2x3x4x4xf32>
  %3 = nn.unary neg %2 : (tensor<2x3x4x4xf32>) -> tensor<2x3x4x4xf32>
  %4 = nn.concat %3, %1 {axis = 3 : i64} : (tensor<2x3x4x4xf32>, tensor<2x3x4x4xf32>) -> tensor<2x3x4x8xf32>
  %5 = nn.binary mul %4, %s : (tensor<2x3x4x8xf32>, tensor<4x8xf32>) -> tensor<2x3x4x8xf32>
  %6 = nn.binary add %0, %5 : (tensor<2x3x4x8xf32>, tensor<2x3x4x8xf32>) -> tensor<2x3x4x8xf32>
  return %6 : tensor<2x3x4x8xf32>
}
