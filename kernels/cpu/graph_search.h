// Best-first search of a graph: expands the best node among the best `width` that is not expanded
// yet, scores those of its neighbours that were not met before, and ends when there is none.
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

// Which nodes a search has met; forgets them in no time.
class MetNodes {
 public:
  void Begin(int64_t nodes) {
    if (nodes > static_cast<int64_t>(stamps_.size())) stamps_.resize(nodes);
    if (++now_ == 0) {
      std::fill(stamps_.begin(), stamps_.end(), 0);
      now_ = 1;
    }
  }
  // True for the first time.
  bool Meet(uint32_t node) {
    if (stamps_[node] == now_) return false;
    stamps_[node] = now_;
    return true;
  }

 private:
  std::vector<uint32_t> stamps_;
  uint32_t now_ = 0;
};

// The best `width` nodes in falling order, and which of them are expanded.
class BestNodes {
 public:
  void Begin(int64_t width) {
    best_.resize(width);
    expanded_.resize(width);
    width_ = width;
    count_ = next_ = 0;
  }
  void Push(Candidate candidate) {
    if (count_ == width_ && candidate <= best_[width_ - 1]) return;
    Candidate* const begin = best_.data();
    const int64_t place =
        std::upper_bound(begin, begin + count_, candidate, std::greater<>()) - begin;
    if (count_ < width_) ++count_;
    memmove(begin + place + 1, begin + place, (count_ - 1 - place) * sizeof(Candidate));
    memmove(&expanded_[place] + 1, &expanded_[place], count_ - 1 - place);
    best_[place] = candidate;
    expanded_[place] = 0;
    next_ = std::min(next_, place);
  }
  // The best node that is not expanded, which it is from now on; LL_NO_NODE: there is none.
  uint32_t Expand() {
    while (next_ < count_ && expanded_[next_] != 0) ++next_;
    if (next_ == count_) return LL_NO_NODE;
    expanded_[next_] = 1;
    return KeyOf(best_[next_++]);
  }

  int64_t count() const { return count_; }
  const Candidate* data() const { return best_.data(); }

 private:
  std::vector<Candidate> best_;
  std::vector<uint8_t> expanded_;
  int64_t width_ = 0, count_ = 0, next_ = 0;
};

// Nodes that are scored together.
constexpr int32_t kFreshNodes = 64;

// What a search works with; keeps its room.
class GraphSearch {
 public:
  // `scorer` has Fetch(node), which brings a key near the core, and Score(nodes, count, scores).
  // `poll` is called before each expansion. An entry at or beyond graph.nodes is none.
  template <class Scorer, class Poll>
  void Run(const GraphView& graph, const uint32_t* entries, int64_t entry_count, int64_t width,
           Scorer& scorer, const Poll& poll);

  // Of the search that was run last.
  const BestNodes& best() const { return best_; }
  int32_t scanned() const { return scanned_; }

 private:
  // Scores nodes that were not met before; up to LL_NO_NODE, where there is one.
  template <class Scorer>
  void Add(const GraphView& graph, const uint32_t* nodes, int64_t count, Scorer& scorer);
  template <class Scorer>
  void ScoreFresh(Scorer& scorer);

  MetNodes met_;
  BestNodes best_;
  uint32_t fresh_[kFreshNodes];
  int32_t fresh_count_ = 0, scanned_ = 0;
};

template <class Scorer, class Poll>
void GraphSearch::Run(const GraphView& graph, const uint32_t* entries, int64_t entry_count,
                      int64_t width, Scorer& scorer, const Poll& poll) {
  met_.Begin(graph.nodes);
  best_.Begin(width);
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
    if (nodes[i] >= graph.nodes || !met_.Meet(nodes[i])) continue;
    scorer.Fetch(nodes[i]);
    fresh_[fresh_count_++] = nodes[i];
    if (fresh_count_ == kFreshNodes) ScoreFresh(scorer);
  }
  if (fresh_count_ > 0) ScoreFresh(scorer);
}

template <class Scorer>
void GraphSearch::ScoreFresh(Scorer& scorer) {
  float scores[kFreshNodes];
  scorer.Score(fresh_, fresh_count_, scores);
  for (int32_t j = 0; j < fresh_count_; ++j) {
    best_.Push(CandidateOf(scores[j], static_cast<int32_t>(fresh_[j])));
  }
  scanned_ += fresh_count_;
  fresh_count_ = 0;
}

}  // namespace longlens

#endif  // LONGLENS_CPU_GRAPH_SEARCH_H_
