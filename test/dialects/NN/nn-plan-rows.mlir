// RUN: quant-opt %s --nn-plan --mlir-print-local-scope | FileCheck %s --check-prefix=W8
// RUN: quant-opt %s --nn-plan=scheme=w4a8 --mlir-print-local-scope | FileCheck %s --check-prefix=W4
// RUN: quant-opt %s --nn-plan=scheme=w4a8:channel --mlir-print-local-scope | FileCheck %s --check-prefix=CHANNEL
// RUN: quant-opt %s --nn-plan=scheme=w4a8:asym --mlir-print-local-scope | FileCheck %s --check-prefix=ASYM
// RUN: quant-opt %s --nn-plan=scheme=w4a16:64 --mlir-print-local-scope | FileCheck %s --check-prefix=FLOAT

// The number of rows may be any; at run time groups of channels have a scale of their own: those of the weight, else 128.
// W8:      x = <si8, scale<f32, [1, 1, 128]>>, {{.*}} w = <si8, scale<f32, [1, *]>>, {{.*}}<"cpu.gemm.u8s8", 1 to -1>>
// W4:      x = <si8, scale<f32, [1, 1, 32]>>, {{.*}} w = <si4, scale<f16, [1, 32]>>, {{.*}}<"cpu.gemm.u8s4", 1 to -1>>
// CHANNEL: x = <si8, scale<f32, [1, 1, 128]>>, {{.*}} w = <si4, scale<f32, [1, *]>>, {{.*}}<"cpu.gemm.u8s4", 1 to -1>>
// ASYM:    w = <ui4, scale<f16, [1, 32]>, zero<ui4, [1, 32]>>, w_encode = <minmax>, {{.*}}<"cpu.gemm.u8s4", 1 to -1>>
// FLOAT:   w = <si4, scale<f16, [1, 64]>>, {{.*}}<"cpu.gemm.f32s4", 1 to -1>>
func.func @main(%x: tensor<?x?x256xf32> {tern.dims = ["batch", "tokens", ""]}) -> tensor<?x?x64xf32> {
  %w = arith.constant dense<0.5> : tensor<64x256xf32>
  %y = nn.matmul %x, %w {name = "fc", transpose_b} : (tensor<?x?x256xf32>, tensor<64x256xf32>) -> tensor<?x?x64xf32>
  return %y : tensor<?x?x64xf32>
}
