#include "key_sets.h"

#include <algorithm>

namespace longlens {

KeyCursor::KeyCursor(const KeySet& set, int64_t skip) : set_(set) {
  while (range_ < set.range_count) {
    const int64_t length = set.ranges[2 * range_ + 1] - set.ranges[2 * range_];
    if (skip < length) break;
    skip -= length;
    ++range_;
  }
  (range_ < set.range_count ? offset_ : index_) = skip;
}

int32_t KeyCursor::Next(int32_t* keys, int32_t count) {
  int32_t n = 0;
  while (n < count && range_ < set_.range_count) {
    const int32_t next = set_.ranges[2 * range_] + static_cast<int32_t>(offset_);
    const int32_t now = std::min(count - n, set_.ranges[2 * range_ + 1] - next);
    for (int32_t i = 0; i < now; ++i) keys[n + i] = next + i;
    n += now;
    offset_ += now;
    if (next + now == set_.ranges[2 * range_ + 1]) {
      ++range_;
      offset_ = 0;
    }
  }
  while (n < count && index_ < set_.index_count) keys[n++] = set_.indices[index_++];
  return n;
}

int32_t RunOfKeys(const int32_t* keys, int32_t count) {
  const int32_t in_page = std::min(count, LL_PAGE_TOKENS - keys[0] % LL_PAGE_TOKENS);
  if (in_page == 1 || keys[1] != keys[0] + 1) return 1;
  // Without a way out of the loop: it becomes vectors, and most runs that begin are whole.
  int32_t strays = 0;
  for (int32_t j = 0; j < in_page; ++j) strays |= keys[j] ^ (keys[0] + j);
  if (strays == 0) return in_page;
  int32_t run = 1;
  while (keys[run] == keys[0] + run) ++run;
  return run;
}

void KeyWalk::FillRows(KeyBlock* block) const {
  const int64_t bytes = kv_.RowBytes();
  for (int32_t j = 0; j < block->count;) {
    const char* const first = kv_.Row(kv_head_, block->keys[j], Part::kKeys);
    const int32_t run = RunOfKeys(block->keys + j, block->count - j);
    for (int32_t i = 0; i < run; ++i) block->rows[j + i] = first + i * bytes;
    j += run;
  }
}

}  // namespace longlens
