// The weights of a depthwise convolution, in the order in which a kernel reads them.
#pragma once

#include <span>
#include <vector>

#include "core/buffer.h"
#include "kernels/depthwise_s8/depthwise_s8.h"
#include "kernels/requantize/table.h"
#include "ops/conv2d.h"

namespace intact {

class DepthwisePanels {
 public:
  DepthwisePanels(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                  std::span<const std::int32_t> bias, const Requant& requant,
                  const DepthwiseKernel& kernel);
  DepthwisePanels(const DepthwisePanels&) = delete;
  DepthwisePanels& operator=(const DepthwisePanels&) = delete;

  std::span<const DepthwisePanel> panels() const { return panels_; }
  // Channels of a single panel that do not exist: it reads and writes as many bytes too much.
  int excess() const { return excess_; }
  std::size_t bytes() const;

 private:
  // Where the accumulator of a channel with this weight begins.
  std::int32_t offset_of(std::span<const std::int8_t> weight, std::int32_t bias) const;
  // The channel in a lane; -1 if there is none.
  int channel_of(const DepthwisePanel& panel, std::size_t lane) const;
  void pack_taps(DepthwisePanel& panel, const std::vector<std::vector<int>>& groups,
                 std::span<const std::int8_t> weight, std::int8_t* target) const;
  void pack_requant(DepthwisePanel& panel, std::size_t first_lane,
                    std::span<const std::int8_t> weight, std::span<const std::int32_t> bias,
                    const Requant& requant);
  void pack_exactly(DepthwisePanel& panel, const Requant& requant);

  const Conv2dSpec& spec_;  // the caller's
  const DepthwiseKernel& kernel_;
  int excess_ = 0;
  Buffer<std::int8_t> taps_;
  Buffer<std::int32_t> offset_;
  Buffer<float> scale_;
  Buffer<float> bias_;
  Buffer<std::int8_t> qmin_;
  Buffer<std::int8_t> qmax_;
  std::vector<RequantTable> exact_;  // of the panels without float steps
  std::vector<DepthwisePanel> panels_;
};

}  // namespace intact
