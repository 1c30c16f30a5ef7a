// Memory of ll_alloc: blocks cut from chunks that the system is asked to back with large pages.
//
// A page of keys is smaller than a large page, so blocks of their own would never get one, and
// reads of a cache of 1 GB then wait for address translation: 26 instead of 36 GB/s were measured.
#ifndef LONGLENS_CPU_ARENA_H_
#define LONGLENS_CPU_ARENA_H_

#include <cstdint>
#include <map>
#include <mutex>

#include "../common/free_ranges.h"

namespace longlens {

class Arena {
 public:
  // A zeroed block aligned to 64 bytes, or null when there is no memory.
  void* Take(int64_t bytes);
  // Ends a block of Take(bytes).
  void Give(void* block, int64_t bytes);

 private:
  struct Chunk {
    int64_t bytes;
    int64_t touched;  // from here on nothing was ever written
    FreeRanges spare;
  };
  // Cuts `bytes` from the first chunk with room; makes a chunk if there is none.
  bool Cut(int64_t bytes, char** start, int64_t* offset);

  std::mutex mutex_;
  std::map<char*, Chunk> chunks_;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_ARENA_H_
