// A constant that is one number a row stays one number a row in weights.bin, whatever the size of the rows; also of rows whose size is open.
// RUN: quant-opt %s --cpu-assign-layouts --cpu-emit-kernels=isas=avx2 | FileCheck %s
// RUN: rm -rf %t.tern && quant-opt %s --tern-emit='out=%t.tern name=rows' -o /dev/null
// RUN: FileCheck %s --check-prefix=BYTES < %t.tern/manifest.json
// CHECK-DAG: name = "rows"{{.*}}row = "cpu.eltwise"
// CHECK-DAG: name = "planes"{{.*}}row = "cpu.eltwise"
// BYTES: "bytes": {{[0-9][0-9]?[0-9]?[0-9]?[0-9]?}},
module {
  func.func private @k.rows(%x: tensor<1x512x508xf32>) -> tensor<1x512x508xf32> {
    %c = arith.constant dense<0.5> : tensor<1x512x1xf32>
    %0 = nn.binary mul %x, %c : (tensor<1x512x508xf32>, tensor<1x512x1xf32>) -> tensor<1x512x508xf32>
    return %0 : tensor<1x512x508xf32>
  }
  func.func private @k.planes(%x: tensor<2x3x512x508xf32>) -> tensor<2x3x512x508xf32> {
    %c = arith.constant dense<0.5> : tensor<512x1xf32>
    %0 = nn.binary mul %x, %c : (tensor<2x3x512x508xf32>, tensor<512x1xf32>) -> tensor<2x3x512x508xf32>
    return %0 : tensor<2x3x512x508xf32>
  }
  func.func @main(%a: tensor<1x512x508xf32>, %b: tensor<2x3x512x508xf32>) -> (tensor<1x512x508xf32>, tensor<2x3x512x508xf32>) {
    %0 = tern.call @k.rows(%a) {name = "rows"} : (tensor<1x512x508xf32>) -> tensor<1x512x508xf32>
    %1 = tern.call @k.planes(%b) {name = "planes"} : (tensor<2x3x512x508xf32>) -> tensor<2x3x512x508xf32>
    return %0, %1 : tensor<1x512x508xf32>, tensor<2x3x512x508xf32>
  }
}
