// Recurrent layers: weights of 8 bits in every scheme, one scale for each row of a gate, float activations.
// RUN: quant-opt %s --nn-plan --mlir-print-local-scope | FileCheck %s
// RUN: quant-opt %s --nn-plan=scheme=w4a8 --mlir-print-local-scope | FileCheck %s
// RUN: quant-opt %s --nn-plan=exclude=lstm --mlir-print-local-scope | FileCheck %s --check-prefix=FLOAT
// RUN: quant-opt %s --nn-plan --nn-quantize --mlir-print-local-scope | FileCheck %s --check-prefix=QDQ
// RUN: quant-opt %s '--nn-plan=write=%t.json' > /dev/null
// RUN: quant-opt %s --nn-plan=plan=%t.json --mlir-print-local-scope | FileCheck %s
// RUN: FileCheck %s --check-prefix=JSON < %t.json
// RUN: sed 's/scale<f32, \[1, 1, \*\]>/scale<f32, [1, *, *]>/' %t.json > %t.bad.json
// RUN: not quant-opt %s --nn-plan=plan=%t.bad.json 2>&1 | FileCheck %s --check-prefix=BAD

// CHECK: nn.rnn lstm {{.*}}tern.choice = #tern.choice<method = "rtn", w = <si8, scale<f32, [1, 1, *]>>, w_encode = <absmax, -127 to 127>, kernels = <"cpu.rnn", 1 to -1>>
// FLOAT-NOT: tern.choice
// QDQ: tern.quantize %{{.*}} by <absmax, -127 to 127> {method = "rtn", name = "lstm"} : (tensor<1x8x5xf32>) -> !tern.quant<1x8x5xf32, #tern.format<si8, scale<f32, [1, 1, *]>>>
// QDQ: tern.quantize %{{.*}} by <absmax, -127 to 127> {method = "rtn", name = "lstm.r"} : (tensor<1x8x2xf32>) -> !tern.quant<1x8x2xf32, #tern.format<si8, scale<f32, [1, 1, *]>>>
// QDQ: nn.rnn lstm %arg0 by %{{.*}}, %{{.*}}
// JSON: "op": "rnn",
// JSON-NEXT: "m": 3,
// JSON-NEXT: "n": 8,
// JSON-NEXT: "k": 7,
// JSON: "row": "cpu.rnn",
// JSON: "weight_bytes": 120
// BAD: the plan gives 'lstm' formats that no kernel has: x float, w <si8, scale<f32, [1, *, *]>>
func.func @main(%x: tensor<3x1x5xf32>) -> tensor<3x1x1x2xf32> {
  %w = arith.constant dense<0.5> : tensor<1x8x5xf32>
  %r = arith.constant dense<0.25> : tensor<1x8x2xf32>
  %y:3 = nn.rnn lstm %x by %w, %r {activations = [#nn<rnn_activation sigmoid>, #nn<rnn_activation tanh>, #nn<rnn_activation tanh>], hidden = 2 : i64, name = "lstm"} :
    (tensor<3x1x5xf32>, tensor<1x8x5xf32>, tensor<1x8x2xf32>) -> (tensor<3x1x1x2xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>)
  return %y#0 : tensor<3x1x1x2xf32>
}
