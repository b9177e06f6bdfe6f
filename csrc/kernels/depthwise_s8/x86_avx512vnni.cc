// vpdpbusd adds the products of four unsigned by four signed bytes to each dword: signed codes are
// made unsigned by x + 128, which the accumulators' first value takes away again.
#include "kernels/depthwise_s8/depthwise_s8.h"
#include "kernels/requantize/x86_avx512.h"

namespace intact {
namespace {

// Vectors of 64, 32 and 16 bytes.
struct V64 {
  using Reg = __m512i;
  static constexpr int kBytes = 64;
  static inline Reg load(const void* p) { return _mm512_loadu_si512(p); }
  static inline void store(void* p, Reg x) { _mm512_storeu_si512(p, x); }
  static inline Reg set8(int x) { return _mm512_set1_epi8((char)x); }
  static inline Reg exclusive_or(Reg a, Reg b) { return _mm512_xor_si512(a, b); }
  static inline Reg low8(Reg a, Reg b) { return _mm512_unpacklo_epi8(a, b); }
  static inline Reg high8(Reg a, Reg b) { return _mm512_unpackhi_epi8(a, b); }
  static inline Reg low16(Reg a, Reg b) { return _mm512_unpacklo_epi16(a, b); }
  static inline Reg high16(Reg a, Reg b) { return _mm512_unpackhi_epi16(a, b); }
  static inline Reg dot(Reg acc, Reg x, Reg w) { return _mm512_dpbusd_epi32(acc, x, w); }
  static inline Reg pack32(Reg a, Reg b) { return _mm512_packs_epi32(a, b); }
  static inline Reg pack16(Reg a, Reg b) { return _mm512_packs_epi16(a, b); }
  static inline Reg clamp8(Reg x, Reg low, Reg high) {
    return _mm512_min_epi8(_mm512_max_epi8(x, low), high);
  }
  static inline Reg step(Reg acc, const float* scale, const float* bias) {
    return _mm512_cvtps_epi32(
        _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(scale), _mm512_loadu_ps(bias)));
  }
};

struct V32 {
  using Reg = __m256i;
  static constexpr int kBytes = 32;
  static inline Reg load(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
  static inline void store(void* p, Reg x) { _mm256_storeu_si256((__m256i*)p, x); }
  static inline Reg set8(int x) { return _mm256_set1_epi8((char)x); }
  static inline Reg exclusive_or(Reg a, Reg b) { return _mm256_xor_si256(a, b); }
  static inline Reg low8(Reg a, Reg b) { return _mm256_unpacklo_epi8(a, b); }
  static inline Reg high8(Reg a, Reg b) { return _mm256_unpackhi_epi8(a, b); }
  static inline Reg low16(Reg a, Reg b) { return _mm256_unpacklo_epi16(a, b); }
  static inline Reg high16(Reg a, Reg b) { return _mm256_unpackhi_epi16(a, b); }
  static inline Reg dot(Reg acc, Reg x, Reg w) { return _mm256_dpbusd_epi32(acc, x, w); }
  static inline Reg pack32(Reg a, Reg b) { return _mm256_packs_epi32(a, b); }
  static inline Reg pack16(Reg a, Reg b) { return _mm256_packs_epi16(a, b); }
  static inline Reg clamp8(Reg x, Reg low, Reg high) {
    return _mm256_min_epi8(_mm256_max_epi8(x, low), high);
  }
  static inline Reg step(Reg acc, const float* scale, const float* bias) {
    return _mm256_cvtps_epi32(
        _mm256_fmadd_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(scale), _mm256_loadu_ps(bias)));
  }
};

struct V16 {
  using Reg = __m128i;
  static constexpr int kBytes = 16;
  static inline Reg load(const void* p) { return _mm_loadu_si128((const __m128i*)p); }
  static inline void store(void* p, Reg x) { _mm_storeu_si128((__m128i*)p, x); }
  static inline Reg set8(int x) { return _mm_set1_epi8((char)x); }
  static inline Reg exclusive_or(Reg a, Reg b) { return _mm_xor_si128(a, b); }
  static inline Reg low8(Reg a, Reg b) { return _mm_unpacklo_epi8(a, b); }
  static inline Reg high8(Reg a, Reg b) { return _mm_unpackhi_epi8(a, b); }
  static inline Reg low16(Reg a, Reg b) { return _mm_unpacklo_epi16(a, b); }
  static inline Reg high16(Reg a, Reg b) { return _mm_unpackhi_epi16(a, b); }
  static inline Reg dot(Reg acc, Reg x, Reg w) { return _mm_dpbusd_epi32(acc, x, w); }
  static inline Reg pack32(Reg a, Reg b) { return _mm_packs_epi32(a, b); }
  static inline Reg pack16(Reg a, Reg b) { return _mm_packs_epi16(a, b); }
  static inline Reg clamp8(Reg x, Reg low, Reg high) {
    return _mm_min_epi8(_mm_max_epi8(x, low), high);
  }
  static inline Reg step(Reg acc, const float* scale, const float* bias) {
    return _mm_cvtps_epi32(
        _mm_fmadd_ps(_mm_cvtepi32_ps(acc), _mm_loadu_ps(scale), _mm_loadu_ps(bias)));
  }
};

// The dwords of V::kBytes channels: four interleaved codes, four taps or an accumulator of each.
template <class V>
struct Quads {
  typename V::Reg a, b, c, d;
};

template <class V>
static inline Quads<V> load_quads(const void* p) {
  const uint8_t* bytes = (const uint8_t*)p;
  return {V::load(bytes), V::load(bytes + V::kBytes), V::load(bytes + 2 * V::kBytes),
          V::load(bytes + 3 * V::kBytes)};
}

template <class V>
static inline void store_quads(void* p, const Quads<V>& x) {
  uint8_t* bytes = (uint8_t*)p;
  V::store(bytes, x.a);
  V::store(bytes + V::kBytes, x.b);
  V::store(bytes + 2 * V::kBytes, x.c);
  V::store(bytes + 3 * V::kBytes, x.d);
}

template <class V>
static inline Quads<V> dot(const Quads<V>& acc, const Quads<V>& x, const Quads<V>& w) {
  return {V::dot(acc.a, x.a, w.a), V::dot(acc.b, x.b, w.b), V::dot(acc.c, x.c, w.c),
          V::dot(acc.d, x.d, w.d)};
}

template <class V>
static inline Quads<V> interleave(typename V::Reg r0, typename V::Reg r1, typename V::Reg r2,
                                  typename V::Reg r3) {
  const typename V::Reg low01 = V::low8(r0, r1), high01 = V::high8(r0, r1);
  const typename V::Reg low23 = V::low8(r2, r3), high23 = V::high8(r2, r3);
  return {V::low16(low01, low23), V::high16(low01, low23), V::low16(high01, high23),
          V::high16(high01, high23)};
}

// By the integers of eq. 13, where no float step is exact.
static __attribute__((noinline)) void requantize_exactly(int32_t* acc, int lanes,
                                                         const RequantView* view) {
  const __m512i limit = _mm512_set1_epi32(1 << 16);
  for (int i = 0; i < lanes; i += 16) {
    const Requant16 constants = load_requant16(view, i);
    __m512i x = requantize16(_mm512_loadu_si512(acc + i), &constants);
    x = _mm512_min_epi32(_mm512_max_epi32(x, _mm512_sub_epi32(_mm512_setzero_si512(), limit)),
                         limit);
    _mm512_storeu_si512(acc + i, _mm512_add_epi32(x, _mm512_set1_epi32(view->zero_point)));
  }
}

// A panel's constants for one pixel after the other.
template <class V, bool kExact>
struct Finish {
  const DepthwisePanel* panel;
  typename V::Reg low, high, flip;

  Finish(const DepthwiseRow* row, const DepthwisePanel* panel_)
      : panel(panel_),
        low(V::load(panel_->qmin)),
        high(V::load(panel_->qmax)),
        flip(V::set8(row->output_unsigned ? 0x80 : 0)) {}

  inline void operator()(Quads<V> acc, uint8_t* out) const {
    const float* scale = panel->scale;
    const float* bias = panel->bias;
    constexpr int kLanes = V::kBytes / 4;
    if (kExact) {
      int32_t lanes[V::kBytes];
      store_quads<V>(lanes, acc);
      requantize_exactly(lanes, V::kBytes, &panel->exact);
      acc = load_quads<V>(lanes);
    } else {
      acc.a = V::step(acc.a, scale, bias);
      acc.b = V::step(acc.b, scale + kLanes, bias + kLanes);
      acc.c = V::step(acc.c, scale + 2 * kLanes, bias + 2 * kLanes);
      acc.d = V::step(acc.d, scale + 3 * kLanes, bias + 3 * kLanes);
    }
    // Packing takes the interleaving back.
    const typename V::Reg codes = V::pack16(V::pack32(acc.a, acc.b), V::pack32(acc.c, acc.d));
    V::store(out, V::exclusive_or(V::clamp8(codes, low, high), flip));
  }
};

// Interleaved columns of up to four rows.
template <class V, int kRows>
struct Columns {
  const uint8_t* rows[kRows];
  int64_t channels;
  uint32_t width;
  typename V::Reg flip, zero_point;

  Columns(const DepthwiseRow* row, const DepthwisePanel* panel, int group)
      : channels(row->channels), width((uint32_t)row->width) {
    const int bits = row->input_signed ? 0x80 : 0;
    flip = V::set8(bits);
    zero_point = V::set8(row->zero_point ^ bits);
    for (int i = 0; i < kRows; ++i) rows[i] = row->rows[4 * group + i] + panel->channel;
  }

  inline Quads<V> operator()(int column) const {
    if ((uint32_t)column >= width) return {zero_point, zero_point, zero_point, zero_point};
    const int64_t at = column * channels;
    const typename V::Reg r0 = V::exclusive_or(flip, V::load(rows[0] + at));
    const typename V::Reg r1 = V::exclusive_or(flip, V::load(rows[1] + at));
    const typename V::Reg r2 = V::exclusive_or(flip, V::load(rows[2] + at));
    if (kRows == 3) return interleave<V>(r0, r1, r2, r2);  // whose tap is 0
    return interleave<V>(r0, r1, r2, V::exclusive_or(flip, V::load(rows[kRows - 1] + at)));
  }
};

// Each column stays in registers for the outputs that it belongs to: they change names, not places.
template <class V, int kStride, bool kExact>
static void run_3x3(const DepthwiseRow* row, const DepthwisePanel* panel) {
  const Columns<V, 3> column(row, panel, 0);
  const Finish<V, kExact> finish(row, panel);
  const Quads<V> w0 = load_quads<V>(panel->taps), w1 = load_quads<V>(panel->taps + 4 * V::kBytes),
                 w2 = load_quads<V>(panel->taps + 8 * V::kBytes);
  uint8_t* out = row->out + panel->channel;
  const int64_t channels = row->channels;
  int left = row->out_width;
  int at = -row->padding;
  const auto output = [&](const Quads<V>& x0, const Quads<V>& x1, const Quads<V>& x2)
      __attribute__((always_inline)) {
    Quads<V> acc = load_quads<V>(panel->offset);
    acc = dot(dot(dot(acc, x0, w0), x1, w1), x2, w2);
    finish(acc, out);
    out += channels;
    return --left > 0;
  };
  Quads<V> a = column(at++), b, c;
  if (kStride == 1) {
    b = column(at++);
    for (;;) {
      c = column(at++);
      if (!output(a, b, c)) return;
      a = column(at++);
      if (!output(b, c, a)) return;
      b = column(at++);
      if (!output(c, a, b)) return;
    }
  }
  for (;;) {
    b = column(at++);
    c = column(at++);
    if (!output(a, b, c)) return;
    a = column(at++);
    b = column(at++);
    if (!output(c, a, b)) return;
    c = column(at++);
    a = column(at++);
    if (!output(b, c, a)) return;
  }
}

// kCount outputs from interleaved columns in scratch.
template <class V, int kCount, bool kExact>
static inline void run_outputs(const DepthwiseRow* row, const DepthwisePanel* panel,
                               const uint8_t* columns, int64_t column_count, uint8_t* out,
                               const Finish<V, kExact>& finish) {
  constexpr int kQuads = 4 * V::kBytes;
  Quads<V> acc[kCount];
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t) acc[t] = load_quads<V>(panel->offset);
  const int8_t* taps = panel->taps;
  for (int i = 0; i < row->kernel[0]; i += 4, columns += column_count * kQuads) {
    const uint8_t* x = columns;
    for (int j = 0; j < row->kernel[1]; ++j, taps += kQuads, x += (int64_t)row->dilation * kQuads) {
      const Quads<V> w = load_quads<V>(taps);
#pragma GCC unroll 8
      for (int t = 0; t < kCount; ++t) {
        acc[t] = dot(acc[t], load_quads<V>(x + (int64_t)t * row->stride * kQuads), w);
      }
    }
  }
#pragma GCC unroll 8
  for (int t = 0; t < kCount; ++t) finish(acc[t], out + (int64_t)t * row->channels);
}

template <class V, bool kExact>
static void run_any(const DepthwiseRow* row, const DepthwisePanel* panel) {
  constexpr int kQuads = 4 * V::kBytes;
  const Finish<V, kExact> finish(row, panel);
  uint8_t* scratch = (uint8_t*)row->scratch;
  const int groups = (row->kernel[0] + 3) / 4;
  const int reach = (row->kernel[1] - 1) * row->dilation + 1;
  uint8_t* out = row->out + panel->channel;
  for (int first = 0; first < row->out_width; first += row->tile) {
    const int count = row->out_width - first < row->tile ? row->out_width - first : row->tile;
    const int64_t columns = (int64_t)(count - 1) * row->stride + reach;
    for (int group = 0; group < groups; ++group) {
      const Columns<V, 4> column(row, panel, group);
      uint8_t* target = scratch + group * columns * kQuads;
      const int at = first * row->stride - row->padding;
      for (int64_t i = 0; i < columns; ++i)
        store_quads<V>(target + i * kQuads, column(at + (int)i));
    }
    int t = 0;
    for (; t + 4 <= count; t += 4, out += (int64_t)4 * row->channels) {
      run_outputs<V, 4, kExact>(row, panel, scratch + (int64_t)t * row->stride * kQuads, columns,
                                out, finish);
    }
    for (; t < count; ++t, out += row->channels) {
      run_outputs<V, 1, kExact>(row, panel, scratch + (int64_t)t * row->stride * kQuads, columns,
                                out, finish);
    }
  }
}

using Run = void (*)(const DepthwiseRow*, const DepthwisePanel*);

// run[width][exact] for each panel.
static inline void run_panels(const DepthwiseRow* row, const Run (&run)[3][2]) {
  for (int i = 0; i < row->panel_count; ++i) {
    const DepthwisePanel* panel = row->panels + i;
    const int width = panel->width == 64 ? 0 : panel->width == 32 ? 1 : 2;
    run[width][panel->scale == nullptr ? 1 : 0](row, panel);
  }
}

}  // namespace

void depthwise_3x3_avx512vnni(const DepthwiseRow* row) {
  static constexpr Run kRun[3][2] = {{run_3x3<V64, 1, false>, run_3x3<V64, 1, true>},
                                     {run_3x3<V32, 1, false>, run_3x3<V32, 1, true>},
                                     {run_3x3<V16, 1, false>, run_3x3<V16, 1, true>}};
  run_panels(row, kRun);
}

void depthwise_3x3_by2_avx512vnni(const DepthwiseRow* row) {
  static constexpr Run kRun[3][2] = {{run_3x3<V64, 2, false>, run_3x3<V64, 2, true>},
                                     {run_3x3<V32, 2, false>, run_3x3<V32, 2, true>},
                                     {run_3x3<V16, 2, false>, run_3x3<V16, 2, true>}};
  run_panels(row, kRun);
}

void depthwise_avx512vnni(const DepthwiseRow* row) {
  static constexpr Run kRun[3][2] = {{run_any<V64, false>, run_any<V64, true>},
                                     {run_any<V32, false>, run_any<V32, true>},
                                     {run_any<V16, false>, run_any<V16, true>}};
  run_panels(row, kRun);
}

}  // namespace intact
