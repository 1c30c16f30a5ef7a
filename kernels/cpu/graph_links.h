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
#include "kernels.h"
#include "kv.h"
#include "scratch.h"

namespace longlens {

// The keys of a graph in f32, and half their squared lengths.
class GraphKeys {
 public:
  // Throws LL_INVALID_ARGUMENT where a key is not finite.
  GraphKeys(const Call& call, const KvView& kv, int64_t kv_head, int64_t start, int64_t nodes);

  int64_t nodes() const { return nodes_; }
  int64_t dim() const { return dim_; }
  const float* Row(uint32_t node) const { return rows_.data() + node * dim_; }
  float Half(uint32_t node) const { return half_[node]; }
  // out[j] = x . nodes[j] - |nodes[j]|^2 / 2: largest for the nearest.
  void Score(uint32_t x, const uint32_t* nodes, int64_t count, float* out) const;

 private:
  const Kernels& kernels_;
  int64_t nodes_, dim_;
  Buffer<float> rows_;
  std::vector<float> half_;
};

// What a GraphSearch needs to find the nodes nearest to node x.
class NodeScorer {
 public:
  NodeScorer(const GraphKeys& keys, uint32_t x) : keys_(keys), x_(x) {}

  void Fetch(uint32_t node) const {
    const char* const row = reinterpret_cast<const char*>(keys_.Row(node));
    for (int64_t i = 0; i < keys_.dim() * 4; i += 64) __builtin_prefetch(row + i);
  }
  void Score(const uint32_t* nodes, int32_t count, float* scores) const {
    keys_.Score(x_, nodes, count, scores);
  }

 private:
  const GraphKeys& keys_;
  uint32_t x_;
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
  GraphLinks(const GraphKeys& keys, uint32_t* neighbours, int64_t degree)
      : keys_(keys), neighbours_(neighbours), degree_(degree) {}

  int64_t degree() const { return degree_; }
  uint32_t* Of(uint32_t x) const { return neighbours_ + x * degree_; }
  int64_t Count(uint32_t x) const;
  bool Has(uint32_t x, uint32_t node) const;

  // Sorts nodes other than x by their gap from x; each is kept once.
  std::vector<Near> Sort(uint32_t x, const Nodes& nodes) const;
  // The nodes that no one before them hides, at most `most`; where it fills, the nearest hidden
  // ones behind them.
  Nodes Prune(const std::vector<Near>& sorted, int64_t most, bool fills) const;
  // Adds links, in their order; where they are too many for x, those are kept that Prune keeps.
  void Add(uint32_t x, const Nodes& nodes) const;

 private:
  bool IsHidden(const Near& near, const Nodes& kept) const;

  const GraphKeys& keys_;
  uint32_t* neighbours_;
  int64_t degree_;
};

// Links turned about: for each node that some list holds, the nodes whose lists hold it, rising.
class ReverseLinks {
 public:
  // lists[i] is of node from[i], rising.
  ReverseLinks(const std::vector<Nodes>& lists, const Nodes& from);

  int64_t targets() const { return static_cast<int64_t>(first_.size()) - 1; }
  uint32_t Target(int64_t t) const { return pairs_[first_[t]].target; }
  Nodes Sources(int64_t t) const;

 private:
  struct Pair {
    uint32_t target, source;
  };

  std::vector<Pair> pairs_;
  std::vector<int64_t> first_;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_GRAPH_LINKS_H_
