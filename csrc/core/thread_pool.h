// A few threads that share the tasks of one operation at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace intact {

// The calling thread works too: a pool of n threads starts n - 1. They are started at the first
// call that has work for them, and again after a fork, whose child inherits none. If the system
// gives fewer, these do all the work.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  // Calls task(i, worker) for i in 0 .. count - 1, in any order; worker in 0 .. size() - 1 is
  // never used by two tasks at once. Tasks must not throw. Not reentrant; one caller at a time.
  template <typename Task>
  void parallel_for(std::int64_t count, Task&& task) {
    using Plain = std::remove_reference_t<Task>;
    if (threads_ == 1 || count <= 1) {
      for (std::int64_t i = 0; i < count; ++i) task(i, 0);
      return;
    }
    const Function function = [](void* context, std::int64_t i, int worker) {
      (*static_cast<Plain*>(context))(i, worker);
    };
    dispatch(count, function, const_cast<void*>(static_cast<const void*>(&task)));
  }

  // As parallel_for over ranges of 0 .. count - 1: task(begin, end, worker). A range has at least
  // `grain` elements and there are at most a few for each thread.
  template <typename Task>
  void parallel_ranges(std::int64_t count, std::int64_t grain, Task&& task) {
    if (count <= 0) return;
    const std::int64_t most = threads_ == 1 ? 1 : std::int64_t{4} * threads_;
    const std::int64_t possible = count / (grain > 0 ? grain : 1);
    const std::int64_t parts = possible < 1 ? 1 : (possible < most ? possible : most);
    parallel_for(parts, [&](std::int64_t part, int worker) {
      task(count * part / parts, count * (part + 1) / parts, worker);
    });
  }

 private:
  using Function = void (*)(void*, std::int64_t, int);
  struct Workers;

  void dispatch(std::int64_t count, Function function, void* context);

  const int threads_;
  std::unique_ptr<Workers> workers_;
};

}  // namespace intact
