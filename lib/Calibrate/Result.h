//===- Result.h - A value or one sentence -----------------------*- C++ -*-===//
//
// Part of Tern, under the Apache License v2.0 with LLVM Exceptions. See LICENSE.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Errors of a library without LLVM: what went wrong as one sentence for the user, which names the file, what was
// found, what is allowed and what to do.
//
//===----------------------------------------------------------------------===//

#ifndef TERN_CALIBRATE_RESULT_H
#define TERN_CALIBRATE_RESULT_H

#include <optional>
#include <string>
#include <utility>

namespace tern::calib {

/// One sentence for the user.
struct Error {
  std::string message;
};

/// Success or an error. `if (Status s = write(...); !s) report(s.error());`
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : problem(std::move(error)) {}
  explicit operator bool() const { return !problem; }
  const std::string &error() const { return problem->message; }
  Error takeError() { return std::move(*problem); }

private:
  std::optional<Error> problem;
};

/// A value or an error. The value is there if and only if the result is true.
template <class T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Error error) : problem(std::move(error)) {}
  explicit operator bool() const { return held.has_value(); }
  T &operator*() { return *held; }
  const T &operator*() const { return *held; }
  T *operator->() { return &*held; }
  const T *operator->() const { return &*held; }
  const std::string &error() const { return problem.message; }
  Error takeError() { return std::move(problem); }

private:
  std::optional<T> held;
  Error problem;
};

} // namespace tern::calib

#endif // TERN_LIB_CALIBRATE_RESULT_H
