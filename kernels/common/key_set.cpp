#include "key_set.h"

#include "status.h"

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

}  // namespace longlens
