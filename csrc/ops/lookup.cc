#include <array>
#include <stdexcept>

#include "ops/ops.h"

namespace intact {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // elements worth handing to another thread

// By the code's bit pattern, so that signed and unsigned codes index alike.
template <typename Out>
class Lookup final : public Op {
 public:
  Lookup(std::int32_t low, std::span<const std::int32_t> table) {
    if (table.size() > table_.size()) throw std::invalid_argument("a table of more than 8 bits");
    for (std::size_t i = 0; i < table.size(); ++i) {
      const auto code = static_cast<std::uint8_t>(low + static_cast<std::int32_t>(i));
      table_[code] = static_cast<Out>(table[i]);
    }
  }

  std::string kernel() const override { return "lookup"; }
  std::size_t packed_bytes() const override { return sizeof(table_); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* x = inputs[0].as<const std::uint8_t>();
    auto* out = output.as<Out>();
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) out[i] = table_[x[i]];
        });
  }

 private:
  std::array<Out, 256> table_{};
};

}  // namespace

OpPtr make_lookup(std::int32_t low, std::span<const std::int32_t> table, DType output) {
  switch (output) {
    case DType::kInt8:
    case DType::kUint8:
      return std::make_shared<Lookup<std::uint8_t>>(low, table);
    case DType::kInt16:
    case DType::kUint16:
      return std::make_shared<Lookup<std::uint16_t>>(low, table);
    default:
      throw std::invalid_argument("a lookup gives 8- or 16-bit codes");
  }
}

}  // namespace intact
