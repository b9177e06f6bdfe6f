#include "kernels/requantize/arm_neon.h"

#include "kernels/pool_s8/pool_s8.h"

namespace intact {
namespace {

constexpr int64_t kWordSum = 257;  // codes that sum up within 16 bits

// Calls each(pixel) for the bytes of every pixel of the window, from a channel on.
template <typename Each>
static inline void for_pixels(const PixelWindow* w, int64_t channel, const Each& each) {
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) each(pixel);
  }
}

// --- maxima; signed codes are larger with their highest bit flipped ---

// 16 kVectors channels.
template <int kVectors>
static inline void maximum(const PixelWindow* w, int64_t channel, uint8_t flip, uint8_t* out) {
  const uint8x16_t flips = vdupq_n_u8(flip);
  uint8x16_t most[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) most[v] = vdupq_n_u8(0);
  for_pixels(w, channel, [&](const uint8_t* pixel) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      most[v] = vmaxq_u8(most[v], veorq_u8(vld1q_u8(pixel + 16 * v), flips));
    }
  });
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    vst1q_u8(out + channel + 16 * v, veorq_u8(most[v], flips));
  }
}

static inline void maximum1(const PixelWindow* w, int64_t channel, uint8_t flip, uint8_t* out) {
  uint8_t most = 0;
  for_pixels(w, channel, [&](const uint8_t* pixel) {
    const uint8_t code = (uint8_t)(*pixel ^ flip);
    most = code > most ? code : most;
  });
  out[channel] = (uint8_t)(most ^ flip);
}

// --- sums ---

struct Words {
  uint16x8_t low, high;
};

// Adds words to sums[0 .. 15].
static inline void spill(const Words& words, int32_t* sums) {
  uint32_t* at = (uint32_t*)sums;
  vst1q_u32(at, vaddw_u16(vld1q_u32(at), vget_low_u16(words.low)));
  vst1q_u32(at + 4, vaddw_high_u16(vld1q_u32(at + 4), words.low));
  vst1q_u32(at + 8, vaddw_u16(vld1q_u32(at + 8), vget_low_u16(words.high)));
  vst1q_u32(at + 12, vaddw_high_u16(vld1q_u32(at + 12), words.high));
}

// 16 kVectors channels.
template <int kVectors>
static inline void sum(const PixelWindow* w, int64_t channel, uint8_t flip, int32_t* sums) {
  const uint8x16_t flips = vdupq_n_u8(flip);
  const Words none = {vdupq_n_u16(0), vdupq_n_u16(0)};
  memset(sums + channel, 0, 16 * kVectors * sizeof(sums[0]));
  Words words[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) words[v] = none;
  int64_t room = kWordSum;
  for_pixels(w, channel, [&](const uint8_t* pixel) {
    if (room-- == 0) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        spill(words[v], sums + channel + 16 * v);
        words[v] = none;
      }
      room = kWordSum - 1;
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const uint8x16_t codes = veorq_u8(vld1q_u8(pixel + 16 * v), flips);
      words[v].low = vaddw_u8(words[v].low, vget_low_u8(codes));
      words[v].high = vaddw_high_u8(words[v].high, codes);
    }
  });
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) spill(words[v], sums + channel + 16 * v);
}

static inline void sum1(const PixelWindow* w, int64_t channel, uint8_t flip, int32_t* sums) {
  uint32_t sum = 0;
  for_pixels(w, channel, [&](const uint8_t* pixel) { sum += (uint32_t)(*pixel ^ flip); });
  sums[channel] = (int32_t)sum;
}

// --- results ---

struct Totals16 {
  int32x4_t part[4];
};

// Sums of 16 channels, those behind the last being 0, with the offset.
static inline Totals16 load_totals(const int32_t* sums, int64_t count, int32_t offset) {
  int32_t padded[16] = {};
  if (count < 16) {
    memcpy(padded, sums, (size_t)count * sizeof(padded[0]));
    sums = padded;
  }
  const int32x4_t offsets = vdupq_n_s32(offset);
  return {{vaddq_s32(vld1q_s32(sums), offsets), vaddq_s32(vld1q_s32(sums + 4), offsets),
           vaddq_s32(vld1q_s32(sums + 8), offsets), vaddq_s32(vld1q_s32(sums + 12), offsets)}};
}

static inline int left_of(int64_t channels, int64_t channel) {
  return channels - channel < 16 ? (int)(channels - channel) : 16;
}

// total / divisor, rounded half away from zero.
static inline int32x4_t quotient(int32x4_t total, int32x4_t half, float32x4_t divisor) {
  const int32x4_t magnitude = vaddq_s32(vabsq_s32(total), half);
  const int32x4_t result = vcvtq_s32_f32(vdivq_f32(vcvtq_f32_s32(magnitude), divisor));
  return vbslq_s32(vcltzq_s32(total), vnegq_s32(result), result);
}

static inline uint8x16_t low_bytes(const Totals16& x) {
  const int16x8_t low = vmovn_high_s32(vmovn_s32(x.part[0]), x.part[1]);
  const int16x8_t high = vmovn_high_s32(vmovn_s32(x.part[2]), x.part[3]);
  return vreinterpretq_u8_s8(vmovn_high_s16(vmovn_s16(low), high));
}

template <RequantKind kKind>
static void requantize(const int32_t* sums, int64_t channels, int32_t offset,
                       const RequantView* view, uint8_t* out) {
  const Requant4 r = load_requant4(view, 0);
  const int16x8_t zero_point = zero_points(view);
  const int8x16_t low = vdupq_n_s8(view->qmin[0]), high = vdupq_n_s8(view->qmax[0]);
  for (int64_t c = 0; c < channels; c += 16) {
    const int left = left_of(channels, c);
    Totals16 x = load_totals(sums + c, left, offset);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) x.part[i] = rescale4<kKind>(x.part[i], r);
    const Words16 words = to_words16(x.part[0], x.part[1], x.part[2], x.part[3], zero_point);
    store_part16(out + c, to_codes16(words, low, high, view), left);
  }
}

}  // namespace

// The last vector may overlap the one before.
void pool_s8_neon_maximum(const PixelWindow* window, int64_t channels, int32_t is_signed,
                          uint8_t* out) {
  const uint8_t flip = is_signed != 0 ? 0x80 : 0;
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) maximum<4>(window, c, flip, out);
  for (; c + 16 <= channels; c += 16) maximum<1>(window, c, flip, out);
  if (c == channels) return;
  if (channels >= 16) return maximum<1>(window, channels - 16, flip, out);
  for (; c < channels; ++c) maximum1(window, c, flip, out);
}

void pool_s8_neon_sum(const PixelWindow* window, int64_t channels, uint8_t flip, int32_t* sums) {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) sum<4>(window, c, flip, sums);
  for (; c + 16 <= channels; c += 16) sum<1>(window, c, flip, sums);
  if (c == channels) return;
  if (channels >= 16) return sum<1>(window, channels - 16, flip, sums);
  for (; c < channels; ++c) sum1(window, c, flip, sums);
}

void pool_s8_neon_divide(const int32_t* sums, int64_t channels, int32_t offset, int32_t count,
                         uint8_t* out) {
  const int32x4_t half = vdupq_n_s32(count / 2);
  const float32x4_t divisor = vdupq_n_f32((float)count);
  for (int64_t c = 0; c < channels; c += 16) {
    const int left = left_of(channels, c);
    Totals16 x = load_totals(sums + c, left, offset);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) x.part[i] = quotient(x.part[i], half, divisor);
    store_part16(out + c, low_bytes(x), left);
  }
}

void pool_s8_neon_requantize(const int32_t* sums, int64_t channels, int32_t offset,
                             const RequantView* view, uint8_t* out) {
  switch (view->kind) {
    case RequantKind::kNoneBelowZero:
      return requantize<RequantKind::kNoneBelowZero>(sums, channels, offset, view, out);
    case RequantKind::kRightShifts:
      return requantize<RequantKind::kRightShifts>(sums, channels, offset, view, out);
    case RequantKind::kAnyShift:
      return requantize<RequantKind::kAnyShift>(sums, channels, offset, view, out);
  }
}

}  // namespace intact
