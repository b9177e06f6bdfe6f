// A body of operations that runs once for each entry of its input's axis of time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/op.h"

namespace intact {

// `QScan` and `Scan` of ir/. Inputs: x, the initial states, then what else the body is given. The
// output is the sequence of one state.
class Loop : public Op {
 public:
  struct Body {
    std::shared_ptr<const Network> network;
    std::vector<std::vector<std::int64_t>> shapes;  // by value; -k is k times the batch size
    std::vector<int> given;  // values: a step of x, the states before it, the rest
    std::vector<int> after;  // values: the states after the step
  };

  // Throws std::invalid_argument if the body does not have these values.
  Loop(Body body, int axis, int state, bool reverse);

  std::string kernel() const override;
  std::size_t scratch_bytes(Inputs inputs, const Tensor& output, int threads) const override;
  std::size_t packed_bytes() const override;
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override;

 private:
  // Where in the scratch everything lies: all tensors, those that steps read, their data, and the
  // scratch of the body's operations.
  struct Layout {
    std::size_t step_inputs, data, scratch;
  };

  std::int64_t batch_of(const Shape& x) const;
  Layout layout(std::int64_t batch) const;
  // Tensors of all values, those that are not constants one behind the other from `data` on.
  void fill(std::int64_t batch, std::byte* data, Tensor* values) const;

  Body body_;
  int axis_;
  int state_;
  bool reverse_;
};

}  // namespace intact
