// Convolutions of 3x3 by minimal filtering (Winograd 1980, Lavin and Gray 2016), in integers.
//
// F(m, 3) gives m outputs y of a 3-tap filter g over n = m + 2 inputs d from n products:
//   y = A^T [(G g) * (B^T d)],                       in 2-D  Y = A^T [(G g G^T) * (B^T d B)] A.
// Textbook matrices for the points 0, 1, -1, 2, -2, infinity have fractions in G. Multiplying row i
// of G by s_i and column i of A^T by 24 / s_i leaves integers, and 24 y instead of y. Rows of A^T
// may have a common power of two, which is divided out. For m = 4, with f_i y_i in row i:
//
//   B^T = 4  0 -5  0  1  0    G = 6  0  0    A^T = 1  4  4  1  1  0   f = 24
//         0 -4 -4  1  1  0       -1 -1 -1          0  2 -2  1 -1  0       12
//         0  4 -4 -1  1  0       -1  1 -1          0  1  1  1  1  0        6
//         0 -2 -1  2  1  0        1  2  4          0  1 -1  2 -2  1        6
//         0  2 -1 -2  1  0        1 -2  4
//         0  4  0 -5  0  1        0  0  6
//
// and for m = 2, points 0, 1, -1, infinity:
//
//   B^T = 1  0 -1  0          G = 2  0  0    A^T = 1  1  1  0         f = 2
//         0  1  1  0              1  1  1          0  1 -1 -1             2
//         0 -1  1  0              1 -1  1
//         0  1  0 -1              0  0  2
//
// Bounds. d = x - zero_point is in -255 .. 255 and a row of B^T sums to at most 10 in absolute
// value: transformed inputs are within 100 * 255 = 25,500. A row of G sums to at most 7:
// transformed weights are within 49 * 128 = 6,272. Both are int16, and two products, at most 3.2e8,
// int32.
//
// Exactness. Everything after that is computed modulo 2^32. The result is f_i f_j acc (mod 2^32)
// with f_i f_j = 9 * 2^k for m = 4, and 2^k, k = 2, for m = 2. The inverse of 9 modulo 2^32 takes
// the 9 away; what is left, 2^k acc, is in int32, so that an arithmetic shift by k gives acc
// itself, if
//   -2^(31 - k) <= acc < 2^(31 - k),   k <= 6.
// Sums of an output channel lie in an interval of width 255 sum |w|. Taking its middle away from
// all of them (`center`, which requantization's offset gives back) leaves
// |acc| <= 255 sum |w| / 2 + 1: the bound becomes 255 sum |w| < 2^26 for m = 4 and 2^30 for m = 2.
// It is checked for each channel when weights are packed.
//
// Constants enter at one place. Rows of B^T other than row 1 sum to 0, and row 1 to -6 (m = 4) or 2
// (m = 2): the zero point changes position (1, 1) alone. Likewise a constant c in all outputs is
// 36 c (m = 4) or 4 c (m = 2) at position (1, 1) of the products.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "kernels/requantize/requantize.h"

namespace intact {

constexpr int kWinogradPositions = 36;  // n^2 at most

// B^T d B of one tile, for all channels. `pixels` points to the codes of the n^2 pixels, row by
// row; a pixel in the padding to codes that are the zero point. Position p of channel c goes to
// out[p * position_stride + c]; channels are filled up with anything to a multiple of
// kWinogradChannels, which out has room for.
constexpr int kWinogradChannels = 16;
using WinogradInputFunction = void (*)(const uint8_t* const* pixels, int channels,
                                       int32_t zero_point, int16_t* out,
                                       ptrdiff_t position_stride);

// Where the m x m outputs of a tile go: the first `rows` and `columns` of them exist.
struct WinogradTile {
  int8_t* out;  // channel 0 of the first
  int32_t rows;
  int32_t columns;
};

// Sums of products by position and tile, as the products of matrices left them.
struct WinogradSums {
  const int32_t* data;  // data[p * position_stride + tile * tile_stride + channel]
  ptrdiff_t position_stride;
  ptrdiff_t tile_stride;
  const int32_t* center;  // of each channel, times 36 or 4; to be subtracted at position (1, 1)
};

// A^T M A and requantization for `channels` channels, whose first is channel `first` of `out`.
using WinogradOutputFunction = void (*)(const WinogradSums* sums, const RequantView* requant,
                                        const WinogradTile* tiles, int count, int first,
                                        int channels, ptrdiff_t row_stride,
                                        ptrdiff_t pixel_stride);

struct WinogradKernel {
  Isa isa;
  const char* name;
  int outputs;  // m
  WinogradInputFunction input_signed;
  WinogradInputFunction input_unsigned;
  WinogradOutputFunction output;
};

#define WINOGRAD(isa, table) extern const WinogradKernel table[2];
#include "kernels/winograd/kernels.inc"
#undef WINOGRAD

// The best kernel up to this level for m = 2 or 4; nullptr if there is none.
const WinogradKernel* pick_winograd(Isa best, int outputs);

// G g G^T of one 3x3 filter whose taps are `tap_stride` apart, for m = 2 or 4: n^2 numbers.
void winograd_filter(int outputs, const int8_t* weight, ptrdiff_t tap_stride, int16_t* out);

}  // namespace intact
