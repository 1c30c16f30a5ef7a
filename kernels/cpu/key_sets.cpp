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

void KeyRows(const KvView& kv, int64_t head, const int32_t* keys, int32_t count, Part part,
             const void** rows) {
  const int64_t bytes = kv.RowBytes();
  for (int32_t j = 0; j < count;) {
    const char* const first = kv.Row(head, keys[j], part);
    const int32_t in_page = std::min(count - j, LL_PAGE_TOKENS - keys[j] % LL_PAGE_TOKENS);
    int32_t run = 0;  // consecutive keys of this page
    do {
      rows[j + run] = first + run * bytes;
      ++run;
    } while (run < in_page && keys[j + run] == keys[j] + run);
    j += run;
  }
}

}  // namespace longlens
