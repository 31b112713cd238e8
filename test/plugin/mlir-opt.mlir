// Stock mlir-opt with the plugin has the dialects, the passes and the pipelines. A plugin that fails to load is only a warning of
// mlir-opt: the output is looked at.
// RUN: mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin --pass-pipeline='builtin.module(func.func(nn-raise),tern-outline)' %s | FileCheck %s
// RUN: mlir-opt --load-dialect-plugin=%plugin --load-pass-plugin=%plugin --help | FileCheck --check-prefix=HELP %s

// HELP-DAG: --nn-fold-batch-norm
// HELP-DAG: --tern-fuse
// HELP-DAG: --tern-encode-weights
// HELP-DAG: --micro-lower
// HELP-DAG: --cpu-emit-kernels
// HELP-DAG: --tern-emit
// HELP-DAG: --tern-quantize
// HELP-DAG: --tern-compile-cpu

// CHECK-LABEL: func.func @main
// CHECK:         tern.call @k.swish(%arg0)
// CHECK:       func.func private @k.swish
// CHECK-NEXT:    nn.unary hard_swish
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %three = arith.constant dense<3.0> : tensor<f32>
  %six = arith.constant dense<6.0> : tensor<f32>
  %a = nn.binary add %x, %three : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %b = nn.clip %a {min = 0.0 : f64, max = 6.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
  %c = nn.binary mul %x, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %y = nn.binary div %c, %six {name = "swish"} : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
