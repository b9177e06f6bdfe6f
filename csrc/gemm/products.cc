#include "gemm/products.h"

#include <algorithm>

#include "gemm/multiply.h"
#include "gemm/packed_matrix.h"

namespace intact {
namespace {

constexpr int kDepth = 2048;  // elements of K that are packed at once: panels stay in the caches
constexpr int kRows = 1024;   // of small images that are multiplied together

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

template <typename T>
T* at_least(Buffer<T>& buffer, std::size_t count) {
  if (buffer.size() < count) buffer = Buffer<T>(count);
  return buffer.data();
}

std::int32_t wrapped(std::uint32_t sum) { return static_cast<std::int32_t>(sum); }

// Adds what each column lacks, and to what is there already.
void complete(const GemmS8Tile& tile, const std::int32_t* found, const std::int32_t* offset,
              bool add, std::int32_t* out, std::int64_t stride) {
  for (std::int64_t r = 0; r < tile.rows; ++r, out += stride, found += tile.out_stride) {
    for (int n = 0; n < tile.columns; ++n) {
      const std::uint32_t before = add ? static_cast<std::uint32_t>(out[n]) : 0u;
      out[n] = wrapped(before + static_cast<std::uint32_t>(found[n]) +
                       static_cast<std::uint32_t>(offset[n]));
    }
  }
}

int images_together(const ProductWindow& window, int images) {
  const std::int64_t most = kRows / std::max<std::int64_t>(window.positions(), 1);
  return static_cast<int>(std::clamp<std::int64_t>(most, 1, std::max(images, 1)));
}

// Calls visit(pixel, tap) for each tap of a position that lies in the image; both count (kh, kw) or
// (H, W) positions, without channels.
template <typename Visit>
void visit_taps(const ProductWindow& w, std::int64_t position, Visit&& visit) {
  const int top = static_cast<int>(position / w.out[1]) * w.stride[0] - w.padding[0];
  const int left = static_cast<int>(position % w.out[1]) * w.stride[1] - w.padding[1];
  for (int i = 0; i < w.kernel[0]; ++i) {
    const int row = top + i * w.dilation[0];
    if (row < 0 || row >= w.image[0]) continue;
    for (int j = 0; j < w.kernel[1]; ++j) {
      const int column = left + j * w.dilation[1];
      if (column < 0 || column >= w.image[1]) continue;
      visit(std::int64_t{row} * w.image[1] + column, i * w.kernel[1] + j);
    }
  }
}

}  // namespace

// Some of K: a (rows, depth) and b (depth, columns) whose rows lie so many bytes apart.
struct Products::Part {
  ProductShape shape;
  const std::int8_t* a;
  std::int64_t a_stride;
  std::int32_t a_zero_point;
  const std::int8_t* b;
  std::int32_t b_zero_point;
  bool add;  // to sums
};

Products::Products(int threads, Isa isa)
    : pool_(threads), kernel_(pick_gemm_s8(isa)), transpose_(pick_transpose_s8(isa)) {}

void Products::multiply(const ProductShape& shape, const ProductCodes& a, const ProductCodes& b,
                        std::int32_t* sums) {
  const std::lock_guard lock(mutex_);
  product(shape, a, b, false, sums);
}

void Products::product(const ProductShape& shape, const ProductCodes& a, const ProductCodes& b,
                       bool add, std::int32_t* sums) {
  if (shape.depth == 0 && !add) std::fill_n(sums, size(shape.rows) * size(shape.columns), 0);
  if (shape.rows == 0 || shape.columns == 0) return;
  const int parts = (shape.depth + kDepth - 1) / kDepth;
  for (int i = 0; i < parts; ++i) {
    const auto begin = static_cast<int>(std::int64_t{shape.depth} * i / parts);
    const auto end = static_cast<int>(std::int64_t{shape.depth} * (i + 1) / parts);
    Part some{
        {shape.rows, end - begin, shape.columns},      a.codes + begin, shape.depth, a.zero_point,
        b.codes + std::int64_t{begin} * shape.columns, b.zero_point,    add || i > 0};
    if (a.transposed) {
      some.a = transposed(a.codes + std::int64_t{begin} * shape.rows, shape.rows, end - begin,
                          shape.rows, a_);
      some.a_stride = end - begin;
    }
    if (b.transposed) {
      some.b = transposed(b.codes + begin, shape.depth, shape.columns, end - begin, b_);
    }
    part(some, sums);
  }
}

void Products::part(const Part& part, std::int32_t* sums) {
  if (kernel_ == nullptr) return part_of_loops(part, sums);
  const auto [rows, depth, columns] = part.shape;
  const GemmS8Kernel& kernel = *kernel_;
  const PanelLayout layout(kernel, depth, columns);
  const auto centre = static_cast<std::uint32_t>(part.a_zero_point + kernel.shift(true));
  pack(part, layout, centre);
  const std::int32_t* row_sum = part.b_zero_point != 0 ? row_sums(part) : nullptr;
  const std::size_t row_bytes = packed_row_bytes(kernel, layout);
  // Where sums are added to, each worker has accumulators of a panel.
  const Blocking blocking(layout, rows, row_bytes, pool_.size());
  const std::size_t own =
      part.add ? align_up(size(blocking.rows * kernel.panel) * sizeof(std::int32_t)) : 0;
  const std::size_t accumulators = own * size(pool_.size());
  std::byte* scratch =
      at_least(scratch_, accumulators + multiply_scratch(kernel, layout, rows, pool_.size()));
  Workspace workspace{pool_, scratch + accumulators};
  intact::multiply(
      kernel, layout, packed_.data(), Apart{}, rows, workspace,
      [&](std::int64_t first, std::int64_t count, std::byte* target, int) {
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int8_t* row = part.a + (first + i) * part.a_stride;
          kernel.pack(reinterpret_cast<const std::uint8_t*>(row), depth, 1,
                      target + size(i) * row_bytes);
        }
      },
      [&](GemmS8Tile& tile, int panel, std::int64_t first, int worker) {
        const std::int64_t column = std::int64_t{panel} * kernel.panel;
        std::int32_t* out = sums + first * columns + column;
        auto* found =
            part.add ? reinterpret_cast<std::int32_t*>(scratch + own * size(worker)) : out;
        tile.row_sum = row_sum == nullptr ? nullptr : row_sum + first;
        tile.out = found;
        tile.out_stride = part.add ? kernel.panel : columns;
        kernel.run(&tile);
        if (part.add || centre != 0) {
          complete(tile, found, offset_.data() + column, part.add, out, columns);
        }
      });
}

// The same without vectors.
void Products::part_of_loops(const Part& part, std::int32_t* sums) {
  const auto [rows, depth, columns] = part.shape;
  pool_.parallel_ranges(
      rows, 1, [&, depth = depth, columns = columns](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t r = begin; r < end; ++r) {
          std::int32_t* out = sums + r * columns;
          if (!part.add) std::fill_n(out, columns, 0);
          for (int k = 0; k < depth; ++k) {
            const std::int32_t code = part.a[r * part.a_stride + k] - part.a_zero_point;
            const std::int8_t* b = part.b + std::int64_t{k} * columns;
            for (int n = 0; n < columns; ++n) {
              const auto term = static_cast<std::uint32_t>(code * (b[n] - part.b_zero_point));
              out[n] = wrapped(static_cast<std::uint32_t>(out[n]) + term);
            }
          }
        }
      });
}

// packed_, and offset_: what each column's sums lack.
void Products::pack(const Part& part, const PanelLayout& layout, std::uint32_t centre) {
  const int columns = part.shape.columns;
  std::int8_t* packed = at_least(packed_, layout.bytes());
  std::int32_t* offset = at_least(offset_, size(columns) + 64);  // of columns that are filled up
  pool_.parallel_for(layout.panels(), [&](std::int64_t number, int) {
    const int panel = static_cast<int>(number), width = layout.width(panel);
    const std::int64_t first = number * kernel_->panel;
    kernel_->pack_panel(reinterpret_cast<const std::uint8_t*>(part.b + first), columns,
                        part.shape.depth, width, 0, packed + layout.begin(panel), offset + first);
    for (std::int64_t n = first; n < first + width; ++n) {
      offset[n] = wrapped(0u - centre * static_cast<std::uint32_t>(offset[n]));
    }
  });
}

// What b's zero point takes from the sums of each row.
const std::int32_t* Products::row_sums(const Part& part) {
  std::int32_t* sums = at_least(row_sum_, size(part.shape.rows));
  const auto zero_point = static_cast<std::uint32_t>(part.b_zero_point);
  pool_.parallel_ranges(part.shape.rows, 16, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int8_t* a = part.a + r * part.a_stride;
      std::int32_t sum = 0;
      for (int k = 0; k < part.shape.depth; ++k) sum += a[k] - part.a_zero_point;
      sums[r] = wrapped(0u - zero_point * static_cast<std::uint32_t>(sum));
    }
  });
  return sums;
}

const std::int8_t* Products::transposed(const std::int8_t* x, std::int64_t stride, int rows,
                                        int columns, Buffer<std::int8_t>& target) {
  std::int8_t* y = at_least(target, size(rows) * size(columns));
  pool_.parallel_ranges(columns, 64, [&](std::int64_t begin, std::int64_t end, int) {
    if (transpose_ != nullptr) {
      transpose_->run(reinterpret_cast<const std::uint8_t*>(x + begin), stride, rows, end - begin,
                      reinterpret_cast<std::uint8_t*>(y + begin * rows));
      return;
    }
    for (std::int64_t c = begin; c < end; ++c) {
      for (int r = 0; r < rows; ++r) y[c * rows + r] = x[r * stride + c];
    }
  });
  return y;
}

// patches_ (images, out_h, out_w, kh, kw, C); what lies outside of an image is its zero point.
void Products::gather(const ProductWindow& window, std::int64_t images, const ProductCodes& x) {
  const std::int64_t positions = window.positions(), taps = window.taps();
  std::int8_t* patches = at_least(patches_, size(images * positions * taps));
  const std::size_t channels = size(window.channels);
  pool_.parallel_ranges(images * positions, 64, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int8_t* image = x.codes + i / positions * window.pixels() * window.channels;
      std::int8_t* row = patches + i * taps;
      std::memset(row, x.zero_point, size(taps));
      visit_taps(window, i % positions, [&](std::int64_t pixel, int tap) {
        std::memcpy(row + size(tap) * channels, image + size(pixel) * channels, channels);
      });
    }
  });
}

void Products::convolve(const ProductWindow& window, int images, int outputs, const ProductCodes& x,
                        const ProductCodes& weight, std::int32_t* sums) {
  const std::lock_guard lock(mutex_);
  const std::int64_t positions = window.positions();
  const int step = images_together(window, images);
  for (int first = 0; first < images; first += step) {
    const int count = std::min(step, images - first);
    const std::int64_t before = std::int64_t{first} * window.pixels() * window.channels;
    gather(window, count, {x.codes + before, x.zero_point, false});
    const ProductShape shape{static_cast<int>(count * positions), window.taps(), outputs};
    product(shape, {patches_.data(), x.zero_point, false}, {weight.codes, weight.zero_point, true},
            false, sums + first * positions * outputs);
  }
}

void Products::convolve_input(const ProductWindow& window, int images, int outputs,
                              const ProductCodes& g, const ProductCodes& weight,
                              std::int32_t* sums) {
  const std::lock_guard lock(mutex_);
  const std::int64_t positions = window.positions(), taps = window.taps();
  const std::int64_t image_sums = window.pixels() * window.channels;
  const int step = images_together(window, images);
  std::int32_t* columns = at_least(taps_, size(step * positions * taps));
  for (int first = 0; first < images; first += step) {
    const int count = std::min(step, images - first);
    const ProductShape shape{static_cast<int>(count * positions), outputs, window.taps()};
    product(shape, {g.codes + first * positions * outputs, g.zero_point, false}, weight, false,
            columns);
    pool_.parallel_for(count, [&](std::int64_t i, int) {
      std::int32_t* image = sums + (first + i) * image_sums;
      std::fill_n(image, size(image_sums), 0);
      for (std::int64_t p = 0; p < positions; ++p) {
        const std::int32_t* row = columns + (i * positions + p) * taps;
        visit_taps(window, p, [&](std::int64_t pixel, int tap) {
          std::int32_t* target = image + pixel * window.channels;
          const std::int32_t* source = row + std::int64_t{tap} * window.channels;
          for (int c = 0; c < window.channels; ++c) {
            target[c] = wrapped(static_cast<std::uint32_t>(target[c]) +
                                static_cast<std::uint32_t>(source[c]));
          }
        });
      }
    });
  }
}

void Products::convolve_weight(const ProductWindow& window, int images, int outputs,
                               const ProductCodes& g, const ProductCodes& x, std::int32_t* sums) {
  const std::lock_guard lock(mutex_);
  if (images == 0) std::fill_n(sums, size(outputs) * size(window.taps()), 0);
  const std::int64_t positions = window.positions();
  const int step = images_together(window, images);
  for (int first = 0; first < images; first += step) {
    const int count = std::min(step, images - first);
    const std::int64_t before = std::int64_t{first} * window.pixels() * window.channels;
    gather(window, count, {x.codes + before, x.zero_point, false});
    const ProductShape shape{outputs, static_cast<int>(count * positions), window.taps()};
    product(shape, {g.codes + first * positions * outputs, g.zero_point, true},
            {patches_.data(), x.zero_point, false}, first > 0, sums);
  }
}

}  // namespace intact
