// Models made with the protobuf classes, written to a folder of the test and imported again.
#ifndef TERN_TEST_UNIT_IMPORT_SUPPORT_H
#define TERN_TEST_UNIT_IMPORT_SUPPORT_H

#include "OnnxProto.h"
#include "lib/Import/DataType.h"
#include "lib/Import/Import.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

/// A folder of its own for each test, and a context whose diagnostics are collected.
class ImportTest : public testing::Test {
protected:
  ImportTest() {
    std::error_code error = llvm::sys::fs::createUniqueDirectory("tern-import", folder);
    EXPECT_FALSE(error) << error.message();
    context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diag) {
      bool isError = diag.getSeverity() == mlir::DiagnosticSeverity::Error;
      std::string text;
      llvm::raw_string_ostream(text) << diag.getLocation() << ": " << diag;
      (isError ? errors : remarks).push_back(text);
      return mlir::success();
    });
  }
  ~ImportTest() override { llvm::sys::fs::remove_directories(folder); }

  std::string path(llvm::StringRef name) const {
    llvm::SmallString<128> p(folder);
    llvm::sys::path::append(p, name);
    return p.str().str();
  }
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::error_code error;
    llvm::raw_fd_ostream(path(name), error) << bytes;
    EXPECT_FALSE(error) << error.message();
    return path(name);
  }

  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importBytes(llvm::StringRef bytes,
                                                                 const tern::ImportOptions &options = {}) {
    return tern::importOnnx(write("model.onnx", bytes), context, options);
  }
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> import(const onnx::ModelProto &model,
                                                            const tern::ImportOptions &options = {}) {
    return importBytes(model.SerializeAsString(), options);
  }
  /// The model is refused with one error that contains `text`.
  void expectError(const onnx::ModelProto &model, llvm::StringRef text, const tern::ImportOptions &options = {}) {
    errors.clear();
    EXPECT_TRUE(failed(import(model, options)));
    ASSERT_EQ(errors.size(), 1u) << testing::PrintToString(errors);
    EXPECT_NE(errors[0].find(text.str()), std::string::npos) << errors[0];
  }

  llvm::SmallString<128> folder;
  mlir::MLIRContext context;
  std::vector<std::string> errors, remarks;
};

/// A model of opset 17 with the float input x [2, 3].
inline onnx::ModelProto emptyModel() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::ValueInfoProto *x = model.mutable_graph()->add_input();
  x->set_name("x");
  x->mutable_type()->mutable_tensor_type()->set_elem_type(tern::importer::FLOAT);
  for (int64_t size : {2, 3})
    x->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(size);
  return model;
}

inline onnx::NodeProto *addNode(onnx::ModelProto &model, const std::string &op, std::vector<std::string> inputs,
                                const std::string &output) {
  onnx::NodeProto *node = model.mutable_graph()->add_node();
  node->set_op_type(op);
  for (const std::string &i : inputs)
    node->add_input(i);
  node->add_output(output);
  return node;
}

inline void addOutput(onnx::ModelProto &model, const std::string &name) {
  model.mutable_graph()->add_output()->set_name(name);
}

inline onnx::TensorProto *addTensor(onnx::ModelProto &model, const std::string &name, int32_t type,
                                    std::vector<int64_t> shape) {
  onnx::TensorProto *t = model.mutable_graph()->add_initializer();
  t->set_name(name);
  t->set_data_type(type);
  for (int64_t size : shape)
    t->add_dims(size);
  return t;
}

template <typename T> std::string rawBytes(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

/// y = (x + w) . v with raw weights, w [3] and v [3, 8].
inline onnx::ModelProto smallModel() {
  onnx::ModelProto model = emptyModel();
  addTensor(model, "w", tern::importer::FLOAT, {3})->set_raw_data(rawBytes<float>({1, 2, 3}));
  addTensor(model, "v", tern::importer::FLOAT, {3, 8})->set_raw_data(rawBytes(std::vector<float>(24, 0.5f)));
  addNode(model, "Add", {"x", "w"}, "s");
  addNode(model, "MatMul", {"s", "v"}, "y");
  addOutput(model, "y");
  return model;
}

#endif // TERN_TEST_UNIT_IMPORT_SUPPORT_H
