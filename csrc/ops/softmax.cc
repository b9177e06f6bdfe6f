#include <array>
#include <utility>

#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_softmax.h"

namespace intact {
namespace {

class Softmax final : public Op {
 public:
  Softmax(std::int32_t multiplier, std::int32_t shift, std::int32_t diff_min, std::int32_t bits,
          CodeRange output)
      : bits_(bits), output_(output) {
    intact_softmax_table(multiplier, shift, diff_min, table_.data());
  }

  std::string kernel() const override { return "softmax portable"; }
  std::size_t packed_bytes() const override { return sizeof(table_); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t length = x.shape[-1];
    const intact_softmax_params params{
        table_.data(),          to_int32(length),           bits_, output_.qmin, output_.qmax,
        portable_type(x.dtype), portable_type(output.dtype)};
    workspace.pool.parallel_ranges(x.shape.elements(0, x.shape.rank() - 1), grain_of(length),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_softmax(x.data, output.data, &params, size(begin),
                                                    size(end));
                                   });
  }

 private:
  std::array<std::int32_t, 256> table_;
  std::int32_t bits_;
  CodeRange output_;
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
                   std::int32_t bits, CodeRange output) {
  return std::make_shared<Softmax>(multiplier, shift, diff_min, bits, output);
}

OpPtr make_softmax16(std::int32_t multiplier, std::int32_t shift,
                     std::vector<std::int32_t> exp_table,
                     std::vector<std::int32_t> reciprocal_table, std::int32_t bits) {
  return std::make_shared<Softmax16>(multiplier, shift, std::move(exp_table),
                                     std::move(reciprocal_table), bits);
}

}  // namespace intact
