#include "slow_memory.h"

#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "runtime.h"

namespace longlens {
namespace {

constexpr int64_t kSlabBytes = int64_t{64} << 20;
constexpr int64_t kBlockGrain = 512;
// Empty slabs that are kept for the next blocks.
constexpr int kSpareSlabs = 2;

}  // namespace

SlowMemory& TheSlowMemory() {
  static SlowMemory* const memory = new SlowMemory;  // at exit another thread may still free blocks
  return *memory;
}

void* SlowMemory::Take(int64_t bytes, cudaStream_t stream) {
  char* block = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    block = Cut(bytes);
  }
  const cudaError_t error = cudaMemsetAsync(block, 0, bytes, stream);
  if (error != cudaSuccess) Give(block, stream);
  CheckCuda(error, "clear memory");
  return block;
}

bool SlowMemory::Give(void* memory, cudaStream_t stream) {
  char* const block = static_cast<char*>(memory);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto after = slabs_.upper_bound(block);
  if (after == slabs_.begin()) return false;
  auto& [start, slab] = *std::prev(after);
  const auto taken = slab.taken.find(block - start);
  if (taken == slab.taken.end()) return false;
  slab.free.Give(taken->first, taken->second);
  slab.taken.erase(taken);
  if (slab.taken.empty()) Unpin(stream);
  return true;
}

char* SlowMemory::Cut(int64_t bytes) {
  if (bytes > INT64_MAX / 2) ThrowFull(bytes);
  const int64_t size = (bytes + kBlockGrain - 1) / kBlockGrain * kBlockGrain;
  int64_t offset = -1;
  auto slab = slabs_.begin();
  for (; slab != slabs_.end(); ++slab) {
    offset = slab->second.free.Take(size);
    if (offset >= 0) break;
  }
  if (slab == slabs_.end()) {
    slab = MakeSlab(size);
    offset = slab->second.free.Take(size);
  }
  slab->second.taken[offset] = size;
  return slab->first + offset;
}

SlowMemory::Slabs::iterator SlowMemory::MakeSlab(int64_t bytes) {
  const int64_t size = std::max(bytes, kSlabBytes);
  void* memory = nullptr;
  const cudaError_t error =
      cudaHostAlloc(&memory, size, cudaHostAllocMapped | cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // forgets it
    ThrowFull(bytes);
  }
  CheckCuda(error, "pin host memory");
  return slabs_.emplace(static_cast<char*>(memory), Slab{size, FreeRanges(size), {}}).first;
}

// cudaFreeHost waits for the device, so slabs go back only when it has nothing to do.
void SlowMemory::Unpin(cudaStream_t stream) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  if (cudaStreamIsCapturing(stream, &capture) != cudaSuccess) return;
  if (capture != cudaStreamCaptureStatusNone || cudaStreamQuery(stream) != cudaSuccess) {
    cudaGetLastError();  // forgets it: a stream that is busy is no error
    return;
  }
  int spare = 0;
  for (auto slab = slabs_.begin(); slab != slabs_.end();) {
    const bool is_over = slab->second.taken.empty() &&
                         (slab->second.bytes > kSlabBytes || ++spare > kSpareSlabs);
    if (is_over) cudaFreeHost(slab->first);
    slab = is_over ? slabs_.erase(slab) : std::next(slab);
  }
}

void SlowMemory::ThrowFull(int64_t bytes) const {
  const int64_t page = sysconf(_SC_PAGESIZE);
  int64_t pinned = 0;
  for (const auto& [start, slab] : slabs_) pinned += slab.bytes;
  throw Error(LL_OUT_OF_MEMORY,
              "Cannot allocate %lld bytes of host memory for the device as it ran out: "
              "%lld of %lld bytes are free, %lld are pinned here",
              static_cast<long long>(bytes),
              static_cast<long long>(page * sysconf(_SC_AVPHYS_PAGES)),
              static_cast<long long>(page * sysconf(_SC_PHYS_PAGES)),
              static_cast<long long>(pinned));
}

}  // namespace longlens
