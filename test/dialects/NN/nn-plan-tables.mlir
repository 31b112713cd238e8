// RUN: quant-opt %s '--nn-plan=scheme=w4a8:32' --mlir-print-local-scope | FileCheck %s --check-prefix=EIGHT
// RUN: quant-opt %s '--nn-plan=scheme=w4a8:32 override=words=w4a8:32' --mlir-print-local-scope | FileCheck %s

// EIGHT: nn.gather {{.*}}w = <si8, scale<f32, [1, *]>>, w_encode = <absmax, -127 to 127>, kernels = <"cpu.gather", 1 to -1>>

// Tables of embeddings have 8 bits unless an override says 4, and no activation; small ones, and gathers along other axes, stay as they are.
// CHECK-LABEL: func.func @main(
// CHECK:         nn.gather {{.*}}name = "words", tern.choice = #tern.choice<method = "rtn", w = <si4, scale<f16, [1, 32]>>, w_encode = <signed_absmax, -8 to 7>, kernels = <"cpu.gather", 1 to -1>>
// CHECK-NOT:     tern.choice
func.func @main(%ids: tensor<1x4xi64>) -> (tensor<1x4x64xf32>, tensor<1x4x64xf32>, tensor<2048x1x4xf32>) {
  %t = arith.constant dense<0.5> : tensor<2048x64xf32>
  %s = arith.constant dense<0.5> : tensor<2x64xf32>
  %a = nn.gather %t, %ids {axis = 0 : i64, name = "words"} : (tensor<2048x64xf32>, tensor<1x4xi64>) -> tensor<1x4x64xf32>
  %b = nn.gather %s, %ids {axis = 0 : i64, name = "types"} : (tensor<2x64xf32>, tensor<1x4xi64>) -> tensor<1x4x64xf32>
  %c = nn.gather %t, %ids {axis = 1 : i64, name = "columns"} : (tensor<2048x64xf32>, tensor<1x4xi64>) -> tensor<2048x1x4xf32>
  return %a, %b, %c : tensor<1x4x64xf32>, tensor<1x4x64xf32>, tensor<2048x1x4xf32>
}
