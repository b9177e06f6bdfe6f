// The transforms, for vectors of any length. Included by files compiled for one instruction set,
// which give it as a class:
//   U16, U32, S32      vectors of kLanes16 and kLanes32 lanes
//   widen_*            as many codes as there are lanes of 16 bits, the first `count` of them read
//   store16            stores a vector of 16 bits: channels up to the next kWinogradChannels
//   Requant            the constants of kLanes32 channels; store() requantizes a row of outputs
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/winograd/winograd.h"

namespace intact {
namespace {

// y = B^T d. All lanes wrap around.
template <typename V>
static inline void transform_input(const V (&d)[6], V (&y)[6]) {
  const V even = d[4] - d[2];
  const V odd = d[3] - d[1];
  const V odd2 = odd + odd;
  const V sum = d[4] - (d[2] << 2);
  const V rest = d[3] - (d[1] << 2);
  y[0] = ((d[0] - d[2]) << 2) + even;
  y[1] = sum + rest;
  y[2] = sum - rest;
  y[3] = even + odd2;
  y[4] = even - odd2;
  y[5] = d[5] - d[3] - (odd2 << 1);
}

template <typename V>
static inline void transform_input(const V (&d)[4], V (&y)[4]) {
  y[0] = d[0] - d[2];
  y[1] = d[1] + d[2];
  y[2] = d[2] - d[1];
  y[3] = d[1] - d[3];
}

// y = A^T m.
template <typename V>
static inline void transform_output(const V (&m)[6], V (&y)[4]) {
  const V sum1 = m[1] + m[2];
  const V difference1 = m[1] - m[2];
  const V sum2 = m[3] + m[4];
  const V difference2 = m[3] - m[4];
  y[0] = m[0] + (sum1 << 2) + sum2;
  y[1] = difference1 + difference1 + difference2;
  y[2] = sum1 + sum2;
  y[3] = difference1 + difference2 + difference2 + m[5];
}

template <typename V>
static inline void transform_output(const V (&m)[4], V (&y)[2]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

template <typename Vectors, int kOutputs, bool kUnsigned>
static void input_tile(const uint8_t* const* pixels, int channels, int32_t zero_point, int16_t* out,
                       ptrdiff_t position_stride) {
  using U16 = typename Vectors::U16;
  constexpr int n = kOutputs + 2;
  const int scale = kOutputs == 4 ? 36 : 4;
  const U16 offset = U16{} + (uint16_t)(scale * zero_point);
  for (int c = 0; c < channels; c += Vectors::kLanes16) {
    const int count = channels - c;
    U16 half[n][n];
#pragma GCC unroll 6
    for (int j = 0; j < n; ++j) {
      U16 column[n], y[n];
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) {
        const uint8_t* codes = pixels[n * i + j] + c;
        column[i] =
            kUnsigned ? Vectors::widen_unsigned(codes, count) : Vectors::widen_signed(codes, count);
      }
      transform_input(column, y);
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) half[i][j] = y[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < n; ++i) {
      U16 y[n];
      transform_input(half[i], y);
      if (i == 1) y[1] -= offset;
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) {
        Vectors::store16(out + (n * i + j) * position_stride + c, y[j], count);
      }
    }
  }
}

// 2^-k f for f_i f_j = 9 2^k or 2^k.
constexpr int kExponents[4] = {3, 2, 1, 1};
constexpr uint32_t kInverseOf9 = 0x38E38E39;

template <int kOutputs, typename Vectors>
static inline typename Vectors::S32 exact_quotient(typename Vectors::U32 y, int i, int j) {
  if (kOutputs == 2) return (typename Vectors::S32)y >> 2;
  return (typename Vectors::S32)(y * kInverseOf9) >> (kExponents[i] + kExponents[j]);
}

template <typename Vectors, int kOutputs, RequantKind kKind>
static inline void output_tiles_of(const WinogradSums* sums, const RequantView* requant,
                                   const WinogradTile* tiles, int count, int first, int channels,
                                   ptrdiff_t row_stride, ptrdiff_t pixel_stride) {
  using U32 = typename Vectors::U32;
  using S32 = typename Vectors::S32;
  constexpr int n = kOutputs + 2;
  for (int c = 0; c < channels; c += Vectors::kLanes32) {
    const typename Vectors::template Requant<kKind> constants(requant, first + c);
    U32 center;
    memcpy(&center, sums->center + first + c, sizeof(center));
    for (int t = 0; t < count; ++t) {
      const int32_t* data = sums->data + t * sums->tile_stride + c;
      U32 half[kOutputs][n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) {
        U32 column[n], y[kOutputs];
#pragma GCC unroll 6
        for (int i = 0; i < n; ++i) {
          memcpy(&column[i], data + (n * i + j) * sums->position_stride, sizeof(U32));
        }
        if (j == 1) column[1] -= center;
        transform_output(column, y);
#pragma GCC unroll 4
        for (int i = 0; i < kOutputs; ++i) half[i][j] = y[i];
      }
      const WinogradTile tile = tiles[t];
#pragma GCC unroll 4
      for (int i = 0; i < kOutputs; ++i) {
        if (i >= tile.rows) break;
        U32 y[kOutputs];
        S32 results[kOutputs];
        transform_output(half[i], y);
#pragma GCC unroll 4
        for (int j = 0; j < kOutputs; ++j) {
          results[j] = exact_quotient<kOutputs, Vectors>(y[j], i, j);
        }
        constants.store(results, tile.columns, tile.out + i * row_stride + first + c, pixel_stride,
                        channels - c);
      }
    }
  }
}

template <typename Vectors, int kOutputs>
static void output_tiles(const WinogradSums* sums, const RequantView* requant,
                         const WinogradTile* tiles, int count, int first, int channels,
                         ptrdiff_t row_stride, ptrdiff_t pixel_stride) {
  switch (requant->kind) {
    case RequantKind::kNoneBelowZero:
      return output_tiles_of<Vectors, kOutputs, RequantKind::kNoneBelowZero>(
          sums, requant, tiles, count, first, channels, row_stride, pixel_stride);
    case RequantKind::kRightShifts:
      return output_tiles_of<Vectors, kOutputs, RequantKind::kRightShifts>(
          sums, requant, tiles, count, first, channels, row_stride, pixel_stride);
    case RequantKind::kAnyShift:
      return output_tiles_of<Vectors, kOutputs, RequantKind::kAnyShift>(
          sums, requant, tiles, count, first, channels, row_stride, pixel_stride);
  }
}

}  // namespace
}  // namespace intact
