#include "ops/depthwise_panels.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "kernels/requantize/float_step.h"

namespace intact {
namespace {

constexpr int kLeast = 16;  // channels of the narrowest panel

// Covers all channels. The last panel overlaps the one before rather than reach beyond the
// channels; only where it is the first one too, it may have more channels than there are.
std::vector<DepthwisePanel> split_channels(int channels, int widest) {
  std::vector<DepthwisePanel> panels;
  for (int done = 0; done < channels;) {
    int width = kLeast;
    while (width < widest && width < channels - done) width *= 2;
    DepthwisePanel& panel = panels.emplace_back();
    panel.channel = std::max(std::min(done, channels - width), 0);
    panel.width = width;
    done = panel.channel + width;
  }
  return panels;
}

// Taps i * kw + j that share a lane, -1 for none.
std::vector<std::vector<int>> tap_groups(const DepthwiseKernel& kernel, const int (&size)[2]) {
  switch (kernel.order) {
    case DepthwiseOrder::kPairs3x3:
      return {{0, 3}, {1, 4}, {2, 5}, {6, 7}, {-1, 8}};
    case DepthwiseOrder::kPairs3x3By2:
      return {{0, 3}, {1, 4}, {2, 5}, {-1, 6}, {7, 8}};
    case DepthwiseOrder::kColumns:
      break;
  }
  std::vector<std::vector<int>> groups;
  for (int i = 0; i < size[0]; i += kernel.group) {
    for (int j = 0; j < size[1]; ++j) {
      std::vector<int>& group = groups.emplace_back();
      for (int k = i; k < i + kernel.group; ++k)
        group.push_back(k < size[0] ? k * size[1] + j : -1);
    }
  }
  return groups;
}

int centre_of(DType dtype) { return dtype == DType::kUint8 ? 128 : 0; }

}  // namespace

DepthwisePanels::DepthwisePanels(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                                 std::span<const std::int32_t> bias, const Requant& requant,
                                 const DepthwiseKernel& kernel)
    : spec_(spec), kernel_(kernel), panels_(split_channels(spec.groups, kernel.panel)) {
  const std::vector<std::vector<int>> groups = tap_groups(kernel, spec.kernel);
  std::size_t lanes = 0;
  for (const DepthwisePanel& panel : panels_) lanes += static_cast<std::size_t>(panel.width);
  const std::size_t lane_bytes = static_cast<std::size_t>(kernel.group * kernel.tap);
  taps_ = Buffer<std::int8_t>(lanes * groups.size() * lane_bytes);
  offset_ = Buffer<std::int32_t>(lanes);
  scale_ = Buffer<float>(lanes);
  bias_ = Buffer<float>(lanes);
  qmin_ = Buffer<std::int8_t>(lanes);
  qmax_ = Buffer<std::int8_t>(lanes);
  std::size_t lane = 0;
  for (DepthwisePanel& panel : panels_) {
    pack_taps(panel, groups, weight, taps_.data() + lane * groups.size() * lane_bytes);
    pack_requant(panel, lane, weight, bias, requant);
    lane += static_cast<std::size_t>(panel.width);
  }
  excess_ = std::max(panels_[0].width - spec.groups, 0);
}

std::size_t DepthwisePanels::bytes() const {
  std::size_t total = taps_.bytes() + offset_.bytes() + scale_.bytes() + bias_.bytes() +
                      qmin_.bytes() + qmax_.bytes();
  for (const RequantTable& table : exact_) total += table.bytes();
  return total;
}

std::int32_t DepthwisePanels::offset_of(std::span<const std::int8_t> weight,
                                        std::int32_t bias) const {
  const int shift = spec_.input == DType::kInt8 ? kernel_.signed_shift : kernel_.unsigned_shift;
  const std::int64_t centre = spec_.input_zero_point + shift;
  const std::int64_t sum = std::accumulate(weight.begin(), weight.end(), std::int64_t{0});
  // Modulo 2^32: the offset and partial sums may wrap, the whole sum does not.
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(bias - centre * sum));
}

int DepthwisePanels::channel_of(const DepthwisePanel& panel, std::size_t lane) const {
  const int channel =
      panel.channel + lane_channel(static_cast<int>(lane), panel.width, kernel_.group);
  return channel < spec_.groups ? channel : -1;
}

void DepthwisePanels::pack_taps(DepthwisePanel& panel, const std::vector<std::vector<int>>& groups,
                                std::span<const std::int8_t> weight, std::int8_t* target) const {
  const auto taps = static_cast<std::size_t>(spec_.kernel[0] * spec_.kernel[1]);
  panel.taps = target;
  panel.pairs_fit = 1;
  for (const std::vector<int>& group : groups) {
    for (std::size_t lane = 0; lane < static_cast<std::size_t>(panel.width); ++lane) {
      const int channel = channel_of(panel, lane);
      for (const int number : group) {
        // Little-endian, as all CPUs with kernels are.
        if (number >= 0 && channel >= 0) {
          const std::int16_t tap =
              weight[static_cast<std::size_t>(channel) * taps + static_cast<std::size_t>(number)];
          std::memcpy(target, &tap, static_cast<std::size_t>(kernel_.tap));
          if (tap == INT8_MIN) panel.pairs_fit = 0;
        }
        target += kernel_.tap;
      }
    }
  }
}

void DepthwisePanels::pack_requant(DepthwisePanel& panel, std::size_t first_lane,
                                   std::span<const std::int8_t> weight,
                                   std::span<const std::int32_t> bias, const Requant& requant) {
  panel.offset = offset_.data() + first_lane;
  panel.qmin = qmin_.data() + first_lane;
  panel.qmax = qmax_.data() + first_lane;
  const int centre = centre_of(spec_.output);
  const auto width = static_cast<std::size_t>(panel.width);
  const auto taps = static_cast<std::size_t>(spec_.kernel[0] * spec_.kernel[1]);
  std::vector<FloatStep> steps(width);
  bool found = kTakesFloatSteps;
  for (std::size_t lane = 0; lane < width; ++lane) {
    const int channel = channel_of(panel, lane);
    if (channel < 0) continue;
    const auto c = static_cast<std::size_t>(channel);
    const std::span<const std::int8_t> own = weight.subspan(c * taps, taps);
    offset_[first_lane + lane] = offset_of(own, bias[c]);
    const int qmin = requant.qmin(c) - centre;
    const int qmax = requant.qmax(c) - centre;
    const std::size_t place = first_lane + c - static_cast<std::size_t>(panel.channel);
    qmin_[place] = static_cast<std::int8_t>(qmin);
    qmax_[place] = static_cast<std::int8_t>(qmax);
    if (!found) continue;
    const std::optional<FloatStep> step =
        find_float_step(requant.multiplier(c), requant.shift(c), requant.zero_point() - centre,
                        qmin, qmax, accumulator_bound(spec_, own, bias[c]));
    found = step.has_value();
    if (found) steps[lane] = *step;
  }
  if (!found) {
    pack_exactly(panel, requant);
    return;
  }
  panel.scale = scale_.data() + first_lane;
  panel.bias = bias_.data() + first_lane;
  for (std::size_t lane = 0; lane < width; ++lane) {
    std::int32_t& offset = offset_[first_lane + lane];
    offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(offset) +
                                       static_cast<std::uint32_t>(steps[lane].offset));
    scale_[first_lane + lane] = steps[lane].scale;
    bias_[first_lane + lane] = steps[lane].bias;
  }
}

void DepthwisePanels::pack_exactly(DepthwisePanel& panel, const Requant& requant) {
  const auto width = static_cast<std::size_t>(panel.width);
  std::vector<std::int32_t> multiplier(width), shift(width);
  for (std::size_t lane = 0; lane < width; ++lane) {
    const int channel = channel_of(panel, lane);
    if (channel < 0) continue;
    multiplier[lane] = requant.multiplier(static_cast<std::size_t>(channel));
    shift[lane] = requant.shift(static_cast<std::size_t>(channel));
  }
  const int zero_point = requant.zero_point() - centre_of(spec_.output);
  // The kernel clamps, and adds the offset to the accumulators, itself.
  const Requant ordered(multiplier, shift, zero_point, {-128}, {127}, false);
  exact_.emplace_back(ordered, std::vector<std::int32_t>(width), false);
  panel.exact = exact_.back().view();
}

}  // namespace intact
