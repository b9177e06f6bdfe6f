#include "ops/normalizer.h"

#include <bit>
#include <cmath>
#include <utility>

#include "ops/codes8.h"
#include "ops/portable.h"

namespace intact {
namespace {

constexpr std::size_t kPadding = 64;  // entries that vectors read past the last channel
constexpr std::int32_t kMostBeta = 1 << 30;

// What the kernels take for granted beside the codes' types (normalize_s8.h).
bool applies(const Normalization& numbers) {
  const Requant& gain = numbers.gain;
  if (gain.wide() || gain.zero_point() != 0) return false;
  for (std::size_t c = 0; c < numbers.beta.size(); ++c) {
    if (numbers.beta[c] <= -kMostBeta || numbers.beta[c] >= kMostBeta) return false;
    if (gain.qmin(c) != INT32_MIN || gain.qmax(c) != INT32_MAX) return false;
    if (gain.multiplier(c) != 0 && gain.shift(c) >= 0) return false;
  }
  return true;
}

// floor(sqrt(x)) for x < 2^62: that of doubles is off by one at most.
std::int64_t integer_sqrt(std::int64_t x) {
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(x)));
  while (root * root > x) --root;
  while ((root + 1) * (root + 1) <= x) ++root;
  return root;
}

// Eq. 42 to 45, as intact_standardize.
NormalizeRow standardize(std::int64_t count, std::int64_t total, std::int64_t squares,
                         std::int64_t epsilon) {
  const std::int64_t scaled = count * squares - total * total + epsilon;
  const int k = (std::countl_zero(static_cast<std::uint64_t>(scaled)) - 2) / 2;
  const std::int64_t inverse = (std::int64_t{1} << 61) / integer_sqrt(scaled << (2 * k));
  const int twice = inverse > INT32_MAX ? 1 : 0;
  return {static_cast<std::int32_t>(count << twice), static_cast<std::int32_t>(total * (1 + twice)),
          static_cast<std::int32_t>(inverse >> twice), 41 - k};
}

}  // namespace

Normalizer::Normalizer(Normalization numbers, DType input, DType output, Isa isa)
    : kernel_(is_byte(input) && is_byte(output) && applies(numbers) ? pick_normalize_s8(isa)
                                                                    : nullptr),
      numbers_(std::move(numbers)),
      input_(input),
      output_(output) {
  if (kernel_ == nullptr) return;
  const std::size_t channels = numbers_.beta.size();
  for (Buffer<std::int32_t>* buffer : {&multiplier_, &right_, &half_, &beta_}) {
    *buffer = Buffer<std::int32_t>(channels + kPadding);
  }
  for (std::size_t c = 0; c < channels; ++c) {
    const std::int32_t multiplier = numbers_.gain.multiplier(c);
    multiplier_[c] = multiplier * numbers_.gain_sign[c];
    right_[c] = multiplier == 0 ? 1 : -numbers_.gain.shift(c);
    half_[c] = std::int32_t{1} << (right_[c] - 1);
    beta_[c] = numbers_.beta[c];
  }
}

std::size_t Normalizer::bytes() const {
  return multiplier_.bytes() + right_.bytes() + half_.bytes() + beta_.bytes();
}

NormalizeRow Normalizer::row(const Tensor& x, const intact_norm_group& group) const {
  if (kernel_ == nullptr || group.runs * group.length > kLongestRow) return {};
  std::int64_t sums[2] = {0, 0};
  for (std::size_t run = 0; run < group.runs; ++run) {
    kernel_->sum(x.as<const std::uint8_t>() + group.first + run * group.stride,
                 static_cast<std::int64_t>(group.length), input_ == DType::kUint8 ? 1 : 0, sums);
  }
  return standardize(static_cast<std::int64_t>(group.runs * group.length), sums[0], sums[1],
                     numbers_.epsilon);
}

void Normalizer::normalize(const Tensor& x, const Tensor& y, const intact_norm_group& group,
                           const NormalizeRow& row) const {
  // Shifts of more than 32 bits come from an epsilon that is much larger than any variance.
  if (row.count == 0 || row.shift > 32) {
    const intact_normalization params{
        numbers_.epsilon,     numbers_.gain_sign.data(), numbers_.gain.view(),
        numbers_.beta.data(), numbers_.zero_point,       numbers_.output.qmin,
        numbers_.output.qmax, portable_type(input_),     portable_type(output_)};
    return intact_normalize_group(x.data, y.data, &group, &params);
  }
  const NormalizeView view{multiplier_.data(),
                           right_.data(),
                           half_.data(),
                           beta_.data(),
                           numbers_.zero_point,
                           numbers_.output.qmin,
                           numbers_.output.qmax,
                           input_ == DType::kUint8 ? 1 : 0,
                           output_ == DType::kUint8 ? 1 : 0};
  for (std::size_t run = 0; run < group.runs; ++run) {
    const std::size_t first = group.first + run * group.stride;
    kernel_->run(x.as<const std::uint8_t>() + first, y.as<std::uint8_t>() + first,
                 static_cast<std::int64_t>(group.length), group.channel, &row, &view);
  }
}

}  // namespace intact
