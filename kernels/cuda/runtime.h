// The device and its one stream of work, and what a call of the ABI needs of them.
//
// All work is queued on one stream, so that calls are in order without waiting: a call returns when
// its work is queued, and only results in host memory are waited for. A call's memory is freed in
// the stream, too. Calls of several threads take turns.
#ifndef LONGLENS_CUDA_RUNTIME_H_
#define LONGLENS_CUDA_RUNTIME_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <vector>

#include "../cpu/status.h"
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
  // Copies to host memory; it is there after Wait.
  template <class T>
  void CopyOut(T* host, const T* device, int64_t count) const {
    CopyBytesOut(host, device, count * int64_t{sizeof(T)});
  }
  // Waits for all work of the stream; polls the run every millisecond or so.
  void Wait() const;
  // To be called between launches of a call with much work: waits until at most two of the launches
  // before are under way, and polls the run.
  void Pace() const;

  void Progress(int64_t units) const { AddProgress(run_, units); }

 private:
  static constexpr int64_t kPieceBytes = int64_t{2} << 20;

  void* Allocate(int64_t bytes) const;
  const void* CopyBytesIn(const void* host, int64_t bytes) const;
  void* TakePinned(int64_t bytes) const;
  void CopyPinned(void* device, const void* pinned, int64_t bytes) const;
  void CopyBytesOut(void* host, const void* device, int64_t bytes) const;

  ll_run* run_;
  Device& device_;
  std::unique_lock<std::mutex> lock_;
  mutable std::vector<void*> scratch_;
  mutable std::vector<cudaEvent_t> paces_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_RUNTIME_H_
