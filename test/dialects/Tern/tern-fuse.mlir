// RUN: quant-opt %s --tern-fuse --mlir-print-local-scope | FileCheck %s
// T-4: no rounding on the data path comes or goes.
// RUN: quant-opt %s --canonicalize --cse --mlir-print-local-scope | FileCheck %s --check-prefix=COUNT
// COUNT-LABEL: func.func @residual
// COUNT-COUNT-3: tern.quantize
// COUNT-NOT: tern.quantize
// COUNT-LABEL: func.func @hard_swish

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>
#w8 = #tern.format<si8, scale<f32, [1, *, *, *]>>
#w4 = #tern.format<si4, scale<f16, [1, 32, 1, 1]>>
#m8 = #tern.format<si8, scale<f32, [1, *]>>
#b32 = #tern.format<si32, scale<f32, [1]>>
!a = !tern.quant<1x2x4x4xf32, #u8>
!w = !tern.quant<2x2x1x1xf32, #w8>

// relu and clip are the range of the codes; accumulator and residual are two terms.
// CHECK-LABEL: func.func @residual
// CHECK-DAG:     %[[CODES:.*]]:2 = tern.unbundle %{{.*}} : (!tern.quant<2xf32, #tern.format<si32, scale<f32, [1]>>>)
// CHECK:         %[[ACC:.*]] = tern.conv %[[X:.*]], %{{.*}}, %[[CODES]]#0 choice <kernels = <"cpu.conv.u8s8", 1 to -1>> {{.*}}name = "c"{{.*}} -> tensor<1x2x4x4xi32>
// CHECK:         %[[F:.*]] = nn.binary mul %{{.*}}, %{{.*}} : (tensor<2x1x1xf32>, tensor<f32>)
// CHECK:         %[[M:.*]] = nn.binary div %[[F]], %{{.*}} : (tensor<2x1x1xf32>, tensor<f32>)
// CHECK:         %[[R:.*]] = arith.constant dense<2.000000e+00>
// CHECK:         tern.requantize %[[ACC]], %[[X]] by %[[M]], %[[R]] to %{{.*}}, %{{.*}} {hi = 27 : i64, lo = 3 : i64}
func.func @residual(%x: tensor<1x2x4x4xf32>, %b: tensor<2xf32>) -> !a {
  %bs = arith.constant dense<0.0625> : tensor<2xf32>
  %codes = arith.constant dense<7> : tensor<2x2x1x1xi8>
  %scale = arith.constant dense<0.125> : tensor<2x1x1x1xf32>
  %w = tern.bundle %codes, %scale : (tensor<2x2x1x1xi8>, tensor<2x1x1x1xf32>) -> !w
  %s = arith.constant dense<0.5> : tensor<f32>
  %t = arith.constant dense<0.25> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %q = tern.quantize %x, %s, %z : (tensor<1x2x4x4xf32>, tensor<f32>, tensor<i8>) -> !a
  %xd = tern.dequantize %q : (!a) -> tensor<1x2x4x4xf32>
  %wd = tern.dequantize %w : (!w) -> tensor<2x2x1x1xf32>
  %bq = tern.quantize %b, %bs : (tensor<2xf32>, tensor<2xf32>) -> !tern.quant<2xf32, #b32>
  %bd = tern.dequantize %bq : (!tern.quant<2xf32, #b32>) -> tensor<2xf32>
  %c = nn.conv %xd, %wd, %bd {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c", tern.choice = #tern.choice<kernels = <"cpu.conv.u8s8", 1 to -1>>} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  %a = nn.binary add %c, %xd : (tensor<1x2x4x4xf32>, tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %r = nn.unary relu %a : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %k = nn.clip %r {max = 6.0 : f64} : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %y = tern.quantize %k, %t, %z : (tensor<1x2x4x4xf32>, tensor<f32>, tensor<i8>) -> !a
  return %y : !a
}

// What is no clamp stays real arithmetic on the scaled accumulator, rounded once.
// CHECK-LABEL: func.func @hard_swish
// CHECK:         %[[ACC:.*]] = tern.conv
// CHECK:         %[[F:.*]] = nn.cast %[[ACC]]
// CHECK:         %[[W:.*]] = nn.binary mul %[[F]]
// CHECK:         %[[S:.*]] = nn.binary mul %[[W]]
// CHECK:         %[[H:.*]] = nn.unary hard_swish %[[S]]
// CHECK:         %[[I:.*]] = arith.constant dense<4.000000e+00>
// CHECK:         tern.requantize %[[H]] by %[[I]] to %{{.*}}, %{{.*}} {hi = 255 : i64, lo = 0 : i64}
func.func @hard_swish(%q: !a, %w: !w) -> !a {
  %s = arith.constant dense<0.25> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %xd = tern.dequantize %q : (!a) -> tensor<1x2x4x4xf32>
  %wd = tern.dequantize %w : (!w) -> tensor<2x2x1x1xf32>
  %c = nn.conv %xd, %wd {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>) -> tensor<1x2x4x4xf32>
  %h = nn.unary hard_swish %c : (tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32>
  %y = tern.quantize %h, %s, %z : (tensor<1x2x4x4xf32>, tensor<f32>, tensor<i8>) -> !a
  return %y : !a
}

// Groups of 4-bit weights scale inside: the result is real (T1) and so is the bias.
// CHECK-LABEL: func.func @groups
// CHECK:         tern.conv %arg0, %arg1, %arg2 {{.*}} -> tensor<1x2x4x4xf32>
func.func @groups(%q: !tern.quant<1x64x4x4xf32, #u8>, %w: !tern.quant<2x64x1x1xf32, #w4>, %b: tensor<2xf32>) -> tensor<1x2x4x4xf32> {
  %xd = tern.dequantize %q : (!tern.quant<1x64x4x4xf32, #u8>) -> tensor<1x64x4x4xf32>
  %wd = tern.dequantize %w : (!tern.quant<2x64x1x1xf32, #w4>) -> tensor<2x64x1x1xf32>
  %c = nn.conv %xd, %wd, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x64x4x4xf32>, tensor<2x64x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %c : tensor<1x2x4x4xf32>
}

// Run-time activations: one scale a row, the bias stays real.
// CHECK-LABEL: func.func @dynamic
// CHECK:         %[[Q:.*]] = tern.quantize %arg0 by <absmax, -127 to 127>
// CHECK:         %[[ACC:.*]] = tern.matmul %[[Q]], %arg1 {name = "fc"} : {{.*}} -> tensor<3x5xi32>
// CHECK:         %[[F:.*]] = nn.cast %[[ACC]]
// CHECK:         %[[W:.*]] = nn.binary mul %[[F]], %{{.*}} : (tensor<3x5xf32>, tensor<5xf32>)
// CHECK:         %[[X:.*]] = nn.binary mul %[[W]], %{{.*}}#1 : (tensor<3x5xf32>, tensor<3x1xf32>)
// CHECK:         nn.binary add %[[X]], %arg2
func.func @dynamic(%x: tensor<3x16xf32>, %w: !tern.quant<5x16xf32, #m8>, %b: tensor<5xf32>) -> tensor<3x5xf32> {
  %q = tern.quantize %x by <absmax, -127 to 127> : (tensor<3x16xf32>) -> !tern.quant<3x16xf32, #m8>
  %xd = tern.dequantize %q : (!tern.quant<3x16xf32, #m8>) -> tensor<3x16xf32>
  %wd = tern.dequantize %w : (!tern.quant<5x16xf32, #m8>) -> tensor<5x16xf32>
  %y = nn.matmul %xd, %wd, %b {name = "fc", transpose_b} : (tensor<3x16xf32>, tensor<5x16xf32>, tensor<5xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}

// An int32 bias in another unit than that of the accumulator is a real addend.
// CHECK-LABEL: func.func @other_unit
// CHECK:         tern.conv %arg0, %{{[^,]*}} {
// CHECK:         nn.binary add
func.func @other_unit(%q: !a, %b: tensor<2xf32>) -> tensor<1x2x4x4xf32> {
  %codes = arith.constant dense<7> : tensor<2x2x1x1xi8>
  %scale = arith.constant dense<0.125> : tensor<2x1x1x1xf32>
  %w = tern.bundle %codes, %scale : (tensor<2x2x1x1xi8>, tensor<2x1x1x1xf32>) -> !w
  %bs = arith.constant dense<0.5> : tensor<2xf32>
  %xd = tern.dequantize %q : (!a) -> tensor<1x2x4x4xf32>
  %wd = tern.dequantize %w : (!w) -> tensor<2x2x1x1xf32>
  %bq = tern.quantize %b, %bs : (tensor<2xf32>, tensor<2xf32>) -> !tern.quant<2xf32, #b32>
  %bd = tern.dequantize %bq : (!tern.quant<2xf32, #b32>) -> tensor<2xf32>
  %c = nn.conv %xd, %wd, %bd {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c"} : (tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32>, tensor<2xf32>) -> tensor<1x2x4x4xf32>
  return %c : tensor<1x2x4x4xf32>
}
