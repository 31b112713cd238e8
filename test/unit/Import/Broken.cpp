// Models that are damaged or malicious: one located error each, never a crash.
#include "Support.h"
#include <random>

using namespace mlir;
using namespace tern::importer;

TEST_F(ImportTest, a_missing_empty_or_foreign_file_is_refused) {
  EXPECT_TRUE(failed(tern::importOnnx(path("none.onnx"), context)));
  EXPECT_TRUE(failed(tern::importOnnx(folder, context)));
  EXPECT_TRUE(failed(importBytes("")));
  EXPECT_TRUE(failed(importBytes("\x89PNG\r\n\x1a\n and more")));
  EXPECT_TRUE(failed(importBytes("{\"json\": true}")));
  EXPECT_TRUE(failed(importBytes(std::string("\x08\x08", 2)))); // valid protobuf, but no graph
  ASSERT_EQ(errors.size(), 6u) << testing::PrintToString(errors);
  std::vector<const char *> texts{"No such file",      "is a directory",    "the file is empty",
                                  "not an ONNX model", "not an ONNX model", "it has no graph"};
  for (auto [error, text] : llvm::zip(errors, texts))
    EXPECT_NE(error.find(text), std::string::npos) << error;
}

TEST_F(ImportTest, every_prefix_of_a_model_ends_in_success_or_one_error) {
  std::string bytes = smallModel().SerializeAsString();
  for (size_t n = 0; n < bytes.size(); n++) {
    errors.clear();
    auto module = importBytes(StringRef(bytes).take_front(n));
    EXPECT_EQ(errors.size(), succeeded(module) ? 0u : 1u)
        << "prefix of " << n << ": " << testing::PrintToString(errors);
  }
}

TEST_F(ImportTest, flipped_bytes_end_in_success_or_one_error) {
  onnx::ModelProto model = smallModel();
  onnx::NodeProto *conv = addNode(model, "Conv", {"y4", "k"}, "c");
  addTensor(model, "k", FLOAT, {2, 1, 3, 3})->set_raw_data(std::string(72, 1));
  addTensor(model, "s4", INT64, {4})->set_raw_data(rawBytes<int64_t>({1, 1, 4, 4}));
  addNode(model, "Reshape", {"y", "s4"}, "y4");
  auto ints = [&](const char *name, std::vector<int64_t> values) {
    onnx::AttributeProto *a = conv->add_attribute();
    a->set_name(name);
    a->set_type(onnx::AttributeProto::INTS);
    for (int64_t v : values)
      a->add_ints(v);
  };
  ints("pads", {1, 1, 1, 1});
  ints("strides", {2, 2});
  addNode(model, "Frob", {"c"}, "f");
  addOutput(model, "c");
  addOutput(model, "f");
  std::string bytes = model.SerializeAsString();
  std::mt19937 random(1);
  for (int round = 0; round < 1500; round++) {
    std::string damaged = bytes;
    for (unsigned flips = 1 + random() % 3; flips > 0; flips--)
      damaged[random() % damaged.size()] =
          char(round % 2 ? random() : damaged[random() % damaged.size()] ^ (1 << random() % 8));
    errors.clear();
    auto module = importBytes(damaged);
    EXPECT_EQ(errors.size(), succeeded(module) ? 0u : 1u)
        << "round " << round << ": " << testing::PrintToString(errors);
  }
}

TEST_F(ImportTest, deep_nesting_is_refused) {
  onnx::ModelProto model = emptyModel();
  onnx::GraphProto *graph = model.mutable_graph();
  for (int depth = 0; depth < 40; depth++) {
    onnx::AttributeProto *a = graph->add_node()->add_attribute();
    a->set_name("body");
    a->set_type(onnx::AttributeProto::GRAPH);
    graph = a->mutable_g();
  }
  expectError(model, "messages are nested deeper than 64 levels");
}

TEST_F(ImportTest, sizes_that_overflow_are_refused) {
  for (std::vector<int64_t> shape :
       {std::vector<int64_t>{int64_t(1) << 62, 8}, {-1}, {int64_t(1) << 40, int64_t(1) << 40, 4}}) {
    onnx::ModelProto model = emptyModel();
    addTensor(model, "w", FLOAT, shape)->set_raw_data("abcd");
    addNode(model, "Add", {"x", "w"}, "y");
    addOutput(model, "y");
    expectError(model, "has an impossible shape");
  }
  // An input or a window of absurd size is no reason to allocate.
  onnx::ModelProto model = emptyModel();
  model.mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(int64_t(1) << 60);
  addNode(model, "Relu", {"x"}, "y");
  addOutput(model, "y");
  expectError(model, "more than 2^48 elements");
}

TEST_F(ImportTest, data_of_the_wrong_size_or_type_are_refused) {
  onnx::ModelProto model = smallModel();
  model.mutable_graph()->mutable_initializer(0)->set_raw_data("12345");
  expectError(model, "tensor 'w' holds 5 bytes, float[3] needs 12");
  model.mutable_graph()->mutable_initializer(0)->clear_raw_data();
  expectError(model, "tensor 'w' holds 0 bytes");
  model.mutable_graph()->mutable_initializer(0)->set_data_type(99);
  expectError(model, "element type 99");
}

TEST_F(ImportTest, external_data_outside_the_folder_are_refused) {
  onnx::ModelProto model = smallModel();
  onnx::TensorProto *v = model.mutable_graph()->mutable_initializer(1);
  v->clear_raw_data();
  v->set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto *location = v->add_external_data();
  location->set_key("location");
  for (const char *name : {"../secret.bin", "/etc/passwd", "a/../../b", ""}) {
    location->set_value(name);
    expectError(model, "is outside the folder of the model");
  }
  location->set_value("missing.bin");
  expectError(model, "cannot read external data 'missing.bin'");
  ASSERT_EQ(symlink("/etc/passwd", path("link.bin").c_str()), 0);
  location->set_value("link.bin");
  expectError(model, "is a link that leaves the folder");
  ASSERT_EQ(symlink("/etc", path("etc").c_str()), 0);
  location->set_value("etc/passwd");
  expectError(model, "is a link that leaves the folder");
}

TEST_F(ImportTest, external_data_of_the_wrong_size_are_refused) {
  onnx::ModelProto model = smallModel();
  onnx::TensorProto *v = model.mutable_graph()->mutable_initializer(1);
  v->clear_raw_data();
  v->set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto *location = v->add_external_data(), *offset = v->add_external_data();
  location->set_key("location");
  location->set_value("v.bin");
  offset->set_key("offset");
  offset->set_value("0");
  write("v.bin", std::string(96, 'x'));
  EXPECT_TRUE(succeeded(import(model))) << testing::PrintToString(errors);
  offset->set_value("1");
  expectError(model, "external data 'v.bin' has 96 bytes; 96 bytes at offset 1 are not in it");
  offset->set_value("18446744073709551615");
  expectError(model, "are not in it");
  offset->set_value("-1");
  expectError(model, "offset '-1' is not a number of bytes");
  offset->set_key("length");
  offset->set_value("95");
  expectError(model, "has 95 bytes for this tensor, its type and shape need 96");
}

TEST_F(ImportTest, a_graph_that_is_no_graph_is_refused) {
  onnx::ModelProto model = smallModel();
  addNode(model, "Relu", {"x"}, "y");
  expectError(model, "defines 'y', which node 'MatMul_1' defines as well");

  model = smallModel();
  addTensor(model, "w", FLOAT, {});
  expectError(model, "two initializers named 'w'");

  model = smallModel();
  addNode(model, "Relu", {"x"}, "w");
  expectError(model, "which is already an input or initializer");

  model = smallModel();
  model.mutable_graph()->mutable_node(1)->set_input(1, "vv");
  expectError(model, "reads 'vv', which no node, input or initializer defines");

  model = smallModel();
  model.mutable_graph()->mutable_node(0)->set_input(0, "y");
  expectError(model, "is part of a cycle: 'MatMul_1' needs 'Add_0' needs 'MatMul_1'");

  model = smallModel();
  addOutput(model, "z");
  expectError(model, "the graph returns 'z', which no node, input or initializer defines");

  model = smallModel();
  model.mutable_graph()->clear_output();
  expectError(model, "the graph has no outputs");

  model = smallModel();
  model.mutable_opset_import(0)->set_version(6);
  expectError(model, "7 is the oldest that is read");

  model = smallModel();
  model.mutable_graph()->mutable_node(0)->set_domain("org.example");
  expectError(model, "operator set 'org.example' is not among the imports");

  model = smallModel();
  model.mutable_graph()->mutable_node(1)->add_input("x");
  expectError(model, "MatMul has 3 inputs; it takes 2");
}

TEST_F(ImportTest, a_long_chain_needs_no_stack) {
  onnx::ModelProto model = emptyModel();
  std::string last = "x";
  for (int i = 0; i < 20000; i++) {
    std::string next = "v" + std::to_string(i);
    addNode(model, "Relu", {last}, next);
    last = next;
  }
  addOutput(model, last);
  EXPECT_TRUE(succeeded(import(model))) << testing::PrintToString(errors);
}

TEST_F(ImportTest, a_function_that_calls_itself_is_refused) {
  onnx::ModelProto model = emptyModel();
  onnx::OperatorSetIdProto *set = model.add_opset_import();
  set->set_domain("my");
  set->set_version(1);
  onnx::FunctionProto *f = model.add_functions();
  f->set_domain("my");
  f->set_name("loop");
  f->add_input("a");
  f->add_output("b");
  onnx::NodeProto *inner = f->add_node();
  inner->set_domain("my");
  inner->set_op_type("loop");
  inner->add_input("a");
  inner->add_output("b");
  addNode(model, "loop", {"x"}, "y")->set_domain("my");
  addOutput(model, "y");
  expectError(model, "functions may not call themselves");
  // Two calls a level: refused before it has doubled often.
  *f->add_node() = *inner;
  expectError(model, "functions may not call themselves");
}
