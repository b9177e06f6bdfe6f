// Owns the arrays of a RequantView.
#pragma once

#include <span>

#include "core/buffer.h"
#include "core/requant.h"
#include "kernels/requantize/requantize.h"

namespace intact {

class RequantTable {
 public:
  RequantTable() = default;
  // `offset` has one entry for each channel: bias and what zero points contribute. The requant must
  // be narrow and its output of 8 bits, which `is_unsigned` are uint8_t. `bounds` of accumulators'
  // magnitude, with the bias, are for kernels that take float steps; without them there are none.
  RequantTable(const Requant& requant, std::span<const std::int32_t> offset, bool is_unsigned,
               std::span<const std::int64_t> bounds = {});

  // From `channel` on, which must be a multiple of 16.
  RequantView view(std::size_t channel = 0) const;
  std::size_t bytes() const;

 private:
  void find_steps(const Requant& requant, std::span<const std::int64_t> bounds);

  Buffer<std::int32_t> offset_;
  Buffer<std::int32_t> multiplier_;
  Buffer<std::int32_t> left_;
  Buffer<std::int32_t> right_;
  Buffer<std::int64_t> rounding_;
  Buffer<std::int32_t> negative_;
  Buffer<std::int8_t> qmin_;
  Buffer<std::int8_t> qmax_;
  Buffer<std::uint8_t> in_float_;
  Buffer<float> scale_;
  Buffer<float> bias_;
  std::int32_t zero_point_ = 0;  // unless rounding_ has it
  std::int32_t codes_zero_point_ = 0;
  RequantKind kind_ = RequantKind::kAnyShift;
  bool clamps_ = false;
  bool is_unsigned_ = false;
};

}  // namespace intact
