// The best of scored keys.
//
// A candidate is one integer, the order-preserving bits of the score above the inverted key number,
// so that "falling score, ties to the lower key" is a plain comparison and the result does not
// depend on how the keys were cut.
#ifndef LONGLENS_CPU_BEST_KEYS_H_
#define LONGLENS_CPU_BEST_KEYS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "scratch.h"

namespace longlens {

using Candidate = uint64_t;

// NaN counts as the smallest score.
inline Candidate CandidateOf(float score, int32_t key) {
  uint32_t bits = 0;
  if (score == score) {
    score += 0.0f;  // -0 and 0 tie
    memcpy(&bits, &score, sizeof(bits));
    bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  return (uint64_t{bits} << 32) | static_cast<uint32_t>(~key);
}

inline int32_t KeyOf(Candidate candidate) {
  return static_cast<int32_t>(~static_cast<uint32_t>(candidate));
}

inline float ScoreOf(Candidate candidate) {
  const uint32_t bits = static_cast<uint32_t>(candidate >> 32);
  if (bits == 0) return NAN;
  const uint32_t raw = (bits & 0x80000000u) != 0 ? bits & 0x7FFFFFFFu : ~bits;
  float score;
  memcpy(&score, &raw, sizeof(score));
  return score;
}

// The best k of what was pushed, kept in room for Room(k) candidates.
class BestKeys {
 public:
  BestKeys(Candidate* room, int64_t k) : k_(k), kept_(room) {}
  static int64_t Room(int64_t k) { return 2 * k + 256; }

  // A key after all pushed before it must beat the k-th best strictly, so one comparison of scores
  // rejects most.
  void Push(float score, int32_t key) {
    if (full_ && !(score > lowest_)) return;
    Keep(score, key);
  }
  // A key in any order.
  void PushAny(float score, int32_t key) {
    if (CandidateOf(score, key) > least_) Keep(score, key);
  }
  // From now on keeps the best k of those keys, past and later ones, that are not worse than the
  // best that it had to keep until now. Where IsShort() at the end, others are missing.
  void Widen(int64_t k) {
    if (count_ > k_) Cut();
    k_ = k;
  }
  bool IsShort() const { return count_ < k_; }
  // Leaves the best in the room, and tells how many they are.
  int64_t Finish() {
    if (count_ > k_) Cut();
    return count_;
  }
  // Scores that are not above this are rejected.
  float lowest() const { return full_ ? lowest_ : -INFINITY; }

 private:
  void Keep(float score, int32_t key) {
    kept_[count_++] = CandidateOf(score, key);
    if (count_ == Room(k_)) Cut();
  }
  void Cut() {
    std::nth_element(kept_, kept_ + (k_ - 1), kept_ + count_, std::greater<>());
    count_ = k_;
    least_ = kept_[k_ - 1];
    lowest_ = ScoreOf(least_);
    full_ = lowest_ == lowest_;
  }

  int64_t k_, count_ = 0;
  Candidate* kept_;
  Candidate least_ = 0;  // better than no key
  float lowest_ = -INFINITY;
  bool full_ = false;
};

// The best of each row's keys, which are looked through in spans, on several threads.
class SpanBests {
 public:
  // Room for the best k of each span, of at most `span_keys` keys; no more is allocated where there
  // was as much before.
  void Begin(int64_t rows, int64_t spans, int64_t k, int64_t span_keys) {
    spans_ = spans;
    room_ = BestKeys::Room(std::min(k, span_keys));
    found_.Reserve(rows * spans * room_);
    kept_.resize(rows * spans);
  }
  // The best k of a span: begins, and is finished, on any thread.
  BestKeys Of(int64_t row, int64_t span, int64_t k) {
    return BestKeys(Found(row, span), k);
  }
  void Finish(int64_t row, int64_t span, BestKeys* best) {
    kept_[row * spans_ + span] = best->Finish();
  }
  // Moves what a row's spans kept together; returns how many they are.
  int64_t Join(int64_t row) {
    Candidate* end = Found(row, 0);
    for (int64_t s = 0; s < spans_; ++s) {
      const Candidate* const found = Found(row, s);
      end = std::copy(found, found + kept_[row * spans_ + s], end);
    }
    return end - Found(row, 0);
  }
  // Those that Join moved.
  Candidate* Joined(int64_t row) { return Found(row, 0); }

 private:
  Candidate* Found(int64_t row, int64_t span) {
    return found_.data() + (row * spans_ + span) * room_;
  }

  int64_t spans_ = 0, room_ = 0;
  Buffer<Candidate> found_;    // [row][span][room]
  std::vector<int64_t> kept_;  // [row][span]
};

// Writes the first k of `count` sorted candidates, whose keys count from `start`: keys, and scores
// where not null; -1 and -INFINITY behind the last.
inline void WriteSorted(const Candidate* sorted, int64_t count, int64_t k, int32_t start,
                        int32_t* keys, float* scores) {
  for (int64_t i = 0; i < k; ++i) {
    keys[i] = i < count ? start + KeyOf(sorted[i]) : -1;
    if (scores != nullptr) scores[i] = i < count ? ScoreOf(sorted[i]) : -INFINITY;
  }
}

// Sorts the best k of `count` candidates to the front, and writes them.
inline void WriteBest(Candidate* candidates, int64_t count, int64_t k, int32_t* keys,
                      float* scores) {
  const int64_t kept = std::min(k, count);
  std::partial_sort(candidates, candidates + kept, candidates + count, std::greater<>());
  WriteSorted(candidates, kept, k, 0, keys, scores);
}

}  // namespace longlens

#endif  // LONGLENS_CPU_BEST_KEYS_H_
