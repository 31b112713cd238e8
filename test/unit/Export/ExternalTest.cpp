// External data: when, where, and that a second export reads them.
#include "lib/Export/Export.h"
#include "lib/Export/Spool.h"
#include "lib/Export/Wire.h"
#include "lib/Import/Import.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include "gtest/gtest.h"

using namespace llvm;

namespace tern::exporter {
namespace {

/// y = x * w, w [256, 64] in float.
std::string product() {
  std::string weight, node, info, graphText, opsetText, file;
  FieldWriter w(weight);
  w.number(tensor::dims, 256);
  w.number(tensor::dims, 64);
  w.number(tensor::type, 1);
  w.bytes(tensor::name, "w");
  std::vector<float> values(256 * 64);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = float(i % 251) / 100 - 1;
  w.bytes(tensor::raw, StringRef(reinterpret_cast<const char *>(values.data()), 4 * values.size()));
  FieldWriter n(node);
  n.bytes(node::input, "x");
  n.bytes(node::input, "w");
  n.bytes(node::output, "y");
  n.bytes(node::op, "MatMul");
  FieldWriter g(graphText);
  g.bytes(graph::node, node);
  g.bytes(graph::initializer, weight);
  FieldWriter(info).bytes(1, "x");
  g.bytes(graph::input, info);
  FieldWriter o(opsetText);
  o.number(opset::version, 17);
  FieldWriter f(file);
  f.number(model::irVersion, 8);
  f.bytes(model::graph, graphText);
  f.bytes(model::opset, opsetText);
  return file;
}

class External : public ::testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(sys::fs::createUniqueDirectory("tern-export", folder));
    std::error_code ec;
    raw_fd_ostream os(path("m.onnx"), ec);
    os << product();
  }
  void TearDown() override { sys::fs::remove_directories(folder); }
  std::string path(StringRef name) const { return (folder + "/" + name).str(); }
  static std::string read(StringRef path) {
    auto buffer = MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : "";
  }
  bool write(StringRef from, StringRef to, uint64_t externalFrom, ExportReport &report) {
    ExportOptions options;
    options.out = path(to);
    options.nbits = true;
    options.scheme = Scheme{4, 16, 32};
    options.externalFrom = externalFrom;
    return succeeded(exportOnnx(path(from), context, options, report));
  }
  SmallString<128> folder;
  mlir::MLIRContext context;
};

TEST_F(External, DataGoToAFileOfTheirOwnFromTheLimitOn) {
  ExportReport small, large;
  ASSERT_TRUE(write("m.onnx", "a.onnx", 1 << 20, small));
  EXPECT_FALSE(small.hasExternalData);
  EXPECT_FALSE(sys::fs::exists(path("a.onnx.data")));
  ASSERT_TRUE(write("m.onnx", "b.onnx", 0, large));
  EXPECT_TRUE(large.hasExternalData);
  std::string data = read(path("b.onnx.data")), file = read(path("b.onnx"));
  // Codes of 256 x 64 at 4 bits, then 8 x 64 scales on the next page.
  EXPECT_EQ(data.size(), 8192u + 2048u);
  EXPECT_NE(file.find("b.onnx.data"), std::string::npos);
  EXPECT_LT(file.size(), 1500u);
  // The same tensors as without.
  EXPECT_NE(read(path("a.onnx")).find(data.substr(0, 8192)), std::string::npos);
}

TEST_F(External, OldDataOfTheSameNameGoWhenTheyAreNotNeeded) {
  ExportReport report;
  ASSERT_TRUE(write("m.onnx", "b.onnx", 0, report));
  ASSERT_TRUE(write("m.onnx", "b.onnx", 1 << 20, report));
  EXPECT_FALSE(sys::fs::exists(path("b.onnx.data")));
}

TEST_F(External, AFolderThatIsNotThereIsAnErrorWithoutFiles) {
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &diag) { message = diag.str(); });
  ExportReport report;
  EXPECT_FALSE(write("m.onnx", "none/b.onnx", 0, report));
  EXPECT_NE(message.find("cannot be written"), std::string::npos) << message;
}

TEST(Spool, AlignsInAFileAndKeepsOnlyWhatItIsTold) {
  SmallString<128> folder;
  ASSERT_FALSE(sys::fs::createUniqueDirectory("tern-spool", folder));
  std::string path = (folder + "/data").str();
  {
    Spool spool;
    spool.toFile(path);
    EXPECT_EQ(spool.add("abc"), 0u);
    EXPECT_EQ(spool.add("de"), 4096u);
    EXPECT_EQ(spool.add(std::string(1 << 20, 'x')), 65536u);
    ASSERT_EQ(spool.finish(), "");
    EXPECT_EQ(spool.at(4096, 2), "de");
    EXPECT_EQ(spool.at(65536, 1), "x");
  }
  EXPECT_FALSE(sys::fs::exists(path));
  Spool memory;
  uint64_t a = memory.add("abc"), b = memory.add(""), c = memory.add("d");
  ASSERT_EQ(memory.finish(), "");
  EXPECT_EQ(memory.at(a, 3), "abc");
  EXPECT_EQ(memory.at(b, 0), "");
  EXPECT_EQ(memory.at(c, 1), "d");
  sys::fs::remove_directories(folder);
}

} // namespace
} // namespace tern::exporter
