#include "core/thread_pool.h"

#include <unistd.h>

#include <thread>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace intact {
namespace {

// About 50 microseconds: the time between two operations of a network, much less than a sleep.
constexpr int kSpins = 2000;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

struct ThreadPool::Workers {
  alignas(64) std::atomic<std::uint32_t> round{0};
  alignas(64) std::atomic<std::int64_t> next{0};
  alignas(64) std::atomic<int> busy{0};
  std::atomic<bool> stop{false};
  std::int64_t count = 0;
  Function function = nullptr;
  void* context = nullptr;
  pid_t process = getpid();
  std::vector<std::thread> threads;

  explicit Workers(int helpers) {
    threads.reserve(static_cast<std::size_t>(helpers));
    for (int i = 1; i <= helpers; ++i) threads.emplace_back([this, i] { serve(i); });
  }

  ~Workers() {
    stop.store(true);
    round.fetch_add(1);
    round.notify_all();
    for (std::thread& thread : threads) thread.join();
  }

  void serve(int worker) {
    std::uint32_t seen = 0;
    for (;;) {
      wait_for_change(seen);
      seen = round.load(std::memory_order_acquire);
      if (stop.load()) return;
      work(worker);
      busy.fetch_sub(1, std::memory_order_release);
    }
  }

  void wait_for_change(std::uint32_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (round.load(std::memory_order_acquire) != seen) return;
      pause_briefly();
    }
    round.wait(seen, std::memory_order_acquire);
  }

  void work(int worker) {
    for (;;) {
      const std::int64_t i = next.fetch_add(1, std::memory_order_relaxed);
      if (i >= count) return;
      function(context, i, worker);
    }
  }

  void run(std::int64_t tasks, Function task, void* task_context) {
    count = tasks;
    function = task;
    context = task_context;
    next.store(0, std::memory_order_relaxed);
    busy.store(static_cast<int>(threads.size()), std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    work(0);
    for (int i = 0; busy.load(std::memory_order_acquire) != 0; ++i) {
      if (i < kSpins) {
        pause_briefly();
      } else {
        std::this_thread::yield();  // a helper has lost its core; it has at most one task left
      }
    }
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads) {}

ThreadPool::~ThreadPool() {
  // In a forked child the helpers do not exist: there is nothing to join.
  if (workers_ && workers_->process != getpid()) static_cast<void>(workers_.release());
}

void ThreadPool::dispatch(std::int64_t count, Function function, void* context) {
  if (workers_ && workers_->process != getpid()) static_cast<void>(workers_.release());
  if (!workers_) workers_ = std::make_unique<Workers>(threads_ - 1);
  workers_->run(count, function, context);
}

}  // namespace intact
