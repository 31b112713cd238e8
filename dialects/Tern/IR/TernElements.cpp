//===- TernElements.cpp - elements and layouts as attributes ----------------===//
// The bridge between attributes and the plain structs of lib/Formats.
//===----------------------------------------------------------------------===//
#include "dialects/Tern/IR/Tern.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace tern;

//===-- elements ------------------------------------------------------------===//

/// Widths are bytes in the plain element: what does not fit is still wrong there, and is reported.
static int capped(unsigned bits) { return int(std::min(bits, 255u)); }

Element LutAttr::getElement() const { return Element::lut(capped(getBits())); }
Element FixedAttr::getElement() const {
  return Element::fixed(capped(getWidth()), std::clamp(getIntegerBits(), -127, 127));
}
Element TernaryAttr::getElement() const { return Element::ternary(); }
Element BipolarAttr::getElement() const { return Element::bipolar(capped(getBits())); }
Element MinifloatAttr::getElement() const {
  Special special = llvm::StringSwitch<Special>(getSpecial().getValue())
                        .Case("ieee", Special::Ieee)
                        .Case("fn", Special::Fn)
                        .Case("fnuz", Special::Fnuz)
                        .Default(Special::Finite);
  return Element::minifloat(std::min(getExponent(), 100u), std::min(getMantissa(), 100u),
                            std::clamp(getBias(), -1000, 1000), special);
}
Element PotAttr::getElement() const { return Element::pot(capped(getBits())); }
Element BitmodAttr::getElement() const { return Element::bitmod(capped(getBits())); }
Element AbfloatAttr::getElement() const {
  return Element::abfloat(std::min(getExponent(), 100u), std::min(getMantissa(), 100u),
                          std::clamp(getBias(), -1000, 1000));
}
Element PairAttr::getElement() const {
  return Element::pair(*elementOf(getNormal()), *elementOf(getOutlier()), getMarker());
}

// format_e2
LogicalResult PairAttr::verify(function_ref<InFlightDiagnostic()> emitError, Attribute normal, Attribute outlier,
                               unsigned marker) {
  for (Attribute part : {normal, outlier})
    if (std::optional<Element> element = elementOf(part); !element || element->kind == ElementKind::Pair)
      return emitError() << "E2: a pair is an integer or a finite minifloat, and an abfloat; found " << part;
  if (marker > 255)
    return emitError() << "E2: the marker is a code of the elements of the pair; found " << marker;
  return success();
}

std::optional<Element> tern::elementOf(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  Result<Element> element = parseElement(text);
  if (!element)
    return std::nullopt;
  return *element;
}

std::optional<Element> tern::elementOf(Attribute elem) {
  if (auto type = dyn_cast<TypeAttr>(elem))
    return elementOf(type.getValue());
  if (auto own = dyn_cast<ElementInterface>(elem))
    return own.getElement();
  return std::nullopt;
}

Attribute tern::attrOf(MLIRContext *context, const Element &element) {
  switch (element.kind) {
  case ElementKind::Lut:
    return LutAttr::get(context, element.bits);
  case ElementKind::Fixed:
    return FixedAttr::get(context, element.bits, element.integerBits);
  case ElementKind::Ternary:
    return TernaryAttr::get(context);
  case ElementKind::Bipolar:
    return BipolarAttr::get(context, element.bits);
  case ElementKind::Pot:
    return PotAttr::get(context, element.bits);
  case ElementKind::Bitmod:
    return BitmodAttr::get(context, element.bits);
  case ElementKind::Abfloat:
    return AbfloatAttr::get(context, element.exponent, element.mantissa, element.bias);
  case ElementKind::Pair:
    return PairAttr::get(context, attrOf(context, Element(element.normal)), attrOf(context, Element(element.outlier)),
                         element.marker);
  default:
    break;
  }
  if (Type type = typeOf(context, element))
    return TypeAttr::get(type);
  static const char *const specials[] = {"finite", "ieee", "fn", "fnuz"};
  return MinifloatAttr::get(context, element.exponent, element.mantissa, element.bias,
                            StringAttr::get(context, specials[int(element.special)]));
}

Type tern::typeOf(MLIRContext *context, const Element &element) {
  if (element.isInteger())
    return IntegerType::get(context, element.bits,
                            element.kind == ElementKind::Int ? IntegerType::Signed : IntegerType::Unsigned);
  const std::pair<Element, Type> floats[] = {
      {Element::f32(), Float32Type::get(context)},
      {Element::f16(), Float16Type::get(context)},
      {Element::bf16(), BFloat16Type::get(context)},
      {Element::e4m3(), Float8E4M3FNType::get(context)},
      {Element::e5m2(), Float8E5M2Type::get(context)},
      {Element::e3m2(), Float6E3M2FNType::get(context)},
      {Element::e2m3(), Float6E2M3FNType::get(context)},
      {Element::e2m1(), Float4E2M1FNType::get(context)},
      {Element::e8m0(), Float8E8M0FNUType::get(context)},
      {Element::minifloat(4, 3, 8, Special::Fnuz), Float8E4M3FNUZType::get(context)},
      {Element::minifloat(5, 2, 16, Special::Fnuz), Float8E5M2FNUZType::get(context)},
      {Element::minifloat(4, 3, 11, Special::Fnuz), Float8E4M3B11FNUZType::get(context)},
      {Element::minifloat(4, 3, 7, Special::Ieee), Float8E4M3Type::get(context)},
      {Element::minifloat(3, 4, 3, Special::Ieee), Float8E3M4Type::get(context)},
  };
  for (const auto &[known, type] : floats)
    if (known == element)
      return type;
  return {};
}

//===-- layouts -------------------------------------------------------------===//

std::unique_ptr<Layout> MatMulNBitsAttr::getLayout() const { return matMulNBitsLayout(); }
std::unique_ptr<Layout> OnnxLayoutAttr::getLayout() const { return onnxLayout(); }
std::unique_ptr<Layout> GgmlAttr::getLayout() const { return ggmlLayout(GgmlType(int(getType()))); }
std::unique_ptr<Layout> AutoAwqAttr::getLayout() const { return autoAwqLayout(); }
std::unique_ptr<Layout> GptqAttr::getLayout() const { return gptqLayout(1 + int(getVersion())); }
std::unique_ptr<Layout> Fp6LlmAttr::getLayout() const { return fp6LlmLayout(); }
std::unique_ptr<Layout> TmacAttr::getLayout() const { return tmacLayout(getBm(), getKfactor()); }
