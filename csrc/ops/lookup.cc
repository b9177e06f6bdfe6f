#include <stdexcept>
#include <string>

#include "core/buffer.h"
#include "kernels/lookup_s8/lookup_s8.h"
#include "ops/ops.h"
#include "portable/intact_elementwise.h"

namespace intact {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // elements worth handing to another thread
constexpr std::size_t kCodes = 256;

// Entries by the code's bit pattern, so that signed and unsigned codes index alike.
template <typename Out>
Buffer<Out> by_pattern(std::int32_t low, std::span<const std::int32_t> table) {
  if (table.size() > kCodes) throw std::invalid_argument("a table of more than 8 bits");
  Buffer<Out> entries(kCodes);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const auto code = static_cast<std::uint8_t>(low + static_cast<std::int32_t>(i));
    entries[code] = static_cast<Out>(table[i]);
  }
  return entries;
}

template <typename Out>
void look_up(const Out* table, const std::uint8_t* x, Out* out, std::int64_t count) {
  intact_lookup(x, table, out, sizeof(Out), 0, static_cast<std::size_t>(count));
}

template <typename Out>
class Lookup final : public Op {
 public:
  using Run = void (*)(const Out* table, const std::uint8_t* x, Out* out, std::int64_t count);

  Lookup(std::int32_t low, std::span<const std::int32_t> table, const char* name, Run run)
      : name_(name), run_(run), table_(by_pattern<Out>(low, table)) {}

  std::string kernel() const override { return name_; }
  std::size_t packed_bytes() const override { return table_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* x = inputs[0].as<const std::uint8_t>();
    auto* out = output.as<Out>();
    workspace.pool.parallel_ranges(output.shape.elements(), kGrain,
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     run_(table_.data(), x + begin, out + begin, end - begin);
                                   });
  }

 private:
  const char* name_;
  Run run_;
  Buffer<Out> table_;
};

}  // namespace

OpPtr make_lookup(std::int32_t low, std::span<const std::int32_t> table, DType output, Isa isa) {
  switch (output) {
    case DType::kInt8:
    case DType::kUint8: {
      const LookupKernel* kernel = pick_lookup_s8(isa);
      return std::make_shared<Lookup<std::uint8_t>>(
          low, table, kernel == nullptr ? "lookup" : kernel->name,
          kernel == nullptr ? &look_up<std::uint8_t> : kernel->run);
    }
    case DType::kInt16:
    case DType::kUint16:
      return std::make_shared<Lookup<std::uint16_t>>(low, table, "lookup", &look_up<std::uint16_t>);
    default:
      throw std::invalid_argument("a lookup gives 8- or 16-bit codes");
  }
}

}  // namespace intact
