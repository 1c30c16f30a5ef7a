#include "pool.h"

#include <algorithm>
#include <chrono>

#if defined(__linux__)
#include <sched.h>
#endif

namespace longlens {
namespace {

thread_local bool inside_job = false;

// Tells the core that this is a loop that waits.
inline void Relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Marks this thread as working for the pool while it lives.
struct InsideJob {
  InsideJob() { inside_job = true; }
  ~InsideJob() { inside_job = false; }
};

// Looks until holds() or for kSpin at most: in a decode step the next call comes within 0.1 ms, and a
// thread that sleeps takes as long to wake.
constexpr std::chrono::microseconds kSpin{150};

template <class Condition>
void SpinUntil(const Condition& holds) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  while (!holds() && std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 16 && !holds(); ++i) Relax();
  }
}

}  // namespace

Pool::Pool(int threads) {
  try {
    workers_.reserve(threads - 1);
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { WorkerLoop(); });
  } catch (...) {
    Stop();
    throw;
  }
}

Pool::~Pool() { Stop(); }

void Pool::Stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void Pool::Run(int64_t count, Function function, const void* body) {
  if (inside_job || count <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < count; ++i) function(body, i);
    return;
  }
  std::lock_guard<std::mutex> only(one_job_);
  Job job{function, body, count, {}, {}, {}};
  {
    std::lock_guard<std::mutex> lock(mutex_);
    job_ = &job;
    ++generation_;
  }
  const int64_t helpers = std::min<int64_t>(count - 1, workers_.size());
  for (int64_t i = 0; i < helpers; ++i) wake_.notify_one();
  Work(&job);
  std::unique_lock<std::mutex> lock(mutex_);
  job_ = nullptr;  // a worker that wakes only now must not touch the job
  if (active_ > 0) {
    lock.unlock();
    SpinUntil([this] { return active_ == 0; });
    lock.lock();
  }
  done_.wait(lock, [this] { return active_ == 0; });
  lock.unlock();
  if (job.error) std::rethrow_exception(job.error);
}

void Pool::Work(Job* job) {
  const InsideJob inside;
  for (;;) {
    const int64_t index = job->next.fetch_add(1, std::memory_order_relaxed);
    if (index >= job->count) return;
    try {
      job->function(job->body, index);
    } catch (...) {
      std::lock_guard<std::mutex> lock(job->mutex);
      if (!job->error) job->error = std::current_exception();
      job->next.store(job->count, std::memory_order_relaxed);
    }
  }
}

void Pool::WorkerLoop() {
  uint64_t seen = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stopping_ || (job_ != nullptr && generation_ != seen); });
    if (stopping_) return;
    seen = generation_;
    Job* job = job_;
    ++active_;
    lock.unlock();
    Work(job);
    lock.lock();
    if (--active_ == 0) done_.notify_one();
    lock.unlock();
    SpinUntil([&] { return generation_ != seen || stopping_; });
    lock.lock();
  }
}

int UsableCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace longlens
