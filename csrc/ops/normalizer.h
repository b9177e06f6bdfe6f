// Normalizes groups of codes, by vectors where these have 8 bits.
#pragma once

#include <string>

#include "core/buffer.h"
#include "core/tensor.h"
#include "cpu.h"
#include "kernels/normalize_s8/normalize_s8.h"
#include "ops/codes.h"
#include "portable/intact_normalization.h"

namespace intact {

class Normalizer {
 public:
  Normalizer(Normalization numbers, DType input, DType output, Isa isa);

  std::string name() const { return kernel_ != nullptr ? kernel_->name : "portable"; }
  std::size_t bytes() const;

  // group(i) for i in begin .. end - 1 is an intact_norm_group of x and y.
  template <typename Group>
  void run(const Tensor& x, const Tensor& y, std::int64_t begin, std::int64_t end,
           Group&& group) const {
    // The roots take long, but those of some groups do not wait for each other.
    constexpr std::int64_t kTogether = 8;
    NormalizeRow rows[kTogether];
    for (std::int64_t first = begin; first < end; first += kTogether) {
      const std::int64_t last = first + kTogether < end ? first + kTogether : end;
      for (std::int64_t i = first; i < last; ++i) rows[i - first] = row(x, group(i));
      for (std::int64_t i = first; i < last; ++i) normalize(x, y, group(i), rows[i - first]);
    }
  }

 private:
  // Its count is 0 where no kernel applies.
  NormalizeRow row(const Tensor& x, const intact_norm_group& group) const;
  void normalize(const Tensor& x, const Tensor& y, const intact_norm_group& group,
                 const NormalizeRow& row) const;

  const NormalizeS8Kernel* kernel_;  // null: none applies
  Normalization numbers_;
  DType input_, output_;
  Buffer<std::int32_t> multiplier_, right_, half_, beta_;
};

}  // namespace intact
