//===- Layout.cpp - how the tensors of the graph lie in memory -------------===//
#include "lib/Target/Cpu/Lowering/Layouts/Layout.h"
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

static Elem elementOrBytes(SizedType type) { return elemOf(type.getElementType()).value_or(Elem::U8); }

Map plainMap(SizedType type) {
  Map map;
  map.elem = elementOrBytes(type);
  if (type.getRank() > 0)
    map.c = type.getShape().back();
  map.w = type.getRank() ? product(type.getShape().drop_back()) : 1;
  if (map.c == 0)
    map.w = 0;
  map.cs = map.c;
  return map;
}

Map flatMap(SizedType type) {
  Map map;
  map.elem = elementOrBytes(type);
  map.c = map.cs = type.getNumElements();
  return map;
}

Map channelsMap(SizedType type) {
  Map map;
  map.elem = elementOrBytes(type);
  ArrayRef<int64_t> shape = type.getShape();
  map.n = shape[0];
  map.c = map.cs = shape[1];
  map.w = shape.back();
  for (int64_t extent : shape.drop_front(2).drop_back())
    map.h = times(map.h, extent);
  return map;
}

Map planarMap(SizedType type) {
  Map map = channelsMap(type);
  map.planar = true;
  map.cs = 1;
  return map;
}

bool formsCoincide(const Map &map) {
  return !map.hasHalo() && map.base == 0 && map.cs == map.c && (map.c == 1 || map.h * map.w == 1);
}

static int64_t asOffset(SizeCode size) { return isDynamic(size) ? dynamicOffset(slotOf(size)) : size; }

int64_t rowStrideOf(const Map &m) {
  if (m.planar)
    return asOffset(m.w);
  return mulOffsets(addOffsets(asOffset(m.w), m.left + m.right), asOffset(m.cs));
}

int64_t imageStrideOf(const Map &m) {
  if (m.planar)
    return asOffset(product({m.c, m.h, m.w}));
  return mulOffsets(addOffsets(asOffset(m.h), m.top + m.bottom), rowStrideOf(m));
}

int64_t firstPixelOf(const Map &m) {
  int64_t halo = addOffsets(mulOffsets(m.top, rowStrideOf(m)), mulOffsets(m.left, asOffset(m.cs)));
  return m.planar ? m.base : addOffsets(m.base, halo);
}

nn::SizeExpr elementsOf(const Map &m) { return offsetExpr(mulOffsets(asOffset(m.n), imageStrideOf(m))); }

SizeCode countOf(const Map &m) { return product({m.n, m.h, m.w, m.c}); }

SmallVector<int64_t> stridesOf(SizedType type, const Placement &place) {
  SmallVector<int64_t> strides(type.getRank(), 1);
  ArrayRef<int64_t> shape = type.getShape();
  if (place.form == Form::Plain) {
    int64_t step = 1;
    for (int64_t axis = type.getRank() - 1; axis >= 0; --axis) {
      strides[axis] = step;
      // Rows may be padded: the step after the last dimension is the stride of a row.
      step = axis == type.getRank() - 1 ? asOffset(place.map.cs) : mulOffsets(step, asOffset(shape[axis]));
    }
    return strides;
  }
  strides[0] = imageStrideOf(place.map);
  int64_t step = asOffset(place.map.cs);
  strides.back() = step;
  step = rowStrideOf(place.map);
  for (int64_t axis = type.getRank() - 2; axis >= 2; --axis) {
    strides[axis] = step;
    step = mulOffsets(step, asOffset(shape[axis]));
  }
  strides[1] = 1;
  return strides;
}

static const char *const elemNames[] = {"f32", "u8", "s8", "i32", "i64", "i1", "f16", "bf16", "f64", "i16"};

static std::string sizeText(SizeCode size) {
  return isDynamic(size) ? "{" + sizeOf(size).str().str() + "}" : std::to_string(size);
}

std::string str(const Placement &place) {
  const Map &m = place.map;
  std::string text = llvm::formatv("{0} {1} n{2} h{3} w{4} c{5} cs{6}", place.form == Form::Plain ? "plain" : "channels",
                                   elemNames[int(m.elem)], sizeText(m.n), sizeText(m.h), sizeText(m.w), sizeText(m.c),
                                   sizeText(m.cs));
  if (m.hasHalo())
    text += llvm::formatv(" halo {0},{1},{2},{3}", m.top, m.left, m.bottom, m.right).str();
  if (isDynamicOffset(m.base))
    text += (" base {" + offsetExpr(m.base).str() + "}").str();
  else if (m.base)
    text += llvm::formatv(" base {0}", m.base).str();
  return text;
}

/// Words between blanks; an expression in braces is part of one.
static SmallVector<StringRef> wordsOf(StringRef text) {
  SmallVector<StringRef> words;
  size_t start = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size())
      depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
    if (i < text.size() && (text[i] != ' ' || depth > 0))
      continue;
    if (i > start)
      words.push_back(text.slice(start, i));
    start = i + 1;
  }
  return words;
}

/// False: neither a number nor an expression.
static bool parseSize(StringRef text, int64_t &size, bool isOffset) {
  if (!text.consume_front("{"))
    return !text.getAsInteger(10, size);
  nn::SizeExpr e = text.consume_back("}") ? SizeScope::table().parse(text) : nn::SizeExpr();
  if (e)
    size = isOffset ? offsetOf(e) : SizeScope::table().code(e);
  return bool(e);
}

std::optional<Placement> parsePlacement(StringRef text) {
  Placement place;
  Map &m = place.map;
  SmallVector<StringRef> words = wordsOf(text);
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
      if (!parseSize(words[++i], m.base, /*isOffset=*/true))
        return std::nullopt;
      continue;
    }
    bool matched = false;
    for (auto &[prefix, field] : fields)
      if (!matched && words[i].starts_with(prefix))
        matched = parseSize(words[i].drop_front(prefix.size()), *field, /*isOffset=*/false);
    if (!matched)
      return std::nullopt;
  }
  return known ? std::optional<Placement>(place) : std::nullopt;
}

} // namespace tern::cpu
