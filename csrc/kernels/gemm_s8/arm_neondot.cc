// SDOT adds the products of four signed bytes to each of four columns, exact for all codes.
#include "kernels/gemm_s8/arm_neon.h"

namespace intact {
namespace {

// Four codes of a row by four weights of each column.
struct Quads {
  static constexpr int kMostRows = 6;

  // Quad kLane of each row.
  template <int kLane, int kRows, int kVectors>
  static inline void add_quad(int32x4_t (&acc)[kRows][kVectors], const int8x16_t (&codes)[kRows],
                              const int8_t* b) {
#pragma GCC unroll 6
    for (int v = 0; v < kVectors; ++v) {
      const int8x16_t weights = vld1q_s8(b + 16 * v);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        acc[r][v] = vdotq_laneq_s32(acc[r][v], weights, codes[r], kLane);
      }
    }
  }

  template <int kRows, int kVectors, bool>
  static inline const int8_t* add(int32x4_t (&acc)[kRows][kVectors], const int8_t* a,
                                  int64_t stride, int32_t groups, const int8_t* b) {
    constexpr int kStep = 16 * kVectors;
    int8x16_t codes[kRows];
    for (; groups >= 4; groups -= 4, a += 16, b += 4 * kStep) {
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) codes[r] = vld1q_s8(a + r * stride);
      add_quad<0>(acc, codes, b);
      add_quad<1>(acc, codes, b + kStep);
      add_quad<2>(acc, codes, b + 2 * kStep);
      add_quad<3>(acc, codes, b + 3 * kStep);
    }
    for (; groups > 0; --groups, a += 4, b += kStep) {
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        int32_t quad;
        memcpy(&quad, a + r * stride, 4);
        codes[r] = vreinterpretq_s8_s32(vdupq_n_s32(quad));
      }
      add_quad<0>(acc, codes, b);
    }
    return b;
  }
};

}  // namespace

void gemm_s8_neondot_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  pack_codes(codes, count, is_signed, a);
}

void gemm_s8_neondot_pack_panel(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns,
                                uint8_t flip, int8_t* packed, int32_t* sums) {
  pack_panel<4>(b, stride, depth, columns, flip, packed, sums);
}

void gemm_s8_neondot_run(const GemmS8Tile* tile) {
  if (tile->columns <= 8) return run_rows<Quads, 2, true>(tile);
  return run_rows<Quads, 4, true>(tile);
}

}  // namespace intact
