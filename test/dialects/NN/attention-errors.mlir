// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @n3_floats(%q: tensor<2x4x5x8xi32>, %k: tensor<2x4x7x8xi32>, %v: tensor<2x4x7x8xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{'nn.attention' op q has element type 'i32'; this op computes on floats (cast first)}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x4x5x8xi32>, tensor<2x4x7x8xi32>, tensor<2x4x7x8xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_rank(%q: tensor<4x5x8xf32>, %k: tensor<4x7x8xf32>, %v: tensor<4x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{q, k, v have ranks 3, 3, 3; attention takes [batch, heads, positions, size of a head]}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<4x5x8xf32>, tensor<4x7x8xf32>, tensor<4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_batch(%q: tensor<2x4x5x8xf32>, %k: tensor<3x4x7x8xf32>, %v: tensor<2x4x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{batches of q and k are 2 and 3; they must be equal}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<3x4x7x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_positions(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x6x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{positions of k and v are 7 and 6; they must be equal}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x6x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_size(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x9xf32>, %v: tensor<2x4x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{sizes of a head of q and k are 8 and 9; they must be equal}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x4x7x9xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_heads(%q: tensor<2x4x5x8xf32>, %k: tensor<2x3x7x8xf32>, %v: tensor<2x3x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{q has 4 heads, k and v have 3; the former must be a multiple of the latter}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x3x7x8xf32>, tensor<2x3x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n4_mask(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x8xf32>, %m: tensor<6x7xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{mask has shape 6x7; it must broadcast to 2x4x5x7, [batch, heads, queries, keys]}}
  %0 = nn.attention %q, %k, %v mask %m {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>, tensor<6x7xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n3_mask(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x8xf32>, %m: tensor<5x7xi32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{q and a mask that is not i1 have element types 'f32' and 'i32'; they must be one type (cast one of them)}}
  %0 = nn.attention %q, %k, %v mask %m {scale = 1.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>, tensor<5x7xi32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_softcap(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{it is a positive number (leave it out for none)}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32, softcap = 0.0 : f32} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n27_window(%q: tensor<2x4x5x8xf32>, %k: tensor<2x4x7x8xf32>, %v: tensor<2x4x7x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{window is 0; a query sees at least the key of its own position}}
  %0 = nn.attention %q, %k, %v {scale = 1.0 : f32, window = 0 : i64} : (tensor<2x4x5x8xf32>, tensor<2x4x7x8xf32>, tensor<2x4x7x8xf32>) -> tensor<2x4x5x8xf32>
  return
}

// -----

func.func @n28_pairs(%x: tensor<2x5x8xf32>, %c: tensor<5x5xf32>, %s: tensor<5x5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{'nn.rope' op cos rotates 5 pairs; a head of 8 elements has 4}}
  %0 = nn.rope %x, %c, %s : (tensor<2x5x8xf32>, tensor<5x5xf32>, tensor<5x5xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @n28_sin(%x: tensor<2x5x8xf32>, %c: tensor<5x4xf32>, %s: tensor<5x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{cos and sin rotate 4 and 3 pairs; they must be equal}}
  %0 = nn.rope %x, %c, %s : (tensor<2x5x8xf32>, tensor<5x4xf32>, tensor<5x3xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @n4_positions(%x: tensor<2x5x8xf32>, %c: tensor<6x4xf32>, %s: tensor<6x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{cos has shape 6x4; it must broadcast to 2x5x4, the shape of x with one entry for each pair}}
  %0 = nn.rope %x, %c, %s : (tensor<2x5x8xf32>, tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<2x5x8xf32>
  return
}

// -----

func.func @n28_rank(%x: tensor<8xf32>, %c: tensor<4xf32>, %s: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{x has rank 1; a rotary embedding takes [.., positions, size of a head]}}
  %0 = nn.rope %x, %c, %s : (tensor<8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  return
}
