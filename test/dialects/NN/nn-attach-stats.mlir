// RUN: quant-opt %s --nn-attach-stats=stats=%S/Inputs/stats.json | FileCheck %s
// RUN: not quant-opt %s --nn-attach-stats=stats=%S/Inputs/nothing.json 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --nn-attach-stats 2>&1 | FileCheck %s --check-prefix=NOFILE

// MISSING: error: cannot read {{.*}}nothing.json: No such file or directory
// NOFILE: error: nn-attach-stats needs a file: nn-attach-stats{stats=FILE.json}

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    tern.stats = {hi = 1.000000e+00 : f32, lo = -1.000000e+00 : f32, max = 1.500000e+00 : f32, min = -1.000000e+00 : f32}
// CHECK:         nn.unary relu {{.*}}tern.stats = {hi = 2.550000e+00 : f32, lo = 0.000000e+00 : f32, max = 3.000000e+00 : f32, min = 0.000000e+00 : f32}
// A probe without a range is dropped.
// CHECK:         nn.unary sigmoid %{{[^{]*}} {name = "sig"} :
func.func @main(%x: tensor<2xf32> {tern.probe = "x"}) -> tensor<2xf32> {
  %r = nn.unary relu %x {name = "relu1", tern.probe = "relu1"} : (tensor<2xf32>) -> tensor<2xf32>
  %s = nn.unary sigmoid %r {name = "sig", tern.probe = "sig"} : (tensor<2xf32>) -> tensor<2xf32>
  return %s : tensor<2xf32>
}
