//===- TernDialect.cpp - the dialect and its attributes and types ----------===//
// Attributes and types are parsed and printed here; what they mean is lib/Formats.
//===----------------------------------------------------------------------===//
#include "dialects/Tern/IR/Tern.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace tern;

#include "dialects/Tern/IR/TernDialect.cpp.inc"
#include "dialects/Tern/IR/TernEnums.cpp.inc"
#include "dialects/Tern/IR/TernInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tern/IR/TernAttributes.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Tern/IR/TernTypes.cpp.inc"

namespace tern {
void attachSizes(MLIRContext *context); // TernSizes.cpp
}

void TernDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Tern/IR/TernAttributes.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Tern/IR/TernTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Tern/IR/TernOps.cpp.inc"
      >();
  attachSizes(getContext());
}

LogicalResult TernDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == "tern.choice" && !isa<ChoiceAttr>(attribute.getValue()))
    return op->emitError("tern.choice is ") << attribute.getValue() << "; it must be a #tern.choice attribute";
  return success();
}

//===-- planes and formats --------------------------------------------------===//

static ParseResult parseBlock(AsmParser &parser, SmallVectorImpl<int64_t> &block) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, [&]() -> ParseResult {
    if (succeeded(parser.parseOptionalStar())) {
      block.push_back(kWhole);
      return success();
    }
    return parser.parseInteger(block.emplace_back());
  });
}

/// ROLE '<' type (',' '[' block ']')? '>'
static PlaneAttr parsePlane(AsmParser &parser) {
  StringRef keyword;
  auto loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return {};
  auto role = symbolizePlaneRole(keyword);
  if (!role) {
    parser.emitError(loc, "unknown plane role '")
        << keyword << "'; allowed: scale, zero, min, select, table, tail, sparse, lowrank_a, lowrank_b";
    return {};
  }
  Type type;
  SmallVector<int64_t> block;
  if (parser.parseLess() || parser.parseType(type))
    return {};
  if (succeeded(parser.parseOptionalComma()) && parseBlock(parser, block))
    return {};
  if (parser.parseGreater())
    return {};
  return PlaneAttr::get(parser.getContext(), *role, type, block);
}

static void printPlane(AsmPrinter &printer, PlaneAttr plane) {
  printer << stringifyPlaneRole(plane.getRole()) << '<' << plane.getType();
  if (!plane.getBlock().empty()) {
    printer << ", [";
    llvm::interleaveComma(plane.getBlock(), printer, [&](int64_t extent) {
      if (extent == kWhole)
        printer << '*';
      else
        printer << extent;
    });
    printer << ']';
  }
  printer << '>';
}

Attribute PlaneAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  PlaneAttr plane = parsePlane(parser);
  if (!plane || parser.parseGreater())
    return {};
  return plane;
}

void PlaneAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printPlane(printer, *this);
  printer << '>';
}

Attribute FormatAttr::parse(AsmParser &parser, Type) {
  Attribute elem;
  SmallVector<PlaneAttr> planes;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseAttribute(elem))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    PlaneAttr plane = parsePlane(parser);
    if (!plane)
      return {};
    planes.push_back(plane);
  }
  if (parser.parseGreater())
    return {};
  return FormatAttr::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), elem,
                                ArrayRef<PlaneAttr>(planes));
}

void FormatAttr::print(AsmPrinter &printer) const {
  printer << '<';
  printer.printAttribute(getElem());
  for (PlaneAttr plane : getPlanes()) {
    printer << ", ";
    printPlane(printer, plane);
  }
  printer << '>';
}

/// The plain format, or the reason why there is none.
static Result<Format> plainFormat(Attribute elem, ArrayRef<PlaneAttr> planes) {
  auto describe = [](auto what) {
    std::string text;
    llvm::raw_string_ostream(text) << what;
    return text;
  };
  Result<Format> result;
  std::optional<Element> element = elementOf(elem);
  if (!element) {
    result.error = "'" + describe(elem) +
                   "' is no element; allowed: siN, uiN, f32, f16, bf16, the f8, f6 and f4 types, #tern.fixed, #tern.lut, "
                   "#tern.ternary, #tern.bipolar, #tern.minifloat, #tern.pot, #tern.bitmod, #tern.pair, #tern.abfloat";
    return result;
  }
  result.value.elem = *element;
  for (PlaneAttr plane : planes) {
    std::optional<Element> type = elementOf(plane.getType());
    if (!type) {
      result.error = "'" + describe(plane.getType()) + "' is no plane type; allowed: f32, f16, bf16, f8E8M0FNU, f8E4M3FN, siN, uiN";
      return result;
    }
    // PlaneRole counts the planes only; Role starts with the codes.
    result.value.planes.push_back({Role(int(plane.getRole()) + 1), *type, plane.getBlock().vec()});
  }
  return result;
}

LogicalResult FormatAttr::verify(function_ref<InFlightDiagnostic()> emitError, Attribute elem,
                                 ArrayRef<PlaneAttr> planes) {
  Result<Format> format = plainFormat(elem, planes);
  std::string error = format ? tern::verify(*format) : format.error;
  if (!error.empty())
    return emitError() << error;
  return success();
}

Format FormatAttr::getFormat() const { return *plainFormat(getElem(), getPlanes()); }

FormatAttr FormatAttr::get(MLIRContext *context, const Format &format) {
  SmallVector<PlaneAttr> planes;
  for (const Plane &plane : format.planes)
    planes.push_back(PlaneAttr::get(context, PlaneRole(int(plane.role) - 1), typeOf(context, plane.type), plane.block));
  return FormatAttr::get(context, attrOf(context, format.elem), planes);
}

//===-- encoders ------------------------------------------------------------===//

Attribute EncodeAttr::parse(AsmParser &parser, Type) {
  StringRef keyword;
  if (parser.parseLess())
    return {};
  auto ruleLoc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return {};
  auto rule = symbolizeEncodeRule(keyword);
  if (!rule) {
    parser.emitError(ruleLoc, "unknown rule '")
        << keyword << "'; allowed: absmax, signed_absmax, absmean, minmax, floor_pow2, ceil_pow2, given";
    return {};
  }
  SmallVector<int64_t> range;
  EncodeRound round = EncodeRound::rne;
  EncodeOrder order = EncodeOrder::round_then_zp;
  EncodeSat sat = EncodeSat::clamp;
  while (succeeded(parser.parseOptionalComma())) {
    int64_t lo, hi;
    auto loc = parser.getCurrentLocation();
    OptionalParseResult number = parser.parseOptionalInteger(lo);
    if (number.has_value()) {
      if (failed(*number) || parser.parseKeyword("to") || parser.parseInteger(hi))
        return {};
      range = {lo, hi};
      continue;
    }
    StringRef key, value;
    if (parser.parseKeyword(&key) || parser.parseEqual() || parser.parseKeyword(&value))
      return {};
    auto asRound = symbolizeEncodeRound(value);
    auto asOrder = symbolizeEncodeOrder(value);
    auto asSat = symbolizeEncodeSat(value);
    if (key == "round" && asRound)
      round = *asRound;
    else if (key == "order" && asOrder)
      order = *asOrder;
    else if (key == "sat" && asSat)
      sat = *asSat;
    else {
      parser.emitError(loc, "unknown '") << key << " = " << value
                                         << "'; allowed: round = rne|rna|rtz|floor|half_up|tie_low, order = "
                                            "round_then_zp|zp_then_round, sat = clamp|wrap|error";
      return {};
    }
  }
  if (parser.parseGreater())
    return {};
  return EncodeAttr::get(parser.getContext(), *rule, range, round, order, sat);
}

void EncodeAttr::print(AsmPrinter &printer) const { printer << getEncode().str(); }

Encode EncodeAttr::getEncode() const {
  Encode encode{static_cast<Rule>(getRule())};
  if (!getRange().empty()) {
    encode.hasRange = true;
    encode.lo = getRange()[0];
    encode.hi = getRange()[1];
  }
  encode.round = Round(int(getRound()));
  encode.order = Order(int(getOrder()));
  encode.sat = Sat(int(getSat()));
  return encode;
}

EncodeAttr EncodeAttr::get(MLIRContext *context, const Encode &encode) {
  SmallVector<int64_t> range;
  if (encode.hasRange)
    range = {encode.lo, encode.hi};
  return EncodeAttr::get(context, EncodeRule(int(encode.rule)), range, EncodeRound(int(encode.round)),
                         EncodeOrder(int(encode.order)), EncodeSat(int(encode.sat)));
}

//===-- the quantized type --------------------------------------------------===//

Type QuantType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  Type expressed;
  FormatAttr format;
  Attribute layout;
  auto loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(shape, /*allowDynamic=*/true, /*withTrailingX=*/true) ||
      parser.parseType(expressed) || parser.parseComma() || parser.parseAttribute(format))
    return {};
  if (succeeded(parser.parseOptionalComma()) && parser.parseAttribute(layout))
    return {};
  if (parser.parseGreater())
    return {};
  return QuantType::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), ArrayRef<int64_t>(shape),
                               expressed, format, layout);
}

void QuantType::print(AsmPrinter &printer) const {
  printer << '<';
  for (int64_t extent : getShape()) {
    if (ShapedType::isDynamic(extent))
      printer << '?';
    else
      printer << extent;
    printer << 'x';
  }
  printer << getExpressed() << ", ";
  printer.printAttribute(getFormat());
  if (getLayout()) {
    printer << ", ";
    printer.printAttribute(getLayout());
  }
  printer << '>';
}

LogicalResult QuantType::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<int64_t> shape, Type expressed,
                                FormatAttr format, Attribute layout) {
  if (!isa<FloatType>(expressed))
    return emitError() << "expressed type " << expressed << " is no float type";
  std::string error = tern::verify(format.getFormat(), Span<const int64_t>(shape.data(), shape.size()));
  if (!error.empty())
    return emitError() << error;
  if (!layout)
    return success();
  auto known = dyn_cast<LayoutInterface>(layout);
  if (!known)
    return emitError() << layout << " is no layout; it has no LayoutInterface";
  error = known.getLayout()->verify(format.getFormat(), Span<const int64_t>(shape.data(), shape.size()));
  if (!error.empty())
    return emitError() << error;
  return success();
}

SmallVector<RankedTensorType> QuantType::getStoredTypes() const {
  if (!getLayout())
    return getPlaneTypes();
  SmallVector<RankedTensorType> types;
  Span<const int64_t> shape(getShape().data(), getShape().size());
  for (const Buffer &buffer : cast<LayoutInterface>(getLayout()).getLayout()->buffers(getFormat().getFormat(), shape)) {
    int bits = (buffer.type.bits + 7) / 8 * 8;
    Type element = buffer.type.isFloat() ? typeOf(getContext(), buffer.type) : Type(IntegerType::get(getContext(), bits));
    types.push_back(RankedTensorType::get(buffer.shape, element));
  }
  return types;
}

RankedTensorType QuantType::getExpressedTensor() const { return RankedTensorType::get(getShape(), getExpressed()); }

SmallVector<RankedTensorType> QuantType::getPlaneTypes() const {
  SmallVector<RankedTensorType> types;
  MLIRContext *context = getContext();
  for (const PlaneShape &plane : planeShapes(Span<const int64_t>(getShape().data(), getShape().size()), getFormat().getFormat())) {
    SmallVector<int64_t> shape;
    for (int64_t extent : plane.shape)
      shape.push_back(extent < 0 ? ShapedType::kDynamic : extent);
    if (plane.type.bits < 8 && !shape.empty() && !ShapedType::isDynamic(shape.back()))
      shape.back() = packedBytes(shape.back(), plane.type.bits);
    Type element = plane.type.isFloat() ? typeOf(context, plane.type)
                                        : Type(IntegerType::get(context, plane.type.bits <= 8 ? 8 : plane.type.bits <= 16 ? 16 : 32));
    types.push_back(RankedTensorType::get(shape, element));
  }
  return types;
}

QuantType QuantType::get(RankedTensorType tensor, FormatAttr format) {
  return QuantType::get(tensor.getContext(), tensor.getShape(), tensor.getElementType(), format, Attribute());
}
