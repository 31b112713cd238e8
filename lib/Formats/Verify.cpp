// The rules of docs/FORMATS.md 1.5, each with its label.
#include "lib/Formats/Format.h"

#include <cmath>

namespace tern {

// format_e5
static std::string verifyMinifloat(const Element &e) {
  if (1 + e.exponent + e.mantissa > 8 || e.exponent < 1)
    return "E5: a minifloat has at least one exponent bit and at most 8 bits; found 1 + " + std::to_string(e.exponent) +
           " + " + std::to_string(e.mantissa);
  if (e.special == Special::Fn && e.mantissa == 0)
    return "E5: policy \"fn\" needs a mantissa bit (the code of all ones is NaN); use \"finite\" or \"ieee\"";
  if (e.special == Special::Ieee && (e.mantissa == 0 || e.exponent < 2))
    return "E5: policy \"ieee\" needs two exponent bits and a mantissa bit (the largest exponent is Inf and NaN); use "
           "\"finite\"";
  // Every value must be a normal f32, with room for the rounding of the encoder.
  if (e.bias < -64 || e.bias > 64)
    return "E5: the bias of a minifloat is -64 to 64; found " + std::to_string(e.bias);
  return "";
}

static std::string verifyAbfloat(const Element &e) {
  if (e.exponent < 1 || e.bits < 3 || e.bits > 8)
    return e.str() + " has " + std::to_string(e.exponent) + " exponent bits and " + std::to_string(e.bits) +
           " bits; allowed are at least 1 and 3 to 8";
  if (e.bias < -32 || e.bias > 32 || e.exponent > 6)
    return e.str() + " has values that f32 does not hold; the exponent has at most 6 bits and the bias is -32 to 32";
  return "";
}

// format_e2
static std::string verifyPair(const Element &e) {
  Element normal(e.normal), outlier(e.outlier);
  for (const Element &part : {normal, outlier})
    if (std::string error = verify(part); !error.empty())
      return error;
  bool isNormal = normal.isInteger() || (normal.kind == ElementKind::Minifloat && normal.special == Special::Finite);
  if (!isNormal || outlier.kind != ElementKind::Abfloat)
    return "E2: a pair is an integer or a finite minifloat, and an abfloat; found " + e.str();
  if (normal.bits != outlier.bits)
    return "E2: the elements of a pair have equal width; found " + normal.str() + " and " + outlier.str();
  if (e.marker >= (1 << normal.bits) || e.marker == 0 || outlier.valueOf(e.marker) != 0)
    return "E2: the marker is a code that the outlier does not use (magnitude 0) and that is not 0, as 8 of "
           "#tern.pair<si4, #tern.abfloat<2, 1, 2>, 8>; found " +
           std::to_string(e.marker);
  return "";
}

std::string verify(const Element &e) {
  auto bits = [&](int lo, int hi) -> std::string {
    if (e.bits >= lo && e.bits <= hi)
      return "";
    return e.str() + " has " + std::to_string(e.bits) + " bits; allowed are " + std::to_string(lo) + " to " +
           std::to_string(hi) + (e.kind == ElementKind::Int ? ", and 32" : "");
  };
  switch (e.kind) {
  case ElementKind::Int:
    return e.bits == 32 ? "" : bits(2, 16);
  case ElementKind::UInt:
    return bits(1, 16);
  case ElementKind::Fixed:
    return bits(2, 16);
  case ElementKind::Lut:
  case ElementKind::Bipolar:
    return bits(1, 8);
  case ElementKind::Pot:
    return bits(1, 7); // 2^-127 is the last that f32 holds with room to spare
  case ElementKind::Bitmod:
    return bits(3, 4);
  case ElementKind::Minifloat:
    return verifyMinifloat(e);
  case ElementKind::Abfloat:
    return verifyAbfloat(e);
  case ElementKind::Pair:
    return verifyPair(e);
  case ElementKind::Float:
  case ElementKind::E8M0:
  case ElementKind::Ternary:
    return "";
  }
  return "";
}

static std::string planeName(const Plane &plane) { return std::string("plane '") + str(plane.role) + "'"; }

/// Types whose codes need no other plane and no scale of their own, and that have a name of their own in the IR.
static bool isPlaneType(const Element &e) {
  bool isNamed = e.kind == ElementKind::Minifloat && e.str()[0] != '#';
  return e.isInteger() || e.isFloat() || isNamed || e.kind == ElementKind::E8M0;
}

static std::string verifyPlane(const Plane &plane) {
  if (std::string error = verify(plane.type); !error.empty())
    return planeName(plane) + ": " + error;
  if (!isPlaneType(plane.type))
    return planeName(plane) + " cannot have type " + plane.type.str() + "; use an integer or float type";
  if (plane.type.kind == ElementKind::E8M0 && plane.role != Role::Scale)
    return planeName(plane) + " cannot have type f8E8M0FNU, which has no zero and no sign; only a scale can";
  if (plane.role == Role::Select && plane.type.kind != ElementKind::UInt)
    return planeName(plane) + " needs an unsigned integer type; found " + plane.type.str();
  if (plane.role == Role::Tail && !plane.type.isFloat())
    return planeName(plane) + " holds values, not codes: its type is f32, f16 or bf16; found " + plane.type.str();
  // format_f1
  for (int64_t extent : plane.block)
    if (extent != kWhole && extent <= 0)
      return "F1: block extents are positive or '*'; found " + std::to_string(extent) + " in " + planeName(plane);
  return "";
}

/// The coarser block is a multiple of the finer one: whole dimensions are a multiple of everything.
static bool nested(const Plane &fine, const Plane &coarse) {
  if (coarse.block.empty())
    return true;
  if (fine.block.empty())
    return false;
  for (size_t i = 0; i < fine.block.size(); ++i)
    if (coarse.block[i] != kWhole && (fine.block[i] == kWhole || coarse.block[i] % fine.block[i] != 0))
      return false;
  return true;
}

// format_f2
static std::string verifyNesting(const Format &format) {
  for (size_t i = 0; i < format.planes.size(); ++i)
    for (size_t j = i + 1; j < format.planes.size(); ++j) {
      const Plane &fine = format.planes[i], &coarse = format.planes[j];
      if (fine.role != coarse.role)
        continue;
      if (fine.role != Role::Scale && fine.role != Role::Min)
        return "F2: only 'scale' and 'min' may have several planes; found two of " + planeName(fine);
      if (!nested(fine, coarse))
        return "F2: planes of one role are nested, finest first: every extent of " + coarse.str() +
               " must be a multiple of the one in " + fine.str();
    }
  return "";
}

// format_f1_tail, format_f2_tail
static std::string verifyTail(const Format &format) {
  const Plane *tail = format.find(Role::Tail);
  if (!tail)
    return "";
  int windows = 0;
  for (int64_t extent : tail->block)
    windows += extent != 1 && extent != kWhole;
  if (windows != 1)
    return "F1: the block of a tail is a window along one axis: one extent above 1, the others 1 or '*'; found " +
           tail->str();
  size_t axis = tailAxis(*tail);
  for (const Plane &plane : format.planes)
    if (plane.role != Role::Tail && !plane.block.empty() &&
        (plane.block[axis] == kWhole || tail->block[axis] % plane.block[axis] != 0))
      return "F2: the window of " + tail->str() + " must be a multiple of the blocks along its axis; found " +
             plane.str();
  return "";
}

std::string verify(const Format &format) {
  const Element &elem = format.elem;
  if (std::string error = verify(elem); !error.empty())
    return error;
  if (elem.kind == ElementKind::E8M0)
    return "f8E8M0FNU is a type for scales, not an element";
  size_t rank = 0;
  for (const Plane &plane : format.planes) {
    if (std::string error = verifyPlane(plane); !error.empty())
      return error;
    // format_f1_rank
    if (!plane.block.empty() && rank && plane.block.size() != rank)
      return "F1: all blocks have one extent per dimension; found " + std::to_string(rank) + " and " +
             std::to_string(plane.block.size()) + " (" + planeName(plane) + ")";
    rank = plane.block.empty() ? rank : plane.block.size();
  }
  if (std::string error = verifyNesting(format); !error.empty())
    return error;
  const Plane *zero = format.find(Role::Zero);
  // format_f3
  if (zero && format.find(Role::Min))
    return "F3: a format has a zero or a min plane, not both";
  // format_f4
  bool isLut = elem.kind == ElementKind::Lut;
  if (isLut != (format.find(Role::Table) != nullptr))
    return isLut ? "F4: element " + elem.str() + " needs a table plane"
                 : "F4: a table plane goes with #tern.lut<b> only; the element is " + elem.str();
  const Plane *select = format.find(Role::Select);
  if (elem.isUnion() != (select != nullptr))
    return elem.isUnion() ? "F4: element " + elem.str() + " is a union and needs a select plane"
                          : "F4: a select plane goes with a union element only; the element is " + elem.str();
  // format_e1
  if (select && (1 << select->type.bits) < elem.alternatives())
    return "E1: " + elem.str() + " has " + std::to_string(elem.alternatives()) +
           " alternatives, the select plane needs a type that counts them, as ui2; found " + select->type.str();
  if (std::string error = verifyTail(format); !error.empty())
    return error;
  // format_e2_zero
  if (elem.kind == ElementKind::Pair && zero)
    return "E2: " + elem.str() + " takes no zero plane: the victim is 0";
  // format_e3
  if (elem.kind == ElementKind::Bipolar && zero)
    return "E3: " + elem.str() + " takes no zero plane; it may carry a min plane";
  // The zero point would be in units of the code, all other zero points are in units of the value.
  if (elem.kind == ElementKind::Fixed && zero)
    return elem.str() + " takes no zero plane; it may carry a min plane";
  // format_e4
  if (elem.kind == ElementKind::Fixed)
    for (const Plane &plane : format.planes)
      if (plane.role == Role::Scale && plane.type.kind != ElementKind::E8M0)
        return "E4: " + elem.str() + " takes power-of-two scales only (f8E8M0FNU); found " + plane.type.str();
  return "";
}

std::string verify(const Format &format, Span<const int64_t> shape) {
  if (std::string error = verify(format); !error.empty())
    return error;
  for (const Plane &plane : format.planes) {
    // format_f1_shape
    if (!plane.block.empty() && plane.block.size() != shape.size())
      return "F1: the block of " + planeName(plane) + " has " + std::to_string(plane.block.size()) +
             " extents; the tensor has rank " + std::to_string(shape.size());
    // format_f1_tail_rank: planes without blocks fit any rank, a window does not
    if (plane.role == Role::Tail && shape.empty())
      return planeName(plane) + " needs a tensor with axes; found a scalar";
    if (plane.role > Role::Tail)
      return planeName(plane) + " has no plain form: its size does not follow from shape and format";
  }
  // format_e2_extent
  if (format.elem.kind == ElementKind::Pair && (shape.empty() || shape.back() % 2 != 0) &&
      !(shape.size() && shape.back() < 0))
    return "E2: the last extent of a tensor of " + format.elem.str() + " is even; found " +
           (shape.empty() ? std::string("a scalar") : std::to_string(shape.back()));
  return "";
}

// encode_f6
static std::string verifyRange(const Encode &encode, const Element &elem) {
  std::string range = std::to_string(encode.lo) + " to " + std::to_string(encode.hi);
  if (!elem.hasCodeRange())
    return "F6: a code range needs an element with integer codes; found " + range + " on " + elem.str();
  if (encode.lo > encode.hi)
    return "F6: a code range goes from the smaller to the larger code; found " + range;
  if (encode.lo < elem.minCode() || encode.hi > elem.maxCode())
    return "F6: the codes of " + elem.str() + " are " + std::to_string(elem.minCode()) + " to " +
           std::to_string(elem.maxCode()) + "; found " + range;
  return "";
}

/// Rules that compute a zero point store codes in the zero plane.
static std::string verifyZeroType(const Encode &encode, const Format &format) {
  const Plane *zero = format.find(Role::Zero);
  int64_t lo = encode.low(format.elem), hi = encode.high(format.elem);
  if (!zero || !zero->type.isInteger() || (zero->type.minCode() <= lo && zero->type.maxCode() >= hi))
    return "";
  return "plane 'zero' of type " + zero->type.str() + " does not hold the codes " + std::to_string(lo) + " to " +
         std::to_string(hi) + " that rule " + str(encode.rule) + " may store in it";
}

static std::string verifyMinmax(const Format &format, const std::vector<const Plane *> &scales) {
  const Plane *zero = format.find(Role::Zero), *min = format.find(Role::Min);
  const Plane *offset = zero ? zero : min;
  if (!offset)
    return "rule minmax needs a zero or a min plane; use absmax for a symmetric format";
  if (!format.elem.hasIntegerCodes())
    return "rule minmax needs an element with integer codes; found " + format.elem.str();
  int planes = 0;
  for (const Plane &plane : format.planes)
    planes += plane.role == Role::Min;
  if (planes > 1)
    return "rule minmax computes one min plane, not several; use given";
  bool isShared = zero && zero->type.isInteger() && nested(*scales[0], *zero);
  if (offset->block != scales[0]->block && !isShared)
    return "rule minmax needs one block shape for " + scales[0]->str() + " and " + offset->str() +
           ", or an integer zero point with coarser blocks";
  return "";
}

std::string verify(const Encode &encode, const Format &format) {
  const Element &elem = format.elem;
  if (encode.hasRange)
    if (std::string error = verifyRange(encode, elem); !error.empty())
      return error;
  if (elem.isFloat() && encode.round != Round::Rne)
    return "elements of type " + elem.str() + " round to nearest even only; found round = " + str(encode.round);
  if (encode.sat == Sat::Wrap && !elem.hasIntegerCodes())
    return "sat = wrap needs an element with integer codes; found " + elem.str();
  std::vector<const Plane *> scales;
  bool powers = false;
  for (const Plane &plane : format.planes)
    if (plane.role == Role::Scale) {
      scales.push_back(&plane);
      powers |= plane.type.kind == ElementKind::E8M0;
    }
  bool pow2Rule = encode.rule == Rule::FloorPow2 || encode.rule == Rule::CeilPow2;
  // encode_f5
  if (powers && !pow2Rule && encode.rule != Rule::Given)
    return std::string("F5: an f8E8M0FNU scale is never the result of ") + str(encode.rule) +
           "; use floor_pow2, ceil_pow2 or given";
  if (encode.rule == Rule::Given)
    return "";
  if (scales.empty())
    // Only values that need no parameters at all can be encoded by a rule that would compute them.
    return format.planes.empty() ? "" : std::string("rule ") + str(encode.rule) + " needs a scale plane; use given";
  if (std::string error = verifyZeroType(encode, format); !error.empty())
    return error;
  if (pow2Rule && scales.size() > 1)
    return std::string("rule ") + str(encode.rule) + " computes one scale plane, not several; use given";
  if (encode.rule == Rule::Minmax)
    return verifyMinmax(format, scales);
  if (format.find(Role::Min))
    return std::string("rule ") + str(encode.rule) + " computes no min plane; use minmax or given";
  if (const Plane *table = format.find(Role::Table); table && !table->block.empty())
    return std::string("rule ") + str(encode.rule) + " needs one table for the whole tensor; use given";
  if (elem.isUnion()) {
    if (encode.rule == Rule::Absmean)
      return "rule absmean chooses no alternative of " + elem.str() + "; use absmax, floor_pow2, ceil_pow2 or given";
    if (const Plane *select = format.find(Role::Select); select->block != scales[0]->block)
      return std::string("rule ") + str(encode.rule) + " needs one block shape for " + select->str() + " and " +
             scales[0]->str() + "; use given";
  }
  const Plane *zero = format.find(Role::Zero);
  if (zero && !elem.hasIntegerCodes())
    return std::string("rule ") + str(encode.rule) + " with a zero plane needs integer codes; found " + elem.str();
  if (encode.rule == Rule::SignedAbsmax &&
      (!elem.hasIntegerCodes() || encode.low(elem) >= 0 || zero || scales.size() > 1 || !scales[0]->type.isSigned()))
    return "rule signed_absmax needs integer codes that start below zero, one signed scale plane and no zero plane; "
           "found " +
           format.str();
  return "";
}

} // namespace tern
