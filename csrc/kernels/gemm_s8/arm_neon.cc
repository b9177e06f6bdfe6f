// SMULL and SMLAL put sums of two products of bytes into 16 bits, and SADALP adds neighbours of
// these to 32 bits. 2 * 128 * 128 would be too much: where a weight is -128, each product is added
// for itself.
#include "kernels/gemm_s8/arm_neon.h"

namespace intact {
namespace {

// Two codes of a row by two weights of each column.
struct Pairs {
  static constexpr int kMostRows = 4;

  // acc += x0 w0 + x1 w1 of 8 columns.
  template <bool kPairsFit>
  static inline void add_products(int32x4_t& low, int32x4_t& high, int8x16_t x0, int8x16_t w0,
                                  int8x16_t x1, int8x16_t w1) {
    const int16x8_t p = vmull_s8(vget_low_s8(x0), vget_low_s8(w0));
    const int16x8_t q = vmull_high_s8(x0, w0);
    if (kPairsFit) {
      low = vpadalq_s16(low, vmlal_s8(p, vget_low_s8(x1), vget_low_s8(w1)));
      high = vpadalq_s16(high, vmlal_high_s8(q, x1, w1));
    } else {
      low = vpadalq_s16(vpadalq_s16(low, p), vmull_s8(vget_low_s8(x1), vget_low_s8(w1)));
      high = vpadalq_s16(vpadalq_s16(high, q), vmull_high_s8(x1, w1));
    }
  }

  // Two groups; x(row, 0 or 1) has that of a row in all lanes.
  template <int kRows, int kVectors, bool kPairsFit, typename Codes>
  static inline const int8_t* add_two(int32x4_t (&acc)[kRows][kVectors], const int8_t* b,
                                      const Codes& x) {
    int8x16_t weights[kVectors];
#pragma GCC unroll 4
    for (int i = 0; i < kVectors; ++i) weights[i] = vld1q_s8(b + 16 * i);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t x0 = x(r, 0), x1 = x(r, 1);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v += 2) {
        add_products<kPairsFit>(acc[r][v], acc[r][v + 1], x0, weights[v / 2], x1,
                                weights[(kVectors + v) / 2]);
      }
    }
    return b + 16 * kVectors;
  }

  template <int kRows, int kVectors, bool kPairsFit>
  static inline const int8_t* add(int32x4_t (&acc)[kRows][kVectors], const int8_t* a,
                                  int64_t stride, int32_t groups, const int8_t* b) {
    for (; groups >= 8; groups -= 8, a += 16) {
      int16x8_t codes[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) codes[r] = vreinterpretq_s16_s8(vld1q_s8(a + r * stride));
      const auto add_pairs = [&]<int kPair>() __attribute__((always_inline)) {
        b = add_two<kRows, kVectors, kPairsFit>(
            acc, b, [&](int r, int i) __attribute__((always_inline)) {
              return vreinterpretq_s8_s16(i == 0 ? vdupq_laneq_s16(codes[r], kPair)
                                                 : vdupq_laneq_s16(codes[r], kPair + 1));
            });
      };
      add_pairs.template operator()<0>();
      add_pairs.template operator()<2>();
      add_pairs.template operator()<4>();
      add_pairs.template operator()<6>();
    }
    const auto pair_of = [&](int r, int i) __attribute__((always_inline)) {
      int16_t pair;
      memcpy(&pair, a + r * stride + 2 * i, 2);
      return vreinterpretq_s8_s16(vdupq_n_s16(pair));
    };
    for (; groups >= 2; groups -= 2, a += 4) {
      b = add_two<kRows, kVectors, kPairsFit>(acc, b, pair_of);
    }
    if (groups == 0) return b;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const int8x16_t x = pair_of(r, 0);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; v += 2) {
        const int8x16_t w = vld1q_s8(b + 8 * v);
        acc[r][v] = vpadalq_s16(acc[r][v], vmull_s8(vget_low_s8(x), vget_low_s8(w)));
        acc[r][v + 1] = vpadalq_s16(acc[r][v + 1], vmull_high_s8(x, w));
      }
    }
    return b + 8 * kVectors;
  }
};

}  // namespace

void gemm_s8_neon_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  pack_codes(codes, count, is_signed, a);
}

void gemm_s8_neon_pack_panel(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns,
                             uint8_t flip, int8_t* packed, int32_t* sums) {
  pack_panel<2>(b, stride, depth, columns, flip, packed, sums);
}

void gemm_s8_neon_run(const GemmS8Tile* tile) {
  if (tile->pairs_fit != 0) {
    return tile->columns <= 8 ? run_rows<Pairs, 2, true>(tile) : run_rows<Pairs, 4, true>(tile);
  }
  return tile->columns <= 8 ? run_rows<Pairs, 2, false>(tile) : run_rows<Pairs, 4, false>(tile);
}

}  // namespace intact
