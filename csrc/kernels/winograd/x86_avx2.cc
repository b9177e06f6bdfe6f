#include "kernels/requantize/x86_avx2.h"
#include "kernels/winograd/winograd.h"
#include "kernels/winograd/x86_transform.h"

namespace intact {
namespace {

struct Avx2 {
  static constexpr int kLanes16 = 16;
  static constexpr int kLanes32 = 8;
  typedef uint16_t U16 __attribute__((vector_size(32)));
  typedef uint32_t U32 __attribute__((vector_size(32)));
  typedef int32_t S32 __attribute__((vector_size(32)));

  static inline __m128i load(const uint8_t* codes, int count) {
    if (count >= 16) return _mm_loadu_si128((const __m128i*)codes);
    uint8_t bytes[16] = {};
    memcpy(bytes, codes, (size_t)count);
    return _mm_loadu_si128((const __m128i*)bytes);
  }
  static inline U16 widen_signed(const uint8_t* codes, int count) {
    return (U16)_mm256_cvtepi8_epi16(load(codes, count));
  }
  static inline U16 widen_unsigned(const uint8_t* codes, int count) {
    return (U16)_mm256_cvtepu8_epi16(load(codes, count));
  }
  static inline void store16(int16_t* out, U16 values, int) {
    _mm256_storeu_si256((__m256i*)out, (__m256i)values);
  }

  template <RequantKind kKind>
  class Requant {
   public:
    Requant(const RequantView* view, int channel)
        : constants_(load_requant8(view, channel)),
          zero_point_(_mm256_set1_epi16((int16_t)view->zero_point)),
          low_(limits(view->qmin + channel)),
          high_(limits(view->qmax + channel)),
          is_unsigned_(view->is_unsigned) {}

    // The vectors are pixels of one row, of which `columns` are stored.
    inline void store(const S32 (&row)[4], int columns, int8_t* out, ptrdiff_t pixel_stride,
                      int channels) const {
      const __m256i codes = to_codes(row[0], row[1], row[2], row[3]);
      const __m128i low = _mm256_castsi256_si128(codes);
      const __m128i high = _mm256_extracti128_si256(codes, 1);
      store_codes8(low, out, channels);
      if (columns < 2) return;
      store_codes8(_mm_unpackhi_epi64(low, low), out + pixel_stride, channels);
      if (columns < 3) return;
      store_codes8(high, out + 2 * pixel_stride, channels);
      if (columns < 4) return;
      store_codes8(_mm_unpackhi_epi64(high, high), out + 3 * pixel_stride, channels);
    }
    inline void store(const S32 (&row)[2], int columns, int8_t* out, ptrdiff_t pixel_stride,
                      int channels) const {
      const __m256i codes = to_codes(row[0], row[1], row[0], row[1]);
      const __m128i low = _mm256_castsi256_si128(codes);
      store_codes8(low, out, channels);
      if (columns < 2) return;
      store_codes8(_mm_unpackhi_epi64(low, low), out + pixel_stride, channels);
    }

   private:
    static inline __m256i limits(const int8_t* codes) {
      return _mm256_broadcastq_epi64(_mm_loadl_epi64((const __m128i*)codes));
    }
    inline __m256i rescale(S32 sums) const {
      return rescale8<kKind>(_mm256_add_epi32((__m256i)sums, constants_.offset), &constants_);
    }
    // Channels of pixel v in quadword v.
    inline __m256i to_codes(S32 a, S32 b, S32 c, S32 d) const {
      const __m256i ab = _mm256_packs_epi32(rescale(a),
                                            rescale(b));
      const __m256i cd = _mm256_packs_epi32(rescale(c),
                                            rescale(d));
      const __m256i words_ab = _mm256_adds_epi16(ab, zero_point_);
      const __m256i words_cd = _mm256_adds_epi16(cd, zero_point_);
      // The packs work within 128 bits: dword 4 l + v holds channels 4 l .. 4 l + 3 of pixel v.
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      if (is_unsigned_) {
        const __m256i codes =
            _mm256_permutevar8x32_epi32(_mm256_packus_epi16(words_ab, words_cd), order);
        return _mm256_min_epu8(_mm256_max_epu8(codes, low_), high_);
      }
      const __m256i codes =
          _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words_ab, words_cd), order);
      return _mm256_min_epi8(_mm256_max_epi8(codes, low_), high_);
    }

    Requant8 constants_;
    __m256i zero_point_, low_, high_;
    int is_unsigned_;
  };
};

}  // namespace

const WinogradKernel winograd_avx2[2] = {
    {Isa::kAvx2, "winograd4_avx2", 4, input_tile<Avx2, 4, false>, input_tile<Avx2, 4, true>,
     output_tiles<Avx2, 4>},
    {Isa::kAvx2, "winograd2_avx2", 2, input_tile<Avx2, 2, false>, input_tile<Avx2, 2, true>,
     output_tiles<Avx2, 2>},
};

}  // namespace intact
