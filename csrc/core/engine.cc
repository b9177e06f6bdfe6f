#include "core/engine.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace intact {
namespace {

std::size_t index(int value) { return static_cast<std::size_t>(value); }

}  // namespace

int Network::add_value(DType dtype) {
  dtypes_.push_back(dtype);
  constants_.push_back(nullptr);
  return static_cast<int>(dtypes_.size()) - 1;
}

int Network::add_constant(DType dtype, const Shape& shape, const void* data, std::size_t bytes) {
  const int value = add_value(dtype);
  auto constant = std::make_unique<Constant>();
  constant->data = Buffer<std::byte>(bytes);
  if (bytes != 0) std::memcpy(constant->data.data(), data, bytes);
  constant->tensor = Tensor{constant->data.data(), dtype, shape};
  constants_[index(value)] = std::move(constant);
  return value;
}

void Network::add_step(Step step) {
  const auto known = [this](int value) { return value >= 0 && index(value) < dtypes_.size(); };
  if (!known(step.output) || !std::all_of(step.inputs.begin(), step.inputs.end(), known)) {
    throw std::invalid_argument("step \"" + step.name + "\" names a value that does not exist");
  }
  steps_.push_back(std::move(step));
}

const Tensor* Network::constant(int value) const {
  const auto& constant = constants_.at(index(value));
  return constant ? &constant->tensor : nullptr;
}

std::size_t Network::constant_bytes() const {
  std::size_t total = 0;
  for (const auto& constant : constants_) total += constant ? constant->data.bytes() : 0;
  return total;
}

std::size_t Network::packed_bytes() const {
  std::size_t total = 0;
  for (const Step& step : steps_) total += step.op->packed_bytes();
  return total;
}

namespace {

// The location that owns the storage of `value`, and its number.
int storage_of(std::span<const Plan::Location> locations, int value) {
  for (std::size_t hops = 0; hops <= locations.size(); ++hops) {
    const Plan::Location& location = locations[index(value)];
    if (location.place != Plan::Place::kAlias) return value;
    if (location.offset < 0 || static_cast<std::size_t>(location.offset) >= locations.size()) break;
    value = static_cast<int>(location.offset);
  }
  throw std::invalid_argument("an alias of no value");
}

Tensor tensor_of(const Network& network, std::span<const Plan::Location> locations, int value) {
  return {nullptr, network.dtype(value), locations[index(value)].shape};
}

}  // namespace

Plan::Plan(const Network& network, std::span<const Location> locations, std::size_t arena_bytes,
           int threads) {
  if (locations.size() != network.values()) {
    throw std::invalid_argument("a plan needs one location for each value");
  }
  measure_externals(network, locations);
  const std::size_t scratch = add_steps(network, locations, threads);
  const std::size_t scratch_offset = align_up(arena_bytes);
  arena_ = Buffer<std::byte>(scratch_offset + scratch);
  scratch_ = arena_.data() + scratch_offset;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Network::Step& step = network.steps()[i];
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      bind(network, locations, arena_bytes, step.inputs[k], steps_[i].inputs[k]);
    }
    bind(network, locations, arena_bytes, step.output, steps_[i].output);
  }
}

// Also of an input that no step reads: it is passed all the same.
void Plan::measure_externals(const Network& network, std::span<const Location> locations) {
  for (std::size_t value = 0; value < locations.size(); ++value) {
    const Location& location = locations[value];
    if (location.place != Place::kInput && location.place != Place::kOutput) continue;
    auto& sizes = location.place == Place::kInput ? input_bytes_ : output_bytes_;
    if (location.offset < 0) throw std::invalid_argument("an input or output of no number");
    const std::size_t number = static_cast<std::size_t>(location.offset);
    if (sizes.size() <= number) sizes.resize(number + 1);
    sizes[number] = tensor_of(network, locations, static_cast<int>(value)).bytes();
  }
}

std::size_t Plan::add_steps(const Network& network, std::span<const Location> locations,
                            int threads) {
  std::size_t scratch = 0;
  for (const Network::Step& step : network.steps()) {
    BoundStep bound{step.op.get(), {}, tensor_of(network, locations, step.output)};
    for (const int value : step.inputs) {
      bound.inputs.push_back(tensor_of(network, locations, value));
    }
    if (!bound.is_empty()) {
      scratch = std::max(scratch, step.op->scratch_bytes(bound.inputs, bound.output, threads));
    }
    steps_.push_back(std::move(bound));
  }
  return scratch;
}

void Plan::bind(const Network& network, std::span<const Location> locations,
                std::size_t arena_bytes, int value, Tensor& tensor) {
  const int owner = storage_of(locations, value);
  const Location& location = locations[index(owner)];
  switch (location.place) {
    case Place::kConstant: {
      const Tensor* constant = network.constant(owner);
      if (constant == nullptr || constant->bytes() != tensor.bytes()) {
        throw std::invalid_argument("a constant without data");
      }
      tensor.data = constant->data;
      break;
    }
    case Place::kArena: {
      const std::size_t offset = static_cast<std::size_t>(location.offset);
      if (location.offset < 0 || offset + tensor.bytes() > arena_bytes) {
        throw std::invalid_argument("a value outside of the arena");
      }
      tensor.data = arena_.data() + offset;
      break;
    }
    case Place::kInput:
      inputs_.push_back({&tensor, static_cast<int>(location.offset)});
      break;
    case Place::kOutput:
      outputs_.push_back({&tensor, static_cast<int>(location.offset)});
      break;
    case Place::kAlias:
      break;
  }
}

Engine::Engine(std::shared_ptr<const Network> network, int threads)
    : network_(std::move(network)), pool_(threads) {
  if (threads < 1) throw std::invalid_argument("an engine needs at least one thread");
}

void Engine::run(Plan& plan, std::size_t parts, std::span<const std::byte* const> inputs,
                 std::span<std::byte* const> outputs, std::span<double> seconds) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw std::runtime_error("the engine is closed");
  for (std::size_t part = 0; part < parts; ++part) {
    run_part(plan, part, inputs, outputs, seconds);
  }
}

void Engine::run_part(Plan& plan, std::size_t part, std::span<const std::byte* const> inputs,
                      std::span<std::byte* const> outputs, std::span<double> seconds) {
  using Clock = std::chrono::steady_clock;
  for (const Plan::External& input : plan.inputs_) {
    const std::size_t number = index(input.number);
    input.tensor->data =
        const_cast<std::byte*>(inputs[number] + part * plan.input_bytes_[number]);
  }
  for (const Plan::External& output : plan.outputs_) {
    const std::size_t number = index(output.number);
    output.tensor->data = outputs[number] + part * plan.output_bytes_[number];
  }
  Workspace workspace{pool_, plan.scratch_};
  for (std::size_t i = 0; i < plan.steps_.size(); ++i) {
    const Plan::BoundStep& step = plan.steps_[i];
    if (step.is_empty()) continue;
    const Clock::time_point start = seconds.empty() ? Clock::time_point{} : Clock::now();
    step.op->run(step.inputs, step.output, workspace);
    if (!seconds.empty()) {
      seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
    }
  }
}

void Engine::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace intact
