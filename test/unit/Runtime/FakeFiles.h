// Files of the fake model for tests.
#ifndef TERN_TEST_UNIT_RUNTIME_FAKEFILES_H
#define TERN_TEST_UNIT_RUNTIME_FAKEFILES_H
#include "test/unit/Runtime/Fake.h"
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

inline std::vector<float> fakeWeights() {
  std::vector<float> w(FAKE_SIZE);
  fake_weights(w.data());
  return w;
}

/// Integers again: results are exact.
inline std::vector<float> fakeInput(int seed) {
  std::vector<float> x(FAKE_SIZE);
  for (int i = 0; i < FAKE_SIZE; ++i)
    x[i] = float((i + seed) % 11 - 5);
  return x;
}

inline std::vector<float> fakeResult(const std::vector<float> &x) {
  std::vector<float> w = fakeWeights(), y(FAKE_SIZE);
  float sum = 0;
  for (int i = 0; i < FAKE_SIZE; ++i)
    sum += x[i] * w[i];
  for (int i = 0; i < FAKE_SIZE; ++i)
    y[i] = x[i] * w[i] + sum;
  return y;
}

/// A new folder, removed by nobody: the tests leave a few kilobytes in the temporary folder of the build.
inline std::string newFolder() {
  std::string path = std::string(testing::TempDir()) + "tern-XXXXXX";
  return mkdtemp(path.data());
}

inline void writeFile(const std::string &path, const void *data, size_t size) {
  std::ofstream(path, std::ios::binary).write(static_cast<const char *>(data), std::streamsize(size));
}

/// weights.bin of the fake model, cut to `size` bytes, with one byte changed at `damage`.
inline std::string writeWeights(const std::string &path, size_t size = 4 * FAKE_SIZE, int damage = -1) {
  std::vector<float> w = fakeWeights();
  std::string bytes(reinterpret_cast<const char *>(w.data()), 4 * w.size());
  if (damage >= 0)
    bytes[size_t(damage)] ^= 1;
  bytes.resize(size);
  writeFile(path, bytes.data(), bytes.size());
  return path;
}

/// An environment variable for the time of a test.
struct Variable {
  const char *name;
  Variable(const char *name, const char *value) : name(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name); }
};

#endif
