// Files of pages: device memory that the system writes out and drops when memory runs short.
//
// Space is taken on the disk before it is mapped: to write to a mapping that the disk has no room
// for is a signal that ends the process.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "../common/status.h"

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#define LL_HAVE_MMAP 1
#endif

namespace longlens {
namespace {

// A multiple of every system's page.
constexpr int64_t kGrain = 65536;
constexpr const char* kCreate = "create a file of pages";
constexpr const char* kExtend = "extend a file of pages";

#if LL_HAVE_MMAP
[[noreturn]] void ThrowIo(const char* action, int error) {
  throw Error(LL_IO_ERROR, "Cannot %s: %s", action, strerror(error));
}

[[noreturn]] void ThrowIo(const char* action, const char* path, int error) {
  throw Error(LL_IO_ERROR, "Cannot %s at %.140s: %s", action, path, strerror(error));
}

int32_t CreateNameless(const char* path) {
  const int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) ThrowIo(kCreate, path, errno);
  if (unlink(path) == 0) return file;
  const int error = errno;
  close(file);
  ThrowIo("take away the name of the file", path, error);
}

int64_t SizeOf(int32_t file) {
  struct stat status;
  if (fstat(file, &status) != 0) ThrowIo(kExtend, errno);
  return status.st_size;
}

// Returns an errno, 0 for none.
int WriteZeros(int32_t file, int64_t offset, int64_t bytes) {
  const std::vector<char> zeros(std::min<int64_t>(bytes, 1 << 20));
  for (const int64_t end = offset + bytes; offset < end;) {
    const ssize_t now =
        pwrite(file, zeros.data(), std::min<int64_t>(zeros.size(), end - offset), offset);
    if (now < 0 && errno != EINTR) return errno;
    offset += std::max<ssize_t>(now, 0);
  }
  return 0;
}

// Takes space on the disk; returns an errno, 0 for none.
int TakeSpace(int32_t file, int64_t offset, int64_t bytes) {
#if defined(__linux__)
  int error;
  do {
    error = posix_fallocate(file, offset, bytes);
  } while (error == EINTR);
  if (error != EOPNOTSUPP) return error;
#endif
  return WriteZeros(file, offset, bytes);
}

[[noreturn]] void ThrowNotExtended(int32_t file, int64_t bytes, int error) {
  struct statvfs disk;
  const bool is_known = fstatvfs(file, &disk) == 0;
  const int64_t free = is_known ? static_cast<int64_t>(disk.f_bavail) * disk.f_frsize : 0;
  const bool is_full = error == ENOSPC || error == EDQUOT || error == EFBIG || error == ENOMEM;
  throw Error(is_full ? LL_OUT_OF_MEMORY : LL_IO_ERROR,
              "Cannot %s by %lld bytes: %s, %lld bytes are free on its disk", kExtend,
              static_cast<long long>(bytes), strerror(error), static_cast<long long>(free));
}

void* Extend(int32_t file, int64_t bytes) {
  const int64_t size = SizeOf(file);
  int error = TakeSpace(file, size, bytes);
  if (error == 0) {
    void* const address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, size);
    if (address != MAP_FAILED) return address;
    error = errno;
  }
  // Gives back what was taken; where that fails the next call goes on behind it.
  [[maybe_unused]] const int given_back = ftruncate(file, size);
  ThrowNotExtended(file, bytes, error);
}
#endif

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_create_file(const char* path, int32_t* file) {
  return Guard(nullptr, [&] {
    RequirePointer(path, kCreate, "path");
    RequirePointer(file, kCreate, "file");
    *file = -1;
#if LL_HAVE_MMAP
    *file = CreateNameless(path);
#else
    throw Error(LL_IO_ERROR, "Cannot %s at %.140s: this platform has no mmap", kCreate, path);
#endif
  });
}

extern "C" int32_t ll_extend_file(int32_t file, int64_t bytes, void** out) {
  return Guard(nullptr, [&] {
    RequirePointer(out, kExtend, "out");
    *out = nullptr;
    Require(bytes > 0 && bytes % kGrain == 0, kExtend, "bytes must be a multiple of 65536 above 0",
            bytes);
#if LL_HAVE_MMAP
    *out = Extend(file, bytes);
#else
    throw Error(LL_IO_ERROR, "Cannot extend file %d: this platform has no mmap", file);
#endif
  });
}

extern "C" int32_t ll_close_file(int32_t file) {
  return Guard(nullptr, [&] {
#if LL_HAVE_MMAP
    if (close(file) != 0) ThrowIo("close a file of pages", errno);
#else
    throw Error(LL_IO_ERROR, "Cannot close file %d: this platform has no mmap", file);
#endif
  });
}
