#include <algorithm>
#include <stdexcept>

#include "ops/floats.h"
#include "ops/portable.h"
#include "portable/intact_pooling.h"

namespace intact {
namespace {

constexpr std::size_t kBlock = 64;  // outputs that are summed together

// Sums are float64, so that their order does not matter to a float32.
class FloatMean final : public Op {
 public:
  explicit FloatMean(std::uint32_t axes) : axes_(axes) {}

  std::string kernel() const override { return "mean float"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t count = output.shape.elements();
    if (count == 0) return;
    const Dims shape(x.shape);
    intact_reduction reduction;
    intact_reduce(&reduction, shape.sizes, shape.rank, axes_);
    const std::int64_t summed = x.shape.elements() / count;
    workspace.pool.parallel_ranges(count, std::max<std::int64_t>(grain_of(summed), kBlock),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     for (std::size_t at = size(begin); at < size(end);) {
                                       at += mean_run(x.as<const float>(), reduction, at, size(end),
                                                      output.as<float>());
                                     }
                                   });
  }

 private:
  // Outputs from `at` on whose inputs lie along one axis; returns how many.
  static std::size_t mean_run(const float* x, const intact_reduction& reduction, std::size_t at,
                              std::size_t end, float* y) {
    const intact_grid& kept = reduction.kept;
    const int last = kept.rank - 1;
    const std::size_t length = size(kept.shape[last]), stride = kept.stride[0][last];
    const std::size_t column = at % length;
    const std::size_t count = std::min({kBlock, length - column, end - at});
    intact_row row;
    intact_row_seek(&kept, at / length, &row);
    double sums[kBlock] = {};
    add_reduced(x + row.offset[0] + column * stride, stride, count, reduction.reduced, sums);
    const double summed =
        static_cast<double>(intact_volume(reduction.reduced.shape, reduction.reduced.rank));
    for (std::size_t i = 0; i < count; ++i) y[at + i] = static_cast<float>(sums[i] / summed);
    return count;
  }

  static void add_reduced(const float* x, std::size_t stride, std::size_t count,
                          const intact_grid& reduced, double* sums) {
    const int last = reduced.rank - 1;
    const std::size_t length = size(reduced.shape[last]), step = reduced.stride[0][last];
    const std::size_t rows = intact_volume(reduced.shape, last);
    intact_row row;
    intact_row_seek(&reduced, 0, &row);
    for (std::size_t r = 0; r < rows; ++r, intact_row_next(&reduced, &row)) {
      const float* source = x + row.offset[0];
      if (stride == 1) {
        for (std::size_t j = 0; j < length; ++j) {
          for (std::size_t i = 0; i < count; ++i) sums[i] += source[j * step + i];
        }
        continue;
      }
      for (std::size_t i = 0; i < count; ++i) sums[i] += sum(source + i * stride, step, length);
    }
  }

  // Four sums at once do not wait for each other.
  static double sum(const float* x, std::size_t step, std::size_t length) {
    double parts[4] = {};
    for (std::size_t j = 0; j < length; ++j) parts[j % 4] += x[j * step];
    return (parts[0] + parts[1]) + (parts[2] + parts[3]);
  }

  std::uint32_t axes_;
};

}  // namespace

OpPtr make_float_mean(const std::vector<std::int32_t>& axes) {
  std::uint32_t bits = 0;
  for (const std::int32_t axis : axes) {
    if (axis < 0 || axis >= Shape::kMaxRank) throw std::invalid_argument("no such axis");
    bits |= std::uint32_t{1} << axis;
  }
  return std::make_shared<FloatMean>(bits);
}

}  // namespace intact
