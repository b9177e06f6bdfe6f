// What the matrix products of this folder share.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/thread_pool.h"
#include "kernels/float_gemm/float_gemm.h"

namespace intact {

constexpr std::int64_t kTaskProducts = 1 << 16;  // multiplications worth handing to another thread

// Copies a matrix (rows, depth) to rows of `stride` floats, zeros behind each.
inline void copy_rows(const float* x, std::int64_t rows, std::int64_t depth, std::int64_t stride,
                      float* target, ThreadPool& pool) {
  const std::int64_t grain = 1 + kTaskProducts / (depth + 1);
  pool.parallel_ranges(rows, grain, [=](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto used = static_cast<std::size_t>(depth);
      std::memcpy(target + r * stride, x + r * depth, used * sizeof(float));
      std::memset(target + r * stride + depth, 0,
                  (static_cast<std::size_t>(stride) - used) * sizeof(float));
    }
  });
}

// Adds one number for each column.
inline void add_bias(float* c, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                     const float* bias) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < columns; ++i) c[r * stride + i] += bias[i];
  }
}

}  // namespace intact
