// The k keys with the largest q . k of each listed query head.
//
// Query heads of one KV head are scanned together. Each work item keeps the best k of its span of
// keys; the spans' bests are joined at the end.
#include <algorithm>
#include <vector>

#include "../common/head_groups.h"
#include "../common/key_calls.h"
#include "best_keys.h"
#include "dispatch.h"
#include "key_scores.h"
#include "key_sets.h"
#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kSpanKeys = 4096;

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<HeadGroup> groups;
  SpanBests bests;  // of each listed head
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

struct ScanCall {
  const Call& call;
  const float* q;
  KvView kv;
  int64_t start, end, k, span;
};

// Finds the best of span number s for the heads of a group.
void ScanSpan(const ScanCall& c, const HeadGroup& group, int64_t s, SpanBests* bests) {
  const int64_t heads = group.places.size(), dim = c.kv.dim;
  const int64_t first = c.start + s * c.span, end = std::min(c.end, first + c.span);
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(c.kv, heads) + Scratch::RoundUp(heads * kKeyBlock));
  KeyScores scores(c.call.kernels(), c.kv, group.kv_head, heads, &scratch);
  float* const rows = scratch.Take(heads * kKeyBlock);
  thread_local std::vector<BestKeys> best;
  best.clear();
  for (int64_t h = 0; h < heads; ++h) {
    scores.SetQuery(h, c.q + group.heads[h] * dim, 1.0f);
    best.push_back(bests->Of(group.places[h], s, std::min(c.k, end - first)));
  }
  const int32_t range[] = {static_cast<int32_t>(first), static_cast<int32_t>(end)};
  const KeySet set{range, 1, nullptr, 0};
  for (KeyWalk walk(c.kv, group.kv_head, set, 0, end - first); walk.now().count > 0;
       walk.Advance()) {
    c.call.Poll();
    const KeyBlock& block = walk.now();
    scores.Score(block, rows, kKeyBlock);
    for (int64_t h = 0; h < heads; ++h) {
      for (int32_t j = 0; j < block.count; ++j) {
        best[h].Push(rows[h * kKeyBlock + j], block.keys[j]);
      }
    }
  }
  for (int64_t h = 0; h < heads; ++h) bests->Finish(group.places[h], s, &best[h]);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_top_keys(ll_run* run, const float* q, int32_t heads, int32_t kv_heads,
                               int32_t dim, const int32_t* chosen, int32_t count,
                               void* const* pages, int32_t stride, int32_t kv_dtype, int32_t start,
                               int32_t end, int32_t k, int32_t* indices, float* scores) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    if (!CheckTopKeys({q, heads, chosen, count, kv, start, end, k, indices, scores})) return;
    const Call call(run);
    const int64_t keys = int64_t{end} - start;
    // Spans long enough that joining them is cheap, and enough of them for the threads.
    const int64_t span = std::max(kSpanKeys, keys / (4 * call.threads()) + 1);
    const int64_t spans = (keys + span - 1) / span;
    Workspace& w = ThreadWorkspace();
    GroupHeads(chosen, count, heads, kv_heads, INT32_MAX, &w.groups);
    w.bests.Begin(count, spans, k, span);
    const ScanCall scan{call, q, kv, start, end, k, span};
    const int64_t group_count = w.groups.size();
    call.For(spans * group_count, [&](int64_t item) {
      ScanSpan(scan, w.groups[item % group_count], item / group_count, &w.bests);
    });
    call.For(count, [&](int64_t place) {
      const int64_t found = w.bests.Join(place);
      WriteBest(w.bests.Joined(place), found, k, indices + place * k, scores + place * k);
      call.Progress(1);
    });
  });
}
