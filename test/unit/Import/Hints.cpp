// Shapes of the calibration data bind open dimensions.
#include "Support.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

static ArrayRef<int64_t> argumentShape(ModuleOp module, unsigned i) {
  auto main = cast<func::FuncOp>(module.lookupSymbol("main"));
  return cast<RankedTensorType>(main.getArgumentTypes()[i]).getShape();
}

/// x [batch, h, ?] and z [h].
static onnx::ModelProto openModel() {
  onnx::ModelProto model = emptyModel();
  auto *x = model.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  x->mutable_dim(0)->set_dim_param("batch");
  x->mutable_dim(1)->set_dim_param("h");
  x->add_dim();
  *model.mutable_graph()->add_input() = model.graph().input(0);
  onnx::ValueInfoProto *z = model.mutable_graph()->mutable_input(1);
  z->set_name("z");
  z->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()->DeleteSubrange(0, 1);
  z->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim()->DeleteSubrange(1, 1);
  addNode(model, "Relu", {"x"}, "y");
  addOutput(model, "y");
  return model;
}

TEST_F(ImportTest, hints_bind_what_the_options_leave_open) {
  tern::ImportOptions options;
  options.hints["x"] = {2, 5, 7};
  auto module = import(openModel(), options);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(argumentShape(**module, 0), ArrayRef<int64_t>({2, 5, 7}));
  EXPECT_EQ(argumentShape(**module, 1), ArrayRef<int64_t>({5}));
  EXPECT_TRUE(remarks.empty());
  options.dims["h"] = 4;
  module = import(openModel(), options);
  ASSERT_TRUE(succeeded(module));
  EXPECT_EQ(argumentShape(**module, 0), ArrayRef<int64_t>({2, 4, 7}));
}

TEST_F(ImportTest, hints_that_contradict_are_refused) {
  tern::ImportOptions options;
  options.hints["x"] = {2, 5, 7};
  options.hints["z"] = {6};
  expectError(openModel(), "dimension 'h' is 5, but 6 at axis 0 of input 'z'", options);
  options.hints.erase("z");
  options.hints["x"] = {2, 5};
  expectError(openModel(), "input 'x' has 3 dimensions, its calibration data have 2", options);
}

TEST_F(ImportTest, hints_bind_some_sizes_and_leave_others_open) {
  tern::ImportOptions options;
  options.open = true;
  options.hints["x"] = {-1, 5, -1};
  options.bounds["x.2"] = {1, 9};
  auto module = import(openModel(), options);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(argumentShape(**module, 0), ArrayRef<int64_t>({ShapedType::kDynamic, 5, ShapedType::kDynamic}));
  EXPECT_EQ(argumentShape(**module, 1), ArrayRef<int64_t>({5}));
}

TEST_F(ImportTest, a_cut_takes_its_type_from_the_model) {
  onnx::ModelProto model = smallModel();
  tern::ImportOptions options;
  options.inputs = {"s"};
  auto module = import(model, options);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(argumentShape(**module, 0), ArrayRef<int64_t>({2, 3}));
  options.hints["s"] = {4, 3};
  module = import(model, options);
  ASSERT_TRUE(succeeded(module)) << testing::PrintToString(errors);
  EXPECT_EQ(argumentShape(**module, 0), ArrayRef<int64_t>({4, 3}));
}
