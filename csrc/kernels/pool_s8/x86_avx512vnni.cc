#include <string.h>

#include "kernels/pool_s8/pool_s8.h"
#include "kernels/requantize/x86_avx512.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

constexpr int64_t kWordSum = 257;  // codes that sum up within 16 bits

template <bool kSigned>
static inline void maximum64(const PixelWindow* w, int64_t channel, __mmask64 lanes,
                             uint8_t* out) {
  __m512i most = _mm512_maskz_loadu_epi8(lanes, w->first + channel);
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      const __m512i codes = _mm512_maskz_loadu_epi8(lanes, pixel);
      most = kSigned ? _mm512_max_epi8(most, codes) : _mm512_max_epu8(most, codes);
    }
  }
  _mm512_mask_storeu_epi8(out + channel, lanes, most);
}

template <bool kSigned>
static inline void maximum(const PixelWindow* w, int64_t channels, uint8_t* out) {
  for (int64_t c = 0; c < channels; c += 64) {
    maximum64<kSigned>(w, c, first_lanes64(channels - c), out);
  }
}

// Adds 32 words to 32 sums.
static inline void spill32(__m512i words, int32_t* sums, __mmask32 lanes) {
  for (int half = 0; half < 2; ++half) {
    const __m256i part =
        half == 0 ? _mm512_castsi512_si256(words) : _mm512_extracti64x4_epi64(words, 1);
    const __mmask16 mask = (__mmask16)(lanes >> (16 * half));
    int32_t* at = sums + 16 * half;
    const __m512i before = _mm512_maskz_loadu_epi32(mask, at);
    const __m512i after = _mm512_add_epi32(before, _mm512_cvtepu16_epi32(part));
    _mm512_mask_storeu_epi32(at, mask, after);
  }
}

// The first `count` of 32 kVectors channels.
template <int kVectors>
static inline void sum_channels(const PixelWindow* w, int64_t channel, int64_t count, uint8_t flip,
                                int32_t* sums) {
  const __m256i flips = _mm256_set1_epi8((int8_t)flip);
  __m512i words[kVectors];
  __mmask32 lanes[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    words[v] = _mm512_setzero_si512();
    lanes[v] = count > 32 * v ? first_lanes32(count - 32 * v) : 0;
  }
  memset(sums + channel, 0, (size_t)count * sizeof(sums[0]));
  int64_t room = kWordSum;
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      if (room-- == 0) {
        for (int v = 0; v < kVectors; ++v) {
          spill32(words[v], sums + channel + 32 * v, lanes[v]);
          words[v] = _mm512_setzero_si512();
        }
        room = kWordSum - 1;
      }
      for (int v = 0; v < kVectors; ++v) {
        const __m256i codes = _mm256_maskz_loadu_epi8(lanes[v], pixel + 32 * v);
        const __m512i wide = _mm512_cvtepu8_epi16(_mm256_xor_si256(codes, flips));
        words[v] = _mm512_add_epi16(words[v], wide);
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    spill32(words[v], sums + channel + 32 * v, lanes[v]);
  }
}

static inline __m512i totals(const int32_t* sums, __mmask16 lanes, int32_t offset) {
  return _mm512_add_epi32(_mm512_maskz_loadu_epi32(lanes, sums), _mm512_set1_epi32(offset));
}

}  // namespace

void pool_s8_avx512vnni_maximum(const PixelWindow* window, int64_t channels, int32_t is_signed,
                                uint8_t* out) {
  if (is_signed) {
    maximum<true>(window, channels, out);
  } else {
    maximum<false>(window, channels, out);
  }
}

void pool_s8_avx512vnni_sum(const PixelWindow* window, int64_t channels, uint8_t flip,
                            int32_t* sums) {
  int64_t c = 0;
  for (; c + 96 < channels; c += 128) {
    const int64_t left = channels - c;
    sum_channels<4>(window, c, left < 128 ? left : 128, flip, sums);
  }
  for (; c < channels; c += 32) {
    const int64_t left = channels - c;
    sum_channels<1>(window, c, left < 32 ? left : 32, flip, sums);
  }
}

void pool_s8_avx512vnni_divide(const int32_t* sums, int64_t channels, int32_t offset, int32_t count,
                               uint8_t* out) {
  const __m512i half = _mm512_set1_epi32(count / 2), zero = _mm512_setzero_si512();
  const __m512 divisor = _mm512_set1_ps((float)count);
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 lanes = first_lanes16(channels - c);
    const __m512i total = totals(sums + c, lanes, offset);
    const __m512i magnitude = _mm512_add_epi32(_mm512_abs_epi32(total), half);
    const __m512 quotient = _mm512_div_ps(_mm512_cvtepi32_ps(magnitude), divisor);
    const __m512i result = _mm512_cvttps_epi32(quotient);
    const __mmask16 negative = _mm512_movepi32_mask(total);
    _mm512_mask_cvtepi32_storeu_epi8(out + c, lanes,
                                     _mm512_mask_sub_epi32(result, negative, zero, result));
  }
}

void pool_s8_avx512vnni_requantize(const int32_t* sums, int64_t channels, int32_t offset,
                                   const RequantView* requant, uint8_t* out) {
  const Requant16 r = load_requant16(requant, 0);
  for (int64_t c = 0; c < channels; c += 16) {
    const __mmask16 lanes = first_lanes16(channels - c);
    const __m512i total = totals(sums + c, lanes, offset);
    const __m128i codes = to_codes16(requantize16(total, &r), requant, 0);
    _mm_mask_storeu_epi8(out + c, lanes, codes);
  }
}

}  // namespace intact
