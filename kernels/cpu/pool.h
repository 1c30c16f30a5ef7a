// One pool of threads. Jobs of several callers run one after the other; a job inside a job runs
// inline. Threads that wait look for a short time before they sleep: waking one takes longer than
// a small step of decoding.
#ifndef LONGLENS_CPU_POOL_H_
#define LONGLENS_CPU_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace longlens {

class Pool {
 public:
  // `threads` counts the calling thread too.
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(i) for 0 <= i < count, in any order, on any thread; rethrows the first failure,
  // after which no further index is started.
  template <class Body>
  void For(int64_t count, const Body& body) {
    Run(count, [](const void* b, int64_t i) { (*static_cast<const Body*>(b))(i); }, &body);
  }

 private:
  using Function = void (*)(const void* body, int64_t index);
  struct Job {
    Function function;
    const void* body;
    int64_t count;
    std::atomic<int64_t> next{0};
    std::mutex mutex;
    std::exception_ptr error;
  };

  void Run(int64_t count, Function function, const void* body);
  void WorkerLoop();
  static void Work(Job* job);
  void Stop();

  std::vector<std::thread> workers_;
  std::mutex one_job_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  // Read by those that spin, changed under mutex_.
  std::atomic<int> active_{0};
  std::atomic<bool> stopping_{false};
};

// Cores this process may use.
int UsableCores();

}  // namespace longlens

#endif  // LONGLENS_CPU_POOL_H_
