func.func @main(%x: tensor<1x2x4x4xf32> {tern.name = "x", tern.stats = {hi = 1.0 : f32, lo = -1.0 : f32, max = 1.5 : f32, min = -1.0 : f32}}) -> tensor<1x5xf32> {
  %w1 = arith.constant dense<0.5> : tensor<64x2x1x1xf32>
  %w2 = arith.constant dense<0.5> : tensor<5x1024xf32>
  %b = arith.constant dense<0.25> : tensor<64xf32>
  %c = nn.conv %x, %w1, %b {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, name = "c1"} : (tensor<1x2x4x4xf32>, tensor<64x2x1x1xf32>, tensor<64xf32>) -> tensor<1x64x4x4xf32>
  %r = nn.unary relu %c {name = "relu1", tern.stats = {hi = 2.55 : f32, lo = 0.0 : f32, max = 3.0 : f32, min = 0.0 : f32}} : (tensor<1x64x4x4xf32>) -> tensor<1x64x4x4xf32>
  %f = nn.reshape %r : (tensor<1x64x4x4xf32>) -> tensor<1x1024xf32>
  %y = nn.matmul %f, %w2 {name = "fc", transpose_b} : (tensor<1x1024xf32>, tensor<5x1024xf32>) -> tensor<1x5xf32>
  return %y : tensor<1x5xf32>
}
