// Memory of the device, files copied to it, and conversion.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "../common/element_types.h"
#include "../common/memory_calls.h"
#include "convert.h"
#include "runtime.h"
#include "slow_memory.h"

namespace longlens {
namespace {

// Whole words, as kernels read blocks of odd sizes by words.
int64_t RoundUp(int64_t bytes) { return (bytes + 3) / 4 * 4; }

// Takes no lock, so that memory can be had and given back while a long call of another thread waits.
void* Allocate(int64_t bytes) {
  const Device& device = TheDevice();
  void* memory = nullptr;
  const bool fits = static_cast<size_t>(bytes) <= device.properties.totalGlobalMem;
  const cudaError_t error =
      fits ? cudaMallocAsync(&memory, RoundUp(bytes), device.stream) : cudaErrorMemoryAllocation;
  char action[64];
  snprintf(action, sizeof(action), "allocate %lld bytes", static_cast<long long>(bytes));
  CheckCuda(error, action);
  return memory;
}

void* AllocateZeros(int64_t bytes) {
  void* const memory = Allocate(bytes);
  CheckCuda(cudaMemsetAsync(memory, 0, bytes, TheDevice().stream), "clear memory");
  return memory;
}

void Free(void* memory) {
  const cudaStream_t stream = TheDevice().stream;
  if (TheSlowMemory().Give(memory, stream)) return;
  CheckCuda(cudaFreeAsync(memory, stream), "free memory");
}

[[noreturn]] void ThrowIo(const char* path, const char* reason) {
  throw Error(LL_IO_ERROR, "Cannot map %.140s: %s", path, reason);
}

// An open file; closed when it goes out of scope.
class File {
 public:
  explicit File(const char* path) : path_(path), descriptor_(open(path, O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) ThrowIo(path, strerror(errno));
  }
  ~File() { close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int64_t Bytes() const {
    struct stat status;
    if (fstat(descriptor_, &status) != 0) ThrowIo(path_, strerror(errno));
    if (!S_ISREG(status.st_mode)) ThrowIo(path_, "it is not a regular file");
    if (status.st_size == 0) ThrowIo(path_, "it is empty");
    return status.st_size;
  }
  void Read(void* target, int64_t offset, int64_t bytes) const {
    for (int64_t done = 0; done < bytes;) {
      const ssize_t now =
          pread(descriptor_, static_cast<char*>(target) + done, bytes - done, offset + done);
      if (now < 0 && errno == EINTR) continue;
      if (now < 0) ThrowIo(path_, strerror(errno));
      if (now == 0) ThrowIo(path_, "it became shorter while it was read");
      done += now;
    }
  }

 private:
  const char* path_;
  int descriptor_;
};

// The file in device memory. Read in pieces into pinned memory, so that one is read while the one
// before is copied.
void* Load(const File& file, int64_t bytes) {
  void* const memory = Allocate(bytes);
  try {
    const Call call(nullptr);
    call.CopyFilled(memory, bytes, [&](void* pinned, int64_t offset, int64_t count) {
      file.Read(pinned, offset, count);
    });
  } catch (...) {
    cudaFreeAsync(memory, TheDevice().stream);
    throw;
  }
  return memory;
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_alloc(int64_t bytes, int32_t tier, void** out) {
  return Guard(nullptr, [&] {
    CheckAlloc(bytes, tier, out);
    *out = tier == LL_SLOW ? TheSlowMemory().Take(bytes, TheDevice().stream) : AllocateZeros(bytes);
  });
}

extern "C" int32_t ll_free(void* memory) {
  return Guard(nullptr, [&] {
    if (memory != nullptr) Free(memory);
  });
}

extern "C" int32_t ll_copy_in(void* device, const void* host, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (!CheckCopy("copy to device memory", device, host, bytes)) return;
    Call(nullptr).CopyTo(device, host, bytes);
  });
}

extern "C" int32_t ll_copy_out(void* host, const void* device, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (!CheckCopy("copy from device memory", host, device, bytes)) return;
    const Call call(nullptr);
    call.CopyOut(static_cast<char*>(host), static_cast<const char*>(device), bytes);
  });
}

extern "C" int32_t ll_copy(void* target, const void* source, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (!CheckCopy("copy device memory", target, source, bytes)) return;
    const Call call(nullptr);
    // Whichever tiers they are of. Between two slow blocks the host copies, and waits for its turn.
    CheckCuda(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDefault, call.stream()),
              "copy device memory");
  });
}

extern "C" int32_t ll_map_file(const char* path, void** out, int64_t* bytes) {
  return Guard(nullptr, [&] {
    RequirePointer(path, "map a file", "path");
    RequirePointer(out, "map a file", "out");
    RequirePointer(bytes, "map a file", "bytes");
    *out = nullptr;
    *bytes = 0;
    const File file(path);
    const int64_t size = file.Bytes();
    *out = Load(file, size);
    *bytes = size;
  });
}

extern "C" int32_t ll_unmap_file(void* address, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (address == nullptr) return;
    Require(bytes > 0, "unmap a file", "bytes must be > 0", bytes);
    Free(address);
  });
}

extern "C" int32_t ll_convert(ll_run* run, const void* source, int32_t source_dtype, void* target,
                              int32_t target_dtype, int64_t count) {
  return Guard(run, [&] {
    if (!CheckConvert(source, source_dtype, target, target_dtype, count)) return;
    const Call call(run);
    if (ElementTypeOf(target_dtype).IsBlocks()) {
      EncodeBlocks(call, source, source_dtype, target, target_dtype, count);
    } else {
      DecodeRows(call, {source, source_dtype, 1, count}, target, target_dtype, count);
    }
    call.Progress(count);
  });
}
