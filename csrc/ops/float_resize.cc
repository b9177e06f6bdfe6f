#include <algorithm>

#include "ops/float_image.h"
#include "ops/floats.h"
#include "ops/portable.h"

namespace intact {
namespace {

// Between which two pixels of an axis an output lies, and how far from the first.
struct Between {
  std::int64_t low;
  std::int64_t high;
  float weight;

  Between(std::int64_t i, std::int64_t size, std::int64_t out, bool align_corners) {
    const double source = place(static_cast<double>(i), static_cast<double>(size),
                                static_cast<double>(out), align_corners);
    low = std::min(static_cast<std::int64_t>(source), size - 1);
    high = std::min(low + 1, size - 1);
    weight = static_cast<float>(source - static_cast<double>(low));
  }

  float mix(float a, float b) const { return a * (1.0f - weight) + b * weight; }

 private:
  static double place(double i, double size, double out, bool align_corners) {
    if (align_corners) return i * ((size - 1.0) / std::max(out - 1.0, 1.0));
    return std::max((i + 0.5) * (size / out) - 0.5, 0.0);
  }
};

class FloatResizeBilinear final : public Op {
 public:
  explicit FloatResizeBilinear(bool align_corners) : align_corners_(align_corners) {}

  std::string kernel() const override { return "resize bilinear float"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const Image in(x.shape), out(output.shape);
    const std::int64_t maps = x.shape[0] * x.shape[1];
    // Row by row of all channels, so that a column's place is computed once for them.
    workspace.pool.parallel_ranges(
        out.pixels(), grain_of(4 * maps), [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) {
            const Between rows(i / out.width, in.height, out.height, align_corners_);
            const Between columns(i % out.width, in.width, out.width, align_corners_);
            const std::int64_t low = rows.low * in.width, high = rows.high * in.width;
            const auto* source = x.as<const float>();
            auto* target = output.as<float>() + i;
            for (std::int64_t m = 0; m < maps; ++m) {
              const float left = rows.mix(source[low + columns.low], source[high + columns.low]);
              const float right = rows.mix(source[low + columns.high], source[high + columns.high]);
              *target = columns.mix(left, right);
              source += in.pixels();
              target += out.pixels();
            }
          }
        });
  }

 private:
  bool align_corners_;
};

}  // namespace

OpPtr make_float_resize_bilinear(bool align_corners) {
  return std::make_shared<FloatResizeBilinear>(align_corners);
}

}  // namespace intact
