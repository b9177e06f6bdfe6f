// Tensors as operations see them: a pointer, a type, a shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>

namespace intact {

enum class DType : std::uint8_t {
  kBool,
  kInt8,
  kUint8,
  kInt16,
  kUint16,
  kInt32,
  kInt64,
  kFloat32,
};

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::kBool:
    case DType::kInt8:
    case DType::kUint8:
      return 1;
    case DType::kInt16:
    case DType::kUint16:
      return 2;
    case DType::kInt32:
    case DType::kFloat32:
      return 4;
    case DType::kInt64:
      return 8;
  }
  return 0;
}

// Sizes of up to kMaxRank axes, outermost first.
class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
    if (dims.size() > kMaxRank) throw std::invalid_argument("more than 8 axes");
    for (int i = 0; i < rank_; ++i) dims_[i] = dims[static_cast<std::size_t>(i)];
  }

  int rank() const { return rank_; }
  // Axis -1 is the last.
  std::int64_t operator[](int axis) const { return dims_[axis < 0 ? rank_ + axis : axis]; }
  std::span<const std::int64_t> dims() const {
    return {dims_, static_cast<std::size_t>(rank_)};
  }
  std::int64_t elements() const { return elements(0, rank_); }
  // Product of the sizes of axes first .. last - 1.
  std::int64_t elements(int first, int last) const {
    std::int64_t product = 1;
    for (int i = first; i < last; ++i) product *= dims_[i];
    return product;
  }
  bool operator==(const Shape& other) const {
    if (rank_ != other.rank_) return false;
    for (int i = 0; i < rank_; ++i) {
      if (dims_[i] != other.dims_[i]) return false;
    }
    return true;
  }

 private:
  std::int64_t dims_[kMaxRank] = {};
  int rank_ = 0;
};

// Contiguous, row-major. Does not own its data; pointers may have any alignment of their type.
struct Tensor {
  std::byte* data = nullptr;
  DType dtype = DType::kFloat32;
  Shape shape;

  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(shape.elements()) * size_of(dtype);
  }
};

using Inputs = std::span<const Tensor>;

}  // namespace intact
