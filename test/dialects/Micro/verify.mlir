// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @micro_m1(%acc: vector<16xi32>, %u: vector<32xi8>) -> vector<16xi32> {
  // expected-error @+1 {{multiplies 32 bytes into 16 lanes; 16 lanes take 64 bytes}}
  %r = micro.dot4 %acc, %u, %u : vector<16xi32>, vector<32xi8>
  return %r : vector<16xi32>
}

// -----

func.func @micro_m2(%b: vector<32xi8>) -> vector<32xi8> {
  // expected-error @+1 {{takes bits [5, 9) of a byte; a byte has the bits [0, 8)}}
  %r = micro.field %b low {lsb = 5, bits = 4} : vector<32xi8>
  return %r : vector<32xi8>
}

// -----

func.func @micro_m3(%b: vector<3xi8>) -> vector<3xi8> {
  // expected-error @+1 {{has 3 bytes; their number must be even}}
  %r = micro.field %b low {lsb = 0, bits = 4} : vector<3xi8>
  return %r : vector<3xi8>
}
