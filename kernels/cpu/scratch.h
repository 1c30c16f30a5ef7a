// Working memory: aligned, not initialised. A Buffer lives for one call; Scratch grows only and
// belongs to a thread; what is Spare goes from call to call.
#ifndef LONGLENS_CPU_SCRATCH_H_
#define LONGLENS_CPU_SCRATCH_H_

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace longlens {

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t count) { Reserve(count); }
  ~Buffer() { free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `count` elements; what it held is lost when it has to grow.
  T* Reserve(int64_t count) {
    if (count <= capacity_) return data_;
    free(data_);
    data_ = nullptr;
    capacity_ = 0;
    const size_t bytes = (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    data_ = static_cast<T*>(aligned_alloc(64, bytes));
    if (data_ == nullptr) throw std::bad_alloc();
    capacity_ = count;
    return data_;
  }
  T* data() const { return data_; }
  T& operator[](int64_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
  int64_t capacity_ = 0;
};

// Large memory that a call leaves to the next one, on whichever thread: the system takes as long to
// give it as a call takes to write there. Calls at the same time have memory of their own.
template <class Room>
class Spare {
 public:
  std::unique_ptr<Room> Take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return room_ != nullptr ? std::move(room_) : std::make_unique<Room>();
  }
  void Give(std::unique_ptr<Room> room) {
    const std::lock_guard<std::mutex> lock(mutex_);
    room_ = std::move(room);
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Room> room_;
};

// Cuts one thread-owned block into arrays: first Begin(total floats), then Take as often as fits.
class Scratch {
 public:
  void Begin(int64_t floats) { next_ = block_.Reserve(floats); }
  // Each array is aligned to 64 bytes; RoundUp(count) floats are used.
  float* Take(int64_t floats) {
    float* taken = next_;
    next_ += RoundUp(floats);
    return taken;
  }
  static int64_t RoundUp(int64_t floats) { return (floats + 15) / 16 * 16; }

 private:
  Buffer<float> block_;
  float* next_ = nullptr;
};

// The scratch of this thread.
inline Scratch& ThreadScratch() {
  thread_local Scratch scratch;
  return scratch;
}

}  // namespace longlens

#endif  // LONGLENS_CPU_SCRATCH_H_
