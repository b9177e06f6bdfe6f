// One operation of a network, ready to run: parameters converted, weights packed.
#pragma once

#include <cstddef>
#include <string>

#include "core/tensor.h"
#include "core/thread_pool.h"

namespace intact {

// What an operation may use while it runs.
struct Workspace {
  ThreadPool& pool;
  std::byte* scratch;  // aligned to a cache line; as many bytes as scratch_bytes() asked for
};

// Operations are immutable: one may run in several engines and threads at once.
class Op {
 public:
  virtual ~Op() = default;

  // The kernel that was chosen, for profiles: "conv2d winograd4_avx2".
  virtual std::string kernel() const = 0;

  // Bytes of scratch that run() needs for tensors of these shapes (their data is null).
  virtual std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& /*output*/,
                                    int /*threads*/) const {
    return 0;
  }

  // Bytes of packed weights and tables that it holds.
  virtual std::size_t packed_bytes() const { return 0; }

  // Writes `output`, which is not empty. Shapes and types are those that the verified Program
  // declares, so that only data can be wrong: throws std::out_of_range for an index of no row.
  // Must not allocate.
  virtual void run(Inputs inputs, const Tensor& output, Workspace& workspace) const = 0;
};

}  // namespace intact
