#include "kernels/requantize/x86_avx512.h"
#include "kernels/winograd/winograd.h"
#include "kernels/winograd/x86_transform.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

struct Avx512 {
  static constexpr int kLanes16 = 32;
  static constexpr int kLanes32 = 16;
  typedef uint16_t U16 __attribute__((vector_size(64)));
  typedef uint32_t U32 __attribute__((vector_size(64)));
  typedef int32_t S32 __attribute__((vector_size(64)));

  static inline __m256i load(const uint8_t* codes, int count) {
    if (count >= 32) return _mm256_loadu_si256((const __m256i*)codes);
    return _mm256_maskz_loadu_epi8(first_lanes32(count), codes);
  }
  static inline U16 widen_signed(const uint8_t* codes, int count) {
    return (U16)_mm512_cvtepi8_epi16(load(codes, count));
  }
  static inline U16 widen_unsigned(const uint8_t* codes, int count) {
    return (U16)_mm512_cvtepu8_epi16(load(codes, count));
  }
  static inline void store16(int16_t* out, U16 values, int count) {
    if (count > kWinogradChannels) {
      _mm512_storeu_si512(out, (__m512i)values);
    } else {
      _mm256_storeu_si256((__m256i*)out, _mm512_castsi512_si256((__m512i)values));
    }
  }

  template <RequantKind kKind>
  class Requant {
   public:
    Requant(const RequantView* view, int channel)
        : constants_(load_requant16(view, channel)),
          low_(limits(view->qmin + channel)),
          high_(limits(view->qmax + channel)),
          view_(view) {}

    // The vectors are pixels of one row, of which `columns` are stored.
    inline void store(const S32 (&row)[4], int columns, int8_t* out, ptrdiff_t pixel_stride,
                      int channels) const {
      const __m512i codes = to_codes(row[0], row[1], row[2], row[3]);
      const __mmask16 mask = first_lanes16(channels);
      _mm_mask_storeu_epi8(out, mask, _mm512_castsi512_si128(codes));
      if (columns < 2) return;
      _mm_mask_storeu_epi8(out + pixel_stride, mask, _mm512_extracti32x4_epi32(codes, 1));
      if (columns < 3) return;
      _mm_mask_storeu_epi8(out + 2 * pixel_stride, mask, _mm512_extracti32x4_epi32(codes, 2));
      if (columns < 4) return;
      _mm_mask_storeu_epi8(out + 3 * pixel_stride, mask, _mm512_extracti32x4_epi32(codes, 3));
    }
    inline void store(const S32 (&row)[2], int columns, int8_t* out, ptrdiff_t pixel_stride,
                      int channels) const {
      const __m512i codes = to_codes(row[0], row[1], row[0], row[1]);
      const __mmask16 mask = first_lanes16(channels);
      _mm_mask_storeu_epi8(out, mask, _mm512_castsi512_si128(codes));
      if (columns < 2) return;
      _mm_mask_storeu_epi8(out + pixel_stride, mask, _mm512_extracti32x4_epi32(codes, 1));
    }

   private:
    static inline __m512i limits(const int8_t* codes) {
      return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)codes));
    }
    inline __m512i rescale(S32 sums) const {
      return rescale16<kKind>(_mm512_add_epi32((__m512i)sums, constants_.offset), &constants_);
    }
    // Channels of pixel v in 128 bits v.
    inline __m512i to_codes(S32 a, S32 b, S32 c, S32 d) const {
      return to_codes64<kKind>(rescale(a), rescale(b), rescale(c), rescale(d), low_, high_, view_);
    }

    Requant16 constants_;
    __m512i low_, high_;
    const RequantView* view_;
  };
};

}  // namespace

const WinogradKernel winograd_avx512vnni[2] = {
    {Isa::kAvx512Vnni, "winograd4_avx512vnni", 4, input_tile<Avx512, 4, false>,
     input_tile<Avx512, 4, true>, output_tiles<Avx512, 4>},
    {Isa::kAvx512Vnni, "winograd2_avx512vnni", 2, input_tile<Avx512, 2, false>,
     input_tile<Avx512, 2, true>, output_tiles<Avx512, 2>},
};

}  // namespace intact
