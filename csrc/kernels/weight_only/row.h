// One row of x times panels of codes, over a decoder D, for the files of this folder.
//
// D has: Vector (a type V of float_gemm/tile.h), kStep (values of k of one block), kBlockBytes, and
// add(codes, x, sum): adds the products of one block to one panel's sums.
#pragma once

#include "kernels/float_gemm/float_gemm.h"
#include "kernels/weight_only/weight_only.h"

namespace intact {
namespace {

template <class D, int kPanels>
inline void multiply_row(const WeightOnlyRow& row, int64_t panel) {
  using V = typename D::Vector;
  constexpr int kParts = kPanel / V::kLanes;
  const uint8_t* codes = row.codes + panel * row.panel_bytes;
  const float* scales = row.scales + panel * row.scale_stride;
  float* y = row.y + panel * kPanel;
  const int64_t group = row.grouped ? kScaleGroup : row.depth;
  typename V::type total[kPanels][kParts];
  for (int p = 0; p < kPanels; ++p) {
    for (int i = 0; i < kParts; ++i) total[p][i] = V::zero();
  }
  for (int64_t start = 0; start < row.depth; start += group, scales += kPanel) {
    typename V::type sum[kPanels][kParts];
    for (int p = 0; p < kPanels; ++p) {
      for (int i = 0; i < kParts; ++i) sum[p][i] = V::zero();
    }
    for (int64_t k = start; k < start + group; k += D::kStep, codes += D::kBlockBytes) {
      D::template add<kPanels>(codes, row.panel_bytes, row.x + k, sum);
    }
    for (int p = 0; p < kPanels; ++p) {
      for (int i = 0; i < kParts; ++i) {
        const typename V::type scale = V::load(scales + p * row.scale_stride + i * V::kLanes);
        total[p][i] = V::multiply_add(sum[p][i], scale, total[p][i]);
      }
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    for (int i = 0; i < kParts; ++i) V::store(y + p * kPanel + i * V::kLanes, total[p][i]);
  }
}

template <class D, int kPanels>
inline void multiply_row_panels(const WeightOnlyRow& row, int64_t panels) {
  int64_t p = 0;
  for (; p + kPanels <= panels; p += kPanels) multiply_row<D, kPanels>(row, p);
  for (; p < panels; ++p) multiply_row<D, 1>(row, p);
}

}  // namespace
}  // namespace intact
