//===- Plan.cpp - plan.json -----------------------------------------------===//
#include "lib/Search/Plan.h"
#include "lib/Support/Json.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cmath>

using namespace llvm;

namespace tern {

int64_t Plan::weightBytes() const {
  int64_t bytes = 0;
  for (const PlanOp &op : ops)
    bytes += op.weightBytes;
  return bytes;
}

//===-- writing -------------------------------------------------------------===//

static void print(json::OStream &out, const PlanOp &op) {
  out.object([&] {
    out.attribute("name", op.name);
    out.attribute("op", op.op);
    out.attribute("m", op.m);
    out.attribute("n", op.n);
    out.attribute("k", op.k);
    if (op.x)
      out.attribute("x", op.x->str());
    if (op.xEncode)
      out.attribute("x_encode", op.xEncode->str());
    if (op.x)
      out.attribute("x_static", op.xStatic);
    if (op.w)
      out.attribute("w", op.w->str());
    if (op.wEncode)
      out.attribute("w_encode", op.wEncode->str());
    if (op.w)
      out.attribute("method", op.method);
    out.attributeArray("kernels", [&] {
      out.object([&] {
        out.attribute("row", op.row);
        out.attributeArray("m", [&] {
          out.value(1);
          out.value(nullptr);
        });
      });
    });
    out.attributeObject("predicted", [&] { out.attribute("weight_bytes", op.weightBytes); });
    if (!op.why.empty())
      out.attribute("why", op.why);
    out.attribute("locked", op.locked);
  });
}

std::string printPlan(const Plan &plan) {
  std::string text;
  raw_string_ostream stream(text);
  json::OStream out(stream, /*IndentSize=*/1);
  out.object([&] {
    out.attribute("tern_plan", 1);
    out.attributeObject("model", [&] {
      out.attribute("sha256", plan.modelSha256);
      out.attribute("ops", plan.modelOps);
    });
    out.attributeObject("target", [&] { out.attribute("chip", plan.chip); });
    out.attributeObject("goal", [&] { out.attribute("scheme", plan.scheme); });
    if (plan.samples)
      out.attributeObject("calibration", [&] {
        out.attribute("sha256", plan.calibrationSha256);
        out.attribute("samples", plan.samples);
        out.attribute("ranges", plan.ranges);
      });
    if (!plan.equalizations.empty())
      out.attributeArray("transforms", [&] {
        for (const PlanEqualization &each : plan.equalizations)
          out.object([&] {
            out.attribute("kind", "equalize");
            out.attribute("name", each.name);
            // In one line: an array of the stream has one for each number. Nine digits are read back as they were.
            std::string factors;
            for (float factor : each.factors)
              factors += llvm::formatv("{0}{1:e8}", factors.empty() ? "[" : ", ", factor).str();
            out.attributeBegin("factors");
            out.rawValue(factors + "]");
            out.attributeEnd();
          });
      });
    out.attributeArray("ops", [&] {
      for (const PlanOp &op : plan.ops)
        print(out, op);
    });
    out.attributeArray("tensors", [&] {
      for (const PlanTensor &tensor : plan.tensors)
        out.object([&] {
          out.attribute("name", tensor.name);
          out.attribute("format", tensor.format.str());
          out.attribute("scale", tensor.scale);
          out.attribute("zero", tensor.zero);
          out.attribute("lo", tensor.lo);
          out.attribute("hi", tensor.hi);
        });
    });
    out.attributeObject("totals", [&] { out.attribute("weight_bytes", plan.weightBytes()); });
  });
  return text + "\n";
}

//===-- reading -------------------------------------------------------------===//

namespace {
/// Fields of one JSON object; the first mistake is kept, with the path to it.
class Fields {
public:
  Fields(const json::Value &value, std::string where, std::string &error)
      : object(value.getAsObject()), where(std::move(where)), error(error) {
    if (!object)
      fail("is not an object");
  }

  std::string text(StringRef key, bool required = true) {
    const json::Value *value = get(key, required);
    std::optional<StringRef> text = value ? value->getAsString() : std::nullopt;
    if (value && !text)
      fail("'" + key + "' is not a string");
    return text.value_or("").str();
  }
  int64_t integer(StringRef key, bool required = true) {
    const json::Value *value = get(key, required);
    std::optional<int64_t> number = value ? value->getAsInteger() : std::nullopt;
    if (value && !number)
      fail("'" + key + "' is not an integer");
    return number.value_or(0);
  }
  double number(StringRef key) {
    const json::Value *value = get(key, true);
    std::optional<double> number = value ? value->getAsNumber() : std::nullopt;
    if (value && !number)
      fail("'" + key + "' is not a number");
    return number.value_or(0);
  }
  bool boolean(StringRef key) {
    const json::Value *value = get(key, false);
    std::optional<bool> flag = value ? value->getAsBoolean() : std::nullopt;
    if (value && !flag)
      fail("'" + key + "' is neither true nor false");
    return flag.value_or(false);
  }
  std::optional<Format> format(StringRef key, bool required = false) {
    std::string spelled = text(key, required);
    if (spelled.empty())
      return std::nullopt;
    Result<Format> format = parseFormat(spelled);
    std::string why = format ? verify(*format) : format.error;
    if (!why.empty())
      fail("'" + key + "': " + why);
    return why.empty() ? std::optional<Format>(*format) : std::nullopt;
  }
  std::optional<Encode> encode(StringRef key, const std::optional<Format> &codes) {
    std::string spelled = text(key, false);
    if (spelled.empty())
      return std::nullopt;
    Result<Encode> encode = parseEncode(spelled);
    std::string why = !encode ? encode.error : codes ? verify(*encode, *codes) : "";
    if (!why.empty())
      fail("'" + key + "': " + why);
    return why.empty() ? std::optional<Encode>(*encode) : std::nullopt;
  }
  const json::Value *get(StringRef key, bool required) {
    const json::Value *value = object ? object->get(key) : nullptr;
    if (object && !value && required)
      fail("has no '" + key + "'");
    return value;
  }
  void fail(const Twine &message) {
    if (error.empty())
      error = (where + " " + message).str();
  }

private:
  const json::Object *object;
  std::string where;
  std::string &error;
};
} // namespace

static PlanOp readOp(const json::Value &value, size_t index, std::string &error) {
  PlanOp op;
  Fields fields(value, "ops[" + std::to_string(index) + "]", error);
  op.name = fields.text("name");
  op.op = fields.text("op", false);
  op.m = fields.integer("m", false);
  op.n = fields.integer("n", false);
  op.k = fields.integer("k", false);
  op.x = fields.format("x");
  op.xEncode = fields.encode("x_encode", op.x);
  op.xStatic = fields.boolean("x_static");
  op.w = fields.format("w");
  op.wEncode = fields.encode("w_encode", op.w);
  op.method = fields.text("method", false);
  op.why = fields.text("why", false);
  op.locked = fields.boolean("locked");
  if (const json::Value *predicted = fields.get("predicted", false))
    op.weightBytes =
        Fields(*predicted, "ops[" + std::to_string(index) + "].predicted", error).integer("weight_bytes", false);
  if (const json::Value *kernels = fields.get("kernels", false))
    if (const json::Array *rows = kernels->getAsArray(); rows && !rows->empty())
      op.row = Fields((*rows)[0], "ops[" + std::to_string(index) + "].kernels[0]", error).text("row");
  return op;
}

static PlanEqualization readEqualization(const json::Value &value, size_t index, std::string &error) {
  PlanEqualization result;
  Fields fields(value, "transforms[" + std::to_string(index) + "]", error);
  if (std::string kind = fields.text("kind"); error.empty() && kind != "equalize")
    fields.fail("has the kind '" + kind + "'; known is equalize");
  result.name = fields.text("name");
  const json::Value *factors = fields.get("factors", true);
  if (factors && !factors->getAsArray())
    fields.fail("'factors' is not an array");
  else if (factors)
    for (const json::Value &factor : *factors->getAsArray()) {
      std::optional<double> number = factor.getAsNumber();
      if (!number || !(float(*number) > 0) || !std::isfinite(1 / float(*number)) || !std::isfinite(float(*number)))
        fields.fail("has a factor that is no positive number of 32 bits");
      result.factors.push_back(float(number.value_or(1)));
    }
  return result;
}

Expected<Plan> parsePlan(StringRef text, StringRef file) {
  auto fail = [&](const Twine &message) { return createStringError(inconvertibleErrorCode(), file + ": " + message); };
  Expected<json::Value> root = parseJson(text);
  if (!root)
    return fail("is not JSON: " + toString(root.takeError()));
  std::string error;
  Plan plan;
  Fields fields(*root, "the plan", error);
  if (int64_t version = fields.integer("tern_plan"); error.empty() && version != 1)
    return fail("has tern_plan = " + Twine(version) + "; this compiler reads version 1");
  if (const json::Value *model = fields.get("model", false)) {
    Fields model_(*model, "model", error);
    plan.modelSha256 = model_.text("sha256", false);
    plan.modelOps = model_.integer("ops", false);
  }
  if (const json::Value *target = fields.get("target", false))
    plan.chip = Fields(*target, "target", error).text("chip", false);
  if (const json::Value *goal = fields.get("goal", false))
    plan.scheme = Fields(*goal, "goal", error).text("scheme", false);
  if (const json::Value *calibration = fields.get("calibration", false)) {
    Fields calib(*calibration, "calibration", error);
    plan.calibrationSha256 = calib.text("sha256", false);
    plan.samples = calib.integer("samples", false);
    plan.ranges = calib.text("ranges", false);
  }
  const json::Value *ops = fields.get("ops", true), *tensors = fields.get("tensors", false);
  const json::Value *transforms = fields.get("transforms", false);
  if (transforms && !transforms->getAsArray())
    fields.fail("'transforms' is not an array");
  else if (transforms)
    for (const auto &[index, transform] : llvm::enumerate(*transforms->getAsArray()))
      plan.equalizations.push_back(readEqualization(transform, index, error));
  if (ops && !ops->getAsArray())
    fields.fail("'ops' is not an array");
  else if (ops)
    for (const auto &[index, op] : llvm::enumerate(*ops->getAsArray()))
      plan.ops.push_back(readOp(op, index, error));
  if (tensors && !tensors->getAsArray())
    fields.fail("'tensors' is not an array");
  else if (tensors)
    for (const auto &[index, value] : llvm::enumerate(*tensors->getAsArray())) {
      Fields tensor(value, "tensors[" + std::to_string(index) + "]", error);
      PlanTensor known;
      known.name = tensor.text("name");
      known.format = tensor.format("format", true).value_or(Format());
      known.scale = tensor.number("scale");
      known.zero = tensor.integer("zero");
      known.lo = tensor.number("lo");
      known.hi = tensor.number("hi");
      if (error.empty() && !(known.scale > 0))
        tensor.fail("has a scale that is not positive");
      if (const Element &codes = known.format.elem; error.empty() && codes.isInteger() && (known.zero < codes.minCode() || known.zero > codes.maxCode()))
        tensor.fail("has the zero point " + std::to_string(known.zero) + "; codes of " + codes.str() + " are " +
                    std::to_string(codes.minCode()) + " to " + std::to_string(codes.maxCode()));
      plan.tensors.push_back(std::move(known));
    }
  if (!error.empty())
    return fail(error);
  return plan;
}

Expected<Plan> readPlan(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer = MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!buffer)
    return createStringError(inconvertibleErrorCode(), path + ": " + buffer.getError().message());
  return parsePlan((*buffer)->getBuffer(), path);
}

} // namespace tern
