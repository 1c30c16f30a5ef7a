// Arguments of the calls of the ABI that read keys for a few queries, and what is checked of them.
// Each check throws LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_KEY_CALLS_H_
#define LONGLENS_COMMON_KEY_CALLS_H_

#include <cstdint>

#include "key_set.h"
#include "page_table.h"

namespace longlens {

struct AttendKeysCall {
  const float* q;
  int32_t rows, heads;
  float scale;
  PageTable table;
  int32_t kv_len;
  const int32_t *range_ptr, *ranges, *index_ptr, *indices;
  float *out, *lse;

  int64_t Sets() const { return int64_t{rows} * heads; }
  int32_t Group() const { return heads / static_cast<int32_t>(table.kv_heads); }
  // Of row and head x = row * heads + head.
  KeySet Set(int64_t x) const {
    return {ranges + 2 * int64_t{range_ptr[x]}, range_ptr[x + 1] - range_ptr[x],
            indices + index_ptr[x], index_ptr[x + 1] - index_ptr[x]};
  }
};
bool CheckAttendKeys(const AttendKeysCall& call);

struct MergeCall {
  int32_t rows, dim;
  const float *out_a, *lse_a, *out_b, *lse_b;
  float *out, *lse;
};
bool CheckMerge(const MergeCall& call);

struct AttentionRowCall {
  const float* q;
  int32_t kv_head;
  float scale;
  PageTable table;  // of kv_head + 1 heads
  int32_t kv_len;
  KeySet set;
  float *probs, *lse;
};
bool CheckAttentionRow(const AttentionRowCall& call);

struct PoolMapCall {
  const float* q;
  int32_t q_start, tokens, heads, head;
  float scale;
  PageTable table;
  int32_t n, bins;
  float *sum, *max;

  int32_t KvHead() const { return head / (heads / static_cast<int32_t>(table.kv_heads)); }
};
bool CheckPoolMap(const PoolMapCall& call);

struct TopKeysCall {
  const float* q;
  int32_t heads;
  const int32_t* chosen;
  int32_t count;
  PageTable table;
  int32_t start, end, k;
  int32_t* indices;
  float* scores;
};
bool CheckTopKeys(const TopKeysCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_KEY_CALLS_H_
