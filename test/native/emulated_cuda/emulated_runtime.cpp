// The run-time interface of emulated CUDA: one device whose memory is the host's.
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <map>
#include <mutex>

#include "emulated_cuda.h"

namespace {

constexpr size_t kTotalBytes = size_t{8} << 30;

std::mutex guard;
std::map<void*, size_t> blocks;
size_t used = 0;

// Memory starts as NaN, as nothing may rely on it.
cudaError_t Allocate(void** memory, size_t bytes) {
  const std::lock_guard<std::mutex> lock(guard);
  *memory = nullptr;
  if (bytes > kTotalBytes - used) return cudaErrorMemoryAllocation;
  void* const block = aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (block == nullptr) return cudaErrorMemoryAllocation;
  memset(block, 0xFF, bytes);
  blocks[block] = bytes;
  used += bytes;
  *memory = block;
  return cudaSuccess;
}

cudaError_t Release(void* memory) {
  const std::lock_guard<std::mutex> lock(guard);
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return cudaErrorInvalidValue;
  used -= found->second;
  blocks.erase(found);
  free(memory);
  return cudaSuccess;
}

}  // namespace

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorNotReady: return "device not ready";
  }
  return "unknown error";
}

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }

// Two multiprocessors, so that work which is cut by their number is cut in tests.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated", kTotalBytes, 227 * 1024, 9, 0, 2, 1 << 20};
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard<std::mutex> lock(guard);
  *free = kTotalBytes - used;
  *total = kTotalBytes;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  return Allocate(memory, bytes);
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return Release(memory); }

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  return Allocate(memory, bytes);
}

cudaError_t cudaFreeHost(void* memory) { return Release(memory); }

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  memmove(target, source, bytes);
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t) {
  memset(target, value, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
