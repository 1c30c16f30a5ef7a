// Exact scores of listed keys.
#ifndef LONGLENS_CPU_SCORE_LISTED_KEYS_H_
#define LONGLENS_CPU_SCORE_LISTED_KEYS_H_

#include <cstdint>

#include "dispatch.h"
#include "kv.h"

namespace longlens {

// Keys of a KV head, in any order.
struct ListedKeys {
  int64_t kv_head;
  const int32_t* keys;
  int64_t count;
};

// scores[x] = q . k[keys[x]]. Uses the scratch of its thread.
void ScoreListedKeys(const Call& call, const KvView& kv, const float* q, const ListedKeys& listed,
                     float* scores);

}  // namespace longlens

#endif  // LONGLENS_CPU_SCORE_LISTED_KEYS_H_
