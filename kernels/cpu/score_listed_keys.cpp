// Scores of the keys that rows list, in their order.
#include "score_listed_keys.h"

#include "../common/graph_calls.h"
#include "key_scores.h"
#include "key_sets.h"
#include "scratch.h"

namespace longlens {

void ScoreListedKeys(const Call& call, const KvView& kv, const float* q, const ListedKeys& listed,
                     float* scores) {
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(kv, 1));
  KeyScores key_scores(call.kernels(), kv, listed.kv_head, 1, &scratch);
  key_scores.SetQuery(0, q, 1.0f);
  const KeySet set{nullptr, 0, listed.keys, listed.count};
  for (KeyWalk walk(kv, listed.kv_head, set, 0, listed.count); walk.now().count > 0;
       walk.Advance()) {
    call.Poll();
    key_scores.Score(walk.now(), scores, 0);
    scores += walk.now().count;
  }
}

}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_score_keys(ll_run* run, const float* q, int32_t rows,
                                 const int32_t* kv_head_of, int32_t dim, void* const* pages,
                                 int32_t stride, int32_t kv_dtype, int32_t kv_len,
                                 const int32_t* ptr, const int32_t* keys, float* scores) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, KvHeadsOf({q, rows, kv_head_of}), dim, kv_dtype};
    if (!CheckScoreKeys({{q, rows, kv_head_of}, kv, kv_len, ptr, keys, scores})) return;
    const Call call(run);
    call.For(rows, [&](int64_t r) {
      const ListedKeys listed{kv_head_of[r], keys + ptr[r], ptr[r + 1] - ptr[r]};
      ScoreListedKeys(call, kv, q + int64_t{r} * dim, listed, scores + ptr[r]);
    });
  });
}
