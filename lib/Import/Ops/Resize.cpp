// Resize and Upsample.
#include "lib/Import/Ops/Rules.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

/// What the versions of Resize have in common once scales or sizes are known.
struct Resizing {
  SmallVector<double> scales; ///< one an axis
  Ints sizes;                 ///< of the result
  nn::Sizes open;             ///< those of the result as expressions, if some are only known at run time
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoord coord = ResizeCoord::half_pixel;
  NearestMode nearest = NearestMode::round_prefer_floor;
  float cubic = -0.75f;
  bool excludeOutside = false, antialias = false;
};

static LogicalResult emit(Node &n, const Resizing &r) {
  RankedTensorType type = n.type(0);
  bool open = llvm::any_of(r.sizes, ShapedType::isDynamic);
  std::optional<int64_t> count = open ? std::optional<int64_t>(1) : elementCount(r.sizes);
  if (!count || (*count == 0 && type.getNumElements() != 0))
    return n.error() << "the result has no elements, or more than 2^48";
  if (ArrayRef(r.sizes) == type.getShape() && llvm::all_of(r.scales, [](double s) { return s == 1; }))
    return n.forward();
  Value y = n.createTyped<ResizeOp>(type.clone(r.sizes), n.operand(0), ArrayRef(r.scales), r.mode, r.coord, r.nearest,
                                    llvm::APFloat(double(r.cubic)), r.excludeOutside, r.antialias, n.name());
  return n.result(y && !r.open.empty() ? n.withSizes(y, r.open) : y);
}

/// Sets scales and the sizes that follow; `scales` has one entry for each of `axes`.
static LogicalResult setScales(Node &n, Resizing &r, ArrayRef<double> scales, ArrayRef<int64_t> axes) {
  RankedTensorType type = n.type(0);
  if (scales.size() != axes.size())
    return n.error() << "scales has " << scales.size() << " entries, " << axes.size() << " are needed";
  r.scales.assign(size_t(type.getRank()), 1.0);
  r.sizes.assign(type.getShape().begin(), type.getShape().end());
  for (auto [axis, scale] : llvm::zip(axes, scales)) {
    if (!(scale > 0 && scale <= 0x1p31))
      return n.error() << "the scale of axis " << axis << " is not a positive number";
    r.scales[size_t(axis)] = scale;
    int64_t from = type.getDimSize(axis);
    r.sizes[size_t(axis)] = ShapedType::isDynamic(from) ? from : resizedSize(from, scale);
  }
  return success();
}

static LogicalResult setSizes(Node &n, Resizing &r, ArrayRef<int64_t> sizes, ArrayRef<int64_t> axes, StringRef policy) {
  RankedTensorType type = n.type(0);
  if (sizes.size() != axes.size())
    return n.error() << "sizes has " << sizes.size() << " entries, " << axes.size() << " are needed";
  r.scales.assign(size_t(type.getRank()), 1.0);
  r.sizes.assign(type.getShape().begin(), type.getShape().end());
  double common = 0;
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    int64_t from = type.getDimSize(axis);
    if (size <= 0 || size > (int64_t(1) << 31) || from == 0)
      return n.error() << "axis " << axis << " cannot be resized from " << from << " to " << size << " elements";
    double scale = double(size) / double(from);
    r.sizes[size_t(axis)] = size;
    r.scales[size_t(axis)] = scale;
    bool larger = policy == "not_smaller";
    common = common == 0 ? scale : larger ? std::max(common, scale) : std::min(common, scale);
  }
  if (policy == "stretch")
    return success();
  if (policy != "not_larger" && policy != "not_smaller")
    return n.error() << "keep_aspect_ratio_policy is '" << policy
                     << "'; stretch, not_larger and not_smaller are defined";
  for (int64_t axis : axes) {
    r.scales[size_t(axis)] = common;
    r.sizes[size_t(axis)] = int64_t(std::floor(common * double(type.getDimSize(axis)) + 0.5));
  }
  return success();
}

/// Sizes that are expressions: what is no whole multiple of the input's has the ratio of the two as its scale.
static LogicalResult setOpenSizes(Node &n, Resizing &r, const nn::Sizes &sizes, ArrayRef<int64_t> axes) {
  nn::SizeTable &table = n.importer.sizeAnalysis.table;
  r.open = n.sizes(0);
  r.scales.assign(r.open.size(), 1.0);
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    nn::SizeExpr from = r.open[size_t(axis)];
    std::optional<int64_t> fixed = from.constant(), wanted = size.constant(), factor = table.floorDiv(size, from).constant();
    if (table.range(size).second < 1 || (fixed && *fixed < 1))
      return n.error() << "axis " << axis << " cannot be resized from " << from.str() << " to " << size.str() << " elements";
    bool whole = factor && *factor > 0 && table.mul(from, table.constant(*factor)) == size;
    r.scales[size_t(axis)] = whole ? double(*factor) : fixed && wanted ? double(*wanted) / double(*fixed) : 0.0;
    r.open[size_t(axis)] = size;
  }
  auto shape = nn::typeOf(r.open, n.type(0).getElementType()).getShape();
  r.sizes.assign(shape.begin(), shape.end());
  return success();
}

/// Resize(x, roi, scales, sizes), versions 11 to 19.
static LogicalResult importResize(Node &n) {
  Resizing r;
  std::string mode = n.string("mode", "nearest"), coord = n.string("coordinate_transformation_mode", "half_pixel"),
              nearest = n.string("nearest_mode", "round_prefer_floor");
  auto m = symbolizeResizeMode(mode);
  if (coord == "tf_crop_and_resize")
    return n.keep("it crops a region of interest");
  // (i + 0.5) / scale is half_pixel + 0.5: rounding it down is rounding half_pixel to the nearest. Version 13 dropped the mode, exporters of
  // TensorFlow models did not.
  if (coord == "tf_half_pixel_for_nn") {
    if (mode != "nearest" || (nearest != "floor" && nearest != "round_prefer_floor"))
      return n.keep("coordinates without half a pixel are known for the nearest element, rounded down");
    coord = "half_pixel";
    nearest = nearest == "floor" ? "round_prefer_ceil" : "ceil";
  }
  auto c = symbolizeResizeCoord(coord);
  auto k = symbolizeNearestMode(nearest);
  if (!m || !c || !k)
    return n.error() << "mode '" << mode << "', coordinate_transformation_mode '" << coord << "' or nearest_mode '"
                     << nearest << "' is not defined";
  r.mode = *m;
  r.coord = *c;
  r.nearest = *k;
  r.cubic = n.real("cubic_coeff_a", -0.75f);
  r.excludeOutside = n.integer("exclude_outside", 0);
  r.antialias = n.integer("antialias", 0);
  Ints axes = n.integers("axes");
  if (axes.empty())
    axes = allAxes(n.rank(0));
  n.axes(axes, n.rank(0)); // reports duplicates
  for (int64_t &axis : axes)
    axis = n.axis(axis, n.rank(0));
  if (n.hasFailed())
    return failure();
  // An empty scales input means sizes, and the other way round.
  auto given = [&](int i) { return n.hasInput(i) && n.type(i).getNumElements() > 0; };
  if (given(2)) {
    auto scales = n.constantFloats(2);
    if (!scales)
      return n.keep("its scales are computed from data");
    if (failed(setScales(n, r, *scales, axes)))
      return failure();
  } else if (given(3)) {
    auto sizes = n.constantInts(3);
    std::optional<nn::Sizes> wanted = !sizes || n.isOpen(0) ? n.symbols(3) : std::nullopt;
    if (wanted && wanted->size() == axes.size()) {
      std::string policy = n.string("keep_aspect_ratio_policy", "stretch");
      if (policy != "stretch")
        return n.keepOpen("its keep_aspect_ratio_policy '" + policy + "' compares sizes");
      if (failed(setOpenSizes(n, r, *wanted, axes)))
        return failure();
      if (r.antialias && llvm::is_contained(r.scales, 0.0))
        return n.keepOpen("how many elements antialias reads is only known at run time");
      return emit(n, r);
    }
    if (!sizes)
      return n.keep("its sizes are computed from data");
    if (failed(setSizes(n, r, *sizes, axes, n.string("keep_aspect_ratio_policy", "stretch"))))
      return failure();
  } else {
    return n.error() << "Resize needs scales or sizes";
  }
  return emit(n, r);
}

/// Upsample, and Resize of version 10: asymmetric coordinates; nearest rounds down, and up when it shrinks.
static LogicalResult importScaled(Node &n, ArrayRef<double> scales) {
  Resizing r;
  r.coord = ResizeCoord::asymmetric;
  std::string mode = n.string("mode", "nearest");
  if (mode != "nearest" && mode != "linear" && mode != "bilinear")
    return n.error() << "mode is '" << mode << "'; nearest and linear are defined";
  r.mode = mode == "nearest" ? ResizeMode::nearest : ResizeMode::linear;
  if (failed(setScales(n, r, scales, allAxes(n.rank(0)))))
    return failure();
  bool shrinks = llvm::any_of(scales, [](double s) { return s < 1; }),
       grows = llvm::any_of(scales, [](double s) { return s > 1; });
  if (shrinks && grows && r.mode == ResizeMode::nearest)
    return n.keep("it grows one axis and shrinks another");
  r.nearest = shrinks ? NearestMode::ceil : NearestMode::floor;
  return emit(n, r);
}
static LogicalResult importScaledInput(Node &n) {
  auto scales = n.constantFloats(1);
  return scales ? importScaled(n, *scales) : n.keep("its scales are computed from data");
}
static LogicalResult importUpsampleAttrs(Node &n) {
  SmallVector<double> scales;
  for (float s : n.reals("scales"))
    scales.push_back(s);
  return n.hasFailed() ? failure() : importScaled(n, scales);
}

static constexpr Rule kRules[] = {
    {"Upsample", 7, 1, 1, importUpsampleAttrs},
    {"Upsample", 9, 2, 2, importScaledInput},
    {"Resize", 10, 2, 2, importScaledInput},
    {"Resize", 11, 1, 4, importResize},
};
ArrayRef<Rule> resizeRules() { return kRules; }

} // namespace tern::importer
