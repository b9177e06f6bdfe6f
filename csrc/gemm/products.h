// Products of 8-bit matrices that both change with every call, as in training.
//
// sums = sum_k (a - za)(b - zb), modulo 2^32. With packed codes a' = a + s and A = za + s that is
//   sum a' b - A sum_k b - zb sum_k (a - za).
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "gemm/packed_matrix.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "kernels/transpose_s8/transpose_s8.h"

namespace intact {

// A contiguous operand: a (rows, depth) or b (depth, columns), or the transpose of it in memory.
struct ProductCodes {
  const std::int8_t* codes;
  std::int32_t zero_point;
  bool transposed;
};

struct ProductShape {
  int rows, depth, columns;
};

// The windows of a convolution without groups; images are (H, W, C).
struct ProductWindow {
  int image[2];
  int channels;
  int out[2];
  int kernel[2];
  int stride[2];
  int padding[2];  // top, left
  int dilation[2];

  std::int64_t pixels() const { return std::int64_t{image[0]} * image[1]; }
  std::int64_t positions() const { return std::int64_t{out[0]} * out[1]; }
  int taps() const { return kernel[0] * kernel[1] * channels; }
};

// Kernels, threads and scratch that grows to the largest product. Any thread may call; calls wait
// for each other.
class Products {
 public:
  Products(int threads, Isa isa);

  // sums (rows, columns).
  void multiply(const ProductShape& shape, const ProductCodes& a, const ProductCodes& b,
                std::int32_t* sums);

  // x (images, H, W, C) with weight (O, kh, kw, C) to sums (images, out_h, out_w, O).
  void convolve(const ProductWindow& window, int images, int outputs, const ProductCodes& x,
                const ProductCodes& weight, std::int32_t* sums);
  // Its backward pass: g (images, out_h, out_w, O) with weight to sums (images, H, W, C) ...
  void convolve_input(const ProductWindow& window, int images, int outputs, const ProductCodes& g,
                      const ProductCodes& weight, std::int32_t* sums);
  // ... and g with x, over all images, to sums (O, kh, kw, C).
  void convolve_weight(const ProductWindow& window, int images, int outputs, const ProductCodes& g,
                       const ProductCodes& x, std::int32_t* sums);

 private:
  struct Part;

  void product(const ProductShape& shape, const ProductCodes& a, const ProductCodes& b, bool add,
               std::int32_t* sums);
  void part(const Part& part, std::int32_t* sums);
  void part_of_loops(const Part& part, std::int32_t* sums);
  void pack(const Part& part, const PanelLayout& layout, std::uint32_t centre);
  const std::int32_t* row_sums(const Part& part);
  const std::int8_t* transposed(const std::int8_t* x, std::int64_t stride, int rows, int columns,
                                Buffer<std::int8_t>& target);
  void gather(const ProductWindow& window, std::int64_t images, const ProductCodes& x);

  ThreadPool pool_;
  const GemmS8Kernel* kernel_;        // null: portable loops
  const TransposeKernel* transpose_;  // null: likewise
  std::mutex mutex_;
  Buffer<std::int8_t> a_, b_, packed_, patches_;
  Buffer<std::int32_t> offset_, row_sum_, taps_;
  Buffer<std::byte> scratch_;
};

}  // namespace intact
