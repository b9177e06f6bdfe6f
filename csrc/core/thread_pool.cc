#include "core/thread_pool.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace intact {
namespace {

// About 150 microseconds: longer than what lies between two operations, or two calls of a loop;
// being woken would take as long.
constexpr int kSpins = 10000;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// The tasks of a round that no one has claimed, first .. last - 1, in one word with the round's
// number: a helper that comes late finds another number or nothing left, and needs no one to wait
// for it. So the fields of a round change only when all of its tasks are done.
struct Ticket {
  static constexpr int kBits = 18;
  static constexpr std::uint64_t kMask = (1u << kBits) - 1;  // the most tasks of a round
  static constexpr std::uint64_t kRounds = ~std::uint64_t{0} >> 2 * kBits;

  std::uint64_t round, first, last;

  explicit Ticket(std::uint64_t word)
      : round(word >> 2 * kBits), first(word >> kBits & kMask), last(word & kMask) {}
  static std::uint64_t word(std::uint64_t round, std::uint64_t first, std::uint64_t last) {
    return round << 2 * kBits | first << kBits | last;
  }
};

}  // namespace

struct ThreadPool::Workers {
  alignas(64) std::atomic<std::uint64_t> ticket{0};
  alignas(64) std::atomic<std::int64_t> unfinished{0};
  alignas(64) std::atomic<std::uint32_t> round{0};
  std::atomic<bool> stop{false};
  std::int64_t base = 0;  // number of the round's first task
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

  // Every other worker begins at the end, so that the same part of a tensor is the same worker's in
  // one operation after the other, and in its cache.
  void work(std::uint32_t number, int worker) {
    const bool from_end = worker % 2 != 0;
    std::uint64_t seen = ticket.load(std::memory_order_acquire);
    for (;;) {
      const Ticket open(seen);
      if (open.round != (number & Ticket::kRounds) || open.first == open.last) return;
      const std::uint64_t claimed = from_end
                                        ? Ticket::word(open.round, open.first, open.last - 1)
                                        : Ticket::word(open.round, open.first + 1, open.last);
      if (!ticket.compare_exchange_weak(seen, claimed, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      const std::uint64_t task = from_end ? open.last - 1 : open.first;
      function(context, base + static_cast<std::int64_t>(task), worker);
      unfinished.fetch_sub(1, std::memory_order_release);
      seen = ticket.load(std::memory_order_acquire);
    }
  }

  void run(std::int64_t first, std::int64_t tasks, Function task, void* task_context) {
    base = first;
    function = task;
    context = task_context;
    unfinished.store(tasks, std::memory_order_relaxed);
    const std::uint32_t number = round.load(std::memory_order_relaxed) + 1;
    ticket.store(Ticket::word(number & Ticket::kRounds, 0, static_cast<std::uint64_t>(tasks)),
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
  constexpr auto kMost = static_cast<std::int64_t>(Ticket::kMask);
  for (std::int64_t first = 0; first < count; first += kMost) {
    workers_->run(first, std::min(kMost, count - first), function, context);
  }
}

}  // namespace intact
