// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n26_activations(%x: tensor<7x2x3xf32>, %w: tensor<1x5x3xf32>, %r: tensor<1x5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{has 0 activations; rnn in 1 directions has 1}}
  %0:2 = nn.rnn rnn %x by %w, %r {hidden = 5 : i64, activations = []}
    : (tensor<7x2x3xf32>, tensor<1x5x3xf32>, tensor<1x5x5xf32>) -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>)
  return
}

// -----

func.func @n26_shape(%x: tensor<7x2x3xf32>, %w: tensor<1x5x4xf32>, %r: tensor<1x5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{w has shape 1x5x4; this layer needs 1x5x3}}
  %0:2 = nn.rnn rnn %x by %w, %r {hidden = 5 : i64, activations = [#nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<1x5x4xf32>, tensor<1x5x5xf32>) -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>)
  return
}

// -----

func.func @n26_rounds(%x: tensor<7x2x3xf32>, %w: tensor<1x5x3xf32>, %r: tensor<1x5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{round_state is of lstm; this layer is rnn}}
  %0:2 = nn.rnn rnn %x by %w, %r {hidden = 5 : i64, round_state, activations = [#nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<1x5x3xf32>, tensor<1x5x5xf32>) -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>)
  return
}

// -----

func.func @n26_products(%x: tensor<7x2x3xf32>, %r: tensor<1x5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has 3 columns and there is no w; products with w of 1 directions have 5}}
  %0:2 = nn.rnn rnn %x, %r {hidden = 5 : i64, activations = [#nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<1x5x5xf32>) -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>)
  return
}

// -----

func.func @n26_of_lstm(%x: tensor<7x2x3xf32>, %w: tensor<1x5x3xf32>, %r: tensor<1x5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{input_forget is of lstm; this layer is rnn}}
  %0:2 = nn.rnn rnn %x by %w, %r {hidden = 5 : i64, input_forget, activations = [#nn<rnn_activation tanh>]}
    : (tensor<7x2x3xf32>, tensor<1x5x3xf32>, tensor<1x5x5xf32>) -> (tensor<7x1x2x5xf32>, tensor<1x2x5xf32>)
  return
}
