#include "kernels/float_gemm/tile.h"
#include "kernels/float_gemm/x86_avx512.h"

namespace intact {

// 8 x 32: 16 sums, enough to keep two units busy.
void float_gemm_avx512vnni(const FloatTile& tile, int64_t rows, int64_t panels) {
  multiply_panels<Float16, 8, 2, 4>(tile, rows, panels);
}

}  // namespace intact
