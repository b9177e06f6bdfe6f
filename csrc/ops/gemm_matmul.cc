// Products of two computed matrices: both are packed at run time.
//
// With packed codes a' = a + s and b' = b - u, centres A = za + s and B = zb - u,
//   sum (a - za)(b - zb) = sum a' b' - A sum_k b' - B sum_k a' + K A B.
#include <algorithm>
#include <vector>

#include "gemm/multiply.h"
#include "kernels/requantize/table.h"
#include "ops/gemm.h"
#include "ops/matrix_strides.h"

namespace intact {
namespace {

class GemmMatMul final : public Op {
 public:
  GemmMatMul(const MatMulSpec& spec, const Requant& requant, const GemmS8Kernel& kernel)
      : spec_(spec),
        kernel_(kernel),
        layout_(kernel, spec.depth, spec.columns),
        row_bytes_(packed_row_bytes(kernel, layout_)),
        a_signed_(spec.a == DType::kInt8 ? 1 : 0),
        a_centre_(spec.a_zero_point + kernel.shift(a_signed_ != 0)),
        b_centre_(spec.b_zero_point - (spec.b == DType::kUint8 ? 128 : 0)) {
    const std::vector<std::int32_t> none(static_cast<std::size_t>(spec.columns));
    requant_ = RequantTable(requant, none, spec.output == DType::kUint8);
  }

  std::string kernel() const override { return std::string("matmul ") + kernel_.name; }
  std::size_t packed_bytes() const override { return requant_.bytes(); }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& /*output*/,
                            int threads) const override {
    return own_bytes() * static_cast<std::size_t>(threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Shape& shape = output.shape;
    const std::int64_t matrices = shape.elements(0, shape.rank() - 2), rows = shape[-2];
    const MatrixStrides a_strides(inputs[0].shape, shape), b_strides(inputs[1].shape, shape);
    const auto* a = inputs[0].as<const std::uint8_t>();
    const auto* b = inputs[1].as<const std::uint8_t>();
    // Few matrices: their rows are shared, each thread packs b for itself.
    const std::int64_t threads = workspace.pool.size();
    const std::int64_t parts =
        matrices >= 2 * threads
            ? 1
            : std::clamp<std::int64_t>((rows + kBlock - 1) / kBlock, 1, threads);
    workspace.pool.parallel_for(
        matrices * parts, [&](std::int64_t task, int worker) {
          const std::int64_t matrix = task / parts, part = task % parts;
          const Own own = own_scratch(workspace.scratch, worker);
          pack_b(b + b_strides.at(matrix, shape), own);
          multiply_rows(a + a_strides.at(matrix, shape), rows * part / parts,
                        rows * (part + 1) / parts, own,
                        output.data + matrix * rows * spec_.columns);
        });
  }

 private:
  static constexpr std::int64_t kBlock = 48;  // rows that are packed together

  // A worker's scratch.
  struct Own {
    std::int8_t* b;
    std::int32_t* offset;   // by column
    std::int32_t* row_sum;  // of a block
    std::byte* a;
  };

  std::size_t offset_bytes() const {
    return align_up(static_cast<std::size_t>(layout_.columns()) * 4, 256);
  }
  std::size_t own_bytes() const {
    return align_up(layout_.bytes()) + offset_bytes() + align_up(kBlock * 4) +
           align_up(row_bytes_ * kBlock) + kCacheLine;
  }
  Own own_scratch(std::byte* scratch, int worker) const {
    std::byte* begin = scratch + own_bytes() * static_cast<std::size_t>(worker);
    Own own{};
    own.b = reinterpret_cast<std::int8_t*>(begin);
    begin += align_up(layout_.bytes());
    own.offset = reinterpret_cast<std::int32_t*>(begin);
    begin += offset_bytes();
    own.row_sum = reinterpret_cast<std::int32_t*>(begin);
    own.a = begin + align_up(kBlock * 4);
    return own;
  }

  void pack_b(const std::uint8_t* b, const Own& own) const {
    pack_columns(kernel_, layout_, b, spec_.b == DType::kUint8, own.b, own.offset);
    const auto both = static_cast<std::uint32_t>(spec_.depth) * a_centre_ * b_centre_;
    for (int n = 0; n < spec_.columns; ++n) {
      own.offset[n] = static_cast<std::int32_t>(
          both - a_centre_ * static_cast<std::uint32_t>(own.offset[n]));
    }
  }

  void multiply_rows(const std::uint8_t* a, std::int64_t begin, std::int64_t end, const Own& own,
                     std::byte* out) const {
    for (std::int64_t first = begin; first < end; first += kBlock) {
      const std::int64_t count = std::min(kBlock, end - first);
      for (std::int64_t i = 0; i < count; ++i) {
        std::byte* row = own.a + row_bytes_ * static_cast<std::size_t>(i);
        kernel_.pack(a + (first + i) * spec_.depth, spec_.depth, a_signed_, row);
        if (b_centre_ != 0) own.row_sum[i] = row_sum(row);
      }
      for (int panel = 0; panel < layout_.panels(); ++panel) {
        const int channel = panel * kernel_.panel;
        RequantView view = requant_.view(static_cast<std::size_t>(channel));
        view.offset = own.offset + channel;
        GemmS8Tile tile{};
        tile.a = own.a;
        tile.a_stride = static_cast<std::int64_t>(row_bytes_);
        tile.rows = static_cast<std::int32_t>(count);
        tile.groups = layout_.groups();
        tile.segments = 1;
        tile.b = own.b + layout_.begin(panel);
        tile.columns = layout_.width(panel);
        tile.row_sum = b_centre_ != 0 ? own.row_sum : nullptr;
        tile.requant = &view;
        tile.out = out + first * spec_.columns + channel;
        tile.out_stride = spec_.columns;
        kernel_.run(&tile);
      }
    }
  }

  std::int32_t row_sum(const std::byte* row) const {
    std::int32_t sum = 0;
    if (kernel_.unsigned_shift != 0) {
      const auto* codes = reinterpret_cast<const std::int8_t*>(row);
      for (int k = 0; k < spec_.depth; ++k) sum += codes[k];
    } else if (kernel_.element == 1) {
      const auto* codes = reinterpret_cast<const std::uint8_t*>(row);
      for (int k = 0; k < spec_.depth; ++k) sum += codes[k];
    } else {
      const auto* codes = reinterpret_cast<const std::int16_t*>(row);
      for (int k = 0; k < spec_.depth; ++k) sum += codes[k];
    }
    return static_cast<std::int32_t>(0u - b_centre_ * static_cast<std::uint32_t>(sum));
  }

  const MatMulSpec spec_;
  const GemmS8Kernel& kernel_;
  const PanelLayout layout_;
  const std::size_t row_bytes_;
  const std::int32_t a_signed_;
  const std::uint32_t a_centre_;  // modulo 2^32, as all sums here
  const std::uint32_t b_centre_;
  RequantTable requant_;
};

}  // namespace

OpPtr make_gemm_matmul(const MatMulSpec& spec, const Requant& requant, Isa isa) {
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<GemmMatMul>(spec, requant, *kernel);
}

}  // namespace intact
