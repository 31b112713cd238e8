//===- Folder.h - Which files are in a folder, in which order ---*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Private to lib/Calibrate.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_FOLDER_H
#define TERN_CALIBRATE_FOLDER_H

#include "lib/Calibrate/Result.h"
#include <string>
#include <vector>

namespace tern::calib {

/// Order of names with runs of digits by value: x2 before x10. A strict total order.
bool naturalLess(const std::string &a, const std::string &b);

bool isFolder(const std::string &path);
/// Names in a folder, in natural order.
Result<std::vector<std::string>> listFolder(const std::string &path);
/// True for *.npz, *.npy and *.pb that are not hidden.
bool isDataFile(const std::string &name);
/// "dir/image.npy" -> "image".
std::string stemOf(const std::string &path);
/// "dir/image.npy" -> "dir".
std::string folderOf(const std::string &path);
std::string joinPath(const std::string &folder, const std::string &name);

/// The name with the fewest edits, if they are at most 2 or a third of its letters; else "".
std::string closestName(const std::string &name, const std::vector<std::string> &names);

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_FOLDER_H
