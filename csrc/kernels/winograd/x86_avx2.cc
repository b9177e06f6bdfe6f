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
          low_(limits(view->qmin + channel)),
          high_(limits(view->qmax + channel)),
          view_(view) {}

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
      return to_codes32<kKind>(rescale(a), rescale(b), rescale(c), rescale(d), low_, high_, view_);
    }

    Requant8 constants_;
    __m256i low_, high_;
    const RequantView* view_;
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
