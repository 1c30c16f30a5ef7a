// What the two ways of attending tiles share: the call, and which heads are worked on together.
#ifndef LONGLENS_CPU_TILE_CALL_H_
#define LONGLENS_CPU_TILE_CALL_H_

#include <cstdint>
#include <vector>

#include "dispatch.h"
#include "kv.h"
#include "query_panels.h"
#include "../common/tile_plans.h"

namespace longlens {

struct TileCall {
  const Call& call;
  Queries queries;
  KvView kv;
  int64_t q_start, tokens, kv_len;
  float *out, *lse;
};

// Heads of one KV head with the same plan.
struct Bundle {
  const TilePlan* plan;
  int32_t kv_head;
  std::vector<int32_t> heads;
};

// Heads that share a KV head and a plan, KV head after KV head; the row tiles of a bundle's heads
// have at most `item_rows` rows together, or it has one head.
std::vector<Bundle> MakeBundles(const TileCall& tile_call, const TilePlans& plans,
                                int64_t item_rows);

}  // namespace longlens

#endif  // LONGLENS_CPU_TILE_CALL_H_
