#include <immintrin.h>
#include <string.h>

#include "kernels/pool_s8/pool_s8.h"
#include "kernels/requantize/x86_avx2.h"

namespace intact {
namespace {

constexpr int64_t kWordSum = 257;  // codes that sum up within 16 bits

// --- maxima ---

template <bool kSigned>
static inline __m256i larger32(__m256i a, __m256i b) {
  return kSigned ? _mm256_max_epi8(a, b) : _mm256_max_epu8(a, b);
}

template <bool kSigned>
static inline __m128i larger16(__m128i a, __m128i b) {
  return kSigned ? _mm_max_epi8(a, b) : _mm_max_epu8(a, b);
}

template <bool kSigned>
static inline void maximum32(const PixelWindow* w, int64_t channel, uint8_t* out) {
  __m256i most = _mm256_loadu_si256((const __m256i*)(w->first + channel));
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      most = larger32<kSigned>(most, _mm256_loadu_si256((const __m256i*)pixel));
    }
  }
  _mm256_storeu_si256((__m256i*)(out + channel), most);
}

template <bool kSigned>
static inline void maximum16(const PixelWindow* w, int64_t channel, uint8_t* out) {
  __m128i most = _mm_loadu_si128((const __m128i*)(w->first + channel));
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      most = larger16<kSigned>(most, _mm_loadu_si128((const __m128i*)pixel));
    }
  }
  _mm_storeu_si128((__m128i*)(out + channel), most);
}

template <bool kSigned>
static inline void maximum1(const PixelWindow* w, int64_t channel, uint8_t* out) {
  const uint8_t flip = kSigned ? 0x80 : 0;
  uint8_t most = 0;
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      const uint8_t code = (uint8_t)(*pixel ^ flip);
      most = code > most ? code : most;
    }
  }
  out[channel] = (uint8_t)(most ^ flip);
}

// The last vector may overlap the one before.
template <bool kSigned>
static inline void maximum(const PixelWindow* w, int64_t channels, uint8_t* out) {
  int64_t c = 0;
  for (; c + 32 <= channels; c += 32) maximum32<kSigned>(w, c, out);
  if (c == channels) return;
  if (channels >= 32) return maximum32<kSigned>(w, channels - 32, out);
  for (; c + 16 <= channels; c += 16) maximum16<kSigned>(w, c, out);
  if (c == channels) return;
  if (channels >= 16) return maximum16<kSigned>(w, channels - 16, out);
  for (; c < channels; ++c) maximum1<kSigned>(w, c, out);
}

// --- sums ---

// Adds words to sums[0 .. 15].
static inline void spill16(__m256i words, int32_t* sums) {
  __m256i* at = (__m256i*)sums;
  const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words));
  const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1));
  _mm256_storeu_si256(at, _mm256_add_epi32(_mm256_loadu_si256(at), low));
  _mm256_storeu_si256(at + 1, _mm256_add_epi32(_mm256_loadu_si256(at + 1), high));
}

// 16 kVectors channels.
template <int kVectors>
static inline void sum_channels(const PixelWindow* w, int64_t channel, uint8_t flip,
                                int32_t* sums) {
  const __m128i flips = _mm_set1_epi8((int8_t)flip);
  memset(sums + channel, 0, 16 * kVectors * sizeof(sums[0]));
  __m256i words[kVectors];
  for (int v = 0; v < kVectors; ++v) words[v] = _mm256_setzero_si256();
  int64_t room = kWordSum;
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      if (room-- == 0) {
        for (int v = 0; v < kVectors; ++v) {
          spill16(words[v], sums + channel + 16 * v);
          words[v] = _mm256_setzero_si256();
        }
        room = kWordSum - 1;
      }
      for (int v = 0; v < kVectors; ++v) {
        const __m128i codes = _mm_loadu_si128((const __m128i*)(pixel + 16 * v));
        const __m256i wide = _mm256_cvtepu8_epi16(_mm_xor_si128(codes, flips));
        words[v] = _mm256_add_epi16(words[v], wide);
      }
    }
  }
  for (int v = 0; v < kVectors; ++v) spill16(words[v], sums + channel + 16 * v);
}

static inline void sum1(const PixelWindow* w, int64_t channel, uint8_t flip, int32_t* sums) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < w->rows; ++i) {
    const uint8_t* pixel = w->first + i * w->row_stride + channel;
    for (int64_t j = 0; j < w->columns; ++j, pixel += w->column_stride) {
      sum += (uint32_t)(*pixel ^ flip);
    }
  }
  sums[channel] = (int32_t)sum;
}

// --- results ---

// Sums of 8 channels; those behind the last are 0.
static inline __m256i load_sums8(const int32_t* sums, int64_t count) {
  if (count >= 8) return _mm256_loadu_si256((const __m256i*)sums);
  int32_t part[8] = {};
  memcpy(part, sums, (size_t)count * sizeof(part[0]));
  return _mm256_loadu_si256((const __m256i*)part);
}

// The low bytes of 8 numbers.
static inline __m128i low_bytes8(__m256i x) {
  const __m256i bytes = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                         -1, 0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                                         -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(x, bytes);
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

}  // namespace

void pool_s8_avx2_maximum(const PixelWindow* window, int64_t channels, int32_t is_signed,
                          uint8_t* out) {
  if (is_signed) {
    maximum<true>(window, channels, out);
  } else {
    maximum<false>(window, channels, out);
  }
}

void pool_s8_avx2_sum(const PixelWindow* window, int64_t channels, uint8_t flip, int32_t* sums) {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) sum_channels<4>(window, c, flip, sums);
  for (; c + 16 <= channels; c += 16) sum_channels<1>(window, c, flip, sums);
  if (c == channels) return;
  if (channels >= 16) return sum_channels<1>(window, channels - 16, flip, sums);
  for (; c < channels; ++c) sum1(window, c, flip, sums);
}

void pool_s8_avx2_divide(const int32_t* sums, int64_t channels, int32_t offset, int32_t count,
                         uint8_t* out) {
  const __m256i offsets = _mm256_set1_epi32(offset), half = _mm256_set1_epi32(count / 2);
  const __m256 divisor = _mm256_set1_ps((float)count);
  for (int64_t c = 0; c < channels; c += 8) {
    const __m256i total = _mm256_add_epi32(load_sums8(sums + c, channels - c), offsets);
    const __m256i magnitude = _mm256_add_epi32(_mm256_abs_epi32(total), half);
    const __m256 quotient = _mm256_div_ps(_mm256_cvtepi32_ps(magnitude), divisor);
    const __m256i result = _mm256_sign_epi32(_mm256_cvttps_epi32(quotient), total);
    const int64_t left = channels - c;
    store_codes8(low_bytes8(result), (int8_t*)out + c, left < 8 ? (int)left : 8);
  }
}

void pool_s8_avx2_requantize(const int32_t* sums, int64_t channels, int32_t offset,
                             const RequantView* requant, uint8_t* out) {
  const Requant8 r = load_requant8(requant, 0);
  const __m256i offsets = _mm256_set1_epi32(offset);
  for (int64_t c = 0; c < channels; c += 8) {
    const __m256i total = _mm256_add_epi32(load_sums8(sums + c, channels - c), offsets);
    const __m128i codes = to_codes8(requantize8(total, &r), requant, 0);
    const int64_t left = channels - c;
    store_codes8(codes, (int8_t*)out + c, left < 8 ? (int)left : 8);
  }
}

}  // namespace intact
