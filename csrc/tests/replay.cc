// Runs recorded networks and compares what they give with what was recorded:
//
//   replay RECORDING THREADS...
//
// Prints a line for each step, "network<TAB>step<TAB>kernel", and exits with 1 if an output
// differs. Each run of a network is between two calls of getppid(), at which a plugin of QEMU
// (tests/aarch64/count.c) prints how many instructions there were.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <vector>

#include "core/engine.h"
#include "tests/constructors.h"

namespace intact {
namespace {

// Memory that ends where pages begin that nobody may touch.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t used = (bytes + page - 1) / page * page;
    size_ = used + page;
    pages_ = static_cast<std::byte*>(
        mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (pages_ == MAP_FAILED || mprotect(pages_ + used, page, PROT_NONE) != 0) {
      throw std::runtime_error("no memory");
    }
    data_ = pages_ + used - bytes;
  }
  ~Guarded() { munmap(pages_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte* pages_;
  std::byte* data_;
  std::size_t size_;
};

struct Case {
  std::string name;
  std::shared_ptr<Network> network = std::make_shared<Network>();
  std::vector<Plan::Location> locations;
  std::size_t arena_bytes;
  std::vector<Tensor> inputs, outputs;

  explicit Case(Recording& in) : name(in.text()) {
    for (std::int64_t i = in.number(); i > 0; --i) read_value(in);
    for (std::int64_t i = in.number(); i > 0; --i) read_step(in);
    for (std::size_t i = 0; i < network->values(); ++i) {
      const Shape shape(in.numbers<std::int64_t>());
      const auto place = in.read<Plan::Place>();
      locations.push_back({shape, place, in.number()});
    }
    arena_bytes = in.read<std::size_t>();
    for (std::int64_t i = in.number(); i > 0; --i) inputs.push_back(in.array());
    for (std::int64_t i = in.number(); i > 0; --i) outputs.push_back(in.array());
  }

 private:
  void read_value(Recording& in) {
    if (in.read<bool>()) {
      const Tensor tensor = in.array();
      network->add_constant(tensor.dtype, tensor.shape, tensor.data, tensor.bytes());
    } else {
      network->add_value(in.read<DType>());
    }
  }

  void read_step(Recording& in) {
    Network::Step step;
    step.name = in.text();
    const std::string constructor = in.text();
    step.op = read_op(constructor, in);
    step.inputs = in.numbers<int>();
    step.output = in.read<int>();
    network->add_step(std::move(step));
  }
};

Recording load(const char* path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(std::string("cannot open ") + path);
  std::vector<std::uint64_t> words(static_cast<std::size_t>(file.tellg()) / 8);
  file.seekg(0).read(reinterpret_cast<char*>(words.data()),
                     static_cast<std::streamsize>(8 * words.size()));
  return Recording(std::move(words));
}

std::size_t differences(const Tensor& expected, const std::byte* found) {
  const std::size_t size = size_of(expected.dtype);
  std::size_t count = 0;
  for (std::size_t i = 0; i < expected.bytes(); i += size) {
    count += std::memcmp(expected.data + i, found + i, size) != 0 ? 1 : 0;
  }
  return count;
}

// Whether all outputs are the expected ones.
bool run(const Case& one, int threads) {
  std::vector<std::unique_ptr<Guarded>> memory;
  std::vector<const std::byte*> inputs;
  std::vector<std::byte*> outputs;
  for (const Tensor& tensor : one.inputs) {
    memory.push_back(std::make_unique<Guarded>(tensor.bytes()));
    std::memcpy(memory.back()->data(), tensor.data, tensor.bytes());
    inputs.push_back(memory.back()->data());
  }
  for (const Tensor& tensor : one.outputs) {
    memory.push_back(std::make_unique<Guarded>(tensor.bytes()));
    outputs.push_back(memory.back()->data());
  }
  Plan plan(*one.network, one.locations, one.arena_bytes, threads);
  Engine engine(one.network, threads);
  getppid();
  engine.run(plan, 1, inputs, outputs);
  getppid();
  bool equal = true;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::size_t count = differences(one.outputs[i], outputs[i]);
    if (count == 0) continue;
    equal = false;
    std::fprintf(stderr, "%s: %zu of %lld elements of output %zu differ with %d threads\n",
                 one.name.c_str(), count, static_cast<long long>(one.outputs[i].shape.elements()),
                 i, threads);
  }
  return equal;
}

int replay(int count, char** arguments) {
  if (count < 3) throw std::runtime_error("usage: replay RECORDING THREADS...");
  Recording recording = load(arguments[1]);
  bool equal = true;
  while (!recording.at_end()) {
    const Case one(recording);
    for (const Network::Step& step : one.network->steps()) {
      std::printf("%s\t%s\t%s\n", one.name.c_str(), step.name.c_str(), step.op->kernel().c_str());
    }
    for (int i = 2; i < count; ++i) equal = run(one, std::atoi(arguments[i])) && equal;
  }
  return equal ? 0 : 1;
}

}  // namespace
}  // namespace intact

int main(int count, char** arguments) {
  try {
    return intact::replay(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "replay: %s\n", error.what());
    return 2;
  }
}
