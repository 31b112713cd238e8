//===- TernToLinalgQuant.cpp - quantized values as planes -----------------===//
// A `!tern.quant` value becomes its planes. Element arithmetic is that of lib/Formats, operation by operation.
//===----------------------------------------------------------------------===//
#include "TernToLinalgQuant.h"
#include "TernToLinalgContract.h"

using namespace mlir;

namespace tern::lowering {

//===-- what can be lowered -----------------------------------------------------===//
std::string whyNotLowered(QuantType type) {
  if (type.getLayout())
    return "values with a layout belong to a target";
  Format format = type.getFormat().getFormat();
  if (!canReadNumbers(format.elem))
    return "element " + format.elem.str() + " has an exponent beyond that of f32";
  for (const Plane &plane : format.planes) {
    bool isKnown = llvm::is_contained({Role::Scale, Role::Zero, Role::Min, Role::Table}, plane.role);
    if (!isKnown || !canReadNumbers(plane.type))
      return "plane " + plane.str() + " is no scale, zero point, minimum or table of numbers";
  }
  return "";
}

std::string whyNotLowered(QuantizeOp op) {
  Format format = op.getType().getFormat().getFormat();
  Encode encode = op.getByAttr() ? op.getByAttr().getEncode() : Encode(Rule::Given);
  if (encode.sat != Sat::Clamp)
    return std::string("saturation ") + str(encode.sat) + " is not clamp";
  bool isInteger = format.elem.hasIntegerCodes();
  bool isFloat = format.elem.kind == ElementKind::Minifloat;
  bool isBipolar = format.elem.kind == ElementKind::Bipolar && encode.round == Round::HalfUp;
  if (!isInteger && !isBipolar && !(isFloat && encode.round == Round::Rne))
    return "codes of " + format.elem.str() + " are not chosen by rounding to " + str(encode.round);
  if (!op.getPlanes().empty() || format.planes.empty())
    return "";
  if (op.getMethod() && *op.getMethod() != "rtn")
    return "method " + op.getMethod()->str() + " runs in tern-encode-weights";
  if (encode.rule != Rule::Absmax && encode.rule != Rule::Minmax)
    return std::string("rule ") + str(encode.rule) + " is neither absmax nor minmax";
  if (!format.elem.isInteger() || llvm::count_if(format.planes, [](const Plane &plane) {
                                    return plane.role == Role::Scale && plane.type.isFloat();
                                  }) != 1)
    return "planes are computed for integers with one level of float scales";
  for (const Plane &plane : format.planes)
    if (plane.role != Role::Scale && !(plane.role == Role::Zero && plane.type.isInteger()))
      return "plane " + plane.str() + " is not computed at run time";
  const Plane *zero = format.find(Role::Zero);
  if (encode.rule == Rule::Minmax && zero && zero->block != format.find(Role::Scale)->block)
    return "a zero point that several scales share is computed in tern-encode-weights";
  return "";
}

//===-- quantized values -------------------------------------------------------===//
/// Reads the codes and the planes of a value: entry 0 is the code, the planes are listed by role.
struct ValueReader {
  ValueReader(PlaneReader &reader, QuantType type, ValueRange planes) : format(type.getFormat().getFormat()) {
    SmallVector<int64_t> ones(type.getShape().size(), 1);
    code = reader.add(planes[0], format.elem, ones);
    addPlanes(reader, planes.drop_front());
  }
  /// Without codes: the planes of a result.
  ValueReader(PlaneReader &reader, const Format &format, ValueRange planes) : format(format) {
    addPlanes(reader, planes);
  }

  /// The product of planes of one role as f32, finest first; null when there are none.
  Value product(const PlaneReader &reader, const Build &in, ValueRange s, Role role) const {
    Value product;
    for (auto [plane, entry] : llvm::zip(format.planes, entries))
      if (plane.role == role) {
        Value factor = reader.number(in, s, entry);
        product = product ? in.mul(product, factor) : factor;
      }
    return product;
  }
  Value scale(const PlaneReader &reader, const Build &in, ValueRange s) const {
    return product(reader, in, s, Role::Scale);
  }
  /// An integer zero point as i32, a float one as f32.
  Value zero(const PlaneReader &reader, const Build &in, ValueRange s) const {
    const Plane *plane = format.find(Role::Zero);
    if (!plane)
      return {};
    unsigned entry = entries[plane - format.planes.data()];
    return plane->type.isInteger() ? reader.read(in, s, entry) : reader.number(in, s, entry);
  }
  /// The value of a code, before zero point and scale, as f32.
  Value number(const PlaneReader &reader, const Build &in, ValueRange s) const {
    const Plane *table = format.find(Role::Table);
    return table ? reader.tableEntry(in, entries[table - format.planes.data()], reader.read(in, s, code))
                 : reader.number(in, s, code);
  }

  Format format;
  unsigned code = 0;

private:
  void addPlanes(PlaneReader &reader, ValueRange planes) {
    for (auto [plane, value] : llvm::zip(format.planes, planes))
      entries.push_back(plane.role == Role::Table ? reader.addTable(value, plane.type, plane.block)
                                                  : reader.add(value, plane.type, plane.block));
  }

  SmallVector<unsigned> entries; // of the planes of the format
};

static Value asFloat(const Build &in, Value zero) {
  return isa<FloatType>(zero.getType()) ? zero : in.create<arith::SIToFPOp>(in.b.getF32Type(), zero).getResult();
}

Value integersOf(const Build &build, QuantType type, ValueRange planes) {
  PlaneReader reader(build, type.getShape());
  ValueReader value(reader, type, planes);
  auto result = RankedTensorType::get(type.getShape(), build.b.getI32Type());
  return build.elementwise(result, reader.operands, reader.maps, [&](const Build &in, ValueRange s) {
    Value code = reader.read(in, s, value.code), zero = value.zero(reader, in, s);
    return zero ? in.create<arith::SubIOp>(code, zero).getResult() : code;
  });
}

Value realsOf(const Build &build, QuantType type, ValueRange planes, Type element) {
  PlaneReader reader(build, type.getShape());
  ValueReader value(reader, type, planes);
  auto result = RankedTensorType::get(type.getShape(), element);
  Type f32 = build.b.getF32Type();
  return build.elementwise(result, reader.operands, reader.maps, [&](const Build &in, ValueRange s) -> Value {
    Value real = value.number(reader, in, s);
    if (Value zero = value.zero(reader, in, s))
      real = in.create<arith::SubFOp>(real, asFloat(in, zero));
    if (Value scale = value.scale(reader, in, s))
      real = in.mul(real, scale);
    if (Value min = value.product(reader, in, s, Role::Min))
      real = in.add(real, min);
    return in.convert(real, f32, element);
  });
}

//===-- writing codes -----------------------------------------------------------===//
/// Codes of fewer than 8 bits, one i8 each, into bytes along the last axis.
static Value pack(const Build &build, Value codes, int bits) {
  ArrayRef<int64_t> shape = shapeOf(codes);
  if (bits >= 8 || shape.empty())
    return codes;
  Extents packed = build.extents(codes);
  packed.back() = build.number(packedBytes(shape.back(), bits)); // checkLowerable: it is known
  Type i8 = build.b.getI8Type();
  return build.elementwise(Shaped(packed, i8), {}, [&](const Build &in, ValueRange) {
    SmallVector<Value> indices;
    for (size_t d = 0; d < shape.size(); ++d)
      indices.push_back(in.create<linalg::IndexOp>(d));
    Value firstBit = in.mul(indices.back(), in.index(8)), last = in.index(shape.back() - 1), byte = in.integer(i8, 0);
    for (int64_t t = 0; t < 8; ++t) {
      // Bit t of the byte is bit `bit % bits` of code `bit / bits`; beyond the last code it stays 0.
      Value bit = in.add(firstBit, in.index(t)), position = in.create<arith::DivUIOp>(bit, in.index(bits));
      Value inside = in.create<arith::CmpIOp>(arith::CmpIPredicate::ule, position, last);
      indices.back() = in.create<arith::MinUIOp>(position, last);
      Value offset = in.create<arith::IndexCastOp>(i8, in.create<arith::RemUIOp>(bit, in.index(bits)));
      Value value = in.create<arith::ShRUIOp>(in.extract(codes, indices), offset);
      value = in.create<arith::AndIOp>(value, in.integer(i8, 1));
      value = in.create<arith::ShLIOp>(in.select(inside, value, in.integer(i8, 0)), in.integer(i8, t));
      byte = in.create<arith::OrIOp>(byte, value);
    }
    return byte;
  });
}

static Value roundTo(const Build &in, Value y, Round round) {
  Type type = y.getType();
  auto floorPlus = [&](arith::CmpFPredicate up) {
    Value floor = in.create<math::FloorOp>(y), rest = in.create<arith::SubFOp>(y, floor);
    Value isUp = in.create<arith::CmpFOp>(up, rest, in.number(type, 0.5));
    return in.select(isUp, in.add(floor, in.number(type, 1)), floor);
  };
  switch (round) {
  case Round::Rne:
    return in.create<math::RoundEvenOp>(y);
  case Round::Rna:
    return in.create<math::RoundOp>(y);
  case Round::Rtz:
    return in.create<math::TruncOp>(y);
  case Round::Floor:
    return in.create<math::FloorOp>(y);
  case Round::HalfUp:
    return floorPlus(arith::CmpFPredicate::OGE);
  case Round::TieLow:
    return floorPlus(arith::CmpFPredicate::OGT);
  }
  llvm_unreachable("unknown rounding");
}

/// The nearest code of a kind without integer codes.
static Value toOtherCode(const Build &in, Value y, Value zero, const Element &element, Type storage) {
  if (zero)
    y = in.add(y, asFloat(in, zero));
  if (element.kind != ElementKind::Bipolar)
    return in.create<arith::TruncIOp>(storage, encodeSmallFloat(in, element, y, {}));
  // Odd integers, the tie upwards: 2 floor(y / 2) + 1, which is code floor(y / 2) + 2^(b - 1).
  Type f32 = in.b.getF32Type();
  Value floor = in.create<math::FloorOp>(in.mul(y, in.number(f32, 0.5)));
  floor = in.add(floor, in.number(f32, double(1 << (element.bits - 1))));
  floor = in.create<arith::MaxNumFOp>(floor, in.number(f32, 0));
  floor = in.create<arith::MinNumFOp>(floor, in.number(f32, double((1 << element.bits) - 1)));
  Value code = in.create<arith::FPToSIOp>(in.b.getI32Type(), floor);
  return in.create<arith::TruncIOp>(storage, code);
}

/// sat(round(y) + zero) as an integer of the codes' storage. NaN gives the zero point. `zero` is i32, f32 or null.
static Value toCode(const Build &in, Value y, Value zero, const Encode &encode, const Element &element, Type storage) {
  if (!element.hasIntegerCodes())
    return toOtherCode(in, y, zero, element, storage);
  if (element.step() != 1)
    y = in.mul(y, in.number(in.b.getF32Type(), 1 / element.step()));
  // f32 does not hold the codes of wide elements.
  Type real = element.bits > 16 ? Type(in.b.getF64Type()) : Type(in.b.getF32Type());
  y = in.convert(y, y.getType(), real);
  Value isNumber = in.create<arith::CmpFOp>(arith::CmpFPredicate::ORD, y, y);
  y = in.select(isNumber, y, in.number(real, 0));
  Value low = in.number(real, double(encode.low(element))), high = in.number(real, double(encode.high(element)));
  bool floatZero = zero && isa<FloatType>(zero.getType());
  Value shift = !zero      ? Value()
                : floatZero ? in.convert(zero, zero.getType(), real)
                            : in.create<arith::SIToFPOp>(real, zero).getResult();
  auto clamp = [&](Value v, Value lo, Value hi) {
    return in.create<arith::MinimumFOp>(in.create<arith::MaximumFOp>(v, lo), hi);
  };
  if (encode.order == Order::ZpThenRound || floatZero) {
    y = roundTo(in, clamp(shift ? in.add(y, shift) : y, low, high), encode.round);
  } else if (shift) {
    // The bounds move instead of the value: nothing overflows, and every step is exact.
    y = clamp(y, in.create<arith::SubFOp>(low, shift), in.create<arith::SubFOp>(high, shift));
    y = in.add(roundTo(in, y, encode.round), shift);
  } else {
    y = roundTo(in, clamp(y, low, high), encode.round);
  }
  Value code = in.create<arith::FPToSIOp>(in.b.getI64Type(), y);
  return in.create<arith::TruncIOp>(storage, code);
}

/// The tensor type of unpacked codes: i8 for up to 8 bits.
static RankedTensorType codesType(const Build &build, QuantType type) {
  int bits = type.getFormat().getFormat().elem.bits;
  return RankedTensorType::get(type.getShape(), build.b.getIntegerType(bits <= 8 ? 8 : bits <= 16 ? 16 : 32));
}

//===-- parameters at run time ----------------------------------------------------===//
/// One statistic a block: `body` combines (finite x, accumulator). The last block of a dimension may be partial; then
/// its last element is read again, which changes no minimum and no maximum.
static Value statistic(const Build &build, Value x, const Plane &plane, const Extents &planeSizes, double start,
                       llvm::function_ref<Value(const Build &, Value, Value)> body) {
  Extents sizes = build.extents(x), extents;
  int64_t rank = sizes.size();
  // Loops: the entries of the plane, then the elements of a block.
  int64_t outer = planeSizes.size();
  SmallVector<AffineExpr> extentExprs;
  for (int64_t d = 0; d < rank; ++d) {
    bool whole = plane.block.empty() || plane.block[d] == kWhole;
    std::optional<int64_t> size = getConstantIntValue(sizes[d]);
    extents.push_back(whole ? sizes[d] : build.number(size ? std::min(plane.block[d], *size) : plane.block[d]));
    extentExprs.push_back(build.b.getAffineDimExpr(outer + d));
  }
  AffineMap maps[] = {AffineMap::get(outer + rank, 0, extentExprs, build.b.getContext()),
                      build.firstDims(outer, outer + rank)};
  SmallVector<utils::IteratorType> iterators(outer, utils::IteratorType::parallel);
  iterators.append(rank, utils::IteratorType::reduction);
  Type f32 = build.b.getF32Type();
  Value block = build.empty(Shaped(extents, build.b.getI8Type()));
  Value init = build.filled(Shaped(planeSizes, f32), build.number(f32, start));
  return build.generic(block, init, maps, iterators, [&](const Build &in, ValueRange s) {
    SmallVector<Value> indices;
    for (int64_t d = 0; d < rank; ++d) {
      Value at = in.create<linalg::IndexOp>(outer + d);
      if (outer) {
        Value first = in.mul(in.create<linalg::IndexOp>(d), in.index(extents[d]));
        at = in.create<arith::MinUIOp>(in.add(first, at), in.index(in.plus(sizes[d], -1)));
      }
      indices.push_back(at);
    }
    Value value = in.widen(in.extract(x, indices)), magnitude = in.create<math::AbsFOp>(value);
    Value isFinite = in.create<arith::CmpFOp>(arith::CmpFPredicate::OLT, magnitude, in.number(f32, INFINITY));
    return in.select(isFinite, body(in, value, s[1]), s[1]);
  });
}

/// A scale as it is stored: 0 becomes 1, what is too large the largest finite value.
static Value storedScale(const Build &in, Value scale, FloatType type) {
  Value largest = in.number(scale.getType(), APFloat::getLargest(type.getFloatSemantics()).convertToDouble());
  scale = in.create<arith::MinimumFOp>(scale, largest);
  if (isByteCode(type)) {
    Value code = in.convert(scale, in.b.getF32Type(), type), number = in.convert(code, type, in.b.getF32Type());
    Value isZero = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, number, in.number(number.getType(), 0));
    return in.select(isZero, in.convert(in.number(in.b.getF32Type(), 1), in.b.getF32Type(), type), code);
  }
  Value stored = in.narrow(scale, type);
  Value isZero = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, stored, in.number(type, 0));
  return in.select(isZero, in.number(type, 1), stored);
}

/// The planes of a quantize without plane operands, in the order of the format; zero planes below 8 bits are packed.
static SmallVector<Value> chooseParameters(const Build &build, QuantizeOp op, Value x) {
  QuantType type = op.getType();
  Format format = type.getFormat().getFormat();
  Encode encode = op.getByAttr().getEncode();
  // One entry a block.
  auto sizesOf = [&](const Plane &plane) {
    Extents sizes = build.extents(x);
    if (plane.block.empty())
      return Extents();
    for (auto [size, extent] : llvm::zip(sizes, plane.block))
      size = extent == kWhole ? build.number(1) : build.ceilDiv(size, extent);
    return sizes;
  };
  SmallVector<RankedTensorType> types = type.getPlaneTypes();
  Type f32 = build.b.getF32Type();
  double lo = encode.low(format.elem), hi = encode.high(format.elem);
  SmallVector<Value> planes(format.planes.size());
  const Plane *scalePlane = format.find(Role::Scale);
  size_t scaleAt = scalePlane - format.planes.data();
  Extents shape = sizesOf(*scalePlane);
  auto scaleFloat = cast<FloatType>(types[scaleAt + 1].getElementType());
  Shaped scaleType(shape, isByteCode(scaleFloat) ? Type(build.b.getI8Type()) : Type(scaleFloat));
  auto larger = [](const Build &in, Value v, Value sum) { return in.max(v, sum); };
  Value low;
  if (encode.rule == Rule::Absmax) {
    Value magnitude = statistic(build, x, *scalePlane, shape, 0, [](const Build &in, Value v, Value sum) {
      return in.max(in.create<math::AbsFOp>(v), sum);
    });
    Value target = build.number(f32, encodeTarget(format.elem, encode));
    planes[scaleAt] = build.elementwise(scaleType, magnitude, [&](const Build &in, ValueRange s) {
      return storedScale(in, in.create<arith::DivFOp>(s[0], target), scaleFloat);
    });
  } else {
    // The range contains 0, so starting there changes nothing and covers blocks without a finite element.
    low =
        statistic(build, x, *scalePlane, shape, 0, [](const Build &in, Value v, Value sum) { return in.min(v, sum); });
    Value high = statistic(build, x, *scalePlane, shape, 0, larger), range = build.number(f32, hi - lo);
    planes[scaleAt] = build.elementwise(scaleType, {low, high}, [&](const Build &in, ValueRange s) {
      Value width = in.create<arith::SubFOp>(s[1], s[0]);
      width = in.min(width, in.number(f32, std::numeric_limits<float>::max()));
      return storedScale(in, in.create<arith::DivFOp>(width, range), scaleFloat);
    });
  }
  for (auto [i, plane] : llvm::enumerate(format.planes)) {
    if (plane.role != Role::Zero)
      continue;
    Type storage = types[i + 1].getElementType();
    Shaped zeroType(sizesOf(plane), storage);
    Value zero;
    if (low) {
      Encode bounds(Rule::Given, int64_t(lo), int64_t(hi));
      zero = build.elementwise(zeroType, {low, planes[scaleAt]}, [&](const Build &in, ValueRange s) {
        Value y = in.create<arith::DivFOp>(in.create<arith::NegFOp>(s[0]), in.widen(s[1]));
        return toCode(in, y, in.integer(in.b.getI32Type(), int64_t(lo)), bounds, format.elem, storage);
      });
    } else {
      zero = build.filled(zeroType, build.integer(storage, int64_t(lo + std::floor((hi - lo + 1) / 2))));
    }
    planes[i] = pack(build, zero, plane.type.bits);
  }
  return planes;
}

/// Replaces an op by its planes, as castSizes().
static void replacePlanes(ConversionPatternRewriter &rewriter, Operation *op, QuantType type, SmallVector<Value> planes) {
  for (auto [plane, planeType] : llvm::zip(planes, type.getPlaneTypes()))
    plane = castSizes({rewriter, op->getLoc()}, plane, planeType);
  rewriter.replaceOpWithMultiple(op, {planes});
}

//===-- patterns --------------------------------------------------------------===//
namespace {
struct Quantize : OpConversionPattern<QuantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(QuantizeOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    QuantType type = op.getType();
    Format format = type.getFormat().getFormat();
    Encode encode = op.getByAttr() ? op.getByAttr().getEncode() : Encode(Rule::Given);
    SmallVector<Value> planes(adaptor.getPlanes());
    if (planes.empty() && !format.planes.empty())
      planes = chooseParameters(build, op, adaptor.getX());
    PlaneReader reader(build, type.getShape());
    reader.addTensor(adaptor.getX(), rewriter.getMultiDimIdentityMap(type.getShape().size()));
    ValueReader parameters(reader, format, planes);
    RankedTensorType codes = codesType(build, type);
    Type f32 = rewriter.getF32Type();
    Value result = build.elementwise(codes, reader.operands, reader.maps, [&](const Build &in, ValueRange s) {
      Value x = reader.read(in, s, 0), y = in.convert(x, x.getType(), f32);
      if (Value min = parameters.product(reader, in, s, Role::Min))
        y = in.create<arith::SubFOp>(y, min);
      if (Value scale = parameters.scale(reader, in, s)) {
        Value isZero = in.create<arith::CmpFOp>(arith::CmpFPredicate::OEQ, scale, in.number(f32, 0));
        // The zero with the sign of x.
        Type i32 = in.b.getI32Type();
        Value sign = in.create<arith::AndIOp>(in.create<arith::BitcastOp>(i32, y), in.integer(i32, int64_t(1) << 31));
        Value none = in.create<arith::BitcastOp>(f32, sign);
        y = in.select(isZero, none, in.create<arith::DivFOp>(y, scale));
      }
      return toCode(in, y, parameters.zero(reader, in, s), encode, format.elem, codes.getElementType());
    });
    planes.insert(planes.begin(), pack(build, result, format.elem.bits));
    replacePlanes(rewriter, op, type, planes);
    return success();
  }
};

struct Dequantize : OpConversionPattern<DequantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(DequantizeOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    replaceSized(rewriter, op, realsOf({rewriter, op.getLoc()}, op.getQ().getType(), adaptor.getQ(), op.getType().getElementType()));
    return success();
  }
};

struct Bundle : OpConversionPattern<BundleOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(BundleOp op, OpAdaptor adaptor, ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithMultiple(op, {adaptor.getPlanes()});
    return success();
  }
};

struct Unbundle : OpConversionPattern<UnbundleOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(UnbundleOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getQ());
    return success();
  }
};

/// A factor of a fused product: i32 integers without scales, or real numbers of the expressed type.
Value factor(const Build &build, Value original, ValueRange converted, Type sums) {
  if (auto quant = dyn_cast<QuantType>(original.getType()))
    return sums.isInteger(32) ? integersOf(build, quant, converted) : realsOf(build, quant, converted, sums);
  return converted.front();
}

struct QuantMatmul : OpConversionPattern<MatmulOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(MatmulOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Type element = op.getType().getElementType();
    Value x = factor(build, op.getX(), adaptor.getX(), element), w = factor(build, op.getW(), adaptor.getW(), element);
    Value bias = op.getBias() ? adaptor.getBias().front() : Value();
    replaceSized(rewriter, op, buildMatmul(build, build.sized(op.getResult()), x, w, bias, false, /*transposeB=*/true));
    return success();
  }
};

struct QuantConv : OpConversionPattern<tern::ConvOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(tern::ConvOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    Type element = op.getType().getElementType();
    // Zero points are applied before padding, so that padding is the number 0.
    Value x = factor(build, op.getX(), adaptor.getX(), element), w = factor(build, op.getW(), adaptor.getW(), element);
    Value bias = op.getBias() ? adaptor.getBias().front() : Value();
    ConvAttrs attrs{op.getStrides(), op.getPads(), op.getDilations(), int64_t(op.getGroup())};
    ArrayRef<int64_t> outputPadding = op.getOutputPadding().value_or(ArrayRef<int64_t>());
    Shaped type = build.sized(op.getResult());
    replaceSized(rewriter, op, op.getTransposed() ? buildConvTranspose(build, type, x, w, bias, attrs, outputPadding)
                                                  : buildConv(build, type, x, w, bias, attrs));
    return success();
  }
};

/// (T2) f32 products and sum in order, rounded to even, zero added, clamped.
struct Requantize : OpConversionPattern<RequantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult matchAndRewrite(RequantizeOp op, OneToNOpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Build build{rewriter, op.getLoc()};
    QuantType type = op.getType();
    Format format = type.getFormat().getFormat();
    int64_t rank = type.getShape().size();
    AffineMap identity = rewriter.getMultiDimIdentityMap(rank);
    PlaneReader reader(build, type.getShape());
    for (auto [term, planes] : llvm::zip(op.getTerms(), adaptor.getTerms())) {
      auto quant = dyn_cast<QuantType>(term.getType());
      reader.addTensor(quant ? integersOf(build, quant, planes) : planes.front(), identity);
    }
    for (ValueRange planes : adaptor.getMultipliers()) {
      ArrayRef<int64_t> shape = shapeOf(planes.front());
      SmallVector<AffineExpr> exprs;
      for (auto [d, size] : llvm::enumerate(shape))
        exprs.push_back(size == 1 ? rewriter.getAffineConstantExpr(0)
                                  : rewriter.getAffineDimExpr(rank - int64_t(shape.size()) + int64_t(d)));
      reader.addTensor(planes.front(), AffineMap::get(rank, 0, exprs, rewriter.getContext()));
    }
    SmallVector<Value> planes{adaptor.getScale().front()};
    if (op.getZero())
      planes.push_back(adaptor.getZero().front());
    ValueReader parameters(reader, format, planes);
    RankedTensorType codes = codesType(build, type);
    Encode encode(Rule::Given, op.getLo(), op.getHi());
    unsigned terms = op.getTerms().size();
    Type f32 = rewriter.getF32Type();
    Value result = build.elementwise(codes, reader.operands, reader.maps, [&](const Build &in, ValueRange s) {
      Value sum;
      for (unsigned t = 0; t < terms; ++t) {
        Value term = reader.read(in, s, t);
        Value product = in.mul(in.convert(term, term.getType(), f32), reader.read(in, s, terms + t));
        sum = sum ? in.add(sum, product) : product;
      }
      return toCode(in, sum, parameters.zero(reader, in, s), encode, format.elem, codes.getElementType());
    });
    planes.insert(planes.begin(), pack(build, result, format.elem.bits));
    replacePlanes(rewriter, op, type, planes);
    return success();
  }
};
} // namespace

void populateQuantization(const TypeConverter &types, RewritePatternSet &patterns) {
  patterns.add<Quantize, Dequantize, Bundle, Unbundle, QuantMatmul, QuantConv, Requantize>(types,
                                                                                           patterns.getContext());
}

} // namespace tern::lowering
