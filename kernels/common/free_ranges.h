// What is free of one piece of memory, from which blocks are cut.
#ifndef LONGLENS_COMMON_FREE_RANGES_H_
#define LONGLENS_COMMON_FREE_RANGES_H_

#include <cstdint>
#include <map>

namespace longlens {

class FreeRanges {
 public:
  // All of it is free.
  explicit FreeRanges(int64_t bytes) : bytes_(bytes), ranges_{{0, bytes}} {}

  // Offset of a block cut from the first range that is large enough, or -1.
  int64_t Take(int64_t bytes);
  // Ends a block of Take.
  void Give(int64_t offset, int64_t bytes);
  bool IsAllFree() const { return ranges_.size() == 1 && ranges_.begin()->second == bytes_; }

 private:
  int64_t bytes_;
  std::map<int64_t, int64_t> ranges_;  // offset -> bytes, never two beside each other
};

}  // namespace longlens

#endif  // LONGLENS_COMMON_FREE_RANGES_H_
