// Constant tensors: where their bytes are, every element type, typed fields, sparse ones.
#include "Support.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <fstream>

using namespace mlir;
using namespace tern::importer;

/// The file that the address is mapped from; "" for the heap.
static std::string mappedFrom(const void *address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin, end;
    if (sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2 && uintptr_t(address) >= begin && uintptr_t(address) < end)
      return line.find('/') == std::string::npos ? "" : line.substr(line.find('/'));
  }
  return "";
}

static ArrayRef<char> blobOf(ModuleOp module, StringRef name) {
  auto global = module.lookupSymbol<ml_program::GlobalOp>(name);
  auto resource =
      global ? dyn_cast_or_null<DenseResourceElementsAttr>(global.getValueAttr()) : DenseResourceElementsAttr();
  return resource ? resource.getRawHandle().getBlob()->getData() : ArrayRef<char>();
}

TEST_F(ImportTest, raw_data_stays_in_the_mapped_file) {
  auto module = import(smallModel());
  ASSERT_TRUE(succeeded(module));
  ArrayRef<char> v = blobOf(**module, "v");
  ASSERT_EQ(v.size(), 96u);
  EXPECT_EQ(mappedFrom(v.data()), path("model.onnx"));
  float value;
  std::memcpy(&value, v.data() + 20, 4);
  EXPECT_EQ(value, 0.5f);
  // Small constants are attributes.
  EXPECT_TRUE(blobOf(**module, "w").empty());
}

TEST_F(ImportTest, external_data_stay_in_the_mapped_file) {
  onnx::ModelProto model = smallModel();
  onnx::TensorProto *v = model.mutable_graph()->mutable_initializer(1);
  v->clear_raw_data();
  v->set_data_location(onnx::TensorProto::EXTERNAL);
  for (auto [key, value] :
       {std::pair("location", "weights/v.bin"), std::pair("offset", "8"), std::pair("length", "96")}) {
    v->add_external_data()->set_key(key);
    v->mutable_external_data()->rbegin()->set_value(value);
  }
  ASSERT_FALSE(llvm::sys::fs::create_directory(path("weights")));
  write("weights/v.bin", std::string(8, 'x') + rawBytes(std::vector<float>(24, 2.5f)));
  auto module = import(model);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  ArrayRef<char> blob = blobOf(**module, "v");
  ASSERT_EQ(blob.size(), 96u);
  EXPECT_EQ(mappedFrom(blob.data()), path("weights/v.bin"));
}

TEST_F(ImportTest, a_tied_weight_is_one_global_with_two_loads) {
  onnx::ModelProto model = smallModel();
  addNode(model, "MatMul", {"x", "v"}, "z");
  addOutput(model, "z");
  auto module = import(model);
  ASSERT_TRUE(succeeded(module));
  int globals = 0, loads = 0;
  (*module)->walk([&](ml_program::GlobalOp) { globals++; });
  (*module)->walk([&](ml_program::GlobalLoadConstOp) { loads++; });
  EXPECT_EQ(globals, 1);
  EXPECT_EQ(loads, 2);
}

/// The constant that a model with one tensor returns.
static DenseElementsAttr returned(ModuleOp module) {
  DenseElementsAttr result;
  module.walk([&](arith::ConstantOp op) { result = cast<DenseElementsAttr>(op.getValue()); });
  return result;
}

static onnx::ModelProto tensorModel(int32_t type, std::vector<int64_t> shape, onnx::TensorProto *&tensor) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  tensor = addTensor(model, "c", type, shape);
  addOutput(model, "c");
  return model;
}

TEST_F(ImportTest, every_element_type_reads_raw_and_typed_data_alike) {
  for (int32_t type = FLOAT; type <= FLOAT6E3M2; type++) {
    if (type == STRING)
      continue;
    const DataType &info = *findDataType(type);
    constexpr int64_t n = 5;
    std::string raw((n * info.bits + 7) / 8, '\0');
    for (size_t i = 0; i < raw.size(); i++)
      raw[i] = char(type == BOOL ? i % 2 : 17 * i + 3);
    if (info.bits * n % 8) // the pad of the last byte is zero
      raw.back() &= char((1 << (info.bits * n % 8)) - 1);
    onnx::TensorProto *t;
    onnx::ModelProto model = tensorModel(type, {n}, t);
    t->set_raw_data(raw);
    auto fromRaw = import(model);
    ASSERT_TRUE(succeeded(fromRaw)) << info.name.str() << testing::PrintToString(errors);
    t->clear_raw_data();
    switch (info.field) {
    case TypedField::Float:
      t->mutable_float_data()->Resize(int(raw.size() / 4), 0);
      std::memcpy(t->mutable_float_data()->mutable_data(), raw.data(), raw.size());
      break;
    case TypedField::Double:
      t->mutable_double_data()->Resize(int(raw.size() / 8), 0);
      std::memcpy(t->mutable_double_data()->mutable_data(), raw.data(), raw.size());
      break;
    case TypedField::Int64:
      t->mutable_int64_data()->Resize(n, 0);
      std::memcpy(t->mutable_int64_data()->mutable_data(), raw.data(), raw.size());
      break;
    case TypedField::Uint64:
      for (int i = 0; i < n; i++) {
        uint64_t value = 0;
        std::memcpy(&value, raw.data() + i * (info.bits / 8), info.bits / 8);
        t->add_uint64_data(value);
      }
      break;
    case TypedField::Int32:
      for (int i = 0; i < (info.bits == 6 ? n : int64_t(raw.size()) / std::max(1u, info.bits / 8)); i++) {
        int32_t value = 0;
        if (info.bits == 6) { // one element an entry
          for (int bit = 0; bit < 6; bit++)
            value |= (raw[(6 * i + bit) / 8] >> ((6 * i + bit) % 8) & 1) << bit;
        } else {
          unsigned bytes = std::max(1u, info.bits / 8);
          std::memcpy(&value, raw.data() + i * bytes, bytes);
        }
        t->add_int32_data(value);
      }
      break;
    case TypedField::String:
      break;
    }
    auto fromTyped = import(model);
    ASSERT_TRUE(succeeded(fromTyped)) << info.name.str() << testing::PrintToString(errors);
    EXPECT_TRUE(returned(**fromRaw)) << info.name.str();
    EXPECT_EQ(returned(**fromRaw), returned(**fromTyped)) << info.name.str();
    EXPECT_EQ(returned(**fromRaw).getElementType(), elementType(type, &context)) << info.name.str();
  }
}

TEST_F(ImportTest, elements_below_8_bits_come_in_order) {
  onnx::TensorProto *t;
  onnx::ModelProto model = tensorModel(INT4, {3}, t);
  t->set_raw_data(std::string("\xf1\x07", 2));
  auto module = import(model);
  ASSERT_TRUE(succeeded(module));
  EXPECT_EQ(llvm::map_to_vector(returned(**module).getValues<APInt>(), [](const APInt &v) { return v.getSExtValue(); }),
            SmallVector<int64_t>({1, -1, 7}));
}

TEST_F(ImportTest, a_sparse_initializer_is_expanded) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::SparseTensorProto *s = model.mutable_graph()->add_sparse_initializer();
  s->mutable_values()->set_name("c");
  s->mutable_values()->set_data_type(FLOAT);
  s->mutable_values()->add_dims(2);
  s->mutable_values()->add_float_data(5);
  s->mutable_values()->add_float_data(6);
  s->mutable_indices()->set_data_type(INT64);
  s->mutable_indices()->add_dims(2);
  s->mutable_indices()->add_int64_data(1);
  s->mutable_indices()->add_int64_data(3);
  s->add_dims(2);
  s->add_dims(2);
  addOutput(model, "c");
  auto module = import(model);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(llvm::to_vector(returned(**module).getValues<float>()), SmallVector<float>({0, 5, 0, 6}));
  s->mutable_indices()->set_int64_data(1, 4);
  expectError(model, "index 4 is outside 0..3");
}

TEST_F(ImportTest, an_empty_tensor_is_a_constant) {
  onnx::TensorProto *t;
  onnx::ModelProto model = tensorModel(FLOAT, {0, 3}, t);
  auto module = import(model);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(returned(**module).getNumElements(), 0);
}
