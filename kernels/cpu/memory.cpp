// Memory and mapped files. Device memory is the process's own.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "../common/memory_calls.h"
#include "../common/status.h"
#include "arena.h"

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#define LL_HAVE_MMAP 1
#endif

namespace longlens {
namespace {

// Before each block its size takes this much.
constexpr int64_t kAlignment = 64;
constexpr int64_t kMostBytes = INT64_MAX / 2;

// Never destroyed: at exit another thread may still free memory. Smaller blocks are malloc's: from
// tensors of a few rows large pages would be wasted. The address sanitizer sees only malloc's.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kLeastInArena = INT64_MAX;
#else
constexpr int64_t kLeastInArena = 32 << 10;
#endif

Arena& TheArena() {
  static Arena* const arena = new Arena;
  return *arena;
}

void* TakeBlock(int64_t bytes) {
  if (bytes >= kLeastInArena) return TheArena().Take(bytes);
  const int64_t whole = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* const block = aligned_alloc(kAlignment, whole);
  return block == nullptr ? nullptr : memset(block, 0, bytes);
}

void GiveBlock(void* block, int64_t bytes) {
  if (bytes >= kLeastInArena) return TheArena().Give(block, bytes);
  free(block);
}

int32_t Copy(const char* action, void* target, const void* source, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (CheckCopy(action, target, source, bytes)) memcpy(target, source, bytes);
  });
}

#if LL_HAVE_MMAP
[[noreturn]] void ThrowIo(const char* path, const std::string& reason) {
  throw Error(LL_IO_ERROR, "Cannot map %.140s: %s", path, reason.c_str());
}

// Closes the descriptor when it goes out of scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};
#endif

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_alloc(int64_t bytes, int32_t tier, void** out) {
  return Guard(nullptr, [&] {
    CheckAlloc(bytes, tier, out);
    if (bytes > kMostBytes) throw std::bad_alloc();
    char* const block = static_cast<char*>(TakeBlock(bytes + kAlignment));
    if (block == nullptr) {
      throw Error(LL_OUT_OF_MEMORY, "Cannot allocate %lld bytes", static_cast<long long>(bytes));
    }
    memcpy(block, &bytes, sizeof(bytes));
    *out = block + kAlignment;
  });
}

extern "C" int32_t ll_free(void* memory) {
  if (memory == nullptr) return LL_OK;
  char* const block = static_cast<char*>(memory) - kAlignment;
  int64_t bytes;
  memcpy(&bytes, block, sizeof(bytes));
  GiveBlock(block, bytes + kAlignment);
  return LL_OK;
}

extern "C" int32_t ll_copy_in(void* device, const void* host, int64_t bytes) {
  return Copy("copy to device memory", device, host, bytes);
}

extern "C" int32_t ll_copy_out(void* host, const void* device, int64_t bytes) {
  return Copy("copy from device memory", host, device, bytes);
}

extern "C" int32_t ll_copy(void* target, const void* source, int64_t bytes) {
  return Copy("copy device memory", target, source, bytes);
}

extern "C" int32_t ll_map_file(const char* path, void** out, int64_t* bytes) {
  return Guard(nullptr, [&] {
    RequirePointer(path, "map a file", "path");
    RequirePointer(out, "map a file", "out");
    RequirePointer(bytes, "map a file", "bytes");
    *out = nullptr;
    *bytes = 0;
#if LL_HAVE_MMAP
    const Descriptor file{open(path, O_RDONLY | O_CLOEXEC)};
    if (file.fd < 0) ThrowIo(path, strerror(errno));
    struct stat status;
    if (fstat(file.fd, &status) != 0) ThrowIo(path, strerror(errno));
    if (!S_ISREG(status.st_mode)) ThrowIo(path, "it is not a regular file");
    if (status.st_size == 0) ThrowIo(path, "it is empty");
    void* const address = mmap(nullptr, status.st_size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (address == MAP_FAILED) ThrowIo(path, strerror(errno));
    *out = address;
    *bytes = status.st_size;
#else
    throw Error(LL_IO_ERROR, "Cannot map %.140s: this platform has no mmap", path);
#endif
  });
}

extern "C" int32_t ll_unmap_file(void* address, int64_t bytes) {
  return Guard(nullptr, [&] {
    if (address == nullptr) return;
    Require(bytes > 0, "unmap a file", "bytes must be > 0", bytes);
#if LL_HAVE_MMAP
    if (munmap(address, bytes) != 0) {
      throw Error(LL_IO_ERROR, "Cannot unmap a file: %s", strerror(errno));
    }
#endif
  });
}
