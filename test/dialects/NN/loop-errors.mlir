// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n29_never_ends(%s: tensor<2xf32>) {
  // expected-error @+1 {{never ends; it needs count, trips or a condition}}
  %0 = nn.loop states(%s) over() captures() : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>):
    nn.yield %state : tensor<2xf32>
  }
  return
}

// -----

func.func @n29_collects(%m: tensor<i64>, %s: tensor<2xf32>) {
  // expected-error @+1 {{has sequences or collected results, and its number of steps is not exactly count; leave out trips and condition}}
  %0:2 = nn.loop trips(%m) states(%s) over() captures() : (tensor<i64>, tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32>) {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>):
    nn.yield %state, %state : tensor<2xf32>, tensor<2xf32>
  }
  return
}

// -----

func.func @n29_state(%s: tensor<2xf32>) {
  // expected-error @+1 {{state 0 is 'tensor<2xf32>' and becomes 'tensor<4xf32>'; states keep their types}}
  %0 = nn.loop count "3" states(%s) over() captures() : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>):
    %1 = nn.concat %state, %state {axis = 0 : i64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<4xf32>
    nn.yield %1 : tensor<4xf32>
  }
  return
}

// -----

func.func @n29_sequence(%s: tensor<2xf32>, %x: tensor<4x3xf32>) {
  // expected-error @+1 {{has 3 steps; a sequence is 'tensor<4x3xf32>'}}
  %0 = nn.loop count "3" states(%s) over(%x) captures() : (tensor<2xf32>, tensor<4x3xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>, %element: tensor<3xf32>):
    nn.yield %state : tensor<2xf32>
  }
  return
}

// -----

func.func @n29_element(%s: tensor<2xf32>, %x: tensor<3x3xf32>) {
  // expected-error @+1 {{sequence 0 is 'tensor<3x3xf32>' and its elements are 'tensor<2xf32>'}}
  %0 = nn.loop count "3" states(%s) over(%x) captures() : (tensor<2xf32>, tensor<3x3xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>, %element: tensor<2xf32>):
    nn.yield %state : tensor<2xf32>
  }
  return
}

// -----

func.func @n29_yield(%c: tensor<i1>, %s: tensor<2xf32>) {
  // expected-error @+1 {{has a body that yields 1 values; condition, states and elements are 2}}
  %0 = nn.loop while(%c) states(%s) over() captures() : (tensor<i1>, tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>):
    nn.yield %state : tensor<2xf32>
  }
  return
}

// -----

func.func @n29_count(%s: tensor<2xf32>) {
  // expected-error @+1 {{count "seq+" is no size expression}}
  %0 = nn.loop count "seq+" states(%s) over() captures() : (tensor<2xf32>) -> tensor<2xf32> {
  ^bb0(%step: tensor<i64>, %state: tensor<2xf32>):
    nn.yield %state : tensor<2xf32>
  }
  return
}
