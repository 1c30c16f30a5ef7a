// Best-first search of a graph: expands the best node among the best `width` that is not expanded
// yet, scores those of its neighbours that were not met before, and ends when there is none. What
// it keeps may be more than it expands.
#ifndef LONGLENS_CPU_GRAPH_SEARCH_H_
#define LONGLENS_CPU_GRAPH_SEARCH_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#include "../include/longlens.h"
#include "best_keys.h"
#include "scratch.h"

namespace longlens {

// Neighbours of nodes 0 .. nodes-1: [node][degree], LL_NO_NODE behind the last. Those at and beyond
// `nodes` are not followed.
struct GraphView {
  const uint32_t* neighbours;
  int64_t nodes, degree;

  const uint32_t* Of(uint32_t node) const { return neighbours + node * degree; }
};

// Brings a row near the core.
inline void FetchRow(const void* row, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(static_cast<const char*>(row) + i);
}

// Which nodes a search has met: a bit for each, so that all of them lie near the core.
class MetNodes {
 public:
  void Begin(int64_t nodes) { words_.assign((nodes + 63) / 64, 0); }
  // True for the first time.
  bool Meet(uint32_t node) {
    uint64_t& word = words_[node / 64];
    const uint64_t before = word;
    word |= uint64_t{1} << node % 64;
    return word != before;
  }

 private:
  std::vector<uint64_t> words_;
};

// The best `kept` nodes in falling order, and which of the first `width` are expanded.
class BestNodes {
 public:
  void Begin(int64_t width, int64_t kept) {
    best_.resize(kept);
    expanded_.resize(kept);
    width_ = width;
    kept_ = kept;
    count_ = next_ = 0;
  }
  // Whether it is among those that may be expanded.
  bool Push(Candidate candidate) {
    if (count_ == kept_ && candidate <= best_[kept_ - 1]) return false;
    Candidate* const begin = best_.data();
    const int64_t place = PlaceOf(candidate);
    if (count_ < kept_) ++count_;
    memmove(begin + place + 1, begin + place, (count_ - 1 - place) * sizeof(Candidate));
    memmove(&expanded_[place] + 1, &expanded_[place], count_ - 1 - place);
    best_[place] = candidate;
    expanded_[place] = 0;
    next_ = std::min(next_, place);
    return place < width_;
  }
  // The best node that is not expanded, which it is from now on; LL_NO_NODE: there is none.
  uint32_t Expand() {
    const int64_t end = std::min(width_, count_);
    while (next_ < end && expanded_[next_] != 0) ++next_;
    if (next_ >= end) return LL_NO_NODE;
    expanded_[next_] = 1;
    return KeyOf(best_[next_++]);
  }

  int64_t count() const { return count_; }
  const Candidate* data() const { return best_.data(); }

 private:
  // How many are better: halves what is left without a branch, which would be guessed wrong.
  int64_t PlaceOf(Candidate candidate) const {
    const Candidate* from = best_.data();
    for (int64_t left = count_; left > 0;) {
      const int64_t half = (left + 1) / 2;
      from += from[half - 1] > candidate ? half : 0;
      left -= half;
    }
    return from - best_.data();
  }

  std::vector<Candidate> best_;
  std::vector<uint8_t> expanded_;
  int64_t width_ = 0, kept_ = 0, count_ = 0, next_ = 0;
};

// Nodes that are scored together.
constexpr int32_t kFreshNodes = 64;

// What a search works with; keeps its room.
class GraphSearch {
 public:
  // The one of this thread.
  static GraphSearch& OfThread();

  // Keeps the best `kept` >= width. `scorer` has Take(i, node), which brings a key near the core,
  // and Score(nodes, count, scores) of those that were taken. `poll` is called before each
  // expansion. An entry at or beyond graph.nodes is none.
  template <class Scorer, class Poll>
  void Run(const GraphView& graph, const uint32_t* entries, int64_t entry_count, int64_t width,
           int64_t kept, Scorer& scorer, const Poll& poll);

  // Of the search that was run last.
  const BestNodes& best() const { return best_; }
  int32_t scanned() const { return scanned_; }

 private:
  // Scores nodes that were not met before; up to LL_NO_NODE, where there is one.
  template <class Scorer>
  void Add(const GraphView& graph, const uint32_t* nodes, int64_t count, Scorer& scorer);
  template <class Scorer>
  void ScoreFresh(const GraphView& graph, Scorer& scorer);

  MetNodes met_;
  BestNodes best_;
  uint32_t fresh_[kFreshNodes];
  int32_t fresh_count_ = 0, scanned_ = 0;
};

template <class Scorer, class Poll>
void GraphSearch::Run(const GraphView& graph, const uint32_t* entries, int64_t entry_count,
                      int64_t width, int64_t kept, Scorer& scorer, const Poll& poll) {
  met_.Begin(graph.nodes);
  best_.Begin(width, kept);
  scanned_ = 0;
  Add(graph, entries, entry_count, scorer);
  for (uint32_t node; (node = best_.Expand()) != LL_NO_NODE;) {
    poll();
    Add(graph, graph.Of(node), graph.degree, scorer);
  }
}

template <class Scorer>
void GraphSearch::Add(const GraphView& graph, const uint32_t* nodes, int64_t count,
                      Scorer& scorer) {
  for (int64_t i = 0; i < count && nodes[i] != LL_NO_NODE; ++i) {
    if (nodes[i] >= graph.nodes) continue;
    fresh_[fresh_count_] = nodes[i];
    fresh_count_ += met_.Meet(nodes[i]) ? 1 : 0;  // no branch, which would be guessed wrong
    if (fresh_count_ == kFreshNodes) ScoreFresh(graph, scorer);
  }
  if (fresh_count_ > 0) ScoreFresh(graph, scorer);
}

template <class Scorer>
void GraphSearch::ScoreFresh(const GraphView& graph, Scorer& scorer) {
  float scores[kFreshNodes];
  for (int32_t j = 0; j < fresh_count_; ++j) scorer.Take(j, fresh_[j]);
  scorer.Score(fresh_, fresh_count_, scores);
  for (int32_t j = 0; j < fresh_count_; ++j) {
    const bool is_next = best_.Push(CandidateOf(scores[j], static_cast<int32_t>(fresh_[j])));
    if (is_next) FetchRow(graph.Of(fresh_[j]), graph.degree * int64_t{sizeof(uint32_t)});
  }
  scanned_ += fresh_count_;
  fresh_count_ = 0;
}

}  // namespace longlens

#endif  // LONGLENS_CPU_GRAPH_SEARCH_H_
