#include "lib/Export/Profile.h"
#include "lib/Export/Export.h"
#include "llvm/ADT/ArrayRef.h"

using namespace llvm;

namespace tern::exporter {

// Sources of the rules:
// ort       onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "Representation of quantized ONNX models": a
//           node becomes a quantized kernel when DequantizeLinear feeds and QuantizeLinear follows it; int32 bias.
// tensorrt  docs.nvidia.com/deeplearning/tensorrt, "Working with Quantized Types": symmetric only, int8, zero point 0; "Explicit
//           Quantization", Q/DQ placement: quantize the inputs of weighted ops, not their outputs; the bias stays float.
// openvino  docs.openvino.ai, "Low Precision Transformations": FakeQuantize on the inputs of an op, outputs by the next op's
//           input; weights symmetric, activations of any zero point; biases stay float.
// tflite    tensorflow.org/lite/performance/quantization_spec: int8 activations with a zero point, int8 weights in -127..127
//           with zero point 0, int32 bias of scale input * weight, every output quantized.
// qonnx     github.com/fastmachinelearning/qonnx, docs/qonnx-custom-ops/quant_op.md: Quant on float values, weights too.
static constexpr Profile kProfiles[] = {
    {"ort", "ONNX Runtime: int32 biases, QuantizeLinear behind convolutions, com.microsoft where the opset is too old",
     false, false, true, false, true, true, false, true},
    {"tensorrt", "TensorRT: zero points 0, float biases, QuantizeLinear only in front of ops", true, true, false, false,
     false, false, false, false},
    {"openvino", "OpenVINO: float biases, QuantizeLinear only in front of ops", false, false, false, false, false,
     false, false, true},
    {"tflite", "LiteRT: int8 activations, one scale for a tensor as [1], int32 biases, QuantizeLinear behind ops", false,
     true, true, true, false, true, false, false},
    {"qonnx", "QONNX: Quant nodes on float weights and activations", false, false, false, false, false, false, true,
     false},
};

ArrayRef<Profile> profiles() { return kProfiles; }

const Profile *findProfile(StringRef name) {
  for (const Profile &profile : kProfiles)
    if (profile.name == name)
      return &profile;
  return nullptr;
}

} // namespace tern::exporter

std::vector<std::pair<std::string, std::string>> tern::exportProfiles() {
  std::vector<std::pair<std::string, std::string>> result;
  for (const exporter::Profile &profile : exporter::profiles())
    result.emplace_back(profile.name.str(), profile.summary.str());
  return result;
}
