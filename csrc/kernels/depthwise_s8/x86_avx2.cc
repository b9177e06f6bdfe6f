// Codes are widened to 16 bits, and vpmaddwd adds the products of two taps: exact for all codes.
// (vpmaddubsw multiplies bytes, but two products saturate, unless weights are small; and the
// 16-bit sums must be widened by another vpmaddwd before they are added.)
#include "kernels/requantize/x86_avx2.h"

#include "kernels/depthwise_s8/depthwise_s8.h"

namespace intact {
namespace {

// The dwords of 16 channels: two interleaved codes, two taps or an accumulator of each. Channels
// 0 .. 3 and 8 .. 11 are in `low`.
struct Pairs {
  __m256i low, high;
};

static inline Pairs load_pairs(const void* p) {
  return {_mm256_load_si256((const __m256i*)p), _mm256_load_si256((const __m256i*)p + 1)};
}

static inline void store_pairs(void* p, const Pairs& x) {
  _mm256_store_si256((__m256i*)p, x.low);
  _mm256_store_si256((__m256i*)p + 1, x.high);
}

static inline Pairs interleave(__m256i a, __m256i b) {
  return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
}

static inline Pairs multiply_add(const Pairs& acc, const Pairs& x, const void* taps) {
  const __m256i* w = (const __m256i*)taps;
  return {_mm256_add_epi32(acc.low, _mm256_madd_epi16(x.low, _mm256_load_si256(w))),
          _mm256_add_epi32(acc.high, _mm256_madd_epi16(x.high, _mm256_load_si256(w + 1)))};
}

static inline __m256i step(__m256i acc, const float* scale, const float* bias) {
  return _mm256_cvtps_epi32(
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc), _mm256_load_ps(scale), _mm256_load_ps(bias)));
}

// By the integers of eq. 13, where no float step is exact.
static __attribute__((noinline)) void requantize_exactly(int32_t* acc, const RequantView* view) {
  const __m256i limit = _mm256_set1_epi32(1 << 16);
  for (int i = 0; i < 16; i += 8) {
    const Requant8 constants = load_requant8(view, i);
    __m256i x = requantize8(_mm256_load_si256((const __m256i*)(acc + i)), &constants);
    x = _mm256_min_epi32(_mm256_max_epi32(x, _mm256_sub_epi32(_mm256_setzero_si256(), limit)),
                         limit);
    x = _mm256_add_epi32(x, _mm256_set1_epi32(view->zero_point));
    _mm256_store_si256((__m256i*)(acc + i), x);
  }
}

// A panel's constants for one pixel after the other.
template <bool kExact>
struct Finish {
  const DepthwisePanel* panel;
  __m128i low, high, flip;

  Finish(const DepthwiseRow* row, const DepthwisePanel* panel_)
      : panel(panel_),
        low(_mm_loadu_si128((const __m128i*)panel_->qmin)),
        high(_mm_loadu_si128((const __m128i*)panel_->qmax)),
        flip(_mm_set1_epi8((char)(row->output_unsigned ? 0x80 : 0))) {}

  inline void operator()(Pairs acc, uint8_t* out) const {
    if (kExact) {
      alignas(32) int32_t lanes[16];
      store_pairs(lanes, acc);
      requantize_exactly(lanes, &panel->exact);
      acc = load_pairs(lanes);
    } else {
      acc.low = step(acc.low, panel->scale, panel->bias);
      acc.high = step(acc.high, panel->scale + 8, panel->bias + 8);
    }
    // Packing takes the interleaving back.
    const __m256i words = _mm256_packs_epi32(acc.low, acc.high);
    const __m128i codes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    const __m128i clamped = _mm_min_epi8(_mm_max_epi8(codes, low), high);
    _mm_storeu_si128((__m128i*)out, _mm_xor_si128(clamped, flip));
  }
};

// 16 codes as int16_t.
template <bool kSigned>
static inline __m256i widen(const uint8_t* codes) {
  const __m128i bytes = _mm_loadu_si128((const __m128i*)codes);
  return kSigned ? _mm256_cvtepi8_epi16(bytes) : _mm256_cvtepu8_epi16(bytes);
}

// A column of three rows: its first two interleaved, and the third.
struct Column3 {
  Pairs upper;
  __m256i lower;
};

template <bool kSigned>
struct Columns3 {
  const uint8_t* rows[3];
  int64_t channels;
  uint32_t width;
  __m256i zero_point;

  Columns3(const DepthwiseRow* row, const DepthwisePanel* panel)
      : rows{row->rows[0] + panel->channel, row->rows[1] + panel->channel,
             row->rows[2] + panel->channel},
        channels(row->channels),
        width((uint32_t)row->width),
        zero_point(_mm256_set1_epi16((int16_t)row->zero_point)) {}

  inline Column3 operator()(int column) const {
    if ((uint32_t)column >= width) return {{zero_point, zero_point}, zero_point};
    const int64_t at = column * channels;
    return {interleave(widen<kSigned>(rows[0] + at), widen<kSigned>(rows[1] + at)),
            widen<kSigned>(rows[2] + at)};
  }
};

// Columns stay in registers for the outputs that they belong to: they change names, not places.
// Of the third row, neighbours are paired; each pair serves two outputs.
template <int kStride, bool kSigned, bool kExact>
static void run_3x3(const DepthwiseRow* row, const DepthwisePanel* panel) {
  const Columns3<kSigned> column(row, panel);
  const Finish<kExact> finish(row, panel);
  const int8_t* taps = panel->taps;
  uint8_t* out = row->out + panel->channel;
  int left = row->out_width;
  int at = -row->padding;
  const auto output = [&](const Pairs& x0, const Pairs& x1, const Pairs& x2, const Pairs& y0,
                          const Pairs& y1) __attribute__((always_inline)) {
    Pairs acc = load_pairs(panel->offset);
    acc = multiply_add(acc, x0, taps);
    acc = multiply_add(acc, x1, taps + 64);
    acc = multiply_add(acc, x2, taps + 128);
    acc = multiply_add(acc, y0, taps + 192);
    finish(multiply_add(acc, y1, taps + 256), out);
    out += row->channels;
    return --left > 0;
  };
  const Column3 first = column(at++);
  Pairs a = first.upper, b, c;
  __m256i last = first.lower;
  const auto next = [&](Pairs & upper, Pairs * lower) __attribute__((always_inline)) {
    const Column3 x = column(at++);
    upper = x.upper;
    if (lower != nullptr) *lower = interleave(last, x.lower);
    last = x.lower;
  };
  Pairs y, z;
  if (kStride == 1) {
    next(b, &y);
    for (;;) {
      next(c, &z);
      if (!output(a, b, c, y, z)) return;
      next(a, &y);
      if (!output(b, c, a, z, y)) return;
      next(b, &z);
      if (!output(c, a, b, y, z)) return;
      y = z;
    }
  }
  y = interleave(last, last);
  for (;;) {
    next(b, nullptr);
    next(c, &z);
    if (!output(a, b, c, y, z)) return;
    next(a, nullptr);
    next(b, &y);
    if (!output(c, a, b, z, y)) return;
    next(c, nullptr);
    next(a, &z);
    if (!output(b, c, a, y, z)) return;
    y = z;
  }
}

// kCount outputs from interleaved columns in scratch.
template <int kCount, bool kExact>
static inline void run_outputs(const DepthwiseRow* row, const DepthwisePanel* panel,
                               const uint8_t* columns, int64_t column_count, uint8_t* out,
                               const Finish<kExact>& finish) {
  Pairs acc[kCount];
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t) acc[t] = load_pairs(panel->offset);
  const int8_t* taps = panel->taps;
  for (int i = 0; i < row->kernel[0]; i += 2, columns += column_count * 64) {
    const uint8_t* x = columns;
    for (int j = 0; j < row->kernel[1]; ++j, taps += 64, x += (int64_t)row->dilation * 64) {
      const Pairs w = load_pairs(taps);
#pragma GCC unroll 8
      for (int t = 0; t < kCount; ++t) {
        acc[t] = multiply_add(acc[t], w, x + (int64_t)t * row->stride * 64);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t) finish(acc[t], out + (int64_t)t * row->channels);
}

// Interleaves `count` columns from number `first` on, of two rows.
template <bool kSigned>
static void interleave_columns(const DepthwiseRow* row, const DepthwisePanel* panel, int group,
                               int first, int64_t count, uint8_t* target) {
  const uint8_t* row0 = row->rows[2 * group] + panel->channel;
  const uint8_t* row1 = row->rows[2 * group + 1] + panel->channel;
  const __m256i zero_point = _mm256_set1_epi16((int16_t)row->zero_point);
  for (int64_t i = 0; i < count; ++i, target += 64) {
    const int64_t column = first + i;
    if (column < 0 || column >= row->width) {
      store_pairs(target, {zero_point, zero_point});
    } else {
      const int64_t at = column * row->channels;
      store_pairs(target, interleave(widen<kSigned>(row0 + at), widen<kSigned>(row1 + at)));
    }
  }
}

template <bool kSigned, bool kExact>
static void run_any(const DepthwiseRow* row, const DepthwisePanel* panel) {
  const Finish<kExact> finish(row, panel);
  uint8_t* scratch = (uint8_t*)row->scratch;
  const int groups = (row->kernel[0] + 1) / 2;
  const int reach = (row->kernel[1] - 1) * row->dilation + 1;
  uint8_t* out = row->out + panel->channel;
  for (int first = 0; first < row->out_width; first += row->tile) {
    const int count = row->out_width - first < row->tile ? row->out_width - first : row->tile;
    const int64_t columns = (int64_t)(count - 1) * row->stride + reach;
    for (int group = 0; group < groups; ++group) {
      interleave_columns<kSigned>(row, panel, group, first * row->stride - row->padding, columns,
                                  scratch + group * columns * 64);
    }
    int t = 0;
    for (; t + 4 <= count; t += 4, out += (int64_t)4 * row->channels) {
      run_outputs<4>(row, panel, scratch + (int64_t)t * row->stride * 64, columns, out, finish);
    }
    for (; t < count; ++t, out += row->channels) {
      run_outputs<1>(row, panel, scratch + (int64_t)t * row->stride * 64, columns, out, finish);
    }
  }
}

using Run = void (*)(const DepthwiseRow*, const DepthwisePanel*);

// run[signed][exact] for each panel.
static inline void run_panels(const DepthwiseRow* row, const Run (&run)[2][2]) {
  for (int i = 0; i < row->panel_count; ++i) {
    const DepthwisePanel* panel = row->panels + i;
    run[row->input_signed][panel->scale == nullptr ? 1 : 0](row, panel);
  }
}

}  // namespace

void depthwise_3x3_avx2(const DepthwiseRow* row) {
  static constexpr Run kRun[2][2] = {{run_3x3<1, false, false>, run_3x3<1, false, true>},
                                     {run_3x3<1, true, false>, run_3x3<1, true, true>}};
  run_panels(row, kRun);
}

void depthwise_3x3_by2_avx2(const DepthwiseRow* row) {
  static constexpr Run kRun[2][2] = {{run_3x3<2, false, false>, run_3x3<2, false, true>},
                                     {run_3x3<2, true, false>, run_3x3<2, true, true>}};
  run_panels(row, kRun);
}

void depthwise_avx2(const DepthwiseRow* row) {
  static constexpr Run kRun[2][2] = {{run_any<false, false>, run_any<false, true>},
                                     {run_any<true, false>, run_any<true, true>}};
  run_panels(row, kRun);
}

}  // namespace intact
