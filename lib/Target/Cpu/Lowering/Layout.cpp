//===- Layout.cpp - how the tensors of the graph lie in memory -------------===//
#include "lib/Target/Cpu/Lowering/Layout.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace tern::cpu {

std::optional<Elem> elemOf(Type type) {
  if (type.isF32())
    return Elem::F32;
  if (type.isF16())
    return Elem::F16;
  if (type.isBF16())
    return Elem::BF16;
  if (type.isF64())
    return Elem::F64;
  if (auto integer = dyn_cast<IntegerType>(type)) {
    switch (integer.getWidth()) {
    case 1:
      return Elem::I1;
    case 2:
    case 4: // a byte each
      return integer.isUnsigned() ? Elem::U8 : Elem::S8;
    case 8:
      return integer.isSigned() ? Elem::S8 : Elem::U8;
    case 16:
      return Elem::I16;
    case 32:
      return Elem::I32;
    case 64:
      return Elem::I64;
    }
  }
  if (isa<FloatType>(type) && type.getIntOrFloatBitWidth() <= 8)
    return Elem::U8; // its code
  return std::nullopt;
}

static Elem elementOrBytes(RankedTensorType type) { return elemOf(type.getElementType()).value_or(Elem::U8); }

Map plainMap(RankedTensorType type) {
  Map map;
  map.elem = elementOrBytes(type);
  if (type.getRank() > 0)
    map.c = type.getShape().back();
  map.w = map.c ? type.getNumElements() / map.c : 0;
  map.cs = map.c;
  return map;
}

Map flatMap(RankedTensorType type) {
  Map map;
  map.elem = elementOrBytes(type);
  map.c = map.cs = type.getNumElements();
  return map;
}

Map channelsMap(RankedTensorType type) {
  Map map;
  map.elem = elementOrBytes(type);
  ArrayRef<int64_t> shape = type.getShape();
  map.n = shape[0];
  map.c = map.cs = shape[1];
  map.w = shape.back();
  for (int64_t extent : shape.drop_front(2).drop_back())
    map.h *= extent;
  return map;
}

Map planarMap(RankedTensorType type) {
  Map map = channelsMap(type);
  map.planar = true;
  map.cs = 1;
  return map;
}

bool formsCoincide(const Map &map) {
  return !map.hasHalo() && map.base == 0 && map.cs == map.c && (map.c == 1 || map.h * map.w == 1);
}

SmallVector<int64_t> stridesOf(RankedTensorType type, const Placement &place) {
  SmallVector<int64_t> strides(type.getRank(), 1);
  ArrayRef<int64_t> shape = type.getShape();
  if (place.form == Form::Plain) {
    int64_t step = 1;
    for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
      strides[axis] = step;
      // Rows may be padded: the step after the last dimension is the stride of a row.
      step = axis == type.getRank() - 1 ? place.map.cs : step * shape[axis];
    }
    return strides;
  }
  strides[0] = place.map.imageStride();
  int64_t step = place.map.cs;
  strides.back() = step;
  step = place.map.rowStride();
  for (int64_t axis = type.getRank() - 2; axis >= 2; --axis) {
    strides[axis] = step;
    step *= shape[axis];
  }
  strides[1] = 1;
  return strides;
}

static const char *const elemNames[] = {"f32", "u8", "s8", "i32", "i64", "i1", "f16", "bf16", "f64", "i16"};

std::string str(const Placement &place) {
  const Map &m = place.map;
  std::string text =
      llvm::formatv("{0} {1} n{2} h{3} w{4} c{5} cs{6}", place.form == Form::Plain ? "plain" : "channels",
                    elemNames[int(m.elem)], m.n, m.h, m.w, m.c, m.cs);
  if (m.hasHalo())
    text += llvm::formatv(" halo {0},{1},{2},{3}", m.top, m.left, m.bottom, m.right).str();
  if (m.base)
    text += llvm::formatv(" base {0}", m.base).str();
  return text;
}

std::optional<Placement> parsePlacement(StringRef text) {
  Placement place;
  Map &m = place.map;
  SmallVector<StringRef> words;
  text.split(words, ' ', -1, false);
  if (words.size() < 7)
    return std::nullopt;
  if (words[0] == "channels")
    place.form = Form::Channels;
  else if (words[0] != "plain")
    return std::nullopt;
  bool known = false;
  for (auto [index, name] : llvm::enumerate(elemNames))
    if (words[1] == name) {
      m.elem = Elem(index);
      known = true;
    }
  std::pair<StringRef, int64_t *> fields[] = {{"n", &m.n}, {"h", &m.h}, {"w", &m.w}, {"cs", &m.cs}, {"c", &m.c}};
  for (size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "halo" && i + 1 < words.size()) {
      SmallVector<StringRef> sides;
      words[++i].split(sides, ',');
      if (sides.size() != 4 || sides[0].getAsInteger(10, m.top) || sides[1].getAsInteger(10, m.left) ||
          sides[2].getAsInteger(10, m.bottom) || sides[3].getAsInteger(10, m.right))
        return std::nullopt;
      continue;
    }
    if (words[i] == "base" && i + 1 < words.size()) {
      if (words[++i].getAsInteger(10, m.base))
        return std::nullopt;
      continue;
    }
    bool matched = false;
    for (auto &[prefix, field] : fields)
      if (!matched && words[i].starts_with(prefix) && !words[i].drop_front(prefix.size()).getAsInteger(10, *field))
        matched = true;
    if (!matched)
      return std::nullopt;
  }
  return known ? std::optional<Placement>(place) : std::nullopt;
}

} // namespace tern::cpu
