#include "kernels/float_gemm/x86_avx2.h"

#include "kernels/float_gemm/tile.h"

namespace intact {

// 6 x 16: 12 of the 16 registers are sums.
void float_gemm_avx2(const FloatTile& tile, int64_t rows, int64_t panels) {
  multiply_panels<Float8, 6, 1, 4>(tile, rows, panels);
}

}  // namespace intact
