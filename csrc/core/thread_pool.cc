#include "core/thread_pool.h"

#include <unistd.h>

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace intact {
namespace {

// About 50 microseconds: the time between two operations of a network, much less than a sleep.
constexpr int kSpins = 10000;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

}  // namespace

// Who claims a task decrements what is left of the round, in one word with the round's number: a
// helper that comes late finds another number or nothing left, and needs no one to wait for it. So
// the fields of a round change only when all of its tasks are done.
struct ThreadPool::Workers {
  alignas(64) std::atomic<std::uint64_t> ticket{0};  // round * 2^32 + tasks left
  alignas(64) std::atomic<std::int64_t> unfinished{0};
  alignas(64) std::atomic<std::uint32_t> round{0};
  std::atomic<bool> stop{false};
  std::int64_t count = 0;
  Function function = nullptr;
  void* context = nullptr;
  pid_t process = getpid();
  std::vector<std::thread> threads;

  explicit Workers(int helpers) {
    threads.reserve(static_cast<std::size_t>(helpers));
    try {
      for (int i = 1; i <= helpers; ++i) threads.emplace_back([this, i] { serve(i); });
    } catch (const std::system_error&) {
      // The system gives no more of them: those that there are do all tasks.
    }
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
      work(seen, worker);
    }
  }

  void wait_for_change(std::uint32_t seen) {
    for (int i = 0; i < kSpins; ++i) {
      if (round.load(std::memory_order_acquire) != seen) return;
      pause_briefly();
    }
    round.wait(seen, std::memory_order_acquire);
  }

  void work(std::uint32_t number, int worker) {
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    for (;;) {
      const auto left = static_cast<std::uint32_t>(seen);
      if (seen >> 32 != number || left == 0) return;
      if (!ticket.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      function(context, count - left, worker);
      unfinished.fetch_sub(1, std::memory_order_release);
      --seen;
    }
  }

  void run(std::int64_t tasks, Function task, void* task_context) {
    count = tasks;
    function = task;
    context = task_context;
    unfinished.store(tasks, std::memory_order_relaxed);
    const std::uint32_t number = round.load(std::memory_order_relaxed) + 1;
    ticket.store(std::uint64_t{number} << 32 | static_cast<std::uint64_t>(tasks),
                 std::memory_order_release);
    round.store(number, std::memory_order_release);
    round.notify_all();
    work(number, 0);
    for (int i = 0; unfinished.load(std::memory_order_acquire) != 0; ++i) {
      if (i < kSpins) {
        pause_briefly();
      } else {
        std::this_thread::yield();  // a helper has lost its core in the middle of a task
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
