// The runtime as it is shipped: an object in the compiler, and a model linked with it.
#include "lib/Runtime/RuntimeObject.h"
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
// after gtest
#include "test/unit/Runtime/FakeFiles.h"

namespace {
/// Names of the global symbols of the embedded object; undefined ones or defined ones of default visibility.
std::set<std::string> symbols(bool undefined) {
  std::set<std::string> names;
  const unsigned char *file = tern_runtime_object;
  Elf64_Ehdr header;
  std::memcpy(&header, file, sizeof header);
  std::vector<Elf64_Shdr> sections(header.e_shnum);
  std::memcpy(sections.data(), file + header.e_shoff, sections.size() * sizeof(Elf64_Shdr));
  for (const Elf64_Shdr &section : sections)
    if (section.sh_type == SHT_SYMTAB)
      for (uint64_t at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        std::memcpy(&symbol, file + section.sh_offset + at, sizeof symbol);
        bool exported = ELF64_ST_VISIBILITY(symbol.st_other) == STV_DEFAULT;
        if (ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL && (symbol.st_shndx == SHN_UNDEF) == undefined &&
            (undefined || exported))
          names.insert(reinterpret_cast<const char *>(file + sections[section.sh_link].sh_offset + symbol.st_name));
      }
  return names;
}

TEST(ObjectTest, needs_only_the_c_library) {
  ASSERT_GT(tern_runtime_object_size, 1000u);
  ASSERT_EQ(std::memcmp(tern_runtime_object, ELFMAG, SELFMAG), 0);
  void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(libc, nullptr);
  for (const std::string &name : symbols(true)) {
    if (name.empty() || name == "tern_generated_program")
      continue;
    EXPECT_NE(dlsym(libc, name.c_str()), nullptr) << name << " is not a symbol of the C library";
    EXPECT_NE(name.substr(0, 7), "__isoc2") << name << " is missing in older C libraries";
  }
}

TEST(ObjectTest, exports_the_interface_only) {
  std::set<std::string> want = {"tern_dim_count",    "tern_dim",           "tern_context_bytes",
                                "tern_context_input_info", "tern_context_output_info", "tern_context_step_info",
                                "tern_abi",          "tern_model_open",    "tern_model_close", "tern_model_name",
                                "tern_model_isa",    "tern_model_threads", "tern_input_count", "tern_output_count",
                                "tern_step_count",   "tern_input_info",    "tern_output_info", "tern_step_info",
                                "tern_context_open", "tern_context_close", "tern_run",         "tern_context_set_hook",
                                "tern_run_pointers", "tern_state_reset",   "tern_state_length"};
  EXPECT_EQ(symbols(false), want);
}

struct Library {
  void *handle;
  explicit Library(const std::string &path) : handle(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {}
  ~Library() { dlclose(handle); }
  template <typename F> F *get(F &, const char *name) { return reinterpret_cast<F *>(dlsym(handle, name)); }
};
#define GET(library, name) (library).get(name, #name)

TEST(ObjectTest, linked_model_finds_its_weights_and_runs) {
  std::string folder = newFolder();
  std::filesystem::copy_file(FAKE_ARTIFACT, folder + "/libmodel.so");
  writeWeights(folder + "/weights.bin");
  Library library(folder + "/libmodel.so");
  ASSERT_NE(library.handle, nullptr) << dlerror();
  tern_error error;
  tern_model *model = GET(library, tern_model_open)(nullptr, nullptr, &error);
  ASSERT_NE(model, nullptr) << error.text;
  tern_context *context = GET(library, tern_context_open)(model, nullptr, 0, &error);
  ASSERT_NE(context, nullptr) << error.text;
  std::vector<float> x = fakeInput(5), y(FAKE_SIZE);
  void *in[] = {x.data()}, *out[] = {y.data()};
  for (int i = 0; i < 100; ++i)
    GET(library, tern_run_pointers)(context, in, out);
  EXPECT_EQ(y, fakeResult(x));
  GET(library, tern_context_close)(context);
  GET(library, tern_model_close)(model);
}

TEST(ObjectTest, code_of_another_abi_is_refused) {
  Library library(FAKE_ARTIFACT_OF_OTHER_ABI);
  ASSERT_NE(library.handle, nullptr) << dlerror();
  tern_error error;
  EXPECT_EQ(GET(library, tern_model_open)(nullptr, nullptr, &error), nullptr);
  EXPECT_EQ(error.code, TERN_ERROR_ABI);
  EXPECT_STREQ(error.text, "generated code has ABI 99, its runtime 2; compile the model again");
}
} // namespace
