// Arguments of the estimates of the ABI, and what is checked of them. Each check throws
// LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_ESTIMATE_CALLS_H_
#define LONGLENS_COMMON_ESTIMATE_CALLS_H_

#include <cstdint>

#include "page_table.h"

namespace longlens {

// Query heads that a call lists, and the rows of its queries.
struct ChosenQueries {
  const float* q;
  int32_t q_start, tokens, heads;
  const int32_t* chosen;
  int32_t count;
  float scale;
  PageTable table;

  int64_t Keys() const { return int64_t{q_start} + tokens; }
  int32_t Group() const { return heads / static_cast<int32_t>(table.kv_heads); }
};
// Requires every page that the listed heads read.
void RequirePagesOfChosen(const ChosenQueries& queries);

bool CheckVerticalSlash(const ChosenQueries& queries, const float* vertical, const float* slash);
bool CheckAntidiagonals(const ChosenQueries& queries, int32_t step, int32_t block,
                        const float* scores);

bool CheckPoolQueries(const float* q, int32_t tokens, int32_t heads, int32_t dim, int32_t block,
                      const float* out);

// Blocks of `block` keys of start <= j < end of each KV head.
struct BlocksOfKeys {
  PageTable table;
  int32_t start, end, block;

  int64_t Count() const { return (int64_t{end} - start + block - 1) / block; }
};
bool CheckPoolKeys(const BlocksOfKeys& blocks, const float* out);
bool CheckKeyBounds(const BlocksOfKeys& blocks, const float* min, const float* max);

struct BlockScoresCall {
  const float* q;
  int32_t q_blocks, heads;
  const int32_t* chosen;
  int32_t count;
  const float* k;
  int32_t k_blocks, kv_heads, dim;
  float scale;
  int32_t q_start, block, softmax;
  float* scores;
};
bool CheckBlockScores(const BlockScoresCall& call);

struct BoundScoresCall {
  const float* q;
  int32_t heads, kv_heads, dim;
  const int32_t* chosen;
  int32_t count;
  const float *min, *max;
  int32_t blocks;
  float* bounds;
};
bool CheckBoundScores(const BoundScoresCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_ESTIMATE_CALLS_H_
