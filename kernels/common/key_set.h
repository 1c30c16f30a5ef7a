// Sets of keys as the ABI takes them: ranges, then single keys.
#ifndef LONGLENS_COMMON_KEY_SET_H_
#define LONGLENS_COMMON_KEY_SET_H_

#include <cstdint>

namespace longlens {

struct KeySet {
  const int32_t* ranges;  // [range_count] pairs start, end (exclusive)
  int64_t range_count;
  const int32_t* indices;  // [index_count]
  int64_t index_count;

  // Number of keys in the ranges, and in all.
  int64_t RangeKeys() const;
  int64_t Keys() const { return RangeKeys() + index_count; }
};

// Throws LL_INVALID_ARGUMENT unless all keys are in 0 .. kv_len-1 and no range ends before its
// start.
void CheckKeySet(const char* action, const KeySet& set, int64_t kv_len);

}  // namespace longlens

#endif  // LONGLENS_COMMON_KEY_SET_H_
