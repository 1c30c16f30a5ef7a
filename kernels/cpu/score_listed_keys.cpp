// Scores of the keys that rows list, in their order.
#include <algorithm>

#include "../common/graph_calls.h"
#include "dispatch.h"
#include "key_scores.h"
#include "key_sets.h"
#include "scratch.h"

namespace longlens {
namespace {

void ScoreRow(const Call& call, const ScoreKeysCall& c, const KvView& kv, int64_t r) {
  const int64_t head = c.asking.kv_head_of[r];
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(kv, 1));
  KeyScores scores(call.kernels(), kv, head, 1, &scratch);
  scores.SetQuery(0, c.asking.q + r * kv.dim, 1.0f);
  const int64_t count = c.ptr[r + 1] - c.ptr[r];
  const KeySet set{nullptr, 0, c.keys + c.ptr[r], count};
  float* target = c.scores + c.ptr[r];
  for (KeyWalk walk(kv, head, set, 0, count); walk.now().count > 0; walk.Advance()) {
    call.Poll();
    scores.Score(walk.now(), target, 0);
    target += walk.now().count;
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_score_keys(ll_run* run, const float* q, int32_t rows,
                                 const int32_t* kv_head_of, int32_t dim, void* const* pages,
                                 int32_t stride, int32_t kv_dtype, int32_t kv_len,
                                 const int32_t* ptr, const int32_t* keys, float* scores) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, KvHeadsOf({q, rows, kv_head_of}), dim, kv_dtype};
    const ScoreKeysCall score{{q, rows, kv_head_of}, kv, kv_len, ptr, keys, scores};
    if (!CheckScoreKeys(score)) return;
    const Call call(run);
    call.For(rows, [&](int64_t r) { ScoreRow(call, score, kv, r); });
  });
}
