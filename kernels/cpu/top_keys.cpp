// The k keys with the largest q . k of each listed query head.
//
// Query heads of one KV head are scanned together. Each work item keeps the best k of its span of
// keys; the spans' bests are joined at the end. A candidate is one integer, the order-preserving
// bits of the score above the inverted key number, so that "falling score, ties to the lower key"
// is a plain comparison and the result does not depend on how the keys were cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "../common/head_groups.h"
#include "../common/key_calls.h"
#include "dispatch.h"
#include "key_scores.h"
#include "key_sets.h"
#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kSpanKeys = 4096;

using Candidate = uint64_t;

// NaN counts as the smallest score.
Candidate Encode(float score, int32_t key) {
  uint32_t bits = 0;
  if (score == score) {
    score += 0.0f;  // -0 and 0 tie
    memcpy(&bits, &score, sizeof(bits));
    bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  return (uint64_t{bits} << 32) | static_cast<uint32_t>(~key);
}

int32_t Key(Candidate candidate) { return static_cast<int32_t>(~static_cast<uint32_t>(candidate)); }

float Score(Candidate candidate) {
  const uint32_t bits = static_cast<uint32_t>(candidate >> 32);
  if (bits == 0) return NAN;
  const uint32_t raw = (bits & 0x80000000u) != 0 ? bits & 0x7FFFFFFFu : ~bits;
  float score;
  memcpy(&score, &raw, sizeof(score));
  return score;
}

// The best k of what was pushed, kept in room for Room(k) candidates.
class Best {
 public:
  Best(Candidate* room, int64_t k) : k_(k), kept_(room) {}
  static int64_t Room(int64_t k) { return 2 * k + 256; }

  // A key after all pushed before it must beat the k-th best strictly, so one comparison of scores
  // rejects most.
  void Push(float score, int32_t key) {
    if (full_ && !(score > lowest_)) return;
    kept_[count_++] = Encode(score, key);
    if (count_ == Room(k_)) Cut();
  }
  // Leaves the best in the room, and tells how many they are.
  int64_t Finish() {
    if (count_ > k_) Cut();
    return count_;
  }

 private:
  void Cut() {
    std::nth_element(kept_, kept_ + (k_ - 1), kept_ + count_, std::greater<>());
    count_ = k_;
    lowest_ = Score(kept_[k_ - 1]);
    full_ = lowest_ == lowest_;
  }

  int64_t k_, count_ = 0;
  Candidate* kept_;
  float lowest_ = -INFINITY;
  bool full_ = false;
};

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<HeadGroup> groups;
  Buffer<Candidate> found;    // [place][span][room]
  std::vector<int64_t> kept;  // [place][span]
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

struct ScanCall {
  const Call& call;
  const Workspace& w;
  const float* q;
  KvView kv;
  int64_t start, end, k;
  int64_t span, spans, room;

  int64_t Index(int64_t place, int64_t s) const { return place * spans + s; }
  Candidate* Found(int64_t place, int64_t s) const { return w.found.data() + Index(place, s) * room; }
};

// Finds the best of span number s for the heads of a group; kept[place][s] tells how many.
void ScanSpan(const ScanCall& c, const HeadGroup& group, int64_t s, int64_t* kept) {
  const int64_t heads = group.places.size(), dim = c.kv.dim;
  const int64_t first = c.start + s * c.span, end = std::min(c.end, first + c.span);
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(c.kv, heads) + Scratch::RoundUp(heads * kKeyBlock));
  KeyScores scores(c.call.kernels(), c.kv, group.kv_head, heads, &scratch);
  float* const rows = scratch.Take(heads * kKeyBlock);
  thread_local std::vector<Best> best;
  best.clear();
  for (int64_t h = 0; h < heads; ++h) {
    scores.SetQuery(h, c.q + group.heads[h] * dim, 1.0f);
    best.emplace_back(c.Found(group.places[h], s), std::min(c.k, end - first));
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
  for (int64_t h = 0; h < heads; ++h) {
    kept[c.Index(group.places[h], s)] = best[h].Finish();
  }
}

// Joins the spans' bests of one head into its row of the result.
void Join(const ScanCall& c, int64_t place, int32_t* indices, float* scores) {
  Candidate* const all = c.Found(place, 0);
  Candidate* end = all;
  for (int64_t s = 0; s < c.spans; ++s) {
    const Candidate* const found = c.Found(place, s);
    end = std::copy(found, found + c.w.kept[c.Index(place, s)], end);
  }
  const int64_t kept = std::min<int64_t>(c.k, end - all);
  std::partial_sort(all, all + kept, end, std::greater<>());
  for (int64_t i = 0; i < c.k; ++i) {
    indices[i] = i < kept ? Key(all[i]) : -1;
    scores[i] = i < kept ? Score(all[i]) : -INFINITY;
  }
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
    const int64_t room = Best::Room(std::min<int64_t>(k, span));
    Workspace& w = ThreadWorkspace();
    GroupHeads(chosen, count, heads, kv_heads, INT32_MAX, &w.groups);
    w.found.Reserve(count * spans * room);
    w.kept.resize(count * spans);
    const ScanCall scan{call, w, q, kv, start, end, k, span, spans, room};
    const int64_t group_count = w.groups.size();
    call.For(spans * group_count, [&](int64_t item) {
      ScanSpan(scan, w.groups[item % group_count], item / group_count, w.kept.data());
    });
    call.For(count, [&](int64_t place) {
      Join(scan, place, indices + place * k, scores + place * k);
      call.Progress(1);
    });
  });
}
