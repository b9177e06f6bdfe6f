// How an image is cut into tiles, and the tiles into blocks for threads and caches.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/buffer.h"
#include "core/tensor.h"

namespace intact {

// Tiles of outputs x outputs pixels of the output, numbered row by row, image by image.
struct TileGrid {
  int outputs;
  std::int64_t rows, columns;  // of an image
  std::int64_t count;

  TileGrid(int tile_outputs, const Tensor& output)
      : outputs(tile_outputs),
        rows((output.shape[1] + tile_outputs - 1) / tile_outputs),
        columns((output.shape[2] + tile_outputs - 1) / tile_outputs),
        count(output.shape[0] * rows * columns) {}
};

// Elements from position to position where each has `size`: a whole and odd number of cache lines,
// because writing one element of all positions must not meet one set of the cache.
inline std::ptrdiff_t spread_stride(std::size_t size, std::size_t element_bytes) {
  const std::size_t lines = align_up(size * element_bytes) / kCacheLine | 1;
  return static_cast<std::ptrdiff_t>(lines * kCacheLine / element_bytes);
}

// Many tiles: each thread transforms and multiplies blocks of its own. Few: all of them are
// transformed first, and threads share the output channels.
struct TileBlocks {
  std::int64_t tiles;  // of a block
  std::int64_t blocks;
  bool shared;  // one block, whose transformed inputs all threads read

  TileBlocks(const TileGrid& grid, std::size_t tile_bytes, int threads) {
    constexpr std::int64_t kBlockBytes = 512 << 10;  // beside weights in the L2 cache
    constexpr std::int64_t kFewest = 24;             // that are worth reading all weights
    const auto most = std::max(kBlockBytes / static_cast<std::int64_t>(tile_bytes), kFewest);
    shared = threads > 1 && grid.count < 2 * kFewest * threads;
    blocks = shared ? 1 : std::max<std::int64_t>((grid.count + most - 1) / most, 1);
    if (!shared) blocks = (blocks + threads - 1) / threads * threads;
    tiles = std::max<std::int64_t>((grid.count + blocks - 1) / blocks, 1);
    blocks = (grid.count + tiles - 1) / tiles;
  }
};

}  // namespace intact
