// vpmaddubsw saturates sums of two products. One kernel packs codes as int16, widens weights when
// they are loaded, and has vpmaddwd add two exact products; the other relies on weights that were
// packed such that nothing saturates (gemm_pairs.h), for three instructions instead of four.
#include "kernels/requantize/x86_avx2.h"

#include <string.h>

#include "kernels/gemm_s8/gemm_pairs.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {
namespace {

struct Args {
  const uint8_t* a;
  const int32_t* row_sum;
  const int32_t* start;
  uint8_t* out;
};

static inline __m256i limits16(const int8_t* codes) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)codes));
}

template <int kRows, int kVectors, RequantKind kKind>
static inline void store_codes(__m256i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                               const Args& args) {
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    if (tile->requant->in_float != nullptr && tile->requant->in_float[v / 2] != 0) {
      const __m256 scale = _mm256_load_ps(tile->requant->scale + 8 * v);
      const __m256 bias = _mm256_load_ps(tile->requant->bias + 8 * v);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) acc[r][v] = step8(acc[r][v], scale, bias);
      continue;
    }
    const Requant8 constants = load_requant8(tile->requant, 8 * v);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][v] = rescale8<kKind>(acc[r][v], &constants);
  }
  const RequantView* requant = tile->requant;
  const int64_t stride = tile->out_stride;
  if (kVectors == 2 && kRows % 2 == 0 && tile->columns == 16) {
    const __m256i low = limits16(requant->qmin), high = limits16(requant->qmax);
#pragma GCC unroll 8
    for (int r = 0; r + 1 < kRows; r += 2) {
      const __m256i codes = to_codes32<kKind>(acc[r][0], acc[r][1 % kVectors], acc[r + 1][0],
                                              acc[r + 1][1 % kVectors], low, high, requant);
      uint8_t* out = args.out + r * stride;
      _mm_storeu_si128((__m128i*)out, _mm256_castsi256_si128(codes));
      _mm_storeu_si128((__m128i*)(out + stride), _mm256_extracti128_si256(codes, 1));
    }
    return;
  }
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int count = tile->columns - 8 * v;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      store_codes8(to_codes8(acc[r][v], requant, 8 * v), (int8_t*)(args.out + r * stride + 8 * v),
                   count);
    }
  }
}

template <int kRows, int kVectors>
static inline void store_accumulators(__m256i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                                      const Args& args) {
  int32_t* out = (int32_t*)args.out;
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const int count = tile->columns - 8 * v < 8 ? tile->columns - 8 * v : 8;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t lanes[8];
      _mm256_storeu_si256((__m256i*)lanes, acc[r][v]);
      memcpy(out + r * tile->out_stride + 8 * v, lanes, 4 * (size_t)count);
    }
  }
}

// The offsets of the columns, with the excess of the rows where there is any.
template <int kRows, int kVectors>
static inline void start(__m256i (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                         const Args& args) {
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    const __m256i offset = tile->requant == nullptr
                               ? _mm256_setzero_si256()
                               : _mm256_load_si256((const __m256i*)(tile->requant->offset + 8 * v));
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) acc[r][v] = offset;
  }
  if (args.start == nullptr) return;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      const __m256i excess = _mm256_load_si256((const __m256i*)(args.start + 16 * r + 8 * v));
      acc[r][v] = _mm256_add_epi32(acc[r][v], excess);
    }
  }
}

// Codes as int16 by two weights of each column.
struct Words {
  static constexpr int kBytes = 4;     // of a row's group
  static constexpr int kWeights = 16;  // bytes of a group in a vector of columns

  template <int kRows, int kVectors>
  static inline void add(__m256i (&acc)[kRows][kVectors], const uint8_t* a, int64_t stride,
                         const int8_t* b) {
    __m256i weights[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      weights[v] = _mm256_cvtepi8_epi16(_mm_load_si128((const __m128i*)(b + 16 * v)));
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t group;
      memcpy(&group, a + r * stride, 4);
      const __m256i codes = _mm256_set1_epi32(group);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(codes, weights[v]));
      }
    }
  }
};

// Codes as bytes by four weights of each column.
struct Bytes {
  static constexpr int kBytes = 4;
  static constexpr int kWeights = 32;

  template <int kRows, int kVectors>
  static inline void add(__m256i (&acc)[kRows][kVectors], const uint8_t* a, int64_t stride,
                         const int8_t* b) {
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      int32_t group;
      memcpy(&group, a + r * stride, 4);
      const __m256i codes = _mm256_set1_epi32(group);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        const __m256i weights = _mm256_load_si256((const __m256i*)(b + 32 * v));
        const __m256i pairs = _mm256_maddubs_epi16(codes, weights);
        acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(pairs, ones));
      }
      // Weights are operands in memory, read again for each row: there is no register to keep them.
      __asm__ volatile("" ::: "memory");
    }
  }
};

template <typename Group, int kRows, int kVectors>
static void multiply(const GemmS8Tile* tile, const Args& args) {
  __m256i acc[kRows][kVectors];
  start<kRows, kVectors>(acc, tile, args);
  const int8_t* b = tile->b;
  const int64_t stride = tile->a_stride;
  const int32_t groups = tile->groups;
  for (int32_t segment = 0; segment < tile->segments; ++segment) {
    const uint8_t* a = args.a + segment * tile->segment_stride;
    for (int32_t group = 0; group < groups; ++group) {
      Group::add(acc, a, stride, b);
      a += Group::kBytes;
      b += Group::kWeights * kVectors;
    }
  }
  if (args.row_sum != nullptr) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m256i sum = _mm256_set1_epi32(args.row_sum[r]);
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) acc[r][v] = _mm256_add_epi32(acc[r][v], sum);
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

template <typename Group, int kVectors>
static void run_rows(const GemmS8Tile* tile) {
  Args args = {(const uint8_t*)tile->a, tile->row_sum, tile->start, (uint8_t*)tile->out};
  const int64_t element = tile->requant != nullptr ? 1 : 4;
  int32_t left = tile->rows;
  while (left > 0) {
    int done;
    if (left >= 6) {
      multiply<Group, 6, kVectors>(tile, args), done = 6;
    } else if (left >= 4) {
      multiply<Group, 4, kVectors>(tile, args), done = 4;
    } else if (left >= 2) {
      multiply<Group, 2, kVectors>(tile, args), done = 2;
    } else {
      multiply<Group, 1, kVectors>(tile, args), done = 1;
    }
    left -= done;
    args.a += done * tile->a_stride;
    args.out += done * tile->out_stride * element;
    if (args.row_sum != nullptr) args.row_sum += done;
    if (args.start != nullptr) args.start += done * 16;
  }
}

}  // namespace

void gemm_s8_avx2_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  int16_t* out = (int16_t*)a;
  int64_t i = 0;
  if (is_signed != 0) {
    for (; i + 16 <= count; i += 16) {
      const __m128i bytes = _mm_loadu_si128((const __m128i*)(codes + i));
      _mm256_storeu_si256((__m256i*)(out + i), _mm256_cvtepi8_epi16(bytes));
    }
    for (; i < count; ++i) out[i] = (int8_t)codes[i];
  } else {
    for (; i + 16 <= count; i += 16) {
      const __m128i bytes = _mm_loadu_si128((const __m128i*)(codes + i));
      _mm256_storeu_si256((__m256i*)(out + i), _mm256_cvtepu8_epi16(bytes));
    }
    for (; i < count; ++i) out[i] = codes[i];
  }
}

void gemm_s8_avx2_pack_panel(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns,
                             uint8_t flip, int8_t* packed, int32_t* sums) {
  const int64_t step = (int64_t)(columns + 7) / 8 * 16;
  const __m128i flips = _mm_set1_epi8((char)flip);
  const __m256i ones = _mm256_set1_epi16(1);
  for (int32_t first = 0; first < columns; first += 8, packed += 16) {
    const size_t count = (size_t)(columns - first < 8 ? columns - first : 8);
    // Columns that do not exist are the codes of 0.
    const uint64_t empty = 0x0101010101010101ull * flip;
    __m256i total = _mm256_setzero_si256();
    int8_t* target = packed;
    for (int32_t k = 0; k < depth; k += 2, target += step) {
      uint64_t rows[2] = {empty, empty};
      const uint8_t* row = b + k * stride + first;
      if (count == 8) {
        memcpy(&rows[0], row, 8);
        if (k + 1 < depth) memcpy(&rows[1], row + stride, 8);
      } else {
        memcpy(&rows[0], row, count);
        if (k + 1 < depth) memcpy(&rows[1], row + stride, count);
      }
      const __m128i pairs = _mm_xor_si128(_mm_unpacklo_epi8(_mm_cvtsi64_si128((int64_t)rows[0]),
                                                            _mm_cvtsi64_si128((int64_t)rows[1])),
                                          flips);
      _mm_store_si128((__m128i*)target, pairs);
      total = _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_cvtepi8_epi16(pairs), ones));
    }
    int32_t lanes[8];
    _mm256_storeu_si256((__m256i*)lanes, total);
    memcpy(sums + first, lanes, 4 * count);
  }
}

void gemm_s8_avx2_run(const GemmS8Tile* tile) {
  if (tile->columns <= 8) return run_rows<Words, 1>(tile);
  return run_rows<Words, 2>(tile);
}

void gemm_pairs_avx2_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  const uint8_t flip = is_signed != 0 ? 0x80 : 0;
  const __m256i flips = _mm256_set1_epi8((char)flip);
  uint8_t* out = (uint8_t*)a;
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i*)(codes + i));
    _mm256_storeu_si256((__m256i*)(out + i), _mm256_xor_si256(bytes, flips));
  }
  for (; i < count; ++i) out[i] = (uint8_t)(codes[i] ^ flip);
}

void gemm_pairs_avx2_run(const GemmS8Tile* tile) {
  if (tile->columns <= 8) return run_rows<Bytes, 1>(tile);
  return run_rows<Bytes, 2>(tile);
}

}  // namespace intact
