// Shares a product of 8-bit matrices among threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/op.h"
#include "gemm/excess.h"
#include "gemm/packed_matrix.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {

// How the rows of a product are cut: a block of packed rows stays in the L2 cache while all panels
// of its part pass by.
struct Blocking {
  std::int64_t rows;    // of a block
  std::int64_t blocks;  // of rows
  int parts = 1;        // of the panels

  Blocking(const PanelLayout& layout, std::int64_t all_rows, std::size_t row_bytes, int threads) {
    constexpr std::int64_t kBlockBytes = 96 << 10;
    constexpr std::int64_t kTile = 12;  // a multiple of the rows of most kernels' tiles
    const std::int64_t most = std::max<std::int64_t>(
        kBlockBytes / static_cast<std::int64_t>(row_bytes) / kTile * kTile, kTile);
    // Equal shares; two for each thread where that is no waste, so that a slow one holds up less.
    const std::int64_t own = threads == 1 || all_rows < kTile * threads ? 1
                             : all_rows < 8 * kTile * threads           ? threads
                                                                        : 2 * threads;
    blocks = std::max(own, (all_rows + most - 1) / most);
    if (threads > 1 && blocks > own) blocks = (blocks + threads - 1) / threads * threads;
    rows = std::max<std::int64_t>((all_rows + blocks - 1) / blocks, 1);
    // Whole tiles of the widest panels, which have 6 rows, where that changes shares little.
    if (rows > 8 * kTile) rows = (rows + 5) / 6 * 6;
    blocks = (all_rows + rows - 1) / rows;
    if (blocks < threads) parts = std::min(layout.panels(), 2 * threads);
  }
};

// What was taken from the packed matrix, for the kernel that multiplies it apart; null: nothing.
struct Apart {
  const GemmPairsKernel* kernel = nullptr;
  const Excess* excess = nullptr;
};

// Bytes of a packed row.
inline std::size_t packed_row_bytes(const GemmS8Kernel& kernel, const PanelLayout& layout) {
  return static_cast<std::size_t>(layout.groups()) * kernel.group * kernel.element;
}

// Where in a worker's scratch are packed rows, the same by column, and a panel's accumulators.
struct MultiplyScratch {
  std::int64_t stride = 0;  // of the columns: rows, filled up
  std::size_t codes = 0;
  std::size_t start = 0;
  std::size_t bytes = 0;

  MultiplyScratch(const PanelLayout& layout, std::int64_t rows, std::size_t row_bytes,
                  bool has_excess) {
    // One cache line more, because packing may write past the last row.
    codes = align_up(row_bytes * static_cast<std::size_t>(rows)) + kCacheLine;
    start = codes;
    bytes = codes;
    if (!has_excess) return;
    stride = (rows + 15) / 16 * 16;
    const std::int64_t depth = (layout.depth() + 15) / 16 * 16;
    start += align_up(static_cast<std::size_t>(depth * stride));
    bytes = start + static_cast<std::size_t>(stride) * 16 * sizeof(std::int32_t);
  }
};

// Threads that share one of `groups` products: groups are tasks enough where they are many.
inline int sharing(std::int64_t groups, int threads) { return groups < 4 * threads ? threads : 1; }

inline std::size_t multiply_scratch(const GemmS8Kernel& kernel, const PanelLayout& layout,
                                    std::int64_t rows, int threads, bool has_excess = false,
                                    std::int64_t groups = 1) {
  const std::size_t row = packed_row_bytes(kernel, layout);
  const Blocking blocking(layout, rows, row, sharing(groups, threads));
  return MultiplyScratch(layout, blocking.rows, row, has_excess).bytes *
         static_cast<std::size_t>(threads);
}

// One block of rows and part of the panels, which is task number `task`, with a worker's scratch:
// pack(first row, count, target) writes packed rows, then finish(tile, panel, first row) completes
// the tile (rows, a, b and start are set) and runs it.
template <typename Pack, typename Finish>
void multiply_block(const GemmS8Kernel& kernel, const PanelLayout& layout,
                    const std::int8_t* packed, const Apart& apart, std::int64_t rows,
                    const Blocking& blocking, std::int64_t task, const MultiplyScratch& places,
                    std::byte* scratch, Pack&& pack, Finish&& finish) {
  const std::size_t row_bytes = packed_row_bytes(kernel, layout);
  const std::int64_t first = task / blocking.parts * blocking.rows;
  const std::int64_t count = std::min(blocking.rows, rows - first);
  const int part = static_cast<int>(task % blocking.parts);
  auto* codes = reinterpret_cast<std::uint8_t*>(scratch + places.codes);
  auto* start = reinterpret_cast<std::int32_t*>(scratch + places.start);
  pack(first, count, scratch);
  if (apart.excess != nullptr) {
    apart.kernel->transpose(reinterpret_cast<const std::uint8_t*>(scratch),
                            static_cast<std::int64_t>(row_bytes), static_cast<std::int32_t>(count),
                            layout.depth(), codes, places.stride);
  }
  const int begin = layout.panels() * part / blocking.parts;
  const int end = layout.panels() * (part + 1) / blocking.parts;
  for (int panel = begin; panel < end; ++panel) {
    GemmS8Tile tile{};
    tile.a = scratch;
    tile.a_stride = static_cast<std::int64_t>(row_bytes);
    tile.rows = static_cast<std::int32_t>(count);
    tile.groups = layout.groups();
    tile.segments = 1;
    tile.b = packed + layout.begin(panel);
    tile.columns = layout.width(panel);
    if (apart.excess != nullptr) {
      apart.kernel->excess(codes, places.stride, tile.rows, apart.excess->pairs(),
                           apart.excess->begin(panel * kernel.panel), tile.columns, start);
      tile.start = start;
    }
    finish(tile, panel, first);
  }
}

// Products with `groups` matrices that lie one behind the other in `packed`, of which apart(group)
// was taken. For each block of each: pack(group, first row, count, target, worker), then
// finish(tile, group, panel, first row, worker).
template <typename ApartOf, typename Pack, typename Finish>
void multiply_groups(const GemmS8Kernel& kernel, const PanelLayout& layout,
                     const std::int8_t* packed, bool has_excess, std::int64_t groups,
                     std::int64_t rows, Workspace& workspace, ApartOf&& apart, Pack&& pack,
                     Finish&& finish) {
  const std::size_t row_bytes = packed_row_bytes(kernel, layout);
  const Blocking blocking(layout, rows, row_bytes, sharing(groups, workspace.pool.size()));
  const MultiplyScratch places(layout, blocking.rows, row_bytes, has_excess);
  const std::int64_t tasks = blocking.blocks * blocking.parts;
  workspace.pool.parallel_for(groups * tasks, [&](std::int64_t task, int worker) {
    const std::int64_t group = task / tasks;
    multiply_block(
        kernel, layout, packed + layout.bytes() * static_cast<std::size_t>(group), apart(group),
        rows, blocking, task % tasks, places,
        workspace.scratch + places.bytes * static_cast<std::size_t>(worker),
        [&](std::int64_t first, std::int64_t count, std::byte* target) {
          pack(group, first, count, target, worker);
        },
        [&](GemmS8Tile& tile, int panel, std::int64_t first) {
          finish(tile, group, panel, first, worker);
        });
  });
}

// As multiply_groups for a single matrix: pack(first row, count, target, worker), finish(tile,
// panel, first row, worker).
template <typename Pack, typename Finish>
void multiply(const GemmS8Kernel& kernel, const PanelLayout& layout, const std::int8_t* packed,
              const Apart& apart, std::int64_t rows, Workspace& workspace, Pack&& pack,
              Finish&& finish) {
  multiply_groups(
      kernel, layout, packed, apart.excess != nullptr, 1, rows, workspace,
      [&apart](std::int64_t) { return apart; },
      [&](std::int64_t, std::int64_t first, std::int64_t count, std::byte* target, int worker) {
        pack(first, count, target, worker);
      },
      [&](GemmS8Tile& tile, std::int64_t, int panel, std::int64_t first, int worker) {
        finish(tile, panel, first, worker);
      });
}

}  // namespace intact
