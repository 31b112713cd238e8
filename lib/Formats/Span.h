// Views of arrays: plain C++, and built from any container with data() and size(), so also from llvm::ArrayRef.
#ifndef TERN_FORMATS_SPAN_H
#define TERN_FORMATS_SPAN_H

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tern {

template <typename T> class Span {
public:
  Span() = default;
  Span(T *data, size_t size) : ptr(data), count(size) {}
  /// For a call's arguments only: the list dies with the full expression.
  template <typename U = T, typename = std::enable_if_t<std::is_const<U>::value>>
  Span(std::initializer_list<std::remove_const_t<T>> list) : ptr(list.begin()), count(list.size()) {}
  template <typename C,
            typename = std::enable_if_t<std::is_convertible<decltype(std::declval<C &>().data()), T *>::value>>
  Span(C &container) : ptr(container.data()), count(container.size()) {}
  template <typename C,
            typename = std::enable_if_t<std::is_const<T>::value &&
                                        std::is_convertible<decltype(std::declval<const C &>().data()), T *>::value>>
  Span(const C &container) : ptr(container.data()), count(container.size()) {}

  T *data() const { return ptr; }
  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  T *begin() const { return ptr; }
  T *end() const { return ptr + count; }
  T &operator[](size_t i) const { return ptr[i]; }
  T &back() const { return ptr[count - 1]; }

private:
  T *ptr = nullptr;
  size_t count = 0;
};

/// The bytes of one plane, to write and to read.
using Bytes = Span<uint8_t>;
using ConstBytes = Span<const uint8_t>;

/// A value, or one sentence that says why there is none.
template <typename T> struct Result {
  T value;
  std::string error;
  explicit operator bool() const { return error.empty(); }
  const T &operator*() const { return value; }
  const T *operator->() const { return &value; }
};

} // namespace tern
#endif // TERN_FORMATS_SPAN_H
