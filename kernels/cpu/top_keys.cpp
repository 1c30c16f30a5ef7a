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
#include <vector>

#include "dispatch.h"
#include "head_groups.h"
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

// The best k of what was pushed.
class Best {
 public:
  void Reset(int64_t k) {
    k_ = k;
    kept_.clear();
    lowest_ = -INFINITY;
    full_ = false;
  }
  // A key after all pushed before it must beat the k-th best strictly, so one comparison of scores
  // rejects most.
  void Push(float score, int32_t key) {
    if (full_ && !(score > lowest_)) return;
    kept_.push_back(Encode(score, key));
    if (static_cast<int64_t>(kept_.size()) >= 2 * k_ + 256) Cut();
  }
  const std::vector<Candidate>& Finish() {
    if (static_cast<int64_t>(kept_.size()) > k_) Cut();
    return kept_;
  }

 private:
  void Cut() {
    std::nth_element(kept_.begin(), kept_.begin() + (k_ - 1), kept_.end(), std::greater<>());
    kept_.resize(k_);
    lowest_ = Score(kept_[k_ - 1]);
    full_ = lowest_ == lowest_;
  }

  int64_t k_ = 1;
  std::vector<Candidate> kept_;
  float lowest_ = -INFINITY;
  bool full_ = false;
};

struct ScanCall {
  const Call& call;
  const float* q;
  int64_t dim;
  const int32_t* chosen;
  KvView kv;
  int64_t start, end, k;
};

// found[place] of the keys first .. end-1.
void ScanSpan(const ScanCall& c, const HeadGroup& group, int64_t first, int64_t end,
              std::vector<Candidate>* found) {
  const int64_t heads = group.places.size();
  std::vector<float> q(heads * c.dim), s(heads * kKeyBlock);
  std::vector<Best> best(heads);
  for (int64_t h = 0; h < heads; ++h) {
    memcpy(&q[h * c.dim], c.q + c.chosen[group.places[h]] * c.dim, c.dim * sizeof(float));
    best[h].Reset(std::min(c.k, end - first));
  }
  for (int64_t key = first; key < end; key += kKeyBlock) {
    c.call.Poll();
    const int32_t count = static_cast<int32_t>(std::min<int64_t>(kKeyBlock, end - key));
    const void* rows[kKeyBlock];
    for (int32_t j = 0; j < count; ++j) rows[j] = c.kv.Row(group.kv_head, key + j, Part::kKeys);
    c.call.kernels().dot_rows(rows, c.kv.dtype, count, c.dim, q.data(), c.dim, heads, s.data(),
                              kKeyBlock, false);
    for (int64_t h = 0; h < heads; ++h) {
      for (int32_t j = 0; j < count; ++j) {
        best[h].Push(s[h * kKeyBlock + j], static_cast<int32_t>(key + j));
      }
    }
  }
  for (int64_t h = 0; h < heads; ++h) found[group.places[h]] = best[h].Finish();
}

// Joins the spans' bests of one head into its row of the result.
void Join(const std::vector<std::vector<Candidate>>& found, int64_t spans, int64_t count,
          int64_t place, int64_t k, int32_t* indices, float* scores) {
  std::vector<Candidate> all;
  for (int64_t s = 0; s < spans; ++s) {
    const std::vector<Candidate>& some = found[s * count + place];
    all.insert(all.end(), some.begin(), some.end());
  }
  const int64_t kept = std::min<int64_t>(k, all.size());
  std::partial_sort(all.begin(), all.begin() + kept, all.end(), std::greater<>());
  for (int64_t i = 0; i < k; ++i) {
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
    const char* const action = "find the top keys";
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    Require(kv_heads > 0, action, "kv_heads must be > 0", kv_heads);
    Require(heads > 0 && heads % kv_heads == 0, action, "heads must be a multiple of kv_heads",
            heads);
    Require(count >= 0, action, "count must be >= 0", count);
    Require(k >= 0, action, "k must be >= 0", k);
    Require(start >= 0, action, "start must be >= 0", start);
    Require(end >= start, action, "end must be >= start", end);
    CheckKv(action, kv, end > start ? end : 0);
    if (count == 0 || k == 0) return;
    RequirePointer(q, action, "q");
    RequirePointer(chosen, action, "chosen");
    RequirePointer(indices, action, "indices");
    RequirePointer(scores, action, "scores");
    for (int32_t c = 0; c < count; ++c) {
      Require(chosen[c] >= 0 && chosen[c] < heads, action, "chosen must be in 0..heads-1",
              chosen[c]);
    }
    const Call call(run);
    const int64_t keys = int64_t{end} - start;
    // Spans long enough that joining them is cheap, and enough of them for the threads.
    const int64_t span = std::max(kSpanKeys, keys / (4 * call.threads()) + 1);
    const int64_t spans = (keys + span - 1) / span;
    const std::vector<HeadGroup> groups = GroupHeads(chosen, count, heads, kv_heads);
    std::vector<std::vector<Candidate>> found(spans * count);
    const ScanCall scan{call, q, dim, chosen, kv, start, end, k};
    const int64_t group_count = groups.size();
    call.For(spans * group_count, [&](int64_t item) {
      const int64_t s = item / group_count, first = start + s * span;
      ScanSpan(scan, groups[item % group_count], first, std::min<int64_t>(end, first + span),
               &found[s * count]);
    });
    call.For(count, [&](int64_t place) {
      Join(found, spans, count, place, k, indices + place * k, scores + place * k);
      call.Progress(1);
    });
  });
}
