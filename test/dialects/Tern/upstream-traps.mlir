// What upstream passes do to quantized values, and why that does not happen here.
// RUN: quant-opt %s --canonicalize --cse --canonicalize --mlir-print-local-scope | FileCheck %s --check-prefix=KEPT
// RUN: quant-opt %s --nn-fold-constants --mlir-print-local-scope | FileCheck %s --check-prefix=FOLD
// RUN: quant-opt %s --tern-to-linalg --mlir-print-local-scope | FileCheck %s --check-prefix=LINALG --implicit-check-not=f8E --implicit-check-not=f4E

#u8 = #tern.format<ui8, scale<f32>, zero<ui8>>
#s8 = #tern.format<si8, scale<f32>>
#f4 = #tern.format<f4E2M1FN, scale<f32>>
#f8 = #tern.format<f8E4M3FN, scale<f32>>
#s4 = #tern.format<si4, scale<f32, [1, 2]>>

// U1: a rounding is never folded away, nor are two of them merged, moved or put in another order. Number and order of the quantizes stay.
// KEPT-LABEL: func.func @u1_roundings_stay
// KEPT:         %[[A:.*]] = tern.quantize %arg0, %{{.*}}, %{{.*}} : {{.*}} -> !tern.quant<2x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
// KEPT-NEXT:    %[[B:.*]] = tern.dequantize %[[A]]
// KEPT-NEXT:    %[[C:.*]] = nn.unary relu %[[B]]
// KEPT-NEXT:    %[[D:.*]] = tern.quantize %[[C]], %{{.*}}, %{{.*}} : {{.*}} -> !tern.quant<2x4xf32, #tern.format<ui8, scale<f32>, zero<ui8>>>
// KEPT-NEXT:    %[[E:.*]] = tern.dequantize %[[D]]
// KEPT-NEXT:    %[[F:.*]] = tern.quantize %[[E]], %{{.*}} : {{.*}} -> !tern.quant<2x4xf32, #tern.format<si8, scale<f32>>>
// KEPT-NEXT:    %[[G:.*]] = tern.dequantize %[[F]]
// KEPT-NEXT:    return %[[G]]
func.func @u1_roundings_stay(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %t = arith.constant dense<0.25> : tensor<f32>
  %z = arith.constant dense<3> : tensor<i8>
  %a = tern.quantize %x, %s, %z : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<2x4xf32, #u8>
  %b = tern.dequantize %a : (!tern.quant<2x4xf32, #u8>) -> tensor<2x4xf32>
  %c = nn.unary relu %b : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %d = tern.quantize %c, %s, %z : (tensor<2x4xf32>, tensor<f32>, tensor<i8>) -> !tern.quant<2x4xf32, #u8>
  %e = tern.dequantize %d : (!tern.quant<2x4xf32, #u8>) -> tensor<2x4xf32>
  %f = tern.quantize %e, %t : (tensor<2x4xf32>, tensor<f32>) -> !tern.quant<2x4xf32, #s8>
  %g = tern.dequantize %f : (!tern.quant<2x4xf32, #s8>) -> tensor<2x4xf32>
  return %g : tensor<2x4xf32>
}

// U2: rounded to even and clamped before the conversion to integers, which truncates.
// LINALG-LABEL: func.func @u2_rounded_and_clamped
// LINALG:         arith.divf
// LINALG:         arith.maximumf
// LINALG:         arith.minimumf
// LINALG:         math.roundeven
// LINALG:         arith.fptosi %{{.*}} : f32 to i64
// LINALG:         arith.trunci %{{.*}} : i64 to i8
func.func @u2_rounded_and_clamped(%x: tensor<2x4xf32>) -> tensor<2x4xi8> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %a = tern.quantize %x, %s : (tensor<2x4xf32>, tensor<f32>) -> !tern.quant<2x4xf32, #s8>
  %c:2 = tern.unbundle %a : (!tern.quant<2x4xf32, #s8>) -> (tensor<2x4xi8>, tensor<f32>)
  return %c#0 : tensor<2x4xi8>
}

// U3, U4, U5: no arith.truncf or extf of small floats: ties to even and the sign of zero by integer arithmetic on the bits.
// LINALG-LABEL: func.func @u3_u4_four_bit_floats
// LINALG:         arith.bitcast %{{.*}} : f32 to i32
// LINALG-LABEL: func.func @u5_eight_bit_floats
// LINALG:         arith.bitcast %{{.*}} : f32 to i32
func.func @u3_u4_four_bit_floats(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %a = tern.quantize %x, %s : (tensor<2x4xf32>, tensor<f32>) -> !tern.quant<2x4xf32, #f4>
  %b = tern.dequantize %a : (!tern.quant<2x4xf32, #f4>) -> tensor<2x4xf32>
  return %b : tensor<2x4xf32>
}
func.func @u5_eight_bit_floats(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %s = arith.constant dense<0.5> : tensor<f32>
  %a = tern.quantize %x, %s : (tensor<2x4xf32>, tensor<f32>) -> !tern.quant<2x4xf32, #f8>
  %b = tern.dequantize %a : (!tern.quant<2x4xf32, #f8>) -> tensor<2x4xf32>
  return %b : tensor<2x4xf32>
}

// U5b: too large is the largest value, 448, unless the model asks for NaN.
// FOLD-LABEL: func.func @u5b_saturates
// FOLD:         arith.constant dense<[4.480000e+02, -4.480000e+02]> : tensor<2xf8E4M3FN>
// FOLD:         arith.constant dense<[4.480000e+02, 0x7F]> : tensor<2xf8E4M3FN>
func.func @u5b_saturates() -> (tensor<2xf8E4M3FN>, tensor<2xf8E4M3FN>) {
  %x = arith.constant dense<[464.0, -1.0e9]> : tensor<2xf32>
  %y = arith.constant dense<[464.0, 465.0]> : tensor<2xf32>
  %a = nn.cast %x : (tensor<2xf32>) -> tensor<2xf8E4M3FN>
  %b = nn.cast %y {overflow} : (tensor<2xf32>) -> tensor<2xf8E4M3FN>
  return %a, %b : tensor<2xf8E4M3FN>, tensor<2xf8E4M3FN>
}

// U6: a type does not grow with the number of scales. U7: codes below 8 bits lie packed in bytes, also for canonicalize.
// KEPT-LABEL: func.func @u6_u7_planes
// KEPT:         %[[C:.*]] = arith.constant dense<33> : tensor<2x4xi8>
// KEPT:         tern.bundle %[[C]], %arg0 : (tensor<2x4xi8>, tensor<2x4xf32>) -> !tern.quant<2x8xf32, #tern.format<si4, scale<f32, [1, 2]>>>
func.func @u6_u7_planes(%s: tensor<2x4xf32>) -> tensor<2x8xf32> {
  %c = arith.constant dense<33> : tensor<2x4xi8>
  %q = tern.bundle %c, %s : (tensor<2x4xi8>, tensor<2x4xf32>) -> !tern.quant<2x8xf32, #s4>
  %d = tern.dequantize %q : (!tern.quant<2x8xf32, #s4>) -> tensor<2x8xf32>
  return %d : tensor<2x8xf32>
}

// U8: constants that round are folded by the reference, once, where they are asked for.
// FOLD-LABEL: func.func @u8_constants
// FOLD:         arith.constant dense<1.000980e+00> : tensor<2xf16>
// KEPT-LABEL: func.func @u8_constants
// KEPT:         nn.cast
func.func @u8_constants() -> tensor<2xf16> {
  %x = arith.constant dense<1.001> : tensor<2xf32>
  %a = nn.cast %x : (tensor<2xf32>) -> tensor<2xf16>
  return %a : tensor<2xf16>
}
