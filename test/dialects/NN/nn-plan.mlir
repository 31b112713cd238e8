// RUN: quant-opt %S/Inputs/net.mlir --nn-plan --mlir-print-local-scope | FileCheck %s --check-prefix=STATIC
// RUN: quant-opt %S/Inputs/net.mlir '--nn-plan=scheme=w4a8 override=fc=w4a16:128' --mlir-print-local-scope | FileCheck %s --check-prefix=W4
// RUN: quant-opt %S/Inputs/net.mlir '--nn-plan=exclude=c.*' --mlir-print-local-scope | FileCheck %s --check-prefix=EXCLUDE
// RUN: quant-opt %s --nn-plan --mlir-print-local-scope | FileCheck %s --check-prefix=DYNAMIC
// RUN: quant-opt %S/Inputs/net.mlir '--nn-plan=write=%t.json sha256=abcd' > /dev/null
// RUN: FileCheck %s --check-prefix=JSON < %t.json
// RUN: quant-opt %S/Inputs/net.mlir --nn-plan=plan=%t.json --mlir-print-local-scope | FileCheck %s --check-prefix=STATIC

// STATIC: tern.codes = {format = #tern.format<ui8, scale<f32>, zero<ui8>>, group = "x", scale = 0.00784313772 : f32, zero = 127 : i64}
// STATIC: nn.conv {{.*}}name = "c1", {{.*}}tern.choice = #tern.choice<method = "rtn", x = <ui8, scale<f32>, zero<ui8>>, x_scale = 0.00784313772 : f32, x_zero = 127 : i64,
// STATIC-SAME: w = <si8, scale<f32, [1, *, *, *]>>, w_encode = <absmax, -127 to 127>, kernels = <"cpu.conv.u8s8", 1 to -1>>
// STATIC: nn.unary relu {{.*}}tern.codes = {format = {{.*}}, group = "relu1", scale = 0.00999999977 : f32, zero = 0 : i64}
// STATIC: nn.reshape %{{[0-9]+}} :
// STATIC: nn.matmul {{.*}}tern.choice = #tern.choice<method = "rtn", x = <ui8, {{.*}} w = <si8, scale<f32, [1, *]>>, {{.*}}<"cpu.gemm.u8s8", 1 to -1>>

// A stem with two input channels keeps 8 bits; an override decides by name.
// W4: nn.conv {{.*}}w = <si8, scale<f32, [1, *, *, *]>>
// W4: nn.matmul {{.*}}tern.choice = #tern.choice<method = "rtn", w = <si4, scale<f16, [1, 128]>>, w_encode = <signed_absmax, -8 to 7>, kernels = <"cpu.gemm.f32s4", 1 to -1>>

// EXCLUDE-NOT: group = "x"
// EXCLUDE: nn.conv {{.*}}name = "c1"
// EXCLUDE-NOT: tern.choice
// EXCLUDE: nn.unary relu {{.*}}group = "relu1"
// EXCLUDE: nn.matmul {{.*}}tern.choice

// JSON: "tern_plan": 1,
// JSON: "sha256": "abcd"
// JSON: "scheme": "w8a8"
// JSON: "name": "c1",
// JSON: "x": "<ui8, scale<f32>, zero<ui8>>",
// JSON: "w": "<si8, scale<f32, [1, *, *, *]>>",
// JSON: "w_encode": "<absmax, -127 to 127>",
// JSON: "row": "cpu.conv.u8s8",
// JSON: "tensors": [
// JSON: "name": "x",
// JSON: "zero": 127,
// JSON: "totals": {

// Without ranges activations are quantized at run time: one scale a row of a product.
// DYNAMIC: nn.matmul {{.*}}x = <si8, scale<f32, [1, *]>>, x_encode = <absmax, -127 to 127>, w = <si8, scale<f32, [1, *]>>
func.func @main(%x: tensor<3x16xf32>) -> tensor<3x5xf32> {
  %w = arith.constant dense<0.5> : tensor<5x16xf32>
  %y = nn.matmul %x, %w {name = "fc", transpose_b} : (tensor<3x16xf32>, tensor<5x16xf32>) -> tensor<3x5xf32>
  return %y : tensor<3x5xf32>
}
