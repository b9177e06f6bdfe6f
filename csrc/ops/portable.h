// Between the engine's types and those of the portable kernels.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "core/tensor.h"
#include "portable/intact_fixedpoint.h"
#include "portable/intact_grid.h"

namespace intact {

inline intact_type portable_type(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return INTACT_INT8;
    case DType::kBool:
    case DType::kUint8:
      return INTACT_UINT8;
    case DType::kInt16:
      return INTACT_INT16;
    case DType::kUint16:
      return INTACT_UINT16;
    case DType::kInt32:
      return INTACT_INT32;
    case DType::kInt64:
    case DType::kFloat32:
      break;
  }
  throw std::invalid_argument("no type of codes");
}

// A size or attribute as the kernels take it.
inline std::int32_t to_int32(std::int64_t number) {
  if (number < std::numeric_limits<std::int32_t>::min() ||
      number > std::numeric_limits<std::int32_t>::max()) {
    throw std::length_error("a tensor with an axis of more than 2^31 - 1 elements");
  }
  return static_cast<std::int32_t>(number);
}

// Units of `work` operations each that are worth handing to another thread.
inline std::int64_t grain(std::int64_t work) {
  return std::max<std::int64_t>(1, (std::int64_t{1} << 16) / std::max<std::int64_t>(1, work));
}

// Elements of simple operations that are worth handing to another thread.
constexpr std::int64_t kGrain = 1 << 12;

// Units of `elements` elements each that make up such a grain.
inline std::int64_t grain_of(std::int64_t elements) {
  return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, elements));
}

inline std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

// A shape as the portable kernels take it.
struct Dims {
  explicit Dims(const Shape& shape) : rank(shape.rank()) {
    for (int i = 0; i < rank; ++i) sizes[i] = to_int32(shape[i]);
  }
  std::int32_t sizes[INTACT_MAX_RANK] = {};
  std::int32_t rank;
};

}  // namespace intact
