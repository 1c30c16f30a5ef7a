// The slow tier of ll_alloc: pinned host memory, which the device reads and writes itself at the
// same addresses.
//
// To pin memory takes long and may stop the device, so it is pinned in slabs, of which blocks are
// cut. A block may be given back while work on it is queued: whoever gets it next touches it in
// the same stream, first to clear it. Only slabs that go back to the system must wait, until
// the stream has no work.
#ifndef LONGLENS_CUDA_SLOW_MEMORY_H_
#define LONGLENS_CUDA_SLOW_MEMORY_H_

#include <map>
#include <mutex>

#include "../common/free_ranges.h"
#include "device.cuh"

namespace longlens {

class SlowMemory {
 public:
  // A block aligned to 512 bytes, zeroed in the stream. Throws where there is no memory.
  void* Take(int64_t bytes, cudaStream_t stream);
  // Ends a block of Take; false where `memory` is none.
  bool Give(void* memory, cudaStream_t stream);

 private:
  struct Slab {
    int64_t bytes;
    FreeRanges free;
    std::map<int64_t, int64_t> taken;  // offset -> bytes
  };
  using Slabs = std::map<char*, Slab>;

  char* Cut(int64_t bytes);
  Slabs::iterator MakeSlab(int64_t bytes);
  void Unpin(cudaStream_t stream);
  [[noreturn]] void ThrowFull(int64_t bytes) const;

  std::mutex mutex_;
  Slabs slabs_;
};

SlowMemory& TheSlowMemory();

}  // namespace longlens

#endif  // LONGLENS_CUDA_SLOW_MEMORY_H_
