// Products of signed bytes in tiles of up to 16 columns, which a group's type adds up: what the
// kernels for ARM share.
//
// Group::add<kRows, kVectors, kPairsFit>(acc, a, stride, groups, b) adds the products of `groups`
// groups of kRows rows, `stride` bytes apart, with 4 kVectors columns, and returns the end of b.
// Group::kMostRows is how many rows' accumulators and operands fit the registers: 4 or 6.
#pragma once

#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/requantize/arm_neon.h"

namespace intact {
namespace {

struct Args {
  const int8_t* a;
  const int32_t* row_sum;
  uint8_t* out;
};

template <int kRows, int kVectors, RequantKind kKind>
static inline void store_codes(int32x4_t (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                               const Args& args) {
  const RequantView* requant = tile->requant;
#pragma GCC unroll 6
  for (int v = 0; v < kVectors; ++v) {
    const Requant4 constants = load_requant4(requant, 4 * v);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) acc[r][v] = rescale4<kKind>(acc[r][v], constants);
  }
  const int16x8_t zero_point = zero_points(requant);
  const int8x16_t low = vld1q_s8(requant->qmin), high = vld1q_s8(requant->qmax);
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    // Of 8 columns, the codes are there twice.
    const Words16 words =
        to_words16(acc[r][0], acc[r][1], acc[r][2 % kVectors], acc[r][3 % kVectors], zero_point);
    store_part16(args.out + r * tile->out_stride, to_codes16(words, low, high, requant),
                 tile->columns);
  }
}

template <int kRows, int kVectors>
static inline void store_accumulators(int32x4_t (&acc)[kRows][kVectors], const GemmS8Tile* tile,
                                      const Args& args) {
  int32_t* out = (int32_t*)args.out;
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    int32_t lanes[4 * kVectors];
#pragma GCC unroll 6
    for (int v = 0; v < kVectors; ++v) vst1q_s32(lanes + 4 * v, acc[r][v]);
    memcpy(out + r * tile->out_stride, lanes, 4 * (size_t)tile->columns);
  }
}

template <typename Group, int kRows, int kVectors, bool kPairsFit>
static void multiply(const GemmS8Tile* tile, const Args& args) {
  int32x4_t acc[kRows][kVectors];
#pragma GCC unroll 6
  for (int v = 0; v < kVectors; ++v) {
    const int32x4_t offset =
        tile->requant == nullptr ? vdupq_n_s32(0) : vld1q_s32(tile->requant->offset + 4 * v);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) acc[r][v] = offset;
  }
  const int8_t* b = tile->b;
  for (int32_t segment = 0; segment < tile->segments; ++segment) {
    b = Group::template add<kRows, kVectors, kPairsFit>(
        acc, args.a + segment * tile->segment_stride, tile->a_stride, tile->groups, b);
  }
  if (args.row_sum != nullptr) {
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const int32x4_t sum = vdupq_n_s32(args.row_sum[r]);
#pragma GCC unroll 6
      for (int v = 0; v < kVectors; ++v) acc[r][v] = vaddq_s32(acc[r][v], sum);
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

template <typename Group, int kVectors, bool kPairsFit>
static void run_rows(const GemmS8Tile* tile) {
  Args args = {(const int8_t*)tile->a, tile->row_sum, (uint8_t*)tile->out};
  constexpr int kMostRows = Group::kMostRows;
  const int64_t element = tile->requant != nullptr ? 1 : 4;
  int32_t left = tile->rows;
  while (left > 0) {
    int done;
    if (left >= kMostRows) {
      multiply<Group, kMostRows, kVectors, kPairsFit>(tile, args), done = kMostRows;
    } else if (kMostRows > 4 && left >= 4) {
      multiply<Group, 4, kVectors, kPairsFit>(tile, args), done = 4;
    } else if (left >= 2) {
      multiply<Group, 2, kVectors, kPairsFit>(tile, args), done = 2;
    } else {
      multiply<Group, 1, kVectors, kPairsFit>(tile, args), done = 1;
    }
    left -= done;
    args.a += done * tile->a_stride;
    args.out += done * tile->out_stride * element;
    if (args.row_sum != nullptr) args.row_sum += done;
  }
}

// Signed codes stay, unsigned ones become signed.
static inline void pack_codes(const uint8_t* codes, int64_t count, int32_t is_signed, void* a) {
  if (is_signed != 0) {
    memcpy(a, codes, (size_t)count);
    return;
  }
  uint8_t* out = (uint8_t*)a;
  const uint8x16_t flips = vdupq_n_u8(0x80);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) vst1q_u8(out + i, veorq_u8(vld1q_u8(codes + i), flips));
  for (; i < count; ++i) out[i] = codes[i] ^ 0x80;
}

// Sums of 8 columns.
struct Sums8 {
  int32x4_t low, high;

  inline void add(int16x8_t words) {
    low = vaddw_s16(low, vget_low_s16(words));
    high = vaddw_high_s16(high, words);
  }
};

// The first `count` codes of a row, made signed; then zeros.
static inline int8x8_t load_signed8(const uint8_t* row, int count, uint8_t flip) {
  if (count >= 8) return vreinterpret_s8_u8(veor_u8(vld1_u8(row), vdup_n_u8(flip)));
  uint8_t bytes[8];
  memset(bytes, flip, 8);
  memcpy(bytes, row, (size_t)count);
  return vreinterpret_s8_u8(veor_u8(vld1_u8(bytes), vdup_n_u8(flip)));
}

static inline void store_group(int8_t* target, const int8x8_t (&rows)[2]) {
  const int8x8x2_t both = {{rows[0], rows[1]}};
  vst2_s8(target, both);
}

static inline void store_group(int8_t* target, const int8x8_t (&rows)[4]) {
  const int8x8x4_t all = {{rows[0], rows[1], rows[2], rows[3]}};
  vst4_s8(target, all);
}

template <int kGroup>
static inline void pack_panel(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns,
                              uint8_t flip, int8_t* packed, int32_t* sums) {
  const int64_t step = (int64_t)(columns + 7) / 8 * (8 * kGroup);
  for (int32_t first = 0; first < columns; first += 8, packed += 8 * kGroup) {
    const int count = columns - first < 8 ? columns - first : 8;
    Sums8 total = {vdupq_n_s32(0), vdupq_n_s32(0)};
    int8_t* target = packed;
    for (int32_t k = 0; k < depth; k += kGroup, target += step) {
      int8x8_t rows[kGroup];
#pragma GCC unroll 6
      for (int i = 0; i < kGroup; ++i) {
        rows[i] =
            k + i < depth ? load_signed8(b + (k + i) * stride + first, count, flip) : vdup_n_s8(0);
        total.add(vmovl_s8(rows[i]));
      }
      store_group(target, rows);
    }
    int32_t lanes[8];
    vst1q_s32(lanes, total.low);
    vst1q_s32(lanes + 4, total.high);
    memcpy(sums + first, lanes, 4 * (size_t)count);
  }
}

}  // namespace
}  // namespace intact
