#include "kernels/float_gemm/x86_avx2.h"

#include "kernels/weight_only/row.h"

namespace intact {
namespace {

// Codes become floats of 2**28 times the codes: a code in the highest bits of a 32-bit word, with
// zeros below, needs neither a mask nor an extension of its sign.
inline __m256i high_halves(__m256i words) {
  return _mm256_and_si256(words, _mm256_set1_epi8(static_cast<char>(0xF0)));
}

inline __m256i load_words(const uint8_t* codes) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
}

// Moves byte `kByte` of each word to its highest byte.
template <int kByte>
inline __m256 top_byte(__m256i words) {
  const char z = static_cast<char>(0x80);
  const char b = kByte;
  const __m256i order =
      _mm256_setr_epi8(z, z, z, b, z, z, z, b + 4, z, z, z, b + 8, z, z, z, b + 12,  //
                       z, z, z, b, z, z, z, b + 4, z, z, z, b + 8, z, z, z, b + 12);
  return _mm256_cvtepi32_ps(_mm256_shuffle_epi8(words, order));
}

// The products of one value of k, for several sums that do not wait for each other.
template <int kByte, int kSums>
inline void add_byte(const __m256i* words, const float* x, __m256* sum) {
  const __m256 each = _mm256_broadcast_ss(x + kByte);
  for (int s = 0; s < kSums; ++s) sum[s] = _mm256_fmadd_ps(each, top_byte<kByte>(words[s]), sum[s]);
}

template <int kSums>
inline void add_bytes(const __m256i* words, const float* x, __m256* sum) {
  add_byte<0, kSums>(words, x, sum);
  add_byte<1, kSums>(words, x, sum);
  add_byte<2, kSums>(words, x, sum);
  add_byte<3, kSums>(words, x, sum);
}

struct Decoder4 {
  using Vector = Float8;
  static constexpr int kStep = 8;
  static constexpr int kBlockBytes = 64;

  template <int kPanels>
  static inline void add(const uint8_t* codes, ptrdiff_t panel_bytes, const float* x,
                         __m256 (*sum)[2]) {
    __m256i words[2 * kPanels];
    for (int s = 0; s < 2 * kPanels; ++s) {
      const __m256i both = load_words(codes + s / 2 * panel_bytes + s % 2 * 32);
      words[s] = high_halves(_mm256_slli_epi32(both, 4));
    }
    add_bytes<2 * kPanels>(words, x, sum[0]);
    for (int s = 0; s < 2 * kPanels; ++s) {
      words[s] = high_halves(load_words(codes + s / 2 * panel_bytes + s % 2 * 32));
    }
    add_bytes<2 * kPanels>(words, x + 4, sum[0]);
  }
};

inline __m256 load_bytes(const uint8_t* codes) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(codes))));
}

struct Decoder8 {
  using Vector = Float8;
  static constexpr int kStep = 1;
  static constexpr int kBlockBytes = 16;

  template <int kPanels>
  static inline void add(const uint8_t* codes, ptrdiff_t panel_bytes, const float* x,
                         __m256 (*sum)[2]) {
    const __m256 each = _mm256_broadcast_ss(x);
    for (int p = 0; p < kPanels; ++p) {
      for (int i = 0; i < 2; ++i) {
        sum[p][i] = _mm256_fmadd_ps(each, load_bytes(codes + p * panel_bytes + 8 * i), sum[p][i]);
      }
    }
  }
};

inline void store_bytes(__m256i words, float* panel) {
  _mm256_storeu_ps(panel, top_byte<0>(words));
  _mm256_storeu_ps(panel + kPanel, top_byte<1>(words));
  _mm256_storeu_ps(panel + 2 * kPanel, top_byte<2>(words));
  _mm256_storeu_ps(panel + 3 * kPanel, top_byte<3>(words));
}

}  // namespace

void row4_avx2(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder4, 2>(row, panels);
}

void row8_avx2(const WeightOnlyRow& row, int64_t panels) {
  multiply_row_panels<Decoder8, 4>(row, panels);
}

void expand4_avx2(const uint8_t* codes, int64_t depth, float* panel) {
  for (int64_t k = 0; k < depth; k += 8) {
    for (int i = 0; i < 2; ++i) {
      const __m256i words = load_words(codes + k * 8 + 32 * i);
      float* target = panel + k * kPanel + 8 * i;
      store_bytes(high_halves(_mm256_slli_epi32(words, 4)), target);
      store_bytes(high_halves(words), target + 4 * kPanel);
    }
  }
}

void expand8_avx2(const uint8_t* codes, int64_t depth, float* panel) {
  for (int64_t i = 0; i < depth * kPanel; i += 8)
    _mm256_storeu_ps(panel + i, load_bytes(codes + i));
}

}  // namespace intact
