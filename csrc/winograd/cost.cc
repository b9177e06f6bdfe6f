#include "winograd/cost.h"

namespace intact {
namespace {

// Cycles of a Zen 4 core, measured.
struct Costs {
  double direct_macs;   // int8 multiplications in a cycle
  double direct_store;  // to requantize a channel of a pixel
  double macs;          // int16 multiplications in a cycle
  double input[2];      // to transform a channel of a tile, m = 2 and 4
  double output[2];
};

constexpr Costs kAvx2{25, 2.5, 25, {2.7, 8.6}, {6.5, 23}};
constexpr Costs kAvx512{62, 1.3, 31, {2.2, 7.3}, {5.9, 16}};

// Weights come from memory at about 7 bytes in a cycle, half of them while it computes.
constexpr double kWeightByte = 0.5 / 7;

struct Sizes {
  double height, width;  // of the output
  double depth, channels;
};

double round_up(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

double direct_cycles(const Costs& costs, const Sizes& sizes) {
  const double taps = 9 * sizes.depth;
  const double pixel =
      60 + taps * (sizes.channels / costs.direct_macs + 0.06) + sizes.channels * costs.direct_store;
  return sizes.height * sizes.width * pixel + taps * sizes.channels * kWeightByte;
}

double winograd_cycles(const Costs& costs, const Sizes& sizes, int outputs) {
  const int high = outputs == 4 ? 1 : 0;
  const double tiles = round_up(static_cast<int>(sizes.height), outputs) *
                       round_up(static_cast<int>(sizes.width), outputs) / (outputs * outputs);
  const double products = (outputs + 2) * (outputs + 2) * sizes.depth * sizes.channels;
  const double tile = 60 + products / costs.macs + sizes.depth * costs.input[high] +
                      sizes.channels * costs.output[high];
  return tiles * tile + 2 * products * kWeightByte;
}

bool has_wide_vectors(Isa isa) {
#if defined(INTACT_X86)
  return isa == Isa::kAvx512Vnni;
#else
  static_cast<void>(isa);
  return false;
#endif
}

}  // namespace

int fastest_winograd(const Conv2dSpec& spec, Isa isa) {
  const bool wide = has_wide_vectors(isa);
  const Costs& costs = wide ? kAvx512 : kAvx2;
  const Sizes sizes{
      static_cast<double>(spec.image[0] + spec.padding[0][0] + spec.padding[0][1] - 2),
      static_cast<double>(spec.image[1] + spec.padding[1][0] + spec.padding[1][1] - 2),
      round_up(spec.depth, 16), round_up(spec.out_channels, wide ? 16 : 8)};
  int best = 0;
  double least = direct_cycles(costs, sizes);
  for (const int outputs : {2, 4}) {
    const double cycles = winograd_cycles(costs, sizes, outputs);
    if (cycles < least) {
      best = outputs;
      least = cycles;
    }
  }
  return best;
}

}  // namespace intact
