//===- Folder.cpp - Which files are in a folder, in which order -----------===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "lib/Calibrate/Folder.h"
#include "lib/Calibrate/Source.h"
#include <algorithm>
#include <filesystem>

namespace fs = std::filesystem;
namespace tern::calib {

static bool isDigit(char c) { return c >= '0' && c <= '9'; }

bool naturalLess(const std::string &a, const std::string &b) {
  size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (!isDigit(a[i]) || !isDigit(b[j])) {
      if (a[i] != b[j])
        return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i, ++j;
      continue;
    }
    auto number = [](const std::string &text, size_t &at) {
      size_t from = at;
      while (at < text.size() && isDigit(text[at]))
        ++at;
      while (from + 1 < at && text[from] == '0')
        ++from;
      return text.substr(from, at - from);
    };
    std::string x = number(a, i), y = number(b, j);
    if (x.size() != y.size())
      return x.size() < y.size();
    if (x != y)
      return x < y;
  }
  if (a.size() - i != b.size() - j)
    return a.size() - i < b.size() - j;
  return a < b; // 01 and 1
}

bool isFolder(const std::string &path) {
  std::error_code code;
  return fs::is_directory(path, code);
}

Result<std::vector<std::string>> listFolder(const std::string &path) {
  std::vector<std::string> names;
  std::error_code code;
  for (fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code))
    names.push_back(it->path().filename().string());
  if (code)
    return fileError(path, "cannot be listed: " + code.message());
  std::sort(names.begin(), names.end(), naturalLess);
  return names;
}

bool isDataFile(const std::string &name) {
  std::string ending = fs::path(name).extension().string();
  return name[0] != '.' && (ending == ".npz" || ending == ".npy" || ending == ".pb");
}

std::string stemOf(const std::string &path) { return fs::path(path).stem().string(); }

std::string folderOf(const std::string &path) { return fs::path(path).parent_path().string(); }

std::string joinPath(const std::string &folder, const std::string &name) { return (fs::path(folder) / name).string(); }

std::string closestName(const std::string &name, const std::vector<std::string> &names) {
  std::string best;
  size_t bestDistance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string &other : names) {
    std::vector<size_t> row(other.size() + 1);
    for (size_t j = 0; j <= other.size(); ++j)
      row[j] = j;
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= other.size(); ++j) {
        size_t replaced = diagonal + (name[i - 1] != other[j - 1]);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    // Nothing is close to a name of one or two letters.
    if (row.back() < bestDistance && row.back() < std::max(name.size(), other.size())) {
      bestDistance = row.back();
      best = other;
    }
  }
  return best;
}

} // namespace tern::calib
