#include "free_ranges.h"

#include <iterator>

namespace longlens {

int64_t FreeRanges::Take(int64_t bytes) {
  for (auto range = ranges_.begin(); range != ranges_.end(); ++range) {
    const auto [offset, size] = *range;
    if (size < bytes) continue;
    ranges_.erase(range);
    if (size > bytes) ranges_[offset + bytes] = size - bytes;
    return offset;
  }
  return -1;
}

void FreeRanges::Give(int64_t offset, int64_t bytes) {
  int64_t from = offset, end = offset + bytes;
  auto next = ranges_.lower_bound(from);
  if (next != ranges_.end() && next->first == end) {
    end += next->second;
    next = ranges_.erase(next);
  }
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == from) from = before->first;
  }
  ranges_[from] = end - from;
}

}  // namespace longlens
