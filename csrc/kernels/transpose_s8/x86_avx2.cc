#include <immintrin.h>

#include "kernels/transpose_s8/transpose_s8.h"

namespace intact {
namespace {

constexpr int64_t kBlock = 16;

static inline __m128i load16(const uint8_t* x) { return _mm_loadu_si128((const __m128i*)x); }

static inline void store16(uint8_t* y, __m128i bytes) { _mm_storeu_si128((__m128i*)y, bytes); }

// One of four steps: interleaves rows i and i + 8. After all, row and column have changed places:
// each step moves the highest bit of a byte's row into its column, and that one's out of it.
static inline void interleave(const __m128i (&in)[16], __m128i (&out)[16]) {
  for (int i = 0; i < 8; ++i) {
    out[2 * i] = _mm_unpacklo_epi8(in[i], in[i + 8]);
    out[2 * i + 1] = _mm_unpackhi_epi8(in[i], in[i + 8]);
  }
}

static inline void transpose16x16(const uint8_t* x, int64_t stride, uint8_t* y, int64_t y_stride) {
  __m128i a[16], b[16];
  for (int i = 0; i < 16; ++i) a[i] = load16(x + i * stride);
  interleave(a, b);
  interleave(b, a);
  interleave(a, b);
  interleave(b, a);
  for (int i = 0; i < 16; ++i) store16(y + i * y_stride, a[i]);
}

static inline void transpose1(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns,
                              uint8_t* y) {
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) *y++ = x[i * stride + j];
  }
}

// Where byte 16 `part` + i of interleaved planes is that of plane `plane`: the pixel, else -1.
static inline __m128i planes3(int part, int plane) {
  int8_t pixel[16];
  for (int i = 0; i < 16; ++i) {
    const int at = 16 * part + i;
    pixel[i] = (int8_t)(at % 3 == plane ? at / 3 : -1);
  }
  return load16((const uint8_t*)pixel);
}

// Three planes, as of images: 16 pixels at a time.
static inline void interleave3(const uint8_t* x, int64_t stride, int64_t columns, uint8_t* y) {
  __m128i order[3][3];
  for (int part = 0; part < 3; ++part) {
    for (int plane = 0; plane < 3; ++plane) order[part][plane] = planes3(part, plane);
  }
  int64_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    const __m128i r = load16(x + j), g = load16(x + stride + j), b = load16(x + 2 * stride + j);
    for (int part = 0; part < 3; ++part) {
      const __m128i rg = _mm_or_si128(_mm_shuffle_epi8(r, order[part][0]),
                                      _mm_shuffle_epi8(g, order[part][1]));
      store16(y + 3 * j + 16 * part, _mm_or_si128(rg, _mm_shuffle_epi8(b, order[part][2])));
    }
  }
  transpose1(x + j, stride, 3, columns - j, y + 3 * j);
}

// Two planes, as where channels are shuffled.
static inline void interleave2(const uint8_t* x, int64_t stride, int64_t columns, uint8_t* y) {
  int64_t j = 0;
  for (; j + 16 <= columns; j += 16) {
    const __m128i a = load16(x + j), b = load16(x + stride + j);
    store16(y + 2 * j, _mm_unpacklo_epi8(a, b));
    store16(y + 2 * j + 16, _mm_unpackhi_epi8(a, b));
  }
  transpose1(x + j, stride, 2, columns - j, y + 2 * j);
}

// The beginning of a block, moved back where it would reach beyond the end.
static inline int64_t block_at(int64_t i, int64_t size) {
  return i + kBlock <= size ? i : size - kBlock;
}

}  // namespace

void transpose_s8_avx2(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns,
                       uint8_t* y) {
  if (rows == 2) return interleave2(x, stride, columns, y);
  if (rows == 3) return interleave3(x, stride, columns, y);
  if (rows < kBlock || columns < kBlock) return transpose1(x, stride, rows, columns, y);
  for (int64_t j = 0; j < columns; j += kBlock) {
    const int64_t column = block_at(j, columns);
    for (int64_t i = 0; i < rows; i += kBlock) {
      const int64_t row = block_at(i, rows);
      transpose16x16(x + row * stride + column, stride, y + column * rows + row, rows);
    }
  }
}

}  // namespace intact
