//===- MicroOps.td - the micro dialect: what upstream lacks for low-bit CPU kernels ------------------------------===//
#ifndef MICRO_OPS
#define MICRO_OPS

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Micro_Dialect : Dialect {
  let name = "micro";
  let summary = "ISA-neutral operations of CPU micro kernels on vectors of bytes";
  let description = [{
    The few instructions that upstream dialects cannot express so that the wanted machine instruction is selected: the dot product of byte
    quads, and fields of bytes. Kernels are generated per instruction set with the vector width of that set; `micro-lower` makes
    arith, vector and intrinsics of the ops. Labels of the rules: README.md.
  }];
  let cppNamespace = "::tern::micro";
}

def Micro_Bytes : VectorOfRankAndType<[1], [I8]>;
def Micro_Words : VectorOfRankAndType<[1], [I32]>;

class Micro_Op<string mnemonic, list<Trait> traits = []> : Op<Micro_Dialect, mnemonic, !listconcat([Pure], traits)>;

def Micro_Dot4Op : Micro_Op<"dot4", [AllTypesMatch<["acc", "result"]>, AllTypesMatch<["unsigned_", "signed_"]>]> {
  let summary = "adds the dot products of u8 x s8 quads to i32 lanes, exactly";
  let description = [{
    `result[i] = acc[i] + sum j < 4 of zext(unsigned[4 i + j]) * sext(signed[4 i + j])`, modulo 2^32.

    ```mlir
    %r = micro.dot4 %acc, %u, %s : vector<16xi32>, vector<64xi8>
    ```
    `narrow` promises that the signed bytes lie in [-64, 63], so that two products fit 16 bits (`pmaddubsw`).
    (M1) the byte vectors have four times the lanes of the accumulator.
  }];
  let arguments = (ins Micro_Words:$acc, Micro_Bytes:$unsigned_, Micro_Bytes:$signed_, UnitAttr:$narrow);
  let results = (outs Micro_Words:$result);
  let assemblyFormat = "$acc `,` $unsigned_ `,` $signed_ attr-dict `:` type($acc) `,` type($unsigned_)";
  let hasVerifier = 1;
}

def Micro_Low : I32EnumAttrCase<"Low", 0, "low">;
def Micro_Place : I32EnumAttrCase<"Place", 1, "place">;
def Micro_High : I32EnumAttrCase<"High", 2, "high">;
def Micro_FieldPosition : I32EnumAttr<"FieldPosition", "where a field of a byte ends up", [Micro_Low, Micro_Place, Micro_High]> {
  let cppNamespace = "::tern::micro";
}

def Micro_FieldOp : Micro_Op<"field", [AllTypesMatch<["bytes", "result"]>]> {
  let summary = "takes some bits of every byte; the other bits of the result are 0";
  let description = [{
    The bits `[lsb, lsb + bits)` of every byte, moved to the low end (an unsigned code), left in place (an unsigned code times 2^lsb), or moved to
    the high end (a two's complement code times 2^(8 - bits)). Costs one AND in place, else a shift of 16-bit lanes and an AND.

    ```mlir
    %even = micro.field %b high {lsb = 0, bits = 4} : vector<64xi8>
    %odd  = micro.field %b high {lsb = 4, bits = 4} : vector<64xi8>   // one AND: it is there already
    ```
    (M2) the field lies inside the byte: bits >= 1, lsb >= 0, lsb + bits <= 8.
    (M3) the number of bytes is even: bytes are shifted in pairs.
  }];
  let arguments = (ins Micro_Bytes:$bytes, Micro_FieldPosition:$at, I64Attr:$lsb, I64Attr:$bits);
  let results = (outs Micro_Bytes:$result);
  let assemblyFormat = "$bytes $at attr-dict `:` type($bytes)";
  let hasVerifier = 1;
}

#endif
