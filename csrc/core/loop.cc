#include "core/loop.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>
#include <utility>

namespace intact {
namespace {

std::size_t index(int value) { return static_cast<std::size_t>(value); }

Shape resolved(const std::vector<std::int64_t>& dims, std::int64_t batch) {
  std::int64_t sizes[Shape::kMaxRank] = {};
  for (std::size_t i = 0; i < dims.size(); ++i) {
    sizes[i] = dims[i] < 0 ? -dims[i] * batch : dims[i];
  }
  return Shape(std::span<const std::int64_t>(sizes, dims.size()));
}

// Entry `step` of the sequence's axis of time is one run of bytes for each of `outer` rows.
struct Steps {
  std::size_t outer, steps, bytes;

  Steps(const Tensor& sequence, int axis)
      : outer(static_cast<std::size_t>(sequence.shape.elements(0, axis))),
        steps(static_cast<std::size_t>(sequence.shape[axis])),
        bytes(static_cast<std::size_t>(
                  sequence.shape.elements(axis + 1, sequence.shape.rank())) *
              size_of(sequence.dtype)) {}

  void read(const std::byte* sequence, std::size_t step, std::byte* entry) const {
    for (std::size_t i = 0; i < outer; ++i) {
      std::memcpy(entry + i * bytes, sequence + (i * steps + step) * bytes, bytes);
    }
  }
  void write(const std::byte* entry, std::size_t step, std::byte* sequence) const {
    for (std::size_t i = 0; i < outer; ++i) {
      std::memcpy(sequence + (i * steps + step) * bytes, entry + i * bytes, bytes);
    }
  }
};

}  // namespace

Loop::Loop(Body body, int axis, int state, bool reverse)
    : body_(std::move(body)), axis_(axis), state_(state), reverse_(reverse) {
  const auto known = [this](int value) { return value >= 0 && index(value) < body_.shapes.size(); };
  const auto all_known = [&](const std::vector<int>& values) {
    return std::all_of(values.begin(), values.end(), known);
  };
  const bool fits = std::all_of(body_.shapes.begin(), body_.shapes.end(), [](const auto& shape) {
    return shape.size() <= static_cast<std::size_t>(Shape::kMaxRank);
  });
  if (!fits || body_.shapes.size() != body_.network->values() || !all_known(body_.given) ||
      !all_known(body_.after) || body_.given.size() < 1 + body_.after.size() || axis < 0 ||
      state < 0 || index(state) >= body_.after.size()) {
    throw std::invalid_argument("the body of a loop lacks a value");
  }
}

std::string Loop::kernel() const {
  return "loop of " + std::to_string(body_.network->steps().size());
}

std::size_t Loop::packed_bytes() const {
  return body_.network->packed_bytes() + body_.network->constant_bytes();
}

std::int64_t Loop::batch_of(const Shape& x) const {
  const auto& step = body_.shapes[index(body_.given[0])];
  for (std::size_t i = 0; i < step.size(); ++i) {
    const int axis = static_cast<int>(i) + (static_cast<int>(i) >= axis_ ? 1 : 0);
    if (step[i] < 0) return x[axis] / -step[i];
  }
  return 1;
}

Loop::Layout Loop::layout(std::int64_t batch) const {
  std::size_t reads = 0;
  for (const Network::Step& step : body_.network->steps()) reads += step.inputs.size();
  Layout layout{};
  layout.step_inputs = align_up(body_.shapes.size() * sizeof(Tensor));
  layout.data = layout.step_inputs + align_up(reads * sizeof(Tensor));
  layout.scratch = layout.data;
  for (std::size_t value = 0; value < body_.shapes.size(); ++value) {
    const int number = static_cast<int>(value);
    const Tensor tensor{nullptr, body_.network->dtype(number),
                        resolved(body_.shapes[value], batch)};
    if (body_.network->constant(number) == nullptr) layout.scratch += align_up(tensor.bytes());
  }
  return layout;
}

void Loop::fill(std::int64_t batch, std::byte* data, Tensor* values) const {
  for (std::size_t value = 0; value < body_.shapes.size(); ++value) {
    const int number = static_cast<int>(value);
    const Tensor* constant = body_.network->constant(number);
    Tensor tensor{nullptr, body_.network->dtype(number), resolved(body_.shapes[value], batch)};
    if (constant != nullptr) {
      tensor = *constant;
    } else if (data != nullptr) {
      tensor.data = data;
      data += align_up(tensor.bytes());
    }
    new (values + value) Tensor(tensor);
  }
}

std::size_t Loop::scratch_bytes(Inputs inputs, const Tensor& /*output*/, int threads) const {
  const std::int64_t batch = batch_of(inputs[0].shape);
  std::vector<Tensor> values(body_.shapes.size());
  fill(batch, nullptr, values.data());
  std::size_t most = 0;
  for (const Network::Step& step : body_.network->steps()) {
    std::vector<Tensor> read;
    for (const int value : step.inputs) read.push_back(values[index(value)]);
    most = std::max(most, step.op->scratch_bytes(read, values[index(step.output)], threads));
  }
  return layout(batch).scratch + most;
}

void Loop::run(Inputs inputs, const Tensor& output, Workspace& workspace) const {
  const std::int64_t batch = batch_of(inputs[0].shape);
  const Layout where = layout(batch);
  auto* values = reinterpret_cast<Tensor*>(workspace.scratch);
  fill(batch, workspace.scratch + where.data, values);
  const std::size_t states = body_.after.size();
  for (std::size_t i = 1; i < body_.given.size(); ++i) {
    Tensor& tensor = values[index(body_.given[i])];
    if (i <= states) {
      std::memcpy(tensor.data, inputs[i].data, tensor.bytes());
    } else {
      tensor.data = inputs[i].data;
    }
  }
  auto* read = reinterpret_cast<Tensor*>(workspace.scratch + where.step_inputs);
  for (const Network::Step& step : body_.network->steps()) {
    for (const int value : step.inputs) new (read++) Tensor(values[index(value)]);
  }
  const Steps in(inputs[0], axis_), out(output, axis_);
  Workspace inner{workspace.pool, workspace.scratch + where.scratch};
  for (std::size_t count = 0; count < in.steps; ++count) {
    const std::size_t number = reverse_ ? in.steps - 1 - count : count;
    in.read(inputs[0].data, number, values[index(body_.given[0])].data);
    read = reinterpret_cast<Tensor*>(workspace.scratch + where.step_inputs);
    for (const Network::Step& step : body_.network->steps()) {
      step.op->run(Inputs(read, step.inputs.size()), values[index(step.output)], inner);
      read += step.inputs.size();
    }
    out.write(values[index(body_.after[index(state_)])].data, number, output.data);
    for (std::size_t i = 0; i < states; ++i) {
      const Tensor& state = values[index(body_.given[1 + i])];
      std::memcpy(state.data, values[index(body_.after[i])].data, state.bytes());
    }
  }
}

}  // namespace intact
