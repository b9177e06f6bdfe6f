// Memory whose beginning is aligned to a cache line.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

namespace intact {

constexpr std::size_t kCacheLine = 64;

constexpr std::size_t align_up(std::size_t size, std::size_t alignment = kCacheLine) {
  return (size + alignment - 1) / alignment * alignment;
}

// Zero-initialized elements of a trivial type. Its last vector may be read to the end of the cache
// line: the allocation is a multiple of one.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    const std::size_t bytes = align_up(size * sizeof(T));
    if (bytes == 0) return;
    data_.reset(static_cast<T*>(::operator new(bytes, std::align_val_t{kCacheLine})));
    std::memset(static_cast<void*>(data_.get()), 0, bytes);
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return align_up(size_ * sizeof(T)); }
  T& operator[](std::size_t i) { return data_.get()[i]; }
  const T& operator[](std::size_t i) const { return data_.get()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }

 private:
  struct Free {
    void operator()(T* pointer) const {
      ::operator delete(static_cast<void*>(pointer), std::align_val_t{kCacheLine});
    }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

}  // namespace intact
