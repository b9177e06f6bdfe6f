#include "kernels/weight_only/weight_only.h"

#include <algorithm>
#include <stdexcept>

#include "core/buffer.h"
#include "ops/float_rows.h"
#include "ops/floats.h"

namespace intact {
namespace {

constexpr std::int64_t kFewRows = 4;      // up to here, decoding anew for each row is faster
constexpr std::int64_t kRowPanels = 4;    // of a task with few rows: what the kernels take at once
constexpr std::int64_t kBlockPanels = 2;  // of a task with many
constexpr std::int64_t kRows = 240;      // of a task: expanding its weights is then next to nothing
constexpr std::int64_t kMaxDepth = 256;  // of an expanded panel

class WeightOnlyLinear final : public Op {
 public:
  WeightOnlyLinear(const std::int8_t* codes, int bits, std::int64_t depth,
                   const FloatMatrix& scales, Isa isa)
      : kernel_(pick_weight_only(isa)),
        gemm_(pick_float_gemm(isa)),
        bits_(bits),
        outputs_(scales.rows),
        depth_(bits == 4 ? (depth + 7) / 8 * 8 : depth),
        given_depth_(depth),
        grouped_(scales.columns > 1),
        panel_bytes_(depth_ * kPanel * bits / 8),
        scale_stride_(scales.columns * kPanel) {
    const std::int64_t panels = (outputs_ + kPanel - 1) / kPanel;
    codes_ = Buffer<std::uint8_t>(static_cast<std::size_t>(panels * panel_bytes_));
    scales_ = Buffer<float>(static_cast<std::size_t>(panels * scale_stride_));
    for (std::int64_t o = 0; o < outputs_; ++o) {
      for (std::int64_t k = 0; k < depth; ++k) put(o, k, codes[o * depth + k]);
      for (std::int64_t g = 0; g < scales.columns; ++g) {
        const float unit = bits == 4 ? kernel_.unit4 : 1.0f;
        scales_[static_cast<std::size_t>(o / kPanel * scale_stride_ + g * kPanel + o % kPanel)] =
            scales.data[o * scales.columns + g] / unit;
      }
    }
  }

  std::string kernel() const override {
    return "weight-only int" + std::to_string(bits_) + " " + kernel_.name;
  }
  std::size_t packed_bytes() const override { return codes_.bytes() + scales_.bytes(); }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& /*output*/, int threads) const override {
    const std::int64_t rows = rows_of(inputs[0]);
    const std::int64_t copied = copies(rows) ? rows * stride(rows) : 0;
    const std::int64_t floats = copied + (rows > kFewRows ? threads * kWorkerFloats : 0);
    return static_cast<std::size_t>(floats) * sizeof(float);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t rows = rows_of(inputs[0]);
    if (rows == 0 || outputs_ == 0) return;
    const float* x = inputs[0].as<const float>();
    auto* copy = reinterpret_cast<float*>(workspace.scratch);
    if (copies(rows)) {
      copy_rows(x, rows, given_depth_, stride(rows), copy, workspace.pool);
      x = copy;
    }
    const float* bias = inputs.size() > 1 ? inputs[1].as<const float>() : nullptr;
    const Rows all{x, rows, stride(rows)};
    if (rows <= kFewRows) {
      run_few(all, bias, output.as<float>(), workspace.pool);
    } else {
      run_many(all, bias, output.as<float>(), copy + rows * stride(rows), workspace.pool);
    }
  }

 private:
  // Expanded panels, and a block of results whose last panel is not full.
  static constexpr std::int64_t kWorkerFloats = kBlockPanels * kPanel * (kMaxDepth + kRows);

  struct Rows {
    const float* x;
    std::int64_t rows;
    std::int64_t stride;
  };

  std::int64_t rows_of(const Tensor& x) const { return x.shape.elements(0, x.shape.rank() - 1); }
  std::int64_t stride(std::int64_t rows) const { return rows > kFewRows ? spread(depth_) : depth_; }
  bool copies(std::int64_t rows) const { return rows > kFewRows || depth_ != given_depth_; }

  void put(std::int64_t output, std::int64_t k, std::int8_t code) {
    std::uint8_t* panel = codes_.data() + output / kPanel * panel_bytes_;
    const std::int64_t lane = output % kPanel;
    if (bits_ == 8) {
      panel[k * kPanel + lane] = static_cast<std::uint8_t>(code);
      return;
    }
    std::uint8_t& pair = panel[k / 8 * 64 + lane * 4 + k % 4];
    pair = static_cast<std::uint8_t>(pair | (code & 15) << (k % 8 / 4 * 4));
  }

  void run_few(const Rows& x, const float* bias, float* y, ThreadPool& pool) const {
    constexpr std::int64_t kColumns = kRowPanels * kPanel;
    const std::int64_t tasks = (outputs_ + kColumns - 1) / kColumns;
    const std::int64_t grain = 1 + kTaskProducts / (x.rows * depth_ * kColumns + 1);
    pool.parallel_ranges(tasks, grain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t first = task * kColumns;
        const std::int64_t width = std::min(kColumns, outputs_ - first);
        const float* part = bias == nullptr ? nullptr : bias + first;
        for (std::int64_t r = 0; r < x.rows; ++r) {
          multiply_row(x.x + r * x.stride, first, width, part, y + r * outputs_ + first);
        }
      }
    });
  }

  // Up to kRowPanels panels of one row of the result.
  void multiply_row(const float* x, std::int64_t first, std::int64_t width, const float* bias,
                    float* y) const {
    float aside[kRowPanels * kPanel];
    float* target = width % kPanel == 0 ? y : aside;
    const std::int64_t panel = first / kPanel;
    const WeightOnlyRow row{x,
                            codes_.data() + panel * panel_bytes_,
                            panel_bytes_,
                            depth_,
                            scales_.data() + panel * scale_stride_,
                            scale_stride_,
                            grouped_,
                            target};
    (bits_ == 4 ? kernel_.row4 : kernel_.row8)(row, (width + kPanel - 1) / kPanel);
    if (target == aside) std::copy_n(aside, width, y);
    if (bias != nullptr) add_bias(y, 0, 1, width, bias);
  }

  void run_many(const Rows& x, const float* bias, float* y, float* scratch,
                ThreadPool& pool) const {
    constexpr std::int64_t kColumns = kBlockPanels * kPanel;
    const std::int64_t chunks = (outputs_ + kColumns - 1) / kColumns;
    const std::int64_t blocks = (x.rows + kRows - 1) / kRows;
    const std::int64_t products = depth_ * std::min(x.rows, kRows) * kColumns;
    pool.parallel_ranges(
        chunks * blocks, 1 + kTaskProducts / (products + 1),
        [&](std::int64_t begin, std::int64_t end, int worker) {
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t first = task % chunks * kColumns;
            const std::int64_t row = task / chunks * kRows;
            const std::int64_t width = std::min(kColumns, outputs_ - first);
            const Rows part{x.x + row * x.stride, std::min(kRows, x.rows - row), x.stride};
            float* expanded = scratch + worker * kWorkerFloats;
            float* aside = expanded + kColumns * kMaxDepth;
            float* c = y + row * outputs_ + first;
            if (width % kPanel == 0) {
              multiply_block(part, first / kPanel, width / kPanel, expanded, c, outputs_);
            } else {
              multiply_block(part, first / kPanel, width / kPanel + 1, expanded, aside, kColumns);
              for (std::int64_t r = 0; r < part.rows; ++r) {
                std::copy_n(aside + r * kColumns, width, c + r * outputs_);
              }
            }
            if (bias != nullptr) add_bias(c, outputs_, part.rows, width, bias + first);
          }
        });
  }

  // Rows times whole panels, which are expanded piece by piece into the cache.
  void multiply_block(const Rows& x, std::int64_t panel, std::int64_t panels, float* expanded,
                      float* c, std::int64_t c_stride) const {
    const float* scales = scales_.data() + panel * scale_stride_;
    for (std::int64_t k = 0; k < depth_; k += gemm_.depth) {
      const std::int64_t depth = std::min<std::int64_t>(gemm_.depth, depth_ - k);
      for (std::int64_t p = 0; p < panels; ++p) {
        const std::uint8_t* codes =
            codes_.data() + (panel + p) * panel_bytes_ + k * kPanel * bits_ / 8;
        (bits_ == 4 ? kernel_.expand4 : kernel_.expand8)(codes, depth,
                                                         expanded + p * depth * kPanel);
      }
      FloatTile tile{};
      tile.a = x.x + k;
      tile.a_stride = x.stride;
      tile.b = expanded;
      tile.panel_stride = depth * kPanel;
      tile.depth = depth;
      tile.c = c;
      tile.c_stride = c_stride;
      tile.accumulate = k != 0;
      if (grouped_) {
        tile.scales = scales + k / kScaleGroup * kPanel;
        tile.scale_stride = scale_stride_;
      }
      gemm_.run(tile, x.rows, panels);
    }
    if (grouped_) return;
    for (std::int64_t r = 0; r < x.rows; ++r) {
      for (std::int64_t i = 0; i < panels * kPanel; ++i) {
        c[r * c_stride + i] *= scales[i / kPanel * scale_stride_ + i % kPanel];
      }
    }
  }

  const WeightOnlyKernel& kernel_;
  const FloatGemmKernel& gemm_;
  int bits_;
  std::int64_t outputs_;
  std::int64_t depth_;
  std::int64_t given_depth_;
  bool grouped_;
  std::int64_t panel_bytes_;
  std::int64_t scale_stride_;
  Buffer<std::uint8_t> codes_;
  Buffer<float> scales_;
};

}  // namespace

OpPtr make_weight_only_linear(const std::int8_t* codes, int bits, std::int64_t depth,
                              const FloatMatrix& scales, Isa isa) {
  if (bits != 4 && bits != 8) throw std::invalid_argument("codes of 4 or 8 bits");
  const std::int64_t groups = scales.columns;
  if (groups != 1 && groups * kScaleGroup != depth) {
    throw std::invalid_argument("scales must be one for each row, or for each 32 of its codes");
  }
  return std::make_shared<WeightOnlyLinear>(codes, bits, depth, scales, isa);
}

}  // namespace intact
