// Depthwise convolutions of 16 channels at a time: what the kernels for ARM share.
//
// Taps::Column holds the codes of a column of three rows; Taps::add3 adds the products of one and
// its taps, the first, second or third of a row, to the accumulators.
#pragma once

#include "kernels/depthwise_s8/depthwise_s8.h"
#include "kernels/requantize/arm_neon.h"

namespace intact {
namespace {

// Accumulators of 16 channels.
struct Acc16 {
  int32x4_t part[4];
};

static inline Acc16 load_acc(const int32_t* p) {
  return {{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}

// A panel's constants for one pixel after the other: copies, of which the compiler knows that
// stores of codes leave them alone.
template <RequantKind kKind>
struct Finish {
  Requant4 exact[4];
  int16x8_t zero_point;
  int8x16_t low, high;
  uint8x16_t flip;

  Finish(const DepthwiseRow* row, const DepthwisePanel* panel)
      : exact{load_requant4(&panel->exact, 0), load_requant4(&panel->exact, 4),
              load_requant4(&panel->exact, 8), load_requant4(&panel->exact, 12)},
        zero_point(zero_points(&panel->exact)),
        low(vld1q_s8(panel->qmin)),
        high(vld1q_s8(panel->qmax)),
        flip(vdupq_n_u8(row->output_unsigned ? 0x80 : 0)) {}

  inline void operator()(const Acc16& acc, uint8_t* out) const {
    const Words16 words = to_words16(
        rescale4<kKind>(acc.part[0], exact[0]), rescale4<kKind>(acc.part[1], exact[1]),
        rescale4<kKind>(acc.part[2], exact[2]), rescale4<kKind>(acc.part[3], exact[3]), zero_point);
    vst1q_u8(out, veorq_u8(vreinterpretq_u8_s8(to_int8(words, low, high)), flip));
  }
};

// What makes codes signed.
static inline uint8x16_t input_flip(const DepthwiseRow* row) {
  return vdupq_n_u8(row->input_signed ? 0 : 0x80);
}

// The zero point as a signed code.
static inline int8x16_t input_zero_point(const DepthwiseRow* row) {
  return vdupq_n_s8((int8_t)(row->input_signed ? row->zero_point : row->zero_point - 128));
}

static inline int8x16_t load_signed(const uint8_t* codes, uint8x16_t flip) {
  return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes), flip));
}

// Three rows, column by column.
template <typename Taps>
struct Columns3 {
  const uint8_t* rows[3];
  int64_t channels;
  uint32_t width;
  uint8x16_t flip;
  int8x16_t zero_point;

  Columns3(const DepthwiseRow* row, const DepthwisePanel* panel)
      : rows{row->rows[0] + panel->channel, row->rows[1] + panel->channel,
             row->rows[2] + panel->channel},
        channels(row->channels),
        width((uint32_t)row->width),
        flip(input_flip(row)),
        zero_point(input_zero_point(row)) {}

  inline typename Taps::Column operator()(int column) const {
    if ((uint32_t)column >= width) return Taps::column(zero_point, zero_point, zero_point);
    const int64_t at = column * channels;
    return Taps::column(load_signed(rows[0] + at, flip), load_signed(rows[1] + at, flip),
                        load_signed(rows[2] + at, flip));
  }
};

// Each column stays in registers for the outputs that it belongs to: they change names, not places.
template <typename Taps, int kStride, RequantKind kKind>
static void run_3x3(const DepthwiseRow* row, const DepthwisePanel* panel) {
  using Column = typename Taps::Column;
  const Columns3<Taps> column(row, panel);
  const Finish<kKind> finish(row, panel);
  const Taps taps(panel);
  const Acc16 start = load_acc(panel->offset);
  const int64_t channels = row->channels;
  uint8_t* out = row->out + panel->channel;
  int left = row->out_width;
  int at = -row->padding;
  const auto output = [&](const Column& x0, const Column& x1, const Column& x2)
      __attribute__((always_inline)) {
    Acc16 acc = start;
    taps.add3(acc, x0, x1, x2);
    finish(acc, out);
    out += channels;
    return --left > 0;
  };
  Column a = column(at++), b, c;
  if (kStride == 1) {
    b = column(at++);
    for (;;) {
      c = column(at++);
      if (!output(a, b, c)) return;
      a = column(at++);
      if (!output(b, c, a)) return;
      b = column(at++);
      if (!output(c, a, b)) return;
    }
  }
  for (;;) {
    b = column(at++);
    c = column(at++);
    if (!output(a, b, c)) return;
    a = column(at++);
    b = column(at++);
    if (!output(c, a, b)) return;
    c = column(at++);
    a = column(at++);
    if (!output(b, c, a)) return;
  }
}

// A tile of columns is brought to scratch, kGroup rows together, then outputs are computed from it.
template <typename Any, RequantKind kKind>
static void run_any(const DepthwiseRow* row, const DepthwisePanel* panel) {
  constexpr int64_t kBytes = 16 * Any::kGroup;
  const Finish<kKind> finish(row, panel);
  int8_t* scratch = (int8_t*)row->scratch;
  const int groups = (row->kernel[0] + Any::kGroup - 1) / Any::kGroup;
  const int reach = (row->kernel[1] - 1) * row->dilation + 1;
  uint8_t* out = row->out + panel->channel;
  for (int first = 0; first < row->out_width; first += row->tile) {
    const int count = row->out_width - first < row->tile ? row->out_width - first : row->tile;
    const int64_t columns = (int64_t)(count - 1) * row->stride + reach;
    for (int group = 0; group < groups; ++group) {
      Any::bring(row, panel, group, first * row->stride - row->padding, columns,
                 scratch + group * columns * kBytes);
    }
    const int64_t step = row->stride * kBytes;
    int t = 0;
    for (; t + 4 <= count; t += 4, out += (int64_t)4 * row->channels) {
      Acc16 acc[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) acc[i] = load_acc(panel->offset);
      Any::template add<4>(acc, row, panel, scratch + t * step, columns * kBytes);
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) finish(acc[i], out + (int64_t)i * row->channels);
    }
    for (; t < count; ++t, out += row->channels) {
      Acc16 acc[1] = {load_acc(panel->offset)};
      Any::template add<1>(acc, row, panel, scratch + t * step, columns * kBytes);
      finish(acc[0], out);
    }
  }
}

using Run = void (*)(const DepthwiseRow*, const DepthwisePanel*);

// A function for each RequantKind.
struct Runs {
  Run any_shift, right_shifts, none_below_zero;

  void operator()(const DepthwiseRow* row, const DepthwisePanel* panel) const {
    switch (panel->exact.kind) {
      case RequantKind::kAnyShift:
        return any_shift(row, panel);
      case RequantKind::kRightShifts:
        return right_shifts(row, panel);
      case RequantKind::kNoneBelowZero:
        return none_below_zero(row, panel);
    }
  }
};

template <typename Taps, int kStride>
static constexpr Runs runs_3x3() {
  return {run_3x3<Taps, kStride, RequantKind::kAnyShift>,
          run_3x3<Taps, kStride, RequantKind::kRightShifts>,
          run_3x3<Taps, kStride, RequantKind::kNoneBelowZero>};
}

template <typename Any>
static constexpr Runs runs_any() {
  return {run_any<Any, RequantKind::kAnyShift>, run_any<Any, RequantKind::kRightShifts>,
          run_any<Any, RequantKind::kNoneBelowZero>};
}

}  // namespace
}  // namespace intact
