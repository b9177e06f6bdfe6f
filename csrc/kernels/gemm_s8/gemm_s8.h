// Products of matrices of 8-bit codes, requantized in registers (arithmetic.md, eq. 16, 20 and 15).
//
// out (rows x columns) = requantize(A (rows x K) B (K x columns)). B is packed once into panels of
// at most `panel` columns; A is packed, block by block, into rows of whole groups of `group`
// elements, as the kernel's element type. A row may consist of segments that lie elsewhere, and
// rows may overlap: so a convolution reads its patches where they are in a packed image.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "kernels/requantize/requantize.h"

namespace intact {

// One call: up to all rows of a block with one panel.
struct GemmS8Tile {
  const void* a;     // packed rows
  int64_t a_stride;  // bytes from row to row
  int32_t rows;
  int32_t groups;  // of a segment; the last may be filled up with anything in A
  int32_t segments;
  int64_t segment_stride;  // bytes from segment to segment of a row
  const int8_t* b;         // packed panel, zeros where K was filled up
  int32_t columns;         // of the panel
  int32_t pairs_fit;       // 1: no weight is -128, so that two products add up within int16_t
  const int32_t* row_sum;  // added to each row's accumulators; null: nothing
  const int32_t* start;    // of kernels for pairs: rows x 16 that are added likewise; may be null
  // 8-bit codes of the panel's columns, through requant (from the panel's first channel on) ...
  const RequantView* requant;
  void* out;
  int64_t out_stride;  // elements from row to row
  // ... or, where requant is null, the accumulators themselves to out as int32_t.
};

struct GemmS8Kernel {
  Isa isa;
  const char* name;
  int32_t panel;           // columns of a whole panel
  int32_t granule;         // a last panel has a multiple of this many columns
  int32_t group;           // elements of K that lie together
  int32_t element;         // bytes of an element of packed A
  int32_t signed_shift;    // what packing adds to int8_t codes
  int32_t unsigned_shift;  // to uint8_t codes; not 0: elements are int8_t
  // Packs `count` codes; is_signed: int8_t, else uint8_t. Reads no more than that, but may write
  // up to 64 bytes more.
  void (*pack)(const uint8_t* codes, int64_t count, int32_t is_signed, void* a);
  // Packs `depth` rows of codes, `stride` bytes apart, as the first `columns` columns of a panel,
  // zeros where it is filled up, and writes the sum of each column of what was packed. `flip` is
  // what makes codes signed: 0, or 0x80 for uint8_t.
  void (*pack_panel)(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns, uint8_t flip,
                     int8_t* packed, int32_t* sums);
  void (*run)(const GemmS8Tile* tile);

  // What packing adds to codes.
  constexpr int32_t shift(bool is_signed) const {
    return is_signed ? signed_shift : unsigned_shift;
  }
};

#define GEMM_S8(isa, name, panel, granule, group, element, signed_shift, unsigned_shift)   \
  void name##_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a);       \
  void name##_pack_panel(const uint8_t* b, int64_t stride, int32_t depth, int32_t columns, \
                         uint8_t flip, int8_t* packed, int32_t* sums);                     \
  void name##_run(const GemmS8Tile* tile);
#include "kernels/gemm_s8/kernels.inc"
#undef GEMM_S8

// The best kernel up to this level; nullptr if there is none.
const GemmS8Kernel* pick_gemm_s8(Isa best);

}  // namespace intact
