// The run-time interface of emulated CUDA: one device whose memory is the host's.
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "emulated_cuda.h"

struct EmulatedGraph {
  std::vector<std::function<void()>> work;
  std::vector<void*> memory;  // of this graph, whatever it frees
  bool is_valid = true;
};

namespace {

struct Space {
  size_t total = size_t{8} << 30, used = 0;
};

struct Block {
  size_t bytes;
  Space* space;
};

thread_local cudaError_t last_error = cudaSuccess;

std::mutex guard;
Space device, pinned;
std::map<char*, Block> blocks;
EmulatedGraph* captured = nullptr;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

// Work that is done as late as CUDA may do it, where that was asked for.
std::mutex queue_guard;
std::atomic<bool> is_late = false;
std::vector<std::function<void()>> queued;

void FinishQueue() {
  const std::lock_guard<std::mutex> lock(queue_guard);
  for (const std::function<void()>& work : queued) work();
  queued.clear();
}

// Memory starts as NaN, as nothing may rely on it.
cudaError_t Allocate(void** memory, size_t bytes, Space* space) {
  const std::lock_guard<std::mutex> lock(guard);
  *memory = nullptr;
  if (bytes > space->total - space->used) return cudaErrorMemoryAllocation;
  void* const block = aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (block == nullptr) return cudaErrorMemoryAllocation;
  memset(block, 0xFF, bytes);
  blocks[static_cast<char*>(block)] = {bytes, space};
  space->used += bytes;
  *memory = block;
  return cudaSuccess;
}

cudaError_t Release(void* memory, const Space* space) {
  const std::lock_guard<std::mutex> lock(guard);
  const auto found = blocks.find(static_cast<char*>(memory));
  if (found == blocks.end() || found->second.space != space) return cudaErrorInvalidValue;
  found->second.space->used -= found->second.bytes;
  blocks.erase(found);
  free(memory);
  return cudaSuccess;
}

bool IsAllocated(const void* memory) {
  const std::lock_guard<std::mutex> lock(guard);
  const char* const at = static_cast<const char*>(memory);
  const auto after = blocks.upper_bound(const_cast<char*>(at));
  if (after == blocks.begin()) return false;
  const auto& [start, block] = *std::prev(after);
  return at < start + block.bytes;
}

// Of what may not happen while the stream is captured.
cudaError_t Refuse() {
  if (captured == nullptr) return cudaSuccess;
  captured->is_valid = false;
  return cudaErrorStreamCaptureUnsupported;
}

// Of what may not happen then unless the thread says that it knows better.
cudaError_t RefuseUnsafe() {
  return capture_mode == cudaStreamCaptureModeRelaxed ? cudaSuccess : Refuse();
}

}  // namespace

void emulated::Queue(const std::function<void()>& work) {
  if (captured != nullptr) return captured->work.push_back(work);
  if (!is_late) return work();
  const std::lock_guard<std::mutex> lock(queue_guard);
  queued.push_back(work);
}

void emulated_work_late(int32_t late) {
  FinishQueue();
  is_late = late != 0;
}

void emulated_set_memory(int64_t device_bytes, int64_t pinned_bytes) {
  const std::lock_guard<std::mutex> lock(guard);
  device.total = device_bytes > int64_t(device.used) ? device_bytes : device.used;
  pinned.total = pinned_bytes > int64_t(pinned.used) ? pinned_bytes : pinned.used;
}

int64_t emulated_device_used() {
  const std::lock_guard<std::mutex> lock(guard);
  return device.used;
}

int64_t emulated_pinned_used() {
  const std::lock_guard<std::mutex> lock(guard);
  return pinned.used;
}

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unknown error";
}

int64_t emulated_work_queued() {
  const std::lock_guard<std::mutex> lock(queue_guard);
  return static_cast<int64_t>(queued.size());
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidValue; }

// Two multiprocessors, so that work which is cut by their number is cut in tests.
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulated", device.total, 227 * 1024, 9, 0, 2, 1 << 20};
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
  *free = device.total - device.used;
  *total = device.total;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t) {
  const cudaError_t error = Allocate(memory, bytes, &device);
  if (error != cudaSuccess || captured == nullptr) return error;
  captured->memory.push_back(*memory);
  emulated::Queue([block = *memory, bytes] { memset(block, 0xFF, bytes); });
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  if (captured == nullptr) {
    emulated::Queue([memory] { Release(memory, &device); });
    return cudaSuccess;
  }
  for (const void* const block : captured->memory) {
    if (block == memory) return cudaSuccess;
  }
  return Refuse();
}

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const cudaError_t error = RefuseUnsafe();
  return error != cudaSuccess ? error : Allocate(memory, bytes, &pinned);
}

cudaError_t cudaFreeHost(void* memory) {
  const cudaError_t error = RefuseUnsafe();
  FinishQueue();
  return error != cudaSuccess ? error : Release(memory, &pinned);
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind,
                            cudaStream_t) {
  if (captured != nullptr && !(IsAllocated(target) && IsAllocated(source))) return Refuse();
  emulated::Queue([=] { memmove(target, source, bytes); });
  // Memory that is not pinned is read or written before the call returns.
  if (captured == nullptr && !(IsAllocated(target) && IsAllocated(source))) FinishQueue();
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t) {
  emulated::Queue([=] { memset(target, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = nullptr;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  FinishQueue();
  return Refuse();
}

cudaError_t cudaStreamQuery(cudaStream_t) {
  const std::lock_guard<std::mutex> lock(queue_guard);
  return queued.empty() ? Refuse() : cudaErrorNotReady;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = captured == nullptr    ? cudaStreamCaptureStatusNone
            : captured->is_valid ? cudaStreamCaptureStatusActive
                                 : cudaStreamCaptureStatusInvalidated;
  return cudaSuccess;
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, capture_mode);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  if (captured != nullptr) return Refuse();
  captured = new EmulatedGraph;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  if (captured == nullptr) return cudaErrorInvalidValue;
  *graph = std::exchange(captured, nullptr);
  if ((*graph)->is_valid) return cudaSuccess;
  cudaGraphDestroy(*graph);
  *graph = nullptr;
  return cudaErrorStreamCaptureInvalidated;
}

// The graph itself, so it must be there as long.
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = graph;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t) {
  for (const std::function<void()>& work : executable->work) work();
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  for (void* const memory : graph->memory) Release(memory, &device);
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = nullptr;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
// Every other look finds work, which the run time notes as an error of the thread.
cudaError_t cudaEventQuery(cudaEvent_t) {
  if (captured != nullptr) return Refuse();
  thread_local bool is_over = true;
  is_over = !is_over;
  if (is_over) FinishQueue();
  if (!is_over) last_error = cudaErrorNotReady;
  return is_over ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t) {
  FinishQueue();
  return Refuse();
}
