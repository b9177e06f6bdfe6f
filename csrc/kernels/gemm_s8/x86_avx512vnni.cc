// vpdpbusd multiplies unsigned by signed bytes: signed codes are packed as x + 128, and the
// requantization's offset takes 128 times the sum of the weights away again.
#include <string.h>

#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/requantize/x86_avx512.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

struct Args {
  const uint8_t* a;
  const int32_t* row_sum;
  uint8_t* out;
};

// Limits of 64 / kTimes channels, kTimes times.
template <int kTimes>
static inline __m512i repeat(const int8_t* codes) {
  const __m512i all = _mm512_loadu_si512(codes);
  if (kTimes == 4) return _mm512_broadcast_i32x4(_mm512_castsi512_si128(all));
  if (kTimes == 2) return _mm512_broadcast_i64x4(_mm512_castsi512_si256(all));
  return all;
}

// The first `columns` of the lowest kBytes codes.
template <int kBytes>
static inline void store_part(uint8_t* out, __m512i codes, int columns) {
  if (columns < kBytes) {
    _mm512_mask_storeu_epi8(out, first_lanes64(columns), codes);
  } else if (kBytes == 64) {
    _mm512_storeu_si512(out, codes);
  } else if (kBytes == 32) {
    _mm256_storeu_si256((__m256i*)out, _mm512_castsi512_si256(codes));
  } else {
    _mm_storeu_si128((__m128i*)out, _mm512_castsi512_si128(codes));
  }
}

template <int kRows, int kVectors, RequantKind kKind>
static inline void store_codes(__m512i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                               const Args& args) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    if (tile->requant->in_float != nullptr && tile->requant->in_float[v] != 0) {
      const __m512 scale = _mm512_loadu_ps(tile->requant->scale + 16 * v);
      const __m512 bias = _mm512_loadu_ps(tile->requant->bias + 16 * v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) acc[r][v] = step16(acc[r][v], scale, bias);
      continue;
    }
    const Requant16 constants = load_requant16(tile->requant, 16 * v);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) acc[r][v] = rescale16<kKind>(acc[r][v], &constants);
  }
  // Codes of four vectors are made at once: of one row, or of 2 or 4.
  constexpr int kTogether = kVectors == 1 ? 4 : kVectors == 2 ? 2 : 1;
  const RequantView* requant = tile->requant;
  const __m512i low = repeat<kTogether>(requant->qmin), high = repeat<kTogether>(requant->qmax);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r += kTogether) {
    const auto part = [&acc, r](int i) {
      const int row = r + i / kVectors, v = i % kVectors;
      return kVectors == 3 && i == 3 ? acc[r][2 % kVectors] : acc[row < kRows ? row : r][v];
    };
    const __m512i codes = to_codes64<kKind>(part(0), part(1), part(2), part(3), low, high, requant);
    uint8_t* out = args.out + r * tile->out_stride;
    store_part<64 / kTogether>(out, codes, tile->columns);
    if (kTogether > 1 && r + 1 < kRows) {
      out += tile->out_stride;
      store_part<64 / kTogether>(out, kTogether == 2 ? _mm512_shuffle_i64x2(codes, codes, 0xEE)
                                                     : _mm512_shuffle_i64x2(codes, codes, 0xE5),
                                 tile->columns);
    }
    if (kTogether > 2 && r + 2 < kRows) {
      out += tile->out_stride;
      store_part<64 / kTogether>(out, _mm512_shuffle_i64x2(codes, codes, 0xEE), tile->columns);
    }
    if (kTogether > 2 && r + 3 < kRows) {
      out += tile->out_stride;
      store_part<64 / kTogether>(out, _mm512_shuffle_i64x2(codes, codes, 0xFF), tile->columns);
    }
  }
}

template <int kRows, int kVectors>
static inline void store_accumulators(__m512i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                                      const Args& args) {
  int32_t* out = (int32_t*)args.out;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __mmask16 lanes = first_lanes16(tile->columns - 16 * v);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      _mm512_mask_storeu_epi32(out + r * tile->out_stride + 16 * v, lanes, acc[r][v]);
    }
  }
}

template <int kRows, int kVectors>
static void multiply(const GemmS8Tile* tile, const Args& args) {
  __m512i acc[kRows][kVectors], start[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    start[v] = tile->requant == nullptr ? _mm512_setzero_si512()
                                        : _mm512_loadu_si512(tile->requant->offset + 16 * v);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = start[v];
  }
  const int8_t* b = tile->b;
  const int64_t stride = tile->a_stride;
  for (int32_t segment = 0; segment < tile->segments; ++segment) {
    const uint8_t* a = args.a + segment * tile->segment_stride;
    for (int32_t group = 0; group < tile->groups; ++group) {
      __m512i weights[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) weights[v] = _mm512_load_si512(b + 64 * v);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t quad;
        memcpy(&quad, a + r * stride, 4);
        const __m512i codes = _mm512_set1_epi32(quad);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], codes, weights[v]);
        }
      }
      a += 4;
      b += 64 * kVectors;
    }
  }
  if (args.row_sum != nullptr) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512i sum = _mm512_set1_epi32(args.row_sum[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_add_epi32(acc[r][v], sum);
    }
  }
  if (tile->requant == nullptr) return store_accumulators<kRows, kVectors>(acc, tile, args);
  switch (tile->requant->kind) {
    case RequantKind::kNoneBelowZero:
      return store_codes<kRows, kVectors, RequantKind::kNoneBelowZero>(acc, tile, args);
    case RequantKind::kRightShifts:
      return store_codes<kRows, kVectors, RequantKind::kRightShifts>(acc, tile, args);
    case RequantKind::kAnyShift:
      return store_codes<kRows, kVectors, RequantKind::kAnyShift>(acc, tile, args);
  }
}

// Accumulators fill 24 registers where there are rows enough.
template <int kVectors>
static void run_rows(const GemmS8Tile* tile) {
  constexpr int kMost = kVectors == 4 ? 6 : kVectors == 3 ? 8 : 12;
  Args args = {(const uint8_t*)tile->a, tile->row_sum, (uint8_t*)tile->out};
  const int64_t element = tile->requant != nullptr ? 1 : 4;
  int32_t left = tile->rows;
  while (left > 0) {
    int done;
    if (left >= kMost) {
      multiply<kMost, kVectors>(tile, args), done = kMost;
    } else if (kMost > 8 && left >= 8) {
      multiply<(kMost > 8 ? 8 : 1), kVectors>(tile, args), done = 8;
    } else if (kMost > 6 && left >= 6) {
      multiply<(kMost > 6 ? 6 : 1), kVectors>(tile, args), done = 6;
    } else if (left >= 4) {
      multiply<4, kVectors>(tile, args), done = 4;
    } else if (left >= 2) {
      multiply<2, kVectors>(tile, args), done = 2;
    } else {
      multiply<1, kVectors>(tile, args), done = 1;
    }
    left -= done;
    args.a += done * tile->a_stride;
    args.out += done * tile->out_stride * element;
    if (args.row_sum != nullptr) args.row_sum += done;
  }
}

}  // namespace

void gemm_s8_avx512vnni_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  const __m512i flip = is_signed != 0 ? _mm512_set1_epi8((char)0x80) : _mm512_setzero_si512();
  uint8_t* out = (uint8_t*)a;
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(out + i, _mm512_xor_si512(_mm512_loadu_si512(codes + i), flip));
  }
  if (i < count) {
    const __mmask64 lanes = first_lanes64(count - i);
    _mm512_storeu_si512(out + i,
                        _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, codes + i), flip));
  }
}

void gemm_s8_avx512vnni_pack_panel(const uint8_t* b, int64_t stride, int32_t depth,
                                   int32_t columns, uint8_t flip, int8_t* packed, int32_t* sums) {
  const int64_t step = (int64_t)(columns + 15) / 16 * 64;
  const __m128i flips = _mm_set1_epi8((char)flip), ones = _mm_set1_epi8(1);
  for (int32_t first = 0; first < columns; first += 16, packed += 64) {
    const __mmask16 lanes = first_lanes16(columns - first);
    __m128i total[4];
    for (int i = 0; i < 4; ++i) total[i] = _mm_setzero_si128();
    int8_t* target = packed;
    for (int32_t k = 0; k < depth; k += 4, target += step) {
      __m128i rows[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const uint8_t* row = b + (k + i < depth ? k + i : k) * stride + first;
        const __mmask16 own = k + i < depth ? lanes : 0;
        rows[i] =
            _mm_maskz_mov_epi8(own, _mm_xor_si128(_mm_maskz_loadu_epi8(own, row), flips));
      }
      const __m128i low[2] = {_mm_unpacklo_epi8(rows[0], rows[1]),
                              _mm_unpacklo_epi8(rows[2], rows[3])};
      const __m128i high[2] = {_mm_unpackhi_epi8(rows[0], rows[1]),
                               _mm_unpackhi_epi8(rows[2], rows[3])};
      const __m128i quads[4] = {
          _mm_unpacklo_epi16(low[0], low[1]), _mm_unpackhi_epi16(low[0], low[1]),
          _mm_unpacklo_epi16(high[0], high[1]), _mm_unpackhi_epi16(high[0], high[1])};
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        _mm_store_si128((__m128i*)(target + 16 * i), quads[i]);
        total[i] = _mm_dpbusd_epi32(total[i], ones, quads[i]);
      }
    }
    for (int i = 0; i < 4; ++i) {
      _mm_mask_storeu_epi32(sums + first + 4 * i, (__mmask8)((lanes >> (4 * i)) & 15), total[i]);
    }
  }
}

void gemm_s8_avx512vnni_run(const GemmS8Tile* tile) {
  switch ((tile->columns + 15) / 16) {
    case 1:
      return run_rows<1>(tile);
    case 2:
      return run_rows<2>(tile);
    case 3:
      return run_rows<3>(tile);
    default:
      return run_rows<4>(tile);
  }
}

}  // namespace intact
