#include <atomic>
#include <cstring>
#include <stdexcept>

#include "ops/floats.h"
#include "ops/portable.h"

namespace intact {
namespace {

std::int64_t index_at(const Tensor& indices, std::int64_t i) {
  if (indices.dtype == DType::kInt64) return indices.as<const std::int64_t>()[i];
  return intact_load(indices.data, portable_type(indices.dtype), size(i));
}

class Rows final : public Op {
 public:
  std::string kernel() const override { return "rows"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &indices = inputs[0], &table = inputs[1];
    const std::size_t bytes = size(table.shape[1]) * size_of(table.dtype);
    std::atomic<bool> outside{false};
    workspace.pool.parallel_ranges(indices.shape.elements(), grain_of(table.shape[1]),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     for (std::int64_t i = begin; i < end; ++i) {
                                       const std::int64_t index = index_at(indices, i);
                                       if (index < 0 || index >= table.shape[0]) {
                                         outside = true;
                                         continue;
                                       }
                                       std::memcpy(output.data + size(i) * bytes,
                                                   table.data + size(index) * bytes, bytes);
                                     }
                                   });
    if (outside) {
      throw std::out_of_range("an index is out of range: rows are 0.." +
                              std::to_string(table.shape[0] - 1));
    }
  }
};

}  // namespace

OpPtr make_rows() { return std::make_shared<Rows>(); }

}  // namespace intact
