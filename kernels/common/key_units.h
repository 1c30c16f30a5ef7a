// Heads of a query row that read the same keys.
#ifndef LONGLENS_COMMON_KEY_UNITS_H_
#define LONGLENS_COMMON_KEY_UNITS_H_

#include <cstdint>
#include <vector>

#include "key_calls.h"

namespace longlens {

// Some heads of a KV head and row, and a key set that they share.
struct KeyUnit {
  int32_t kv_head, row, head, heads;
  KeySet set;
  int64_t keys;
};

// The units of a call, of at most `most_heads` heads and with keys: what all heads of a group share
// (the same ranges, the same single keys or both), so that each key is read once, then the rest of
// each head. `units` is emptied first.
void ListKeyUnits(const AttendKeysCall& call, int32_t most_heads, std::vector<KeyUnit>* units);

}  // namespace longlens

#endif  // LONGLENS_COMMON_KEY_UNITS_H_
