// SMULL and SMLAL put sums of two products of bytes into 16 bits, SADDW widens them. Two products
// of a tap of -128 would be too much: panels with such taps add each product for itself.
#include "kernels/depthwise_s8/arm_neon.h"

namespace intact {
namespace {

static inline void add_words(Acc16& acc, int16x8_t low, int16x8_t high) {
  acc.part[0] = vaddw_s16(acc.part[0], vget_low_s16(low));
  acc.part[1] = vaddw_high_s16(acc.part[1], low);
  acc.part[2] = vaddw_s16(acc.part[2], vget_low_s16(high));
  acc.part[3] = vaddw_high_s16(acc.part[3], high);
}

static inline void add_tap(Acc16& acc, int8x16_t x, int8x16_t w) {
  add_words(acc, vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w));
}

template <bool kPairsFit>
static inline void add_taps(Acc16& acc, int8x16_t x0, int8x16_t w0, int8x16_t x1, int8x16_t w1) {
  if (kPairsFit) {
    const int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(w0));
    const int16x8_t high = vmull_high_s8(x0, w0);
    add_words(acc, vmlal_s8(low, vget_low_s8(x1), vget_low_s8(w1)), vmlal_high_s8(high, x1, w1));
  } else {
    add_tap(acc, x0, w0);
    add_tap(acc, x1, w1);
  }
}

// Taps of 3x3, row by row.
template <bool kPairsFit>
struct Taps {
  int8x16_t w[9];

  struct Column {
    int8x16_t row[3];
  };

  explicit Taps(const DepthwisePanel* panel) {
    for (int i = 0; i < 9; ++i) w[i] = vld1q_s8(panel->taps + 16 * i);
  }

  static inline Column column(int8x16_t r0, int8x16_t r1, int8x16_t r2) { return {{r0, r1, r2}}; }

  inline void add3(Acc16& acc, const Column& a, const Column& b, const Column& c) const {
    add_taps<kPairsFit>(acc, a.row[0], w[0], b.row[0], w[1]);
    add_taps<kPairsFit>(acc, c.row[0], w[2], a.row[1], w[3]);
    add_taps<kPairsFit>(acc, b.row[1], w[4], c.row[1], w[5]);
    add_taps<kPairsFit>(acc, a.row[2], w[6], b.row[2], w[7]);
    add_tap(acc, c.row[2], w[8]);
  }
};

template <bool kPairsFit>
struct Any {
  static constexpr int kGroup = 1;

  static inline void bring(const DepthwiseRow* row, const DepthwisePanel* panel, int group,
                           int first, int64_t count, int8_t* target) {
    const uint8_t* codes = row->rows[group] + panel->channel;
    const uint8x16_t flip = input_flip(row);
    const int8x16_t zero_point = input_zero_point(row);
    for (int64_t column = first; column < first + count; ++column, target += 16) {
      const bool inside = column >= 0 && column < row->width;
      vst1q_s8(target, inside ? load_signed(codes + column * row->channels, flip) : zero_point);
    }
  }

  template <int kCount>
  static inline void add(Acc16 (&acc)[kCount], const DepthwiseRow* row, const DepthwisePanel* panel,
                         const int8_t* columns, int64_t row_bytes) {
    const int8_t* taps = panel->taps;
    const int64_t step = (int64_t)row->stride * 16, next = (int64_t)row->dilation * 16;
    for (int i = 0; i < row->kernel[0]; ++i, columns += row_bytes) {
      const int8_t* x = columns;
      int j = 0;
      for (; j + 2 <= row->kernel[1]; j += 2, taps += 32, x += 2 * next) {
        const int8x16_t w0 = vld1q_s8(taps), w1 = vld1q_s8(taps + 16);
#pragma GCC unroll 4
        for (int t = 0; t < kCount; ++t) {
          add_taps<kPairsFit>(acc[t], vld1q_s8(x + t * step), w0, vld1q_s8(x + t * step + next),
                              w1);
        }
      }
      if (j == row->kernel[1]) continue;
      const int8x16_t w = vld1q_s8(taps);
#pragma GCC unroll 4
      for (int t = 0; t < kCount; ++t) add_tap(acc[t], vld1q_s8(x + t * step), w);
      taps += 16;
    }
  }
};

// Runs `fit` on panels without a tap of -128.
static inline void run_fitting(const DepthwiseRow* row, const Runs& fit, const Runs& others) {
  for (int i = 0; i < row->panel_count; ++i) {
    const DepthwisePanel* panel = row->panels + i;
    (panel->pairs_fit != 0 ? fit : others)(row, panel);
  }
}

}  // namespace

void depthwise_3x3_neon(const DepthwiseRow* row) {
  run_fitting(row, runs_3x3<Taps<true>, 1>(), runs_3x3<Taps<false>, 1>());
}

void depthwise_3x3_by2_neon(const DepthwiseRow* row) {
  run_fitting(row, runs_3x3<Taps<true>, 2>(), runs_3x3<Taps<false>, 2>());
}

void depthwise_neon(const DepthwiseRow* row) {
  run_fitting(row, runs_any<Any<true>>(), runs_any<Any<false>>());
}

}  // namespace intact
