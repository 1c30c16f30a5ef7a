// The links of a graph over keys, and which of them are worth keeping.
//
// Keys x and y are gap(x, y) = |x|^2 / 2 + |y|^2 / 2 - x . y apart, half their squared distance.
// A link from x to u is hidden by a link from x to w that is nearer to u than x is: from w the
// search gets to u (Fu et al. 2019; Subramanya et al. 2019).
#ifndef LONGLENS_CPU_GRAPH_LINKS_H_
#define LONGLENS_CPU_GRAPH_LINKS_H_

#include <cstdint>
#include <vector>

#include "dispatch.h"
#include "graph_search.h"
#include "kernels.h"
#include "kv.h"
#include "scratch.h"

namespace longlens {

// The keys of a graph where they lie, LL_INT8 ones in f32, and half their squared lengths.
class GraphKeys {
 public:
  // Throws LL_INVALID_ARGUMENT where a key is not finite.
  GraphKeys(const Call& call, const KvView& kv, int64_t kv_head, int64_t start, int64_t nodes);

  int64_t nodes() const { return nodes_; }
  float Half(uint32_t node) const { return half_[node]; }
  const void* Row(uint32_t node) const {
    if (is_widened_) return widened_.data() + node * kv_.dim;
    return kv_.Row(kv_head_, start_ + node, Part::kKeys);
  }
  int64_t row_bytes() const { return row_bytes_; }
  // Fills `query` [dim] with a key as Score takes it.
  void Query(uint32_t x, Buffer<float>* query) const;
  // out[j] = x . nodes[j] - |nodes[j]|^2 / 2: largest for the nearest.
  void Score(const float* query, const uint32_t* nodes, int64_t count, float* out) const;
  // The same of at most kFreshNodes nodes whose rows are at hand, with room for kRowsAhead more.
  void Score(const float* query, const void** rows, const uint32_t* nodes, int64_t count,
             float* out) const;

 private:
  int32_t dtype() const { return is_widened_ ? LL_F32 : kv_.dtype; }
  // Takes in `count` keys of a page from node `first` on.
  void Measure(int64_t first, int64_t count);

  void RequireFinite(uint32_t node) const;

  const Kernels& kernels_;
  const KvView& kv_;
  const int64_t kv_head_, start_, nodes_;
  const bool is_widened_;
  const int64_t row_bytes_;
  Buffer<float> widened_;
  std::vector<float> half_;
};

// What a GraphSearch needs to find the nodes nearest to node x.
class NodeScorer {
 public:
  NodeScorer(const GraphKeys& keys, uint32_t x) : keys_(keys) { keys.Query(x, &query_); }

  void Take(int32_t i, uint32_t node) {
    rows_[i] = keys_.Row(node);
    FetchRow(rows_[i], keys_.row_bytes());
  }
  void Score(const uint32_t* nodes, int32_t count, float* scores) {
    keys_.Score(query_.data(), rows_, nodes, count, scores);
  }

 private:
  const GraphKeys& keys_;
  const void* rows_[kFreshNodes + kRowsAhead];
  Buffer<float> query_;
};

using Nodes = std::vector<uint32_t>;

// Nodes by rising gap from a node.
struct Near {
  float gap;
  uint32_t node;

  bool operator<(const Near& other) const {
    return gap != other.gap ? gap < other.gap : node < other.node;
  }
};

class GraphLinks {
 public:
  GraphLinks(const GraphKeys& keys, uint32_t* neighbours, uint32_t* parents, int64_t degree)
      : keys_(keys), neighbours_(neighbours), parents_(parents), degree_(degree) {}

  int64_t degree() const { return degree_; }
  // By whose link a node is reached: such a link is never given up. LL_NO_NODE: not known.
  uint32_t& Parent(uint32_t x) const { return parents_[x]; }
  uint32_t* Of(uint32_t x) const { return neighbours_ + x * degree_; }
  int64_t Count(uint32_t x) const;
  bool Has(uint32_t x, uint32_t node) const;

  // Sorts nodes other than x by their gap from x; each is kept once.
  std::vector<Near> Sort(uint32_t x, const Nodes& nodes) const;
  // `kept`, and the nodes that no one before them hides, at most `most`; where it fills, the
  // nearest hidden ones behind them, and all in their order where they are no more than that.
  Nodes Prune(const std::vector<Near>& sorted, int64_t most, bool fills, Nodes kept = {}) const;
  // Adds links, in their order; where they are too many for x, those are kept that Prune keeps
  // beside the ones by which nodes are reached.
  void Add(uint32_t x, const Nodes& nodes) const;

 private:
  // A key as it is scored, until this thread asks for the next.
  const float* Query(uint32_t x) const;
  // Takes those that node `by` hides out of `left`, from place `first` on.
  void DropHidden(uint32_t by, std::vector<Near>* left, int64_t first = 0) const;

  const GraphKeys& keys_;
  uint32_t *neighbours_, *parents_;
  int64_t degree_;
};

// Pairs of nodes by the first of them: for each, the second ones, rising.
class NodePairs {
 public:
  void Add(uint32_t node, uint32_t other) { pairs_.push_back(uint64_t{node} << 32 | other); }
  // After the last one was added.
  void Sort();

  int64_t nodes() const { return static_cast<int64_t>(first_.size()) - 1; }
  uint32_t Node(int64_t i) const { return static_cast<uint32_t>(pairs_[first_[i]] >> 32); }
  Nodes Others(int64_t i) const;

 private:
  std::vector<uint64_t> pairs_;
  std::vector<int64_t> first_;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_GRAPH_LINKS_H_
