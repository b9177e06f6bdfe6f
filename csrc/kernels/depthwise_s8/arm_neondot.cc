// SDOT adds four products of signed bytes to each of four lanes: bytes of four rows are
// interleaved, so that a lane is a channel.
#include "kernels/depthwise_s8/arm_neon.h"

namespace intact {
namespace {

// Four interleaved codes, or four taps, of 16 channels.
struct Quads {
  int8x16_t part[4];
};

static inline Quads interleave(int8x16_t r0, int8x16_t r1, int8x16_t r2, int8x16_t r3) {
  const int16x8_t low01 = vreinterpretq_s16_s8(vzip1q_s8(r0, r1));
  const int16x8_t high01 = vreinterpretq_s16_s8(vzip2q_s8(r0, r1));
  const int16x8_t low23 = vreinterpretq_s16_s8(vzip1q_s8(r2, r3));
  const int16x8_t high23 = vreinterpretq_s16_s8(vzip2q_s8(r2, r3));
  return {{vreinterpretq_s8_s16(vzip1q_s16(low01, low23)),
           vreinterpretq_s8_s16(vzip2q_s16(low01, low23)),
           vreinterpretq_s8_s16(vzip1q_s16(high01, high23)),
           vreinterpretq_s8_s16(vzip2q_s16(high01, high23))}};
}

static inline Quads load_quads(const int8_t* p) {
  return {{vld1q_s8(p), vld1q_s8(p + 16), vld1q_s8(p + 32), vld1q_s8(p + 48)}};
}

static inline void add_quads(Acc16& acc, const Quads& x, const Quads& w) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) acc.part[i] = vdotq_s32(acc.part[i], x.part[i], w.part[i]);
}

// Taps of 3x3, column by column; that of the fourth row is 0.
struct Taps {
  Quads w[3];

  using Column = Quads;

  explicit Taps(const DepthwisePanel* panel)
      : w{load_quads(panel->taps), load_quads(panel->taps + 64), load_quads(panel->taps + 128)} {}

  static inline Column column(int8x16_t r0, int8x16_t r1, int8x16_t r2) {
    return interleave(r0, r1, r2, r2);
  }

  inline void add3(Acc16& acc, const Column& a, const Column& b, const Column& c) const {
    add_quads(acc, a, w[0]);
    add_quads(acc, b, w[1]);
    add_quads(acc, c, w[2]);
  }
};

struct Any {
  static constexpr int kGroup = 4;

  static inline void bring(const DepthwiseRow* row, const DepthwisePanel* panel, int group,
                           int first, int64_t count, int8_t* target) {
    const uint8_t* rows[4];
    for (int i = 0; i < 4; ++i) rows[i] = row->rows[4 * group + i] + panel->channel;
    const uint8x16_t flip = input_flip(row);
    const int8x16_t zero_point = input_zero_point(row);
    for (int64_t column = first; column < first + count; ++column, target += 64) {
      Quads x = {{zero_point, zero_point, zero_point, zero_point}};
      if (column >= 0 && column < row->width) {
        const int64_t at = column * row->channels;
        x = interleave(load_signed(rows[0] + at, flip), load_signed(rows[1] + at, flip),
                       load_signed(rows[2] + at, flip), load_signed(rows[3] + at, flip));
      }
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) vst1q_s8(target + 16 * i, x.part[i]);
    }
  }

  template <int kCount>
  static inline void add(Acc16 (&acc)[kCount], const DepthwiseRow* row, const DepthwisePanel* panel,
                         const int8_t* columns, int64_t row_bytes) {
    const int8_t* taps = panel->taps;
    const int64_t step = (int64_t)row->stride * 64;
    for (int i = 0; i < row->kernel[0]; i += 4, columns += row_bytes) {
      const int8_t* x = columns;
      for (int j = 0; j < row->kernel[1]; ++j, taps += 64, x += (int64_t)row->dilation * 64) {
        const Quads w = load_quads(taps);
#pragma GCC unroll 4
        for (int t = 0; t < kCount; ++t) add_quads(acc[t], load_quads(x + t * step), w);
      }
    }
  }
};

static inline void run_panels(const DepthwiseRow* row, const Runs& runs) {
  for (int i = 0; i < row->panel_count; ++i) runs(row, row->panels + i);
}

}  // namespace

void depthwise_3x3_neondot(const DepthwiseRow* row) { run_panels(row, runs_3x3<Taps, 1>()); }

void depthwise_3x3_by2_neondot(const DepthwiseRow* row) { run_panels(row, runs_3x3<Taps, 2>()); }

void depthwise_neondot(const DepthwiseRow* row) { run_panels(row, runs_any<Any>()); }

}  // namespace intact
