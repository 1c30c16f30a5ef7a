// Sets of keys (ranges, then single keys) and the attention of a few query rows over a part of one.
#ifndef LONGLENS_CPU_KEY_SETS_H_
#define LONGLENS_CPU_KEY_SETS_H_

#include <cstdint>

#include "dispatch.h"
#include "kv.h"

namespace longlens {

// Keys that are fetched, scored and weighed together.
constexpr int32_t kKeyBlock = 128;

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

// Walks the keys of a set in order, from key number `skip` on.
class KeyCursor {
 public:
  KeyCursor(const KeySet& set, int64_t skip);
  // Writes the next keys, at most `count`; returns how many.
  int32_t Next(int32_t* keys, int32_t count);

 private:
  const KeySet& set_;
  int64_t range_ = 0, offset_ = 0, index_ = 0;
};

// Rows of the page of each key.
void KeyRows(const KvView& kv, int64_t head, const int32_t* keys, int32_t count, Part part,
             const void** rows);

}  // namespace longlens

#endif  // LONGLENS_CPU_KEY_SETS_H_
