#include "kernels/float_gemm/portable.h"

#include "kernels/weight_only/row.h"

namespace intact {
namespace {

constexpr int kLanes = Float4::kLanes;
constexpr int kParts = kPanel / kLanes;

// Bytes, not words: the layout is little-endian on every machine.
void decode4(const uint8_t* codes, float* panel) {
  for (int lane = 0; lane < kPanel; ++lane) {
    for (int byte = 0; byte < 4; ++byte) {
      const int pair = codes[4 * lane + byte];
      panel[byte * kPanel + lane] = static_cast<float>(((pair & 15) ^ 8) - 8);
      panel[(byte + 4) * kPanel + lane] = static_cast<float>(((pair >> 4) ^ 8) - 8);
    }
  }
}

void decode8(const uint8_t* codes, float* panel) {
  for (int lane = 0; lane < kPanel; ++lane) {
    panel[lane] = static_cast<float>(static_cast<int8_t>(codes[lane]));
  }
}

template <void (*decode)(const uint8_t*, float*), int kValues, int kBytes>
struct Decoder {
  using Vector = Float4;
  static constexpr int kStep = kValues;
  static constexpr int kBlockBytes = kBytes;

  template <int kPanels>
  static void add(const uint8_t* codes, ptrdiff_t panel_bytes, const float* x,
                  Float4::type (*sum)[kParts]) {
    float panel[kValues * kPanel];
    for (int p = 0; p < kPanels; ++p) {
      decode(codes + p * panel_bytes, panel);
      for (int k = 0; k < kValues; ++k) {
        for (int i = 0; i < kParts; ++i) {
          const Float4::type column = Float4::load(panel + k * kPanel + i * kLanes);
          sum[p][i] = Float4::multiply_add(Float4::broadcast(x + k), column, sum[p][i]);
        }
      }
    }
  }
};

using Decoder4 = Decoder<decode4, 8, 64>;
using Decoder8 = Decoder<decode8, 1, 16>;

}  // namespace

void row4_portable(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder4, 1>(row, panels);
}

void row8_portable(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder8, 1>(row, panels);
}

void expand4_portable(const uint8_t* codes, int64_t depth, float* panel) {
  for (int64_t k = 0; k < depth; k += 8) decode4(codes + k * 8, panel + k * kPanel);
}

void expand8_portable(const uint8_t* codes, int64_t depth, float* panel) {
  for (int64_t k = 0; k < depth; ++k) decode8(codes + k * kPanel, panel + k * kPanel);
}

}  // namespace intact
