// RUN: quant-opt %s --nn-plan=scheme=w4a8 --nn-quantize --tern-fuse --tern-encode-weights --tern-outline --mlir-print-local-scope | FileCheck %s --check-prefix=CALLS
// RUN: quant-opt %s --nn-plan=scheme=w4a8 --nn-quantize --tern-fuse --tern-encode-weights --tern-outline --cpu-assign-layouts --cpu-emit-kernels=isas=avx2 | FileCheck %s --check-prefix=KERNELS
// RUN: quant-opt %s --tern-encode-weights --tern-outline --cpu-assign-layouts --cpu-emit-kernels=isas=avx2 | FileCheck %s --check-prefix=FLOAT

// Two products of one input: it is quantized once. The gate is the epilogue of the second product.
// CALLS-LABEL: func.func @main
// CALLS:         %[[X:.*]]:2 = tern.call @k.up.x(%arg0)
// CALLS:         %[[UP:.*]] = tern.call @k.up(%[[X]]#0, %[[X]]#1,
// CALLS:         tern.call @k.gate(%[[X]]#0, %[[X]]#1, {{.*}}, %[[UP]])
// CALLS-NOT:     tern.call
// CALLS:         return

// KERNELS:     func.func private @k{{[0-9]+}}_gemm.avx2({{.*}}target_features
// KERNELS:     func.func @run_avx2
// KERNELS:       row = "cpu.gemm.u8s4"
// KERNELS-NOT:   portable.linalg

// FLOAT:       row = "cpu.gemm.f32"
// FLOAT-NOT:   portable.linalg
func.func @main(%x: tensor<1x5x64xf32>) -> tensor<1x5x40xf32> {
  %u = arith.constant dense<0.5> : tensor<40x64xf32>
  %g = arith.constant dense<0.25> : tensor<40x64xf32>
  %up = nn.matmul %x, %u {name = "up", transpose_b} : (tensor<1x5x64xf32>, tensor<40x64xf32>) -> tensor<1x5x40xf32>
  %gate = nn.matmul %x, %g {name = "gate", transpose_b} : (tensor<1x5x64xf32>, tensor<40x64xf32>) -> tensor<1x5x40xf32>
  %silu = nn.unary silu %gate : (tensor<1x5x40xf32>) -> tensor<1x5x40xf32>
  %y = nn.binary mul %silu, %up : (tensor<1x5x40xf32>, tensor<1x5x40xf32>) -> tensor<1x5x40xf32>
  return %y : tensor<1x5x40xf32>
}
