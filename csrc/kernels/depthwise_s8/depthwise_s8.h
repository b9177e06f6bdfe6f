// Depthwise convolutions of 8-bit codes, one row of outputs at a time, requantized in registers
// (arithmetic.md, eq. 21 and 15).
//
// Channels are the lanes of vectors. A kernel multiplies `group` taps of a lane at once, so that
// bytes of several rows (or columns) are interleaved first; a vector of interleaved codes serves
// all outputs that it is a tap of. Interleaving works within 128 bits, which gives lanes an order
// of their own (see lane_channel); packing the codes undoes it.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "kernels/requantize/requantize.h"

namespace intact {

// Which taps share a lane, and in which order the groups come.
enum class DepthwiseOrder {
  kColumns,      // for each `group` rows, for each column: taps of that column
  kPairs3x3,     // stride 1: rows 0 and 1 of each column; then, of row 2, columns (0, 1), (-, 2)
  kPairs3x3By2,  // stride 2: ... (-, 0), (1, 2)
};

// A block of channels that are computed together.
struct DepthwisePanel {
  int32_t channel;        // first
  int32_t width;          // channels; more than there are only if there is a single panel
  const int8_t* taps;     // (groups, lanes) of `group` int8_t or int16_t
  int32_t pairs_fit;      // 1: no tap is -128, so that two products add up within int16_t
  const int32_t* offset;  // (lanes) where accumulators begin
  // codes - centre = clamp(rint(float(acc) * scale + bias)), (lanes); or, where scale is null, what
  // `exact` says, also in the order of lanes. centre is 128 for uint8_t and 0 for int8_t codes.
  const float* scale;
  const float* bias;
  RequantView exact;
  const int8_t* qmin;  // (channels), less the centre
  const int8_t* qmax;
};

// A row of outputs. Rows of the input have `width` pixels of `channels` bytes; rows[i] is that of
// row i of the kernel, or one of zero points, and the last is repeated to whole groups.
struct DepthwiseRow {
  const uint8_t* const* rows;
  uint8_t* out;
  void* scratch;
  const DepthwisePanel* panels;
  int32_t panel_count;
  int32_t channels;
  int32_t width;
  int32_t out_width;
  int32_t kernel[2];
  int32_t stride;    // of columns
  int32_t dilation;  // of columns
  int32_t padding;   // on the left
  int32_t tile;      // outputs between which scratch is used again
  int32_t zero_point;
  int32_t input_signed;     // 0 or 1
  int32_t output_unsigned;  // 0 or 1
};

struct DepthwiseKernel {
  Isa isa;
  const char* name;
  int32_t kernel[2];       // rows and columns; 0: any
  int32_t stride;          // of columns; 0: any stride and dilation, else dilation 1
  int32_t panel;           // most channels of a panel: 64, 32 or 16, and smaller ones are allowed
  int32_t group;           // taps of a lane
  int32_t tap;             // bytes of a tap
  int32_t signed_shift;    // what is added to int8_t codes
  int32_t unsigned_shift;  // to uint8_t codes
  DepthwiseOrder order;
  // Bytes of scratch for each group of rows and column of a tile; 0: it needs none.
  int32_t column_bytes;
  void (*run)(const DepthwiseRow* row);
};

// Channel of a panel, of `width`, in lane `lane`, if `group` codes of a channel are interleaved.
constexpr int32_t lane_channel(int32_t lane, int32_t width, int32_t group) {
  const int32_t in_block = 4 * group;  // channels of 128 bits of codes
  const int32_t blocks = width / in_block;
  return lane / 4 % blocks * in_block + lane / 4 / blocks * 4 + lane % 4;
}

#define DEPTHWISE_S8(isa, name, rows, columns, stride, panel, group, tap, signed_shift, \
                     unsigned_shift, order, bytes)                                      \
  void name(const DepthwiseRow* row);
#include "kernels/depthwise_s8/kernels.inc"
#undef DEPTHWISE_S8

// The best kernel up to this level; nullptr if there is none.
const DepthwiseKernel* pick_depthwise_s8(Isa best, const int (&kernel)[2], int stride,
                                         int dilation);

}  // namespace intact
