// From the engine's types to those of the portable kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "core/tensor.h"
#include "portable/intact_grid.h"

namespace intact {

// Elements of simple operations that are worth handing to another thread.
constexpr std::int64_t kGrain = 1 << 12;

inline std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

inline std::int32_t dim(std::int64_t count) { return static_cast<std::int32_t>(count); }

// Units of `elements` elements each that make up a grain.
inline std::int64_t grain_of(std::int64_t elements) {
  return elements >= kGrain ? 1 : kGrain / (elements > 0 ? elements : 1);
}

// Of codes of 8 or 16 bits; throws std::invalid_argument for others.
inline intact_type code_type(DType dtype) {
  switch (dtype) {
    case DType::kInt8:
      return INTACT_INT8;
    case DType::kUint8:
    case DType::kBool:
      return INTACT_UINT8;
    case DType::kInt16:
      return INTACT_INT16;
    case DType::kUint16:
      return INTACT_UINT16;
    default:
      throw std::invalid_argument("codes have 8 or 16 bits");
  }
}

// A shape as the portable kernels take it.
struct Dims {
  explicit Dims(const Shape& shape) : rank(shape.rank()) {
    for (int i = 0; i < rank; ++i) sizes[i] = dim(shape[i]);
  }
  std::int32_t sizes[INTACT_MAX_RANK] = {};
  std::int32_t rank;
};

}  // namespace intact
