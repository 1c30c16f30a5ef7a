#include "key_sets.h"

#include <algorithm>

namespace longlens {

int64_t KeySet::RangeKeys() const {
  int64_t keys = 0;
  for (int64_t i = 0; i < range_count; ++i) keys += ranges[2 * i + 1] - ranges[2 * i];
  return keys;
}

void CheckKeySet(const char* action, const KeySet& set, int64_t kv_len) {
  for (int64_t i = 0; i < set.range_count; ++i) {
    const int64_t start = set.ranges[2 * i], end = set.ranges[2 * i + 1];
    if (start < 0 || end < start || end > kv_len) {
      throw Error(
          LL_INVALID_ARGUMENT,
          "Cannot %s as ranges must satisfy 0 <= start <= end <= %lld: current value is %lld..%lld",
          action, static_cast<long long>(kv_len), static_cast<long long>(start),
          static_cast<long long>(end));
    }
  }
  for (int64_t i = 0; i < set.index_count; ++i) {
    if (set.indices[i] < 0 || set.indices[i] >= kv_len) {
      throw Error(LL_INVALID_ARGUMENT,
                  "Cannot %s as indices must be in 0..%lld: current value is %d", action,
                  static_cast<long long>(kv_len - 1), set.indices[i]);
    }
  }
}

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
  // Without a way out of the loop: it becomes vectors, and most runs are whole.
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
