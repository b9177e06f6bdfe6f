// What is taken from weights so that vpmaddubsw does not saturate (kernels/gemm_s8/gemm_pairs.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gemm_s8/gemm_pairs.h"

namespace intact {

class Excess {
 public:
  Excess() = default;
  // Takes it from weight (columns, depth).
  Excess(int depth, std::span<std::int8_t> weight);

  bool empty() const { return pairs_.empty(); }
  // Whether multiplying it apart costs less than the faster products gain.
  bool is_little() const { return 2 * pairs_.size() * kWeights <= weights_; }
  std::size_t bytes() const {
    return pairs_.size() * sizeof(ExcessPair) + begin_.size() * sizeof(std::int32_t);
  }
  // What was taken from a column in all.
  std::int32_t sum(int column) const;

  const ExcessPair* pairs() const { return pairs_.data(); }
  // The first pair of this column; those of the columns behind it follow.
  const std::int32_t* begin(int column) const { return begin_.data() + column; }

 private:
  static constexpr std::size_t kWeights = 50;  // for each that has excess

  std::size_t weights_ = 0;
  std::vector<ExcessPair> pairs_;
  std::vector<std::int32_t> begin_;
};

}  // namespace intact
