#include <algorithm>
#include <string>

#include "kernels/pool_s8/pool_s8.h"
#include "kernels/requantize/table.h"
#include "ops/codes8.h"
#include "ops/pooling.h"

namespace intact {
namespace {

constexpr std::int64_t kChannels = 256;  // that are summed at a time
constexpr std::int64_t kSumPixels = INT32_MAX / 255;

// Codes are summed as 0 .. 255.
std::uint8_t flip(DType dtype) { return dtype == DType::kInt8 ? 0x80 : 0; }

std::string named(const char* what, const PoolS8Kernel& kernel) {
  return std::string(what) + " " + kernel.name;
}

std::int32_t positions(const intact_span& span) {
  return (span.high - span.low + span.step - 1) / span.step;
}

// Some rows of a sample, without columns yet.
PixelWindow window_of(const Tensor& x, std::int64_t sample, const intact_span& rows) {
  const std::int64_t row = x.shape[2] * x.shape[3];
  return {x.as<const std::uint8_t>() + (sample * x.shape[1] + rows.low) * row, positions(rows),
          row * rows.step, 0, 0};
}

PixelWindow with_columns(PixelWindow window, const intact_span& columns, std::int64_t channels) {
  window.first += columns.low * channels;
  window.columns = positions(columns);
  window.column_stride = columns.step * channels;
  return window;
}

// Calls task(sums, first channel, channels) on sums of some channels of the window at a time.
template <typename Task>
void for_sums(const PoolS8Kernel& kernel, PixelWindow window, std::int64_t channels,
              std::uint8_t flip, const Task& task) {
  std::int32_t sums[kChannels];
  for (std::int64_t c = 0; c < channels; c += kChannels) {
    const std::int64_t count = std::min(kChannels, channels - c);
    kernel.sum(&window, count, flip, sums);
    task(sums, c, count);
    window.first += kChannels;
  }
}

// The mean of the window's pixels and of `padded` more that hold `value`.
void average(const PoolS8Kernel& kernel, const PixelWindow& window, std::int64_t channels,
             DType dtype, std::int64_t padded, std::int32_t value, std::uint8_t* out) {
  const std::int64_t inside = window.rows * window.columns, count = inside + padded;
  const std::int64_t offset = inside * lowest(dtype) + padded * value;
  for_sums(kernel, window, channels, flip(dtype),
           [&](const std::int32_t* sums, std::int64_t first, std::int64_t some) {
             if (count <= kPoolS8Pixels) {
               kernel.divide(sums, some, static_cast<std::int32_t>(offset),
                             static_cast<std::int32_t>(count), out + first);
               return;
             }
             for (std::int64_t i = 0; i < some; ++i) {
               out[first + i] =
                   static_cast<std::uint8_t>(intact_divide_half_away(sums[i] + offset, count));
             }
           });
}

// Calls task(window, i, j, out) for each pixel (i, j) of the output; rows_of(i) and columns_of(j)
// are where its window lies in x. `taps`: reads for each of the output's elements.
template <typename Rows, typename Columns, typename Task>
void for_windows(const Tensor& x, const Tensor& output, std::int64_t taps, Workspace& workspace,
                 const Rows& rows_of, const Columns& columns_of, const Task& task) {
  const std::int32_t height = to_int32(output.shape[1]), width = to_int32(output.shape[2]);
  share_pool_rows(output, taps, workspace, [&](std::size_t begin, std::size_t end) {
    const std::int64_t channels = output.shape[3];
    auto* out = output.as<std::uint8_t>() + begin * size(width * channels);
    for (auto row = static_cast<std::int64_t>(begin); row < static_cast<std::int64_t>(end); ++row) {
      const auto i = static_cast<std::int32_t>(row % height);
      const PixelWindow across = window_of(x, row / height, rows_of(i));
      for (std::int32_t j = 0; j < width; ++j, out += channels) {
        task(with_columns(across, columns_of(j), channels), i, j, out);
      }
    }
  });
}

// The same with the windows of a pool.
template <typename Task>
void for_windows(const Tensor& x, const Tensor& output, const intact_pool_params& p,
                 Workspace& workspace, const Task& task) {
  for_windows(
      x, output, std::int64_t{p.kernel_h} * p.kernel_w, workspace,
      [&p](std::int32_t i) {
        return intact_taps(i, p.stride_h, p.top, p.kernel_h, p.dilation_h, p.h);
      },
      [&p](std::int32_t j) {
        return intact_taps(j, p.stride_w, p.left, p.kernel_w, p.dilation_w, p.w);
      },
      task);
}

class MaxPool8 final : public Op {
 public:
  MaxPool8(const PoolWindow& window, const PoolS8Kernel& kernel)
      : window_(window), kernel_(kernel) {}

  std::string kernel() const override { return named("max pool", kernel_); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params p = window_.params(x, output);
    const std::int32_t is_signed = x.dtype == DType::kInt8 ? 1 : 0;
    for_windows(x, output, p, workspace,
                [&](const PixelWindow& window, std::int32_t, std::int32_t, std::uint8_t* out) {
                  kernel_.maximum(&window, p.c, is_signed, out);
                });
  }

 private:
  PoolWindow window_;
  const PoolS8Kernel& kernel_;
};

class AvgPool8 final : public Op {
 public:
  AvgPool8(const PoolWindow& window, bool count_include_pad, std::int32_t zero_point,
           const PoolS8Kernel& kernel)
      : window_(window),
        count_include_pad_(count_include_pad),
        zero_point_(zero_point),
        kernel_(kernel) {}

  std::string kernel() const override { return named("average pool", kernel_); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params p = window_.params(x, output);
    for_windows(x, output, p, workspace,
                [&](const PixelWindow& window, std::int32_t i, std::int32_t j, std::uint8_t* out) {
                  const std::int64_t padded =
                      count_include_pad_ ? counted(p, i, j) - window.rows * window.columns : 0;
                  average(kernel_, window, p.c, x.dtype, padded, zero_point_, out);
                });
  }

 private:
  // Pixels of a window, with the padding that counts.
  static std::int64_t counted(const intact_pool_params& p, std::int32_t i, std::int32_t j) {
    return intact_counted(i, p.stride_h, p.top, p.kernel_h, p.h, p.bottom) *
           intact_counted(j, p.stride_w, p.left, p.kernel_w, p.w, p.right);
  }

  PoolWindow window_;
  bool count_include_pad_;
  std::int32_t zero_point_;
  const PoolS8Kernel& kernel_;
};

class AdaptiveAvgPool8 final : public Op {
 public:
  explicit AdaptiveAvgPool8(const PoolS8Kernel& kernel) : kernel_(kernel) {}

  std::string kernel() const override { return named("adaptive average pool", kernel_); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    if (output.bytes() == 0) return;
    const intact_pool_params p = pool_sizes(x, output);
    const std::int64_t taps = x.shape.elements() / output.shape.elements() + 1;
    for_windows(
        x, output, taps, workspace,
        [&p](std::int32_t i) { return intact_adaptive_window(i, p.h, p.out_h); },
        [&p](std::int32_t j) { return intact_adaptive_window(j, p.w, p.out_w); },
        [&](const PixelWindow& window, std::int32_t, std::int32_t, std::uint8_t* out) {
          average(kernel_, window, p.c, x.dtype, 0, 0, out);
        });
  }

 private:
  const PoolS8Kernel& kernel_;
};

// Over axes first .. last with others behind them: the columns of matrices (reduced, inner).
class Mean8 final : public Op {
 public:
  Mean8(int first, int last, std::int32_t input_zero_point, const Requant& requant, DType output,
        const PoolS8Kernel& kernel)
      : first_(first), last_(last), input_zero_point_(input_zero_point), kernel_(kernel) {
    constexpr std::int32_t kNoOffset[64] = {};
    table_ = RequantTable(requant, kNoOffset, output == DType::kUint8);
  }

  std::string kernel() const override { return named("mean", kernel_); }
  std::size_t packed_bytes() const override { return table_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t reduced = x.shape.elements(first_, last_ + 1);
    const std::int64_t inner = x.shape.elements(last_ + 1, x.shape.rank());
    // At least a cache line of channels, since every range walks over all pixels.
    const std::int64_t grain = std::max<std::int64_t>(grain_of(reduced), 64);
    workspace.pool.parallel_ranges(
        output.shape.elements(), grain, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t at = begin; at < end;) {
            const std::int64_t matrix = at / inner, column = at % inner;
            const std::int64_t count = std::min(inner - column, end - at);
            const std::uint8_t* first =
                x.as<const std::uint8_t>() + matrix * reduced * inner + column;
            columns({first, 1, 0, reduced, inner}, count, x.dtype,
                    output.as<std::uint8_t>() + at);
            at += count;
          }
        });
  }

 private:
  void columns(const PixelWindow& window, std::int64_t count, DType dtype,
               std::uint8_t* out) const {
    const std::int64_t offset = window.columns * (lowest(dtype) - input_zero_point_);
    const RequantView view = table_.view();
    for_sums(kernel_, window, count, flip(dtype),
             [&](const std::int32_t* sums, std::int64_t first, std::int64_t some) {
               kernel_.requantize(sums, some, static_cast<std::int32_t>(offset), &view,
                                  out + first);
             });
  }

  int first_, last_;
  std::int32_t input_zero_point_;
  RequantTable table_;
  const PoolS8Kernel& kernel_;
};

}  // namespace

OpPtr make_max_pool8(const PoolWindow& window, Isa isa) {
  const PoolS8Kernel* kernel = pick_pool_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<MaxPool8>(window, *kernel);
}

OpPtr make_avg_pool8(const PoolWindow& window, bool count_include_pad, std::int32_t zero_point,
                     Isa isa) {
  const PoolS8Kernel* kernel = pick_pool_s8(isa);
  if (kernel == nullptr || window.taps() > kSumPixels) return nullptr;
  return std::make_shared<AvgPool8>(window, count_include_pad, zero_point, *kernel);
}

OpPtr make_adaptive_avg_pool8(std::int64_t pixels, Isa isa) {
  const PoolS8Kernel* kernel = pick_pool_s8(isa);
  if (kernel == nullptr || pixels > kSumPixels) return nullptr;
  return std::make_shared<AdaptiveAvgPool8>(*kernel);
}

OpPtr make_mean8(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point,
                 const Requant& requant, DType output, Isa isa) {
  const PoolS8Kernel* kernel = pick_pool_s8(isa);
  const intact_requant numbers = requant.view();
  if (kernel == nullptr || requant.wide() || numbers.channels != 1 || numbers.clamps != 1) {
    return nullptr;
  }
  const auto [first, last] = std::minmax_element(axes.begin(), axes.end());
  if (axes.empty() || *first < 0 || *last - *first + 1 != static_cast<std::int32_t>(axes.size())) {
    return nullptr;
  }
  return std::make_shared<Mean8>(*first, *last, input_zero_point, requant, output, *kernel);
}

}  // namespace intact
