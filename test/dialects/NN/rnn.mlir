// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @lstm
// CHECK: nn.rnn lstm %{{.*}} by %{{.*}}, %{{.*}} bias %{{.*}} h0 %{{.*}} c0 %{{.*}} {activations = [{{.*}}sigmoid{{.*}}], hidden = 5 : i64}
func.func @lstm(%x: tensor<7x2x3xf32>, %w: tensor<1x20x3xf32>, %r: tensor<1x20x5xf32>, %b: tensor<1x40xf32>, %s: tensor<1x2x5xf32>)
    -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>, tensor<1x2x5xf32>) {
  %0:3 = nn.rnn lstm %x by %w, %r bias %b h0 %s c0 %s {hidden = 5 : i64, activations = [#nn<rnn_activation sigmoid>, #nn<rnn_activation tanh>, #nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<1x20x3xf32>, tensor<1x20x5xf32>, tensor<1x40xf32>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
    -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>, tensor<1x2x5xf32>)
  return %0#0, %0#1, %0#2 : tensor<7x1x2x5xf32>, tensor<1x2x5xf32>, tensor<1x2x5xf32>
}

// CHECK-LABEL: @batch_first_of_unknown_length
// CHECK: nn.rnn gru
func.func @batch_first_of_unknown_length(%x: tensor<2x?x3xf32>, %w: tensor<2x15x3xf32>, %r: tensor<2x15x5xf32>, %l: tensor<2xi32>)
    -> (tensor<2x?x2x5xf32>, tensor<2x2x5xf32>) {
  %0:2 = nn.rnn gru %x by %w, %r lens %l {hidden = 5 : i64, direction = #nn<rnn_direction bidirectional>, layout = 1 : i64, linear_before_reset, clip = 3.0 : f32,
      activations = [#nn<rnn_activation sigmoid>, #nn<rnn_activation tanh>, #nn<rnn_activation affine>, #nn<rnn_activation scaled_tanh>],
      alpha = array<f32: 0.0, 0.0, 0.5, 0.5>, beta = array<f32: 0.0, 0.0, 0.25, 0.25>}
    : (tensor<2x?x3xf32>, tensor<2x15x3xf32>, tensor<2x15x5xf32>, tensor<2xi32>) -> (tensor<2x?x2x5xf32>, tensor<2x2x5xf32>)
  return %0#0, %0#1 : tensor<2x?x2x5xf32>, tensor<2x2x5xf32>
}
