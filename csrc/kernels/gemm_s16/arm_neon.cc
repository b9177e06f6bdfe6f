// SMLAL adds products of int16 by a number of a row in 32 bits; LD2 takes the pairs of a panel
// apart.
#include <arm_neon.h>

#include "kernels/gemm_s16/gemm_s16.h"

namespace intact {
namespace {

// Eight columns of two consecutive k, of each vector of columns.
template <int kVectors>
struct Pairs {
  int16x8x2_t b[kVectors];
};

// acc += a[kLane] b of the first k, a[kLane + 1] b of the second.
template <int kLane, int kVectors>
static inline void add_pairs(int32x4_t (&acc)[2 * kVectors], int16x4_t a,
                             const Pairs<kVectors>& pairs) {
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int16x8_t first = pairs.b[v].val[0], second = pairs.b[v].val[1];
    int32x4_t& low = acc[2 * v];
    int32x4_t& high = acc[2 * v + 1];
    low = vmlal_lane_s16(low, vget_low_s16(first), a, kLane);
    high = vmlal_high_lane_s16(high, first, a, kLane);
    low = vmlal_lane_s16(low, vget_low_s16(second), a, kLane + 1);
    high = vmlal_high_lane_s16(high, second, a, kLane + 1);
  }
}

template <int kVectors>
static inline Pairs<kVectors> load_pairs(const int16_t* panel) {
  Pairs<kVectors> pairs;
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) pairs.b[v] = vld2q_s16(panel + 16 * v);
  return pairs;
}

// A tile of kRows x 8 kVectors, in registers for all k.
template <int kRows, int kVectors>
static void tile(int depth, const int16_t* a, ptrdiff_t a_stride, const int16_t* panel, int32_t* c,
                 ptrdiff_t c_stride) {
  int32x4_t acc[kRows][2 * kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < 2 * kVectors; ++v) acc[r][v] = vdupq_n_s32(0);
  }
  for (int k = 0; k < depth; k += kGemmS16Depth, panel += 32 * kVectors) {
    int16x4_t row[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) row[r] = vld1_s16(a + r * a_stride + k);
    const Pairs<kVectors> first = load_pairs<kVectors>(panel);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) add_pairs<0>(acc[r], row[r], first);
    const Pairs<kVectors> second = load_pairs<kVectors>(panel + 16 * kVectors);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) add_pairs<2>(acc[r], row[r], second);
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < 2 * kVectors; ++v) vst1q_s32(c + r * c_stride + 4 * v, acc[r][v]);
  }
}

template <int kVectors>
static void panel_product(int rows, int depth, const int16_t* a, ptrdiff_t a_stride,
                          const int16_t* panel, int32_t* c, ptrdiff_t c_stride) {
  constexpr int kRows = 4;
  for (; rows >= kRows; rows -= kRows, a += kRows * a_stride, c += kRows * c_stride) {
    tile<kRows, kVectors>(depth, a, a_stride, panel, c, c_stride);
  }
  for (; rows > 0; --rows, a += a_stride, c += c_stride) {
    tile<1, kVectors>(depth, a, a_stride, panel, c, c_stride);
  }
}

}  // namespace

void gemm_s16_neon(int rows, int columns, int depth, const int16_t* a, ptrdiff_t a_stride,
                   const int16_t* panel, int32_t* c, ptrdiff_t c_stride) {
  if (columns == 8) return panel_product<1>(rows, depth, a, a_stride, panel, c, c_stride);
  return panel_product<2>(rows, depth, a, a_stride, panel, c, c_stride);
}

}  // namespace intact
