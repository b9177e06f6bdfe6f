// Operations on pairs of 8-bit codes: tables of all pairs, and kernels that were proven to equal
// them.
#pragma once

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "core/buffer.h"
#include "kernels/pairs_s8/misses.h"
#include "ops/broadcast.h"
#include "ops/codes8.h"

namespace intact {

// The code of (a', b') at 256 a' + b', where a', b' count from the lowest of their type.
using PairTable = Buffer<std::uint8_t>;

inline PairCodes pair_codes(const Codes8& codes) {
  const std::int32_t low = lowest(codes.dtype);
  return {codes.dtype == DType::kInt8, codes.range.qmin - low, codes.range.qmax - low};
}

// Whether pairs of these codes have a table: bytes, and one requant for all.
inline bool has_table(const Codes8& a, const Codes8& b, DType output, const Requant& requant) {
  const intact_requant numbers = requant.view();
  return is_byte(a.dtype) && is_byte(b.dtype) && is_byte(output) && numbers.channels == 1 &&
         numbers.clamps == 1;
}

// Requantizes accumulator(a', b') of all pairs.
template <typename Accumulator>
PairTable pair_table(const Requant& requant, DType output, const Accumulator& accumulator) {
  const intact_requant numbers = requant.view();
  PairTable table(kPairCodes * kPairCodes);
  for (std::size_t at = 0; at < table.size(); at += INTACT_BLOCK) {
    std::int64_t acc[INTACT_BLOCK];
    for (std::size_t i = 0; i < INTACT_BLOCK; ++i) {
      acc[i] = accumulator(at / kPairCodes, at % kPairCodes + i);
    }
    intact_requantize_block(acc, INTACT_BLOCK, &numbers, table.data(), portable_type(output), at);
  }
  return table;
}

// The kernel with its parameters, or the table where they are missing.
template <typename Kernel, typename Params>
class Pairs8 final : public Op {
 public:
  Pairs8(const std::string& name, const PairCodes& a, const PairCodes& b, PairTable table,
         const Kernel* kernel, const std::optional<Params>& params)
      : name_(name + (params ? kernel->name : "table")),
        a_flip_(a.flip()),
        b_flip_(b.flip()),
        kernel_(kernel),
        params_(params) {
    if (!params_) table_ = std::move(table);
  }

  std::string kernel() const override { return name_; }
  std::size_t packed_bytes() const override { return table_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    constexpr std::int64_t kGrain8 = 1 << 15;  // elements worth handing to another thread
    const auto* a = inputs[0].as<const std::uint8_t>();
    const auto* b = inputs[1].as<const std::uint8_t>();
    auto* out = output.as<std::uint8_t>();
    const intact_grid grid = broadcast(inputs[0], inputs[1]);
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain8, [&](std::int64_t begin, std::int64_t end, int) {
          for_rows(grid, begin, end, [&](const BroadcastRows& rows) {
            share_pattern({a + rows.a, b + rows.b, out + rows.out, rows.count, rows.a_step,
                           rows.b_step, rows.rows, rows.a_next, rows.b_next});
          });
        });
  }

 private:
  static constexpr std::int64_t kPattern = 1024;

  // Short rows of which one operand repeats, such as gates of few channels: repeated side by side,
  // they become long ones.
  void share_pattern(const PairRows& rows) const {
    const std::int64_t times = std::min(rows.rows, kPattern / rows.count);
    const bool a_repeats = rows.a_next == 0 && rows.b_next == rows.count;
    const bool b_repeats = rows.b_next == 0 && rows.a_next == rows.count;
    if (times < 2 || !(a_repeats || b_repeats) || rows.a_step + rows.b_step < 2) {
      return run_rows(rows);
    }
    std::uint8_t pattern[kPattern];
    for (std::int64_t i = 0; i < times; ++i) {
      std::memcpy(pattern + i * rows.count, a_repeats ? rows.a : rows.b, size(rows.count));
    }
    const std::int64_t length = times * rows.count, whole = rows.rows / times;
    PairRows wide{a_repeats ? pattern : rows.a,
                  b_repeats ? pattern : rows.b,
                  rows.out,
                  length,
                  1,
                  1,
                  whole,
                  a_repeats ? 0 : length,
                  b_repeats ? 0 : length};
    run_rows(wide);
    wide.a += whole * wide.a_next;
    wide.b += whole * wide.b_next;
    wide.out += whole * length;
    wide.count = rows.rows % times * rows.count;
    wide.rows = 1;
    if (wide.count > 0) run_rows(wide);
  }

  void run_rows(const PairRows& rows) const {
    if (params_) return kernel_->run(&*params_, &rows);
    const std::uint8_t* table = table_.data();
    std::uint8_t* out = rows.out;
    for (std::int64_t row = 0; row < rows.rows; ++row) {
      const std::uint8_t *a = rows.a + row * rows.a_next, *b = rows.b + row * rows.b_next;
      for (std::int64_t i = 0; i < rows.count; ++i, a += rows.a_step, b += rows.b_step) {
        *out++ = table[(*a ^ a_flip_) << 8 | (*b ^ b_flip_)];
      }
    }
  }

  std::string name_;
  std::uint8_t a_flip_, b_flip_;
  PairTable table_;
  const Kernel* kernel_;
  std::optional<Params> params_;
};

}  // namespace intact
