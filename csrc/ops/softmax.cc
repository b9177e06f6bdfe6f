#include <array>
#include <utility>

#include "core/buffer.h"
#include "kernels/softmax_s8/softmax_s8.h"
#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_softmax.h"

namespace intact {
namespace {

// Below, a row's table of codes costs more than its elements.
constexpr std::int64_t kShortestRow = 24;

class Softmax final : public Op {
 public:
  Softmax(std::int32_t multiplier, std::int32_t shift, std::int32_t diff_min, std::int32_t bits,
          CodeRange output, Isa isa)
      : bits_(bits), output_(output), kernel_(pick_softmax_s8(isa)) {
    intact_softmax_table(multiplier, shift, diff_min, table_.data());
    if (kernel_ != nullptr) make_tables(static_cast<std::size_t>(kernel_->group));
  }

  std::string kernel() const override {
    return std::string("softmax ") + (kernel_ != nullptr ? kernel_->name : "portable");
  }
  std::size_t packed_bytes() const override {
    return sizeof(table_) + exponential_.bytes() + rounded_.bytes() + planes_.bytes();
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t length = x.shape[-1];
    workspace.pool.parallel_ranges(
        x.shape.elements(0, x.shape.rank() - 1), grain_of(length),
        [&](std::int64_t begin, std::int64_t end, int) {
          if (kernel_ != nullptr && length >= kShortestRow) {
            const SoftmaxView view = vector_view(x);
            kernel_->run(x.as<const std::uint8_t>() + begin * length,
                         output.as<std::uint8_t>() + begin * length, end - begin, &view);
          } else {
            const intact_softmax_params params = portable_view(x, output);
            intact_softmax(x.data, output.data, &params, size(begin), size(end));
          }
        });
  }

 private:
  void make_tables(std::size_t group) {
    exponential_ = Buffer<std::uint64_t>(256);
    rounded_ = Buffer<std::int32_t>(256);
    planes_ = Buffer<std::uint8_t>(3 * 256);
    const std::int32_t least = std::int32_t{1} << (30 - bits_);  // any less is half a code at most
    for (std::size_t d = 0; d < 256; ++d) {
      const std::size_t l = d % group / 16, k = d / 4 % 4, j = d % 4;
      const std::size_t vector = 2 * k + j % 2, lane = (4 * l + j) / 2;
      exponential_[d / group * group + vector * (group / 8) + lane] =
          static_cast<std::uint64_t>(table_[d]);
      rounded_[d] = intact_rounding_divide_by_pot(table_[d], 12);
      for (std::size_t p = 0; p < 3; ++p) {
        planes_[256 * p + d] = static_cast<std::uint8_t>(rounded_[d] >> (8 * p));
      }
      if (table_[d] >= least) live_ = static_cast<std::int32_t>(d / 64 + 1) * 64;
    }
  }

  SoftmaxView vector_view(const Tensor& x) const {
    return {exponential_.data(),
            rounded_.data(),
            planes_.data(),
            live_,
            to_int32(x.shape[-1]),
            bits_,
            output_.qmin,
            output_.qmax,
            x.dtype == DType::kUint8 ? 1 : 0};
  }

  intact_softmax_params portable_view(const Tensor& x, const Tensor& output) const {
    return {table_.data(),          to_int32(x.shape[-1]),      bits_, output_.qmin, output_.qmax,
            portable_type(x.dtype), portable_type(output.dtype)};
  }

  std::array<std::int32_t, 256> table_;
  std::int32_t bits_;
  CodeRange output_;
  const SoftmaxS8Kernel* kernel_;  // null: none
  Buffer<std::uint64_t> exponential_;
  Buffer<std::int32_t> rounded_;
  Buffer<std::uint8_t> planes_;
  std::int32_t live_ = 0;
};

class Softmax16 final : public Op {
 public:
  Softmax16(std::int32_t multiplier, std::int32_t shift, std::vector<std::int32_t> exp_table,
            std::vector<std::int32_t> reciprocal_table, std::int32_t bits)
      : multiplier_(multiplier),
        shift_(shift),
        exp_table_(std::move(exp_table)),
        reciprocal_table_(std::move(reciprocal_table)),
        bits_(bits) {
    if (exp_table_.size() != 513 || reciprocal_table_.size() != 513) {
      throw std::invalid_argument("a softmax of 16 bits has tables of 513 entries");
    }
  }

  std::string kernel() const override { return "softmax16 portable"; }
  std::size_t packed_bytes() const override { return 2 * 513 * sizeof(std::int32_t); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t length = x.shape[-1];
    const intact_softmax16_params params{
        multiplier_,      shift_, exp_table_.data(),      reciprocal_table_.data(),
        to_int32(length), bits_,  portable_type(x.dtype), portable_type(output.dtype)};
    workspace.pool.parallel_ranges(x.shape.elements(0, x.shape.rank() - 1), grain_of(length),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_softmax16(x.data, output.data, &params, size(begin),
                                                      size(end));
                                   });
  }

 private:
  std::int32_t multiplier_;
  std::int32_t shift_;
  std::vector<std::int32_t> exp_table_;
  std::vector<std::int32_t> reciprocal_table_;
  std::int32_t bits_;
};

}  // namespace

OpPtr make_softmax(std::int32_t multiplier, std::int32_t shift, std::int32_t diff_min,
                   std::int32_t bits, CodeRange output, Isa isa) {
  return std::make_shared<Softmax>(multiplier, shift, diff_min, bits, output, isa);
}

OpPtr make_softmax16(std::int32_t multiplier, std::int32_t shift,
                     std::vector<std::int32_t> exp_table,
                     std::vector<std::int32_t> reciprocal_table, std::int32_t bits) {
  return std::make_shared<Softmax16>(multiplier, shift, std::move(exp_table),
                                     std::move(reciprocal_table), bits);
}

}  // namespace intact
