// The device and its one stream of work, and what a call of the ABI needs of them.
//
// All work is queued on one stream, so that calls are in order without waiting: a call returns when
// its work is queued, and only results in host memory are waited for. A call's memory is freed in
// the stream, too. Calls of several threads take turns.
//
// Calls whose results stay on the device can be captured as a CUDA graph (cudaStreamBeginCapture on
// that stream), but for ll_append to int8 pages, which checks the numbers first. A replay does what
// the calls did with the host memory of then: ids, positions, plans, page tables. They must have run
// once before, so that their kernels are loaded, and ll_alloc and ll_free must not be among them.
#ifndef LONGLENS_CUDA_RUNTIME_H_
#define LONGLENS_CUDA_RUNTIME_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "../common/status.h"
#include "device.cuh"

namespace longlens {

// Throws where `error` is not success: LL_OUT_OF_MEMORY with numbers, or LL_INTERNAL_ERROR.
void CheckCuda(cudaError_t error, const char* action);

// Kernels that a device can run. The higher ones have matrix instructions for bf16.
enum class Unit { kSimt = 0, kSm80 = 1, kSm90 = 2 };

struct Device {
  cudaDeviceProp properties;
  cudaStream_t stream;
  Unit best;  // of the device
  Unit unit;  // in use

  int multiprocessors() const { return properties.multiProcessorCount; }
};

// The device, which is made ready by the first call. Throws LL_IO_ERROR where no device answers.
Device& TheDevice();
// Sentence that says why no device can be used, or null where one can.
const char* NoDevice();

// A call of the ABI that queues work. It holds the library's lock.
class Call {
 public:
  // Polls `run`.
  explicit Call(ll_run* run);
  // Frees the call's memory in the stream.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  const Device& device() const { return device_; }
  cudaStream_t stream() const { return device_.stream; }
  Unit unit() const { return device_.unit; }
  // Whether products of bf16 are asked for and there are instructions for them.
  bool multiplies_bf16() const;

  // Device memory for `count` elements until the call's work is over, not initialised; count >= 0.
  template <class T>
  T* Scratch(int64_t count) const {
    return static_cast<T*>(Allocate(count * int64_t{sizeof(T)}));
  }
  // A copy of host memory in such memory. The host's may be written once this returns.
  template <class T>
  const T* CopyIn(const T* host, int64_t count) const {
    return static_cast<const T*>(CopyBytesIn(host, count * int64_t{sizeof(T)}));
  }
  // Copies host memory to device memory. The host's may be written once this returns.
  void CopyTo(void* device, const void* host, int64_t bytes) const {
    CopyFilled(device, bytes, [&](void* pinned, int64_t offset, int64_t count) {
      memcpy(pinned, static_cast<const char*>(host) + offset, count);
    });
  }
  // Copies what fill(pinned, offset, count) writes, piece after piece, to device memory.
  template <class Fill>
  void CopyFilled(void* device, int64_t bytes, const Fill& fill) const {
    for (int64_t offset = 0; offset < bytes; offset += kPieceBytes) {
      const int64_t count = std::min(kPieceBytes, bytes - offset);
      void* const pinned = TakePinned(count);
      fill(pinned, offset, count);
      CopyPinned(static_cast<char*>(device) + offset, pinned, count);
    }
  }
  // Waits for all work of the stream, then copies to host memory. Throws while the stream is captured.
  template <class T>
  void CopyOut(T* host, const T* device, int64_t count) const {
    CopyBytesOut(host, device, count * int64_t{sizeof(T)});
  }
  // To be called between launches of a call with much work: waits until at most two of the launches
  // before are under way, and polls the run. Does not wait while the stream is captured.
  void Pace() const;

  void Progress(int64_t units) const { AddProgress(run_, units); }

 private:
  friend class ScratchScope;
  static constexpr int64_t kPieceBytes = int64_t{2} << 20;

  // An event behind the stream's work so far.
  cudaEvent_t Mark() const;
  // Waits for the work before an event; polls the run every millisecond or so.
  void WaitFor(cudaEvent_t event) const;
  void* Allocate(int64_t bytes) const;
  // Frees in the stream what was taken after the first `count` pieces of memory.
  void FreeBehind(size_t count) const;
  const void* CopyBytesIn(const void* host, int64_t bytes) const;
  void* TakePinned(int64_t bytes) const;
  void CopyPinned(void* device, const void* pinned, int64_t bytes) const;
  void CopyBytesOut(void* host, const void* device, int64_t bytes) const;

  ll_run* run_;
  Device& device_;
  std::unique_lock<std::mutex> lock_;
  bool is_captured_;
  mutable std::vector<void*> scratch_;
  mutable std::vector<cudaEvent_t> marks_;
};

// Frees what a call takes while this lives, for calls that work in batches.
class ScratchScope {
 public:
  explicit ScratchScope(const Call& call) : call_(call), before_(call.scratch_.size()) {}
  ~ScratchScope() { call_.FreeBehind(before_); }
  ScratchScope(const ScratchScope&) = delete;
  ScratchScope& operator=(const ScratchScope&) = delete;

 private:
  const Call& call_;
  size_t before_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_RUNTIME_H_
