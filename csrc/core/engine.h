// Runs a list of operations over one arena.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/op.h"
#include "core/thread_pool.h"

namespace intact {

// A network without sizes: values are numbers 0 .. n - 1, operations read and write them.
class Network {
 public:
  struct Step {
    std::string name;
    std::shared_ptr<const Op> op;
    std::vector<int> inputs;
    int output;
  };

  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  // Adds a value that is computed or passed in, and returns its number.
  int add_value(DType dtype);
  // Adds a value that never changes; copies `bytes` bytes.
  int add_constant(DType dtype, const Shape& shape, const void* data, std::size_t bytes);
  void add_step(Step step);

  const std::vector<Step>& steps() const { return steps_; }
  std::size_t values() const { return dtypes_.size(); }
  DType dtype(int value) const { return dtypes_.at(static_cast<std::size_t>(value)); }
  // The tensor of a constant; nullptr for other values.
  const Tensor* constant(int value) const;
  std::size_t constant_bytes() const;
  std::size_t packed_bytes() const;

 private:
  struct Constant {
    Buffer<std::byte> data;
    Tensor tensor;
  };
  std::vector<DType> dtypes_;
  std::vector<std::unique_ptr<Constant>> constants_;  // by value; null for other values
  std::vector<Step> steps_;
};

// A network at fixed sizes, with its arena.
class Plan {
 public:
  // Where a value lies: in the arena at `offset`, in the storage of value `offset` (an alias: same
  // elements, other shape), or with the caller as its input or output number `offset`.
  enum class Place { kConstant, kArena, kAlias, kInput, kOutput };
  struct Location {
    Shape shape;
    Place place;
    std::int64_t offset;
  };

  // `arena_bytes`: what the offsets of `locations` (by value) need. Throws std::invalid_argument
  // if a location lies outside of it.
  Plan(const Network& network, std::span<const Location> locations, std::size_t arena_bytes,
       int threads);
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  std::size_t arena_bytes() const { return arena_.bytes(); }
  // Bytes of each input and output that the caller passes.
  const std::vector<std::size_t>& input_bytes() const { return input_bytes_; }
  const std::vector<std::size_t>& output_bytes() const { return output_bytes_; }

 private:
  friend class Engine;
  struct BoundStep {
    const Op* op;
    std::vector<Tensor> inputs;
    Tensor output;

    // Of an empty batch, operations need not think.
    bool is_empty() const { return output.shape.elements() == 0; }
  };
  // A tensor whose data pointer is the caller's: set before each run.
  struct External {
    Tensor* tensor;
    int number;
  };

  void measure_externals(const Network& network, std::span<const Location> locations);
  // Adds all steps without data, and returns the scratch that they need.
  std::size_t add_steps(const Network& network, std::span<const Location> locations, int threads);
  // Gives a tensor of `value` its data, or enters it among the external ones.
  void bind(const Network& network, std::span<const Location> locations, std::size_t arena_bytes,
            int value, Tensor& tensor);

  Buffer<std::byte> arena_;
  std::byte* scratch_ = nullptr;
  std::vector<BoundStep> steps_;
  std::vector<External> inputs_;
  std::vector<External> outputs_;
  std::vector<std::size_t> input_bytes_;
  std::vector<std::size_t> output_bytes_;
};

// A network with its threads. Calls from several threads wait for each other.
class Engine {
 public:
  Engine(std::shared_ptr<const Network> network, int threads);

  const Network& network() const { return *network_; }
  int threads() const { return pool_.size(); }

  // Runs `plan`, which must be of this engine's network, on each of `parts` parts that lie one
  // behind the other in every input and output. `seconds`, if not empty, receives the time of each
  // step. Throws std::runtime_error after close(), and what operations throw.
  void run(Plan& plan, std::size_t parts, std::span<const std::byte* const> inputs,
           std::span<std::byte* const> outputs, std::span<double> seconds = {});

  // Waits for a running call; later calls throw.
  void close();

 private:
  void run_part(Plan& plan, std::size_t part, std::span<const std::byte* const> inputs,
                std::span<std::byte* const> outputs, std::span<double> seconds);

  std::shared_ptr<const Network> network_;
  ThreadPool pool_;
  std::mutex mutex_;
  bool closed_ = false;
};

}  // namespace intact
