#include "runtime.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include "testing.h"

namespace longlens {
namespace {

constexpr int kOldestMajor = 8;  // of sm_80
constexpr int kStagingParts = 4;
constexpr size_t kLaunchesUnderWay = 2;

std::mutex library_lock;

// Pinned host memory through which host memory is copied in without waiting: parts that are filled
// one after the other, and used again when the copies out of them are over.
class Staging {
 public:
  // At most kPart bytes.
  void* Take(int64_t bytes, cudaStream_t stream) {
    bytes = RoundUp(bytes);
    if (memory_ == nullptr) Make();
    if (used_ + bytes > kPart) {
      CheckCuda(cudaEventRecord(over_[part_], stream), "copy in");
      part_ = (part_ + 1) % kStagingParts;
      used_ = 0;
      CheckCuda(cudaEventSynchronize(over_[part_]), "copy in");
    }
    char* const taken = memory_ + part_ * kPart + used_;
    used_ += bytes;
    return taken;
  }
  // For copies that a graph repeats: this memory is never used for others, and never given back.
  void* TakeForGood(int64_t bytes) {
    bytes = RoundUp(bytes);
    if (kept_used_ + bytes > kPart) {
      kept_ = static_cast<char*>(PinWhileCaptured(kPart));
      kept_used_ = 0;
    }
    char* const taken = kept_ + kept_used_;
    kept_used_ += bytes;
    return taken;
  }

 private:
  static constexpr int64_t kPart = int64_t{2} << 20;

  static int64_t RoundUp(int64_t bytes) { return (bytes + 63) / 64 * 64; }

  static void* PinWhileCaptured(int64_t bytes) {
    // Most modes of capture forbid it, as it might concern the captured stream. It does not.
    cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    CheckCuda(cudaThreadExchangeStreamCaptureMode(&mode), "change the mode of capture");
    void* memory = nullptr;
    const cudaError_t error = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
    cudaThreadExchangeStreamCaptureMode(&mode);
    CheckCuda(error, "allocate pinned memory");
    return memory;
  }

  void Make() {
    for (cudaEvent_t& event : over_) {
      CheckCuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event");
    }
    void* memory = nullptr;
    CheckCuda(cudaHostAlloc(&memory, kPart * kStagingParts, cudaHostAllocDefault),
              "allocate pinned memory");
    memory_ = static_cast<char*>(memory);
  }

  char* memory_ = nullptr;
  int64_t used_ = 0;
  int part_ = 0;
  char* kept_ = nullptr;
  int64_t kept_used_ = kPart;
  cudaEvent_t over_[kStagingParts] = {};
};

Staging& TheStaging() {
  static Staging staging;
  return staging;
}

bool IsCaptured(cudaStream_t stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  CheckCuda(cudaStreamIsCapturing(stream, &status), "ask whether the stream is captured");
  return status != cudaStreamCaptureStatusNone;
}

Unit BestUnit(const cudaDeviceProp& properties) {
  return properties.major == 9 ? Unit::kSm90 : Unit::kSm80;
}

// Keeps freed memory for the next call instead of giving it back to the driver at every wait.
void KeepFreedMemory() {
  cudaMemPool_t pool;
  CheckCuda(cudaDeviceGetDefaultMemPool(&pool, 0), "find the memory pool");
  uint64_t all = UINT64_MAX;
  CheckCuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all),
            "set up the memory pool");
}

Device MakeDevice() {
  Device device{};
  CheckCuda(cudaSetDevice(0), "choose device 0");
  CheckCuda(cudaGetDeviceProperties(&device.properties, 0), "ask for the device's properties");
  KeepFreedMemory();
  CheckCuda(cudaStreamCreateWithFlags(&device.stream, cudaStreamNonBlocking), "make a stream");
  device.best = device.unit = BestUnit(device.properties);
  return device;
}

struct Search {
  char problem[160] = "";

  Search() {
    int count = 0;
    cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (error == cudaSuccess && count == 0) error = cudaErrorNoDevice;
    if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, 0);
    if (error != cudaSuccess) {
      snprintf(problem, sizeof(problem), "%s", cudaGetErrorString(error));
      cudaGetLastError();  // forgets it
    } else if (properties.major < kOldestMajor) {
      snprintf(problem, sizeof(problem), "its capability must be >= %d.0: current value is %d.%d",
               kOldestMajor, properties.major, properties.minor);
    }
  }
};

}  // namespace

void CheckCuda(cudaError_t error, const char* action) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // forgets it, so that the next call starts clean
  if (error == cudaErrorMemoryAllocation) {
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw Error(LL_OUT_OF_MEMORY,
                "Cannot %s as the device's memory ran out: %lld of %lld bytes are free", action,
                static_cast<long long>(free), static_cast<long long>(total));
  }
  throw Error(LL_INTERNAL_ERROR, "Cannot %s: CUDA says %s", action, cudaGetErrorString(error));
}

const char* NoDevice() {
  static const Search search;
  return search.problem[0] == 0 ? nullptr : search.problem;
}

Device& TheDevice() {
  if (const char* const problem = NoDevice()) {
    throw Error(LL_IO_ERROR, "Cannot use a CUDA device: %s", problem);
  }
  static Device device = MakeDevice();
  CheckCuda(cudaSetDevice(0), "choose device 0");  // of this thread
  return device;
}

Call::Call(ll_run* run)
    : run_(run),
      device_(TheDevice()),
      lock_(library_lock),
      is_captured_(IsCaptured(device_.stream)) {
  if (run != nullptr) {
    Require(run->compute == LL_F32 || run->compute == LL_BF16, "run",
            "compute must be LL_F32 or LL_BF16", run->compute);
  }
  Poll(run);
}

Call::~Call() {
  FreeBehind(0);
  for (const cudaEvent_t event : marks_) cudaEventDestroy(event);
}

bool Call::multiplies_bf16() const {
  return run_ != nullptr && run_->compute == LL_BF16 && unit() >= Unit::kSm80;
}

void* Call::Allocate(int64_t bytes) const {
  void* memory = nullptr;
  const cudaError_t error = cudaMallocAsync(&memory, bytes > 0 ? bytes : 1, stream());
  if (error == cudaErrorMemoryAllocation) {
    char action[64];
    snprintf(action, sizeof(action), "take %lld bytes for a call", static_cast<long long>(bytes));
    CheckCuda(error, action);
  }
  CheckCuda(error, "take memory for a call");
  scratch_.push_back(memory);
  return memory;
}

void Call::FreeBehind(size_t count) const {
  for (size_t i = count; i < scratch_.size(); ++i) cudaFreeAsync(scratch_[i], stream());
  scratch_.resize(std::min(count, scratch_.size()));
}

const void* Call::CopyBytesIn(const void* host, int64_t bytes) const {
  void* const device = Allocate(bytes);
  CopyTo(device, host, bytes);
  return device;
}

void* Call::TakePinned(int64_t bytes) const {
  return is_captured_ ? TheStaging().TakeForGood(bytes) : TheStaging().Take(bytes, stream());
}

void Call::CopyPinned(void* device, const void* pinned, int64_t bytes) const {
  // The target may be of the slow tier.
  CheckCuda(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyDefault, stream()), "copy in");
}

// Copies to host memory that is not pinned keep the thread until all work before them is over. That
// is waited for where the run is polled, so that a cancelled call leaves soon, and leaves no copy
// under way to memory that its caller may free.
void Call::CopyBytesOut(void* host, const void* device, int64_t bytes) const {
  if (bytes == 0) return;
  if (is_captured_) {
    throw Error(LL_INVALID_ARGUMENT,
                "Cannot capture the call as it waits for results in host memory");
  }
  WaitFor(Mark());
  CheckCuda(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDefault, stream()), "copy out");
  CheckCuda(cudaStreamSynchronize(stream()), "copy out");
}

cudaEvent_t Call::Mark() const {
  cudaEvent_t event;
  CheckCuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "make an event");
  marks_.push_back(event);
  CheckCuda(cudaEventRecord(event, stream()), "mark the work so far");
  return event;
}

void Call::WaitFor(cudaEvent_t event) const {
  constexpr int kQuickLooks = 2000;  // some milliseconds; most waits are shorter
  for (int look = 0;; ++look) {
    const cudaError_t state = cudaEventQuery(event);
    if (state == cudaSuccess) return;
    if (state != cudaErrorNotReady) CheckCuda(state, "wait for the device");
    cudaGetLastError();  // forgets that it is not ready, or the next launch would seem to fail
    Poll(run_);
    if (look > kQuickLooks) std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

void Call::Pace() const {
  if (is_captured_) return Poll(run_);
  Mark();
  Poll(run_);
  if (marks_.size() > kLaunchesUnderWay) WaitFor(marks_[marks_.size() - 1 - kLaunchesUnderWay]);
}

}  // namespace longlens

extern "C" int32_t ll_internal_stream(void** out) {
  return longlens::Guard(nullptr, [&] {
    longlens::RequirePointer(out, "find the stream", "out");
    *out = longlens::TheDevice().stream;
  });
}
