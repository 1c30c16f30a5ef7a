#include "arena.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace longlens {
namespace {

constexpr int64_t kLargePage = 2 << 20;
constexpr int64_t kChunk = 16 * kLargePage;
// Larger blocks have a chunk of their own, which goes back to the system with them.
constexpr int64_t kShared = kChunk / 4;

int64_t RoundUp(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

#if defined(__linux__)
// Zeroed and aligned to a large page; null when there is no memory.
char* Map(int64_t bytes) {
  void* const raw = mmap(nullptr, bytes + kLargePage, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* const start = static_cast<char*>(raw);
  const int64_t head = (kLargePage - reinterpret_cast<uintptr_t>(raw) % kLargePage) % kLargePage;
  if (head > 0) munmap(start, head);
  munmap(start + head + bytes, kLargePage - head);
  madvise(start + head, bytes, MADV_HUGEPAGE);
  return start + head;
}
void Unmap(char* start, int64_t bytes) { munmap(start, bytes); }
#else
char* Map(int64_t bytes) {
  char* const start = static_cast<char*>(aligned_alloc(4096, bytes));
  return start == nullptr ? nullptr : static_cast<char*>(memset(start, 0, bytes));
}
void Unmap(char* start, int64_t) { free(start); }
#endif

}  // namespace

bool Arena::Cut(int64_t bytes, char** start, int64_t* offset) {
  if (bytes <= kShared) {
    for (auto& [address, chunk] : chunks_) {
      *start = address;
      *offset = chunk.spare.Take(bytes);
      if (*offset >= 0) return true;
    }
  }
  const int64_t size = bytes <= kShared ? kChunk : RoundUp(bytes, 4096);
  *start = Map(size);
  if (*start == nullptr) return false;
  // A chunk of one block keeps its end to itself.
  const int64_t used = bytes <= kShared ? size : bytes;
  Chunk& chunk = chunks_.emplace(*start, Chunk{size, 0, FreeRanges(used)}).first->second;
  *offset = chunk.spare.Take(bytes);
  return true;
}

void* Arena::Take(int64_t bytes) {
  bytes = RoundUp(bytes, 64);
  std::unique_lock<std::mutex> lock(mutex_);
  char* start;
  int64_t offset;
  if (!Cut(bytes, &start, &offset)) return nullptr;
  Chunk& chunk = chunks_.at(start);
  const int64_t used = std::clamp<int64_t>(chunk.touched - offset, 0, bytes);
  chunk.touched = std::max(chunk.touched, offset + bytes);
  lock.unlock();
  memset(start + offset, 0, used);
  return start + offset;
}

void Arena::Give(void* block, int64_t bytes) {
  bytes = RoundUp(bytes, 64);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::prev(chunks_.upper_bound(static_cast<char*>(block)));
  Chunk& chunk = found->second;
  chunk.spare.Give(static_cast<char*>(block) - found->first, bytes);
  if (!chunk.spare.IsAllFree()) return;
  Unmap(found->first, chunk.bytes);
  chunks_.erase(found);
}

}  // namespace longlens
