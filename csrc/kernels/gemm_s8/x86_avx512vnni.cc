// vpdpbusd multiplies unsigned by signed bytes: signed codes are packed as x + 128, and the
// requantization's offset takes 128 times the sum of the weights away again.
#include <string.h>

#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/requantize/x86_avx512.h"

namespace intact {
namespace {

struct Args {
  const uint8_t* a;
  const int32_t* row_sum;
  uint8_t* out;
};

template <int kRows, int kVectors>
static inline void store_codes(__m512i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                               const Args& args) {
  for (int v = 0; v < kVectors; ++v) {
    const Requant16 constants = load_requant16(tile->requant, 16 * v);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) acc[r][v] = requantize16(acc[r][v], &constants);
  }
  const int64_t stride = tile->out_stride;
  if (kVectors == 4 && tile->columns == 64) {
    for (int r = 0; r < kRows; ++r) {
      _mm512_storeu_si512(args.out + r * stride,
                          to_codes64(acc[r][0], acc[r][1 % kVectors], acc[r][2 % kVectors],
                                     acc[r][3 % kVectors], tile->requant, 0));
    }
    return;
  }
  for (int v = 0; v < kVectors; ++v) {
    const __mmask16 lanes = first_lanes16(tile->columns - 16 * v);
    for (int r = 0; r < kRows; ++r) {
      _mm_mask_storeu_epi8(args.out + r * stride + 16 * v, lanes,
                           to_codes16(acc[r][v], tile->requant, 16 * v));
    }
  }
}

template <int kRows, int kVectors>
static inline void store_accumulators(__m512i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                                      const Args& args) {
  int32_t* out = (int32_t*)args.out;
  for (int v = 0; v < kVectors; ++v) {
    const __mmask16 lanes = first_lanes16(tile->columns - 16 * v);
    for (int r = 0; r < kRows; ++r) {
      _mm512_mask_storeu_epi32(out + r * tile->out_stride + 16 * v, lanes, acc[r][v]);
    }
  }
}

template <int kRows, int kVectors>
static void multiply(const GemmS8Tile* tile, const Args& args) {
  __m512i acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_setzero_si512();
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
    for (int r = 0; r < kRows; ++r) {
      const __m512i sum = _mm512_set1_epi32(args.row_sum[r]);
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm512_add_epi32(acc[r][v], sum);
    }
  }
  if (tile->requant != nullptr) {
    store_codes<kRows, kVectors>(acc, tile, args);
  } else {
    store_accumulators<kRows, kVectors>(acc, tile, args);
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
    const __mmask64 lanes = ((__mmask64)1 << (count - i)) - 1;
    _mm512_storeu_si512(out + i,
                        _mm512_xor_si512(_mm512_maskz_loadu_epi8(lanes, codes + i), flip));
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
