// RUN: quant-opt %s --nn-plan=scheme=w4a8 --mlir-print-local-scope | FileCheck %s --check-prefix=W4
// RUN: quant-opt %s --nn-plan=scheme=w4a16 --mlir-print-local-scope | FileCheck %s --check-prefix=FLOAT
// RUN: quant-opt %s '--nn-plan=scheme=w4a8 override=head=w4a8' --mlir-print-local-scope | FileCheck %s --check-prefix=OVERRIDE

// The scores of a vocabulary keep 8 bits where the scheme says 4, unless an override asks for them.
// W4:       name = "fc", {{.*}} w = <si4, scale<f16, [1, 32]>>
// W4:       name = "head", {{.*}} x = <si8, scale<f32, [1, *]>>, {{.*}} w = <si8, scale<f32, [1, *]>>
// FLOAT:    name = "head", {{.*}} w = <si8, scale<f32, [1, *]>>, {{.*}}<"cpu.gemm.f32s8", 1 to -1>>
// OVERRIDE: name = "head", {{.*}} w = <si4, scale<f16, [1, 32]>>
func.func @main(%x: tensor<?x64xf32>) -> tensor<?x1x512xf32> {
  %w = arith.constant dense<0.5> : tensor<64x64xf32>
  %v = arith.constant dense<0.5> : tensor<512x64xf32>
  %h = nn.matmul %x, %w {name = "fc", transpose_b} : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %y = nn.matmul %h, %v {name = "head", transpose_b} : (tensor<?x64xf32>, tensor<512x64xf32>) -> tensor<?x512xf32>
  %r = nn.reshape %y : (tensor<?x512xf32>) -> tensor<?x1x512xf32>
  return %r : tensor<?x1x512xf32>
}
