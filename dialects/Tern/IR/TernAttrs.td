//===- TernAttrs.td - formats, encoders, choices, the quantized type -------===//
#ifndef TERN_ATTRS
#define TERN_ATTRS
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/IR/CommonAttrConstraints.td"

def Tern_Dialect : Dialect {
  let name = "tern";
  let cppNamespace = "::tern";
  let summary = "Quantized values: formats, quantize/dequantize, fused integer ops, kernel calls";
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"];
}

// ElementInterface: how an element kind that is not a builtin type says what it is to lib/Formats.
def Tern_ElementInterface : AttrInterface<"ElementInterface"> {
  let cppNamespace = "::tern";
  let methods = [ InterfaceMethod<"The element of lib/Formats that this attribute spells.", "::tern::Element", "getElement"> ];
}

// LayoutInterface: how an attribute that orders the planes of a value in buffers says so to lib/Formats/Layouts.
def Tern_LayoutInterface : AttrInterface<"LayoutInterface"> {
  let cppNamespace = "::tern";
  let methods = [ InterfaceMethod<"The layout that this attribute spells.", "std::unique_ptr<::tern::Layout>", "getLayout"> ];
}

class Tern_Enum<string name, list<string> cases, list<int> numbers> : I32EnumAttr<name, name, !foreach(i, numbers, I32EnumAttrCase<cases[i], i>)> {
  let cppNamespace = "::tern";
  let genSpecializedAttr = 0;
}
// The order of the cases is that of the enums of lib/Formats, which define their meaning.
def Tern_PlaneRole : Tern_Enum<"PlaneRole", ["scale", "zero", "min", "select", "table", "tail", "sparse", "lowrank_a", "lowrank_b"], !range(0, 9)>;
def Tern_EncodeRule : Tern_Enum<"EncodeRule", ["absmax", "signed_absmax", "absmean", "minmax", "floor_pow2", "ceil_pow2", "given"], !range(0, 7)>;
def Tern_EncodeRound : Tern_Enum<"EncodeRound", ["rne", "rna", "rtz", "floor", "half_up", "tie_low"], !range(0, 6)>;
def Tern_EncodeOrder : Tern_Enum<"EncodeOrder", ["round_then_zp", "zp_then_round"], !range(0, 2)>;
def Tern_EncodeSat : Tern_Enum<"EncodeSat", ["clamp", "wrap", "error"], !range(0, 3)>;
def Tern_GgmlType : Tern_Enum<"GgmlBlock", ["q4_0", "q4_1", "q8_0", "q4_K", "q6_K", "iq4_nl", "mxfp4", "nvfp4"], !range(0, 8)>;
def Tern_GptqVersion : Tern_Enum<"GptqVersion", ["v1", "v2"], !range(0, 2)>;

class Tern_Attr<string name, string m, list<Trait> traits = []> : AttrDef<Tern_Dialect, name, traits> { let mnemonic = m; }

def Tern_PlaneAttr : Tern_Attr<"Plane", "plane"> {
  let summary = "One parameter plane of a format: role, type, block (absent: one value; -1 is printed '*': the whole dimension)";
  let parameters = (ins EnumParameter<Tern_PlaneRole>:$role, "::mlir::Type":$type, OptionalArrayRefParameter<"int64_t">:$block);
  let hasCustomAssemblyFormat = 1;
}

//===-- element kinds that are not builtin types ---------------------------------===//
class Tern_ElementAttr<string name, string m, dag params> : Tern_Attr<name, m, [DeclareAttrInterfaceMethods<Tern_ElementInterface>]> {
  let parameters = params;
}
def Tern_LutAttr : Tern_ElementAttr<"Lut", "lut", (ins "unsigned":$bits)> {
  let summary = "Code = index into the table plane (2^bits entries)";
  let assemblyFormat = "`<` $bits `>`";
}
def Tern_FixedAttr : Tern_ElementAttr<"Fixed", "fixed", (ins "unsigned":$width, "int":$integer_bits)> {
  let summary = "Signed code * 2^(integer_bits - width)";
  let assemblyFormat = "`<` $width `,` $integer_bits `>`";
}
def Tern_TernaryAttr : Tern_ElementAttr<"Ternary", "ternary", (ins)> { let summary = "-1, 0, 1"; }
def Tern_BipolarAttr : Tern_ElementAttr<"Bipolar", "bipolar", (ins "unsigned":$bits)> {
  let summary = "Odd integers -(2^bits - 1) .. 2^bits - 1";
  let assemblyFormat = "`<` $bits `>`";
}
def Tern_MinifloatAttr : Tern_ElementAttr<"Minifloat", "minifloat", (ins "unsigned":$exponent, "unsigned":$mantissa, "int":$bias, "::mlir::StringAttr":$special)> {
  let summary = "sign, exponent, mantissa; special codes: finite, ieee, fnuz or fn (E5)";
  let assemblyFormat = "`<` $exponent `,` $mantissa `,` $bias `,` $special `>`";
}

def Tern_PotAttr : Tern_ElementAttr<"Pot", "pot", (ins "unsigned":$bits)> {
  let summary = "2^-code";
  let assemblyFormat = "`<` $bits `>`";
}
def Tern_BitmodAttr : Tern_ElementAttr<"Bitmod", "bitmod", (ins "unsigned":$bits)> {
  let summary = "Union of four tables of 2^bits values (3 or 4 bits); a select plane chooses one for each block (E1)";
  let assemblyFormat = "`<` $bits `>`";
}
def Tern_AbfloatAttr : Tern_ElementAttr<"Abfloat", "abfloat", (ins "unsigned":$exponent, "unsigned":$mantissa, "int":$bias)> {
  let summary = "sign, (2^mantissa bits + mantissa) * 2^(exponent + bias); magnitude code 0 is unused";
  let assemblyFormat = "`<` $exponent `,` $mantissa `,` $bias `>`";
}
def Tern_PairAttr : Tern_ElementAttr<"Pair", "pair", (ins "::mlir::Attribute":$normal, "::mlir::Attribute":$outlier, "unsigned":$marker)> {
  let summary = "Two neighbours share an escape code: beside the marker, which is 0, stands an outlier (E2)";
  let assemblyFormat = "`<` $normal `,` $outlier `,` $marker `>`";
  let genVerifyDecl = 1;
}

//===-- layouts of other projects (lib/Formats/Layouts) ---------------------------===//
class Tern_LayoutAttr<string name, string m, dag params = (ins)> : Tern_Attr<name, m, [DeclareAttrInterfaceMethods<Tern_LayoutInterface>]> {
  let parameters = params;
}
def Tern_MatMulNBitsAttr : Tern_LayoutAttr<"MatMulNBits", "matmulnbits"> { let summary = "com.microsoft:MatMulNBits"; }
def Tern_OnnxLayoutAttr : Tern_LayoutAttr<"OnnxLayout", "onnx"> { let summary = "ONNX tensors: codes packed over the whole tensor"; }
def Tern_GgmlAttr : Tern_LayoutAttr<"Ggml", "ggml", (ins EnumParameter<Tern_GgmlType>:$type)> {
  let summary = "Blocks of ggml";
  let assemblyFormat = "`<` $type `>`";
}
def Tern_AutoAwqAttr : Tern_LayoutAttr<"AutoAwq", "autoawq"> { let summary = "AutoAWQ, gemm version"; }
def Tern_GptqAttr : Tern_LayoutAttr<"Gptq", "gptq", (ins EnumParameter<Tern_GptqVersion>:$version)> {
  let summary = "GPTQ checkpoints; v1 stores zero - 1";
  let assemblyFormat = "`<` $version `>`";
}
def Tern_Fp6LlmAttr : Tern_LayoutAttr<"Fp6Llm", "fp6llm"> { let summary = "FP6-LLM: planes of 1, 2 and 4 bits in tiles of 64 x 64"; }
def Tern_TmacAttr : Tern_LayoutAttr<"Tmac", "tmac", (ins "int":$bm, "int":$kfactor)> {
  let summary = "T-MAC: bit planes in tiles of bm bit rows and 4 * kfactor columns";
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tern_FormatAttr : Tern_Attr<"Format", "format"> {
  let summary = "What a code means: element and parameter planes (F1-F4)";
  let description = [{ `#tern.format<ELEM, ROLE<type, [block]>, ...>`; ELEM is a TypeAttr (si8, ui4, f8E4M3FN, ...) or an attribute with ElementInterface. }];
  let genMnemonicAlias = 1;
  let parameters = (ins "::mlir::Attribute":$elem, OptionalArrayRefParameter<"::tern::PlaneAttr">:$planes);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The plain struct of lib/Formats that this attribute wraps.
    ::tern::Format getFormat() const;
    /// The attribute for a plain format.
    static FormatAttr get(::mlir::MLIRContext *context, const ::tern::Format &format);
  }];
}

def Tern_EncodeAttr : Tern_Attr<"Encode", "encode"> {
  let summary = "How codes are chosen: <RULE(, LO to HI)?(, round = R)?(, order = O)?(, sat = S)?> (F5, F6)";
  let parameters = (ins EnumParameter<Tern_EncodeRule>:$rule, OptionalArrayRefParameter<"int64_t">:$range, EnumParameter<Tern_EncodeRound>:$round,
                        EnumParameter<Tern_EncodeOrder>:$order, EnumParameter<Tern_EncodeSat>:$sat);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    ::tern::Encode getEncode() const;
    static EncodeAttr get(::mlir::MLIRContext *context, const ::tern::Encode &encode);
  }];
}

def Tern_KernelUseAttr : Tern_Attr<"KernelUse", "kernel"> {
  let summary = "A row of the target's kernel table and the range of m it serves (-1: no upper bound)";
  let parameters = (ins "::mlir::StringAttr":$row, "int64_t":$lo, "int64_t":$hi);
  let assemblyFormat = "`<` $row `,` $lo `to` $hi `>`";
}

def Tern_ChoiceAttr : Tern_Attr<"Choice", "choice"> {
  let summary = "The decision of the plan for one op: formats, encoders, method, layout, kernels";
  let description = [{
    x, w, y: formats of activation, weight and result (absent: stays float). x_static: the range of the activation is known, its scale and zero
    point are x_scale and x_zero (else it is quantized at run time).
  }];
  let genMnemonicAlias = 1;
  let parameters = (ins OptionalParameter<"::mlir::StringAttr">:$method, OptionalParameter<"::tern::FormatAttr">:$x, OptionalParameter<"::tern::EncodeAttr">:$x_encode,
    OptionalParameter<"::mlir::FloatAttr">:$x_scale, OptionalParameter<"::mlir::IntegerAttr">:$x_zero,
    OptionalParameter<"::tern::FormatAttr">:$w, OptionalParameter<"::tern::EncodeAttr">:$w_encode, OptionalParameter<"::tern::FormatAttr">:$y,
    OptionalParameter<"::mlir::Attribute">:$layout, OptionalArrayRefParameter<"::tern::KernelUseAttr">:$kernels);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Tern_QuantType : TypeDef<Tern_Dialect, "Quant"> {
  let mnemonic = "quant";
  let summary = "Logical shape x expressed type, format, optional layout: codes together with scales, zero points, ...";
  let genMnemonicAlias = 1;
  let parameters = (ins ArrayRefParameter<"int64_t">:$shape, "::mlir::Type":$expressed, "::tern::FormatAttr":$format, "::mlir::Attribute":$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The tensor of real numbers this value stands for.
    ::mlir::RankedTensorType getExpressedTensor() const;
    /// Types of the buffers of the layout; without one, those of the planes.
    ::llvm::SmallVector<::mlir::RankedTensorType> getStoredTypes() const;
    /// Types of the plain planes, codes first, as planeShapes() gives them: signless; below 8 bits packed bytes along the last axis.
    ::llvm::SmallVector<::mlir::RankedTensorType> getPlaneTypes() const;
    static QuantType get(::mlir::RankedTensorType tensor, FormatAttr format);
  }];
}
#endif
