//===- TernOps.td - QDQ and fused ops --------------------------------------===//
#ifndef TERN_OPS
#define TERN_OPS
include "dialects/Tern/IR/TernAttrs.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/CallInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

class Tern_Op<string mnemonic, list<Trait> traits = []> : Op<Tern_Dialect, mnemonic, traits>;
defvar Tern_Tensor = AnyRankedTensor;
def Tern_TensorOrQuant : AnyTypeOf<[AnyRankedTensor, Tern_QuantType]>;
def Tern_Name : OptionalAttr<StrAttr>;

//===-- QDQ form ----------------------------------------------------------------===//
def Tern_QuantizeOp : Tern_Op<"quantize", [Pure]> {
  let summary = "Real numbers to codes; with planes: static, without: the planes are computed from x by the rule of `by`";
  let description = [{
    Plane operands are those of the format in order (scale, zero, ...), of the plain plane types. `by` is required without planes and
    fixes range, rounding and saturation with them. On a constant weight `method` names the algorithm of lib/Quantize.
    code = sat(round(x / scale) + zero), division in f32 (docs/FORMATS.md 1.3).
  }];
  let arguments = (ins Tern_Tensor:$x, Variadic<Tern_Tensor>:$planes, OptionalAttr<Tern_EncodeAttr>:$by, OptionalAttr<StrAttr>:$method, Tern_Name:$name);
  let results = (outs Tern_QuantType:$result);
  let assemblyFormat = "$x (`,` $planes^)? (`by` $by^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_DequantizeOp : Tern_Op<"dequantize", [Pure]> {
  let summary = "The real numbers that codes stand for";
  let arguments = (ins Tern_QuantType:$q, Tern_Name:$name);
  let results = (outs Tern_Tensor:$result);
  let assemblyFormat = "$q attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_BundleOp : Tern_Op<"bundle", [Pure]> {
  let summary = "Planes (codes first, then the format's planes in order) or packed buffers become one quantized value";
  let arguments = (ins Variadic<Tern_Tensor>:$planes);
  let results = (outs Tern_QuantType:$result);
  let assemblyFormat = "$planes attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_UnbundleOp : Tern_Op<"unbundle", [Pure]> {
  let summary = "The planes of a quantized value, codes first";
  let arguments = (ins Tern_QuantType:$q);
  let results = (outs Variadic<Tern_Tensor>:$planes);
  let assemblyFormat = "$q attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

//===-- fused form --------------------------------------------------------------===//
def Tern_MatmulOp : Tern_Op<"matmul", [Pure]> {
  let summary = "Matrix product on codes: sum_k (x - zero_x)(w - zero_w) (+ bias)";
  let description = [{
    (T1) The result is i32 when both elements are integers and all scales are constant along k: zero points are applied, scales are not, and the
    bias is i32. Otherwise the result has the expressed type, scales applied, and the bias is real. x: [.., M, K]; w: [N, K] (N2) or [.., N, K].
  }];
  let arguments = (ins Tern_TensorOrQuant:$x, Tern_TensorOrQuant:$w, Optional<Tern_Tensor>:$bias, OptionalAttr<Tern_ChoiceAttr>:$choice, Tern_Name:$name);
  let results = (outs Tern_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`,` $bias^)? (`choice` $choice^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_ConvOp : Tern_Op<"conv", [Pure]> {
  let summary = "Convolution on codes, as tern.matmul (T1); padding is the real number 0 (the code of the zero point)";
  let arguments = (ins Tern_TensorOrQuant:$x, Tern_TensorOrQuant:$w, Optional<Tern_Tensor>:$bias, DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$dilations, DefaultValuedAttr<I64Attr, "1">:$group, UnitAttr:$transposed,
                       OptionalAttr<DenseI64ArrayAttr>:$output_padding, OptionalAttr<Tern_ChoiceAttr>:$choice, Tern_Name:$name);
  let results = (outs Tern_Tensor:$result);
  let assemblyFormat = "$x `,` $w (`,` $bias^)? (`choice` $choice^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_RequantizeOp : Tern_Op<"requantize", [Pure, AttrSizedOperandSegments]> {
  let summary = "(T2) sat(zero + round(sum over terms of term * multiplier)) in [lo, hi]";
  let description = [{
    One or two terms: i32 accumulators or f32 tensors of one shape, or a `!tern.quant` residual (its integer value minus its zero point).
    multipliers: f32, scalar or one a channel (shape broadcastable to the term). All products and the sum are f32, in order, unfused;
    round is to nearest even. scale and zero are the planes of the result; lo and hi clamp codes (a fused relu or clip).
  }];
  let arguments = (ins Variadic<Tern_TensorOrQuant>:$terms, Variadic<Tern_Tensor>:$multipliers, Tern_Tensor:$scale, Optional<Tern_Tensor>:$zero,
                       I64Attr:$lo, I64Attr:$hi, Tern_Name:$name);
  let results = (outs Tern_QuantType:$result);
  let assemblyFormat = "$terms `by` $multipliers `to` $scale (`,` $zero^)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}

def Tern_CallOp : Tern_Op<"call", [CallOpInterface, SymbolUserOpInterface]> {
  let summary = "One kernel of @main: value semantics, buffers are assigned by the target";
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$ins, OptionalAttr<StrAttr>:$row, Tern_Name:$name,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let results = (outs Variadic<AnyType>:$outs);
  let assemblyFormat = "$callee `(` $ins `)` attr-dict `:` functional-type($ins, $outs)";
  let extraClassDeclaration = [{
    ::mlir::CallInterfaceCallable getCallableForCallee() { return getCalleeAttr(); }
    void setCalleeFromCallable(::mlir::CallInterfaceCallable callee) { setCalleeAttr(::mlir::cast<::mlir::FlatSymbolRefAttr>(::mlir::cast<::mlir::SymbolRefAttr>(callee))); }
    ::mlir::Operation::operand_range getArgOperands() { return getIns(); }
    ::mlir::MutableOperandRange getArgOperandsMutable() { return getInsMutable(); }
    ::mlir::LogicalResult verifySymbolUses(::mlir::SymbolTableCollection &symbols);
  }];
}
#endif
