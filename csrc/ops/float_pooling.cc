#include <algorithm>
#include <limits>

#include "ops/float_image.h"
#include "ops/floats.h"
#include "ops/portable.h"

namespace intact {
namespace {

// The part of an axis under a window that is inside of the image, and how many of its positions
// count if padding does.
struct Taps {
  std::int64_t first;  // index in the image; the window's taps follow each `dilation`
  std::int64_t count;
  std::int64_t padded;
};

Taps taps_of(const FloatPoolSpec& spec, std::size_t axis, std::int64_t out, std::int64_t size) {
  const std::int64_t start = out * spec.stride[axis] - spec.before[axis];
  const std::int64_t dilation = spec.dilation[axis], kernel = spec.kernel[axis];
  const std::int64_t skipped = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t fitting = start >= size ? 0 : (size - 1 - start) / dilation + 1;
  const std::int64_t count = std::max<std::int64_t>(std::min(kernel, fitting) - skipped, 0);
  const std::int64_t padded = std::min(start + kernel, size + spec.after[axis]) - start;
  return {start + skipped * dilation, count, padded};
}

// y[i] of one channel from task(x, row taps, column taps), for all channels.
template <class Task>
void share_windows(const FloatPoolSpec& spec, const Tensor& x, const Tensor& output,
                   Workspace& workspace, const Task& task) {
  const Image in(x.shape), out(output.shape);
  const std::int64_t work = out.pixels() * spec.kernel[0] * spec.kernel[1];
  workspace.pool.parallel_ranges(
      x.shape[0] * x.shape[1], grain_of(work), [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t map = begin; map < end; ++map) {
          const float* source = x.as<const float>() + map * in.pixels();
          float* target = output.as<float>() + map * out.pixels();
          for (std::int64_t i = 0; i < out.height; ++i) {
            const Taps rows = taps_of(spec, 0, i, in.height);
            for (std::int64_t j = 0; j < out.width; ++j) {
              *target++ = task(source, rows, taps_of(spec, 1, j, in.width), in.width);
            }
          }
        }
      });
}

// Calls visit(number) for the pixels under a window, in row-major order.
template <class Visit>
void visit_taps(const FloatPoolSpec& spec, const float* x, const Taps& rows, const Taps& columns,
                std::int64_t width, const Visit& visit) {
  const float* row = x + rows.first * width + columns.first;
  for (std::int64_t i = 0; i < rows.count; ++i, row += spec.dilation[0] * width) {
    for (std::int64_t j = 0; j < columns.count; ++j) visit(row[j * spec.dilation[1]]);
  }
}

// Tap by tap of all windows of a row.
class FloatMaxPool final : public Op {
 public:
  FloatMaxPool(const FloatPoolSpec& spec, Isa isa) : spec_(spec), kernel_(pick_float_math(isa)) {}

  std::string kernel() const override { return std::string("max pool ") + kernel_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const Image in(x.shape), out(output.shape);
    const std::int64_t work = out.width * spec_.kernel[0] * spec_.kernel[1];
    workspace.pool.parallel_ranges(
        x.shape[0] * x.shape[1] * out.height, grain_of(work),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t row = begin; row < end; ++row) {
            pool_row(x.as<const float>() + row / out.height * in.pixels(), in, row % out.height,
                     out.width, output.as<float>() + row * out.width);
          }
        });
  }

 private:
  void pool_row(const float* x, const Image& in, std::int64_t row, std::int64_t width,
                float* y) const {
    std::fill_n(y, width, -std::numeric_limits<float>::infinity());
    const Taps rows = taps_of(spec_, 0, row, in.height);
    const std::int64_t stride = spec_.stride[1];
    for (std::int64_t i = 0; i < rows.count; ++i) {
      const float* source = x + (rows.first + i * spec_.dilation[0]) * in.width;
      for (std::int64_t j = 0; j < spec_.kernel[1]; ++j) {
        const std::int64_t at = j * spec_.dilation[1] - spec_.before[1];
        const Run run(at, stride, in.width, width);
        if (run.count > 0) {
          kernel_.maximum(source + at + run.first * stride, stride, y + run.first, size(run.count));
        }
      }
    }
  }

  FloatPoolSpec spec_;
  const FloatMathKernel& kernel_;
};

class FloatAvgPool final : public Op {
 public:
  FloatAvgPool(const FloatPoolSpec& spec, bool count_include_pad)
      : spec_(spec), count_include_pad_(count_include_pad) {}

  std::string kernel() const override { return "average pool float"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    share_windows(
        spec_, inputs[0], output, workspace,
        [this](const float* x, const Taps& rows, const Taps& columns, std::int64_t width) {
          float total = 0.0f;
          visit_taps(spec_, x, rows, columns, width, [&total](float v) { total += v; });
          const std::int64_t count =
              count_include_pad_ ? rows.padded * columns.padded : rows.count * columns.count;
          return total / static_cast<float>(count);
        });
  }

 private:
  FloatPoolSpec spec_;
  bool count_include_pad_;
};

class FloatAdaptiveAvgPool final : public Op {
 public:
  std::string kernel() const override { return "adaptive average pool float"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const Image in(x.shape), out(output.shape);
    workspace.pool.parallel_ranges(x.shape[0] * x.shape[1], grain_of(in.pixels()),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     for (std::int64_t map = begin; map < end; ++map) {
                                       const float* source =
                                           x.as<const float>() + map * in.pixels();
                                       float* target = output.as<float>() + map * out.pixels();
                                       for (std::int64_t i = 0; i < out.pixels(); ++i) {
                                         const Range rows(i / out.width, in.height, out.height);
                                         const Range columns(i % out.width, in.width, out.width);
                                         target[i] = mean(source, in.width, rows, columns);
                                       }
                                     }
                                   });
  }

 private:
  // Window i of an axis: floor(i n / out) .. ceil((i + 1) n / out).
  struct Range {
    std::int64_t low;
    std::int64_t high;
    Range(std::int64_t i, std::int64_t n, std::int64_t out)
        : low(i * n / out), high(((i + 1) * n + out - 1) / out) {}
    float size() const { return static_cast<float>(high - low); }
  };

  // The mean of the columns' means.
  static float mean(const float* x, std::int64_t width, const Range& rows, const Range& columns) {
    float total = 0.0f;
    for (std::int64_t column = columns.low; column < columns.high; ++column) {
      float down = 0.0f;
      for (std::int64_t row = rows.low; row < rows.high; ++row) down += x[row * width + column];
      total += down / rows.size();
    }
    return total / columns.size();
  }
};

}  // namespace

OpPtr make_float_max_pool(const FloatPoolSpec& spec, Isa isa) {
  return std::make_shared<FloatMaxPool>(spec, isa);
}

OpPtr make_float_avg_pool(const FloatPoolSpec& spec, bool count_include_pad) {
  return std::make_shared<FloatAvgPool>(spec, count_include_pad);
}

OpPtr make_float_adaptive_avg_pool() { return std::make_shared<FloatAdaptiveAvgPool>(); }

}  // namespace intact
