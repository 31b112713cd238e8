// LinearAttention: a recurrence over the tokens, written out.
#include "lib/Import/Ops/Compose.h"
#include <cmath>

using namespace mlir;
using namespace tern::nn;

namespace tern::importer {

// More tokens than this are not written out.
constexpr int64_t kMaxTokens = 1024;

/// S = exp(g) S + beta k (v - exp(g) S' k)'; y = scale q' S, for each head; q heads share the state of their group.
/// query [B, T, Hq * D], key [B, T, H * D], value [B, T, H * E], past_state [B, H, D, E], decay [B, T, H or H * D],
/// beta [B, T, H or 1].
static LogicalResult importLinearAttention(Node &n) {
  std::string rule = n.string("update_rule", "gated_delta");
  bool gated = rule == "gated" || rule == "gated_delta", delta = rule == "delta" || rule == "gated_delta";
  if (!gated && !delta && rule != "linear")
    return n.error() << "update_rule is '" << rule << "'; linear, gated, delta and gated_delta are defined";
  int64_t queries = n.integer("q_num_heads", 0), heads = n.integer("kv_num_heads", 0);
  if (heads < 1 || queries < 1 || queries % heads)
    return n.error() << "q_num_heads is " << queries << " and kv_num_heads " << heads
                     << "; the second must divide the first";
  if (n.rank(0) != 3 || n.rank(1) != 3 || n.rank(2) != 3 || (gated && !n.hasInput(4)) || (delta && !n.hasInput(5)))
    return n.error() << "update_rule " << rule << " needs query, key and value of rank 3" << (gated ? ", decay" : "")
                     << (delta ? ", beta" : "");
  ArrayRef<int64_t> q = n.type(0).getShape(), k = n.type(1).getShape(), v = n.type(2).getShape();
  if (llvm::any_of(ArrayRef{q[1], q[2], k[1], k[2], v[1], v[2]}, ShapedType::isDynamic))
    return n.keepOpen("its tokens or heads are only known at run time");
  nn::SizeExpr batch = n.sizes(0)[0];
  int64_t tokens = q[1], depth = k[2] / heads, width = v[2] / heads, group = queries / heads;
  if (q[2] != queries * depth || k[2] != heads * depth || v[2] != heads * width || k[1] != tokens || v[1] != tokens)
    return n.error() << "query, key and value have types " << n.type(0) << ", " << n.type(1) << " and " << n.type(2)
                     << ", which do not agree for " << queries << " and " << heads << " heads";
  if (tokens > kMaxTokens || tokens == 0)
    return n.keep("it has no tokens or more than " + Twine(kMaxTokens));
  Compose c{n};
  Type element = n.type(0).getElementType();
  Type wide = element.isF64() ? element : Type(n.builder().getF32Type());
  double scale = n.real("scale", 0);
  scale = scale == 0 ? 1 / std::sqrt(double(depth)) : scale;
  auto input = [&](int i) { return c.cast(n.operand(i), wide); };
  Value query = c.mul(input(0), n.scalar(wide, scale)), key = input(1), value = input(2);
  Value decay = gated ? c.unary(UnaryKind::exp, input(4)) : Value(), beta = delta ? input(5) : Value();
  Value state = n.hasInput(3) ? input(3) : c.expand(n.scalar(wide, 0), {batch, heads, depth, width});
  auto token = [&](Value x, int64_t t, const Shape &shape) { return c.reshape(c.slice(x, 1, t, 1), shape); };
  auto perHead = [&](Value x) { return x ? Compose::shapeOf(x)[2] : 0; };
  SmallVector<Value> outputs;
  for (int64_t t = 0; t < tokens; t++) {
    Value kt = token(key, t, {batch, heads, depth, 1}), vt = token(value, t, {batch, heads, 1, width});
    if (gated)
      state = c.mul(state, token(decay, t,
                                 perHead(decay) == heads * depth && depth != 1 ? Shape{batch, heads, depth, 1} : Shape{batch, heads, 1, 1}));
    if (delta) {
      Value known = c.matmul(c.reshape(kt, {batch, heads, 1, depth}), state);
      vt = c.mul(c.sub(vt, known), token(beta, t, {batch, perHead(beta), 1, 1}));
    }
    state = c.add(state, c.mul(kt, vt));
    Value y = c.matmul(token(query, t, {batch, heads, group, depth}), state);
    outputs.push_back(c.reshape(y, {batch, 1, queries * width}));
  }
  if (failed(n.result(c.cast(c.concat(outputs, 1, n.name()), element))))
    return failure();
  Type stateType = n.hasInput(3) ? n.type(3).getElementType() : element;
  return n.result(c.cast(state, stateType), 1);
}

static constexpr Rule kRules[] = {{"LinearAttention", 27, 3, 6, importLinearAttention}};
ArrayRef<Rule> linearAttentionRules() { return kRules; }

} // namespace tern::importer
