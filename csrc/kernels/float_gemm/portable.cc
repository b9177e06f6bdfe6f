#include "kernels/float_gemm/portable.h"

#include "kernels/float_gemm/tile.h"

namespace intact {

void float_gemm_portable(const FloatTile& tile, int64_t rows, int64_t panels) {
  multiply_panels<Float4, 2, 1, 2>(tile, rows, panels);
}

}  // namespace intact
