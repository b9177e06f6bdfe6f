#include "kernels/softmax_s8/row.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

struct Table {
  __m512i parts[4];  // 256 bytes
};

static inline Table load_table(const uint8_t* bytes) {
  Table table;
  for (int i = 0; i < 4; ++i) table.parts[i] = _mm512_load_si512(bytes + 64 * i);
  return table;
}

static inline __m512i look_up(const Table& table, __m512i index) {
  const __m512i low = _mm512_permutex2var_epi8(table.parts[0], index, table.parts[1]);
  const __m512i high = _mm512_permutex2var_epi8(table.parts[2], index, table.parts[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high);
}

// 64 codes as unsigned ones, the lowest behind the row's end.
static inline __m512i load_codes(const uint8_t* x, int64_t left, __m512i flip) {
  if (left >= 64) return _mm512_xor_si512(_mm512_loadu_si512(x), flip);
  const __mmask64 lanes = first_lanes64(left);
  return _mm512_maskz_mov_epi8(lanes, _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, x), flip));
}

static inline uint8_t largest_byte(__m512i x) {
  const __m256i half = _mm256_max_epu8(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
  const __m128i bytes =
      _mm_max_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  // The least of 8 words: pairs of complements, of which the high byte is then 0.
  const __m128i rest = _mm_xor_si128(bytes, _mm_set1_epi8(-1));
  const __m128i pairs = _mm_min_epu8(rest, _mm_srli_epi16(rest, 8));
  return (uint8_t)~_mm_cvtsi128_si32(_mm_minpos_epu16(pairs));
}

static inline SoftmaxRow read_row(const uint8_t* x, const SoftmaxView* view, const Table* planes,
                                  __m512i flip) {
  const int64_t length = view->length;
  __m512i most = _mm512_setzero_si512();
  for (int64_t i = 0; i < length; i += 64) {
    most = _mm512_max_epu8(most, load_codes(x + i, length - i, flip));
  }
  const uint8_t largest = largest_byte(most);
  most = _mm512_set1_epi8((char)largest);
  const __m512i zero = _mm512_setzero_si512();
  __m512i sums[3] = {zero, zero, zero};
  for (int64_t i = 0; i < length; i += 64) {
    const __m512i index = _mm512_sub_epi8(most, load_codes(x + i, length - i, flip));
#pragma GCC unroll 3
    for (int p = 0; p < 3; ++p) {
      sums[p] = _mm512_add_epi64(sums[p], _mm512_sad_epu8(look_up(planes[p], index), zero));
    }
  }
  const __m512i sum = _mm512_add_epi64(_mm512_add_epi64(sums[0], _mm512_slli_epi64(sums[1], 8)),
                                       _mm512_slli_epi64(sums[2], 16));
  // The lowest code was counted for each lane behind the end.
  const int64_t behind = (64 - length % 64) % 64;
  const int64_t total = _mm512_reduce_add_epi64(sum) - behind * view->rounded[largest];
  return softmax_row(largest, (uint32_t)total, view->bits);
}

// The codes of 64 differences.
static inline __m512i make_codes(const uint64_t* exponential, const SoftmaxRow& row,
                                 const SoftmaxView* view) {
  const __m512i scale = _mm512_set1_epi64(row.scale), nudge = _mm512_set1_epi64((int64_t)row.nudge);
  const __m128i shift = _mm_cvtsi32_si128(row.shift);
  __m512i dwords[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    __m512i codes[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const __m512i e = _mm512_load_si512(exponential + 8 * (2 * k + i));
      codes[i] = _mm512_srl_epi64(_mm512_add_epi64(_mm512_mul_epu32(e, scale), nudge), shift);
    }
    dwords[k] = _mm512_mask_shuffle_epi32(codes[0], 0xAAAA, codes[1], _MM_PERM_CCAA);
  }
  const __m512i words[2] = {_mm512_packus_epi32(dwords[0], dwords[1]),
                            _mm512_packus_epi32(dwords[2], dwords[3])};
  const __m512i codes = _mm512_min_epu8(_mm512_packus_epi16(words[0], words[1]),
                                        _mm512_set1_epi8((char)(view->qmax - view->qmin)));
  return _mm512_add_epi8(codes, _mm512_set1_epi8((char)view->qmin));
}

static inline void write_row(const uint8_t* x, uint8_t* y, const SoftmaxRow& row,
                             const SoftmaxView* view, __m512i flip) {
  Table table;
  for (int i = 0; i < 4; ++i) {
    table.parts[i] = 64 * i < view->live ? make_codes(view->exponential + 64 * i, row, view)
                                         : _mm512_set1_epi8((char)view->qmin);
  }
  const __m512i most = _mm512_set1_epi8((char)row.largest);
  const int64_t length = view->length;
  int64_t i = 0;
  for (; i + 64 <= length; i += 64) {
    const __m512i index = _mm512_sub_epi8(most, load_codes(x + i, 64, flip));
    _mm512_storeu_si512(y + i, look_up(table, index));
  }
  if (i < length) {
    const __m512i index = _mm512_sub_epi8(most, load_codes(x + i, length - i, flip));
    _mm512_mask_storeu_epi8(y + i, first_lanes64(length - i), look_up(table, index));
  }
}

}  // namespace

void softmax_s8_avx512vbmi(const uint8_t* x, uint8_t* y, int64_t rows, const SoftmaxView* view) {
  const __m512i flip = _mm512_set1_epi8((char)(view->is_unsigned ? 0 : 0x80));
  const Table planes[3] = {load_table(view->planes), load_table(view->planes + 256),
                           load_table(view->planes + 512)};
  const int64_t length = view->length;
  SoftmaxRow together[kRowsTogether];
  for (int64_t first = 0; first < rows; first += kRowsTogether) {
    const int64_t count = rows - first < kRowsTogether ? rows - first : kRowsTogether;
    for (int64_t r = 0; r < count; ++r) {
      together[r] = read_row(x + (first + r) * length, view, planes, flip);
    }
    for (int64_t r = 0; r < count; ++r) {
      write_row(x + (first + r) * length, y + (first + r) * length, together[r], view, flip);
    }
  }
}

}  // namespace intact
