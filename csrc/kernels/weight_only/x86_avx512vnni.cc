#include "kernels/float_gemm/x86_avx512.h"
#include "kernels/weight_only/row.h"

namespace intact {
namespace {

// A permutation looks at the lowest four bits of an index alone: it decodes a word without a mask.
inline __m512 table4() {
  return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
}

template <int kCode>
inline __m512 decode(__m512i words, __m512 table) {
  return _mm512_permutexvar_ps(_mm512_srli_epi32(words, kCode % 4 * 8 + kCode / 4 * 4), table);
}

template <int kCode, int kPanels>
inline void add_code(const __m512i* words, const float* x, __m512 table, __m512 (*sum)[1]) {
  const __m512 each = _mm512_set1_ps(x[kCode]);
  for (int p = 0; p < kPanels; ++p) {
    sum[p][0] = _mm512_fmadd_ps(each, decode<kCode>(words[p], table), sum[p][0]);
  }
}

struct Decoder4 {
  using Vector = Float16;
  static constexpr int kStep = 8;
  static constexpr int kBlockBytes = 64;

  template <int kPanels>
  static inline void add(const uint8_t* codes, ptrdiff_t panel_bytes, const float* x,
                         __m512 (*sum)[1]) {
    const __m512 table = table4();
    __m512i words[kPanels];
    for (int p = 0; p < kPanels; ++p) words[p] = _mm512_loadu_si512(codes + p * panel_bytes);
    add_code<0, kPanels>(words, x, table, sum);
    add_code<1, kPanels>(words, x, table, sum);
    add_code<2, kPanels>(words, x, table, sum);
    add_code<3, kPanels>(words, x, table, sum);
    add_code<4, kPanels>(words, x, table, sum);
    add_code<5, kPanels>(words, x, table, sum);
    add_code<6, kPanels>(words, x, table, sum);
    add_code<7, kPanels>(words, x, table, sum);
  }
};

inline __m512 load_bytes(const uint8_t* codes) {
  return _mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes))));
}

struct Decoder8 {
  using Vector = Float16;
  static constexpr int kStep = 1;
  static constexpr int kBlockBytes = 16;

  template <int kPanels>
  static inline void add(const uint8_t* codes, ptrdiff_t panel_bytes, const float* x,
                         __m512 (*sum)[1]) {
    const __m512 each = _mm512_set1_ps(*x);
    for (int p = 0; p < kPanels; ++p) {
      sum[p][0] = _mm512_fmadd_ps(each, load_bytes(codes + p * panel_bytes), sum[p][0]);
    }
  }
};

template <int kCode>
inline void store_code(__m512i words, __m512 table, float* panel) {
  _mm512_storeu_ps(panel + kCode * kPanel, decode<kCode>(words, table));
}

}  // namespace

void row4_avx512vnni(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder4, 4>(row, panels);
}

void row8_avx512vnni(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder8, 4>(row, panels);
}

void expand4_avx512vnni(const uint8_t* codes, int64_t depth, float* panel) {
  const __m512 table = table4();
  for (int64_t k = 0; k < depth; k += 8) {
    const __m512i words = _mm512_loadu_si512(codes + k * 8);
    float* target = panel + k * kPanel;
    store_code<0>(words, table, target);
    store_code<1>(words, table, target);
    store_code<2>(words, table, target);
    store_code<3>(words, table, target);
    store_code<4>(words, table, target);
    store_code<5>(words, table, target);
    store_code<6>(words, table, target);
    store_code<7>(words, table, target);
  }
}

void expand8_avx512vnni(const uint8_t* codes, int64_t depth, float* panel) {
  for (int64_t i = 0; i < depth * kPanel; i += 16) {
    _mm512_storeu_ps(panel + i, load_bytes(codes + i));
  }
}

}  // namespace intact
