#include "kernels/winograd/winograd.h"

namespace intact {
namespace {

constexpr int kFilter2[4][3] = {{2, 0, 0}, {1, 1, 1}, {1, -1, 1}, {0, 0, 2}};
constexpr int kFilter4[6][3] = {{6, 0, 0}, {-1, -1, -1}, {-1, 1, -1},
                                {1, 2, 4}, {1, -2, 4},   {0, 0, 6}};

template <int N>
void transform(const int (&g)[N][3], const int8_t* weight, ptrdiff_t tap_stride, int16_t* out) {
  for (int i = 0; i < N; ++i) {
    int row[3] = {};
    for (int k = 0; k < 3; ++k) {
      for (int l = 0; l < 3; ++l) row[l] += g[i][k] * weight[(3 * k + l) * tap_stride];
    }
    for (int j = 0; j < N; ++j) {
      const int sum = g[j][0] * row[0] + g[j][1] * row[1] + g[j][2] * row[2];
      out[N * i + j] = static_cast<int16_t>(sum);
    }
  }
}

}  // namespace

void winograd_filter(int outputs, const int8_t* weight, ptrdiff_t tap_stride, int16_t* out) {
  if (outputs == 4) {
    transform(kFilter4, weight, tap_stride, out);
  } else {
    transform(kFilter2, weight, tap_stride, out);
  }
}

}  // namespace intact
