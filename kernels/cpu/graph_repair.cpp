#include "graph_repair.h"

#include <algorithm>

#include "graph_search.h"

namespace longlens {
namespace {

// Nodes between two polls.
constexpr int64_t kPollNodes = 4096;

// The nodes that the entries lead to, as a tree: one link to each node is its own.
class Reach {
 public:
  Reach(const Call& call, const GraphLinks& links, int64_t nodes, const Nodes& entries)
      : call_(call), links_(links), parent_(nodes, LL_NO_NODE) {
    for (uint32_t entry : entries) Enter(entry, entry);
    Spread();
  }

  bool Has(uint32_t node) const { return parent_[node] != LL_NO_NODE; }
  // Links `node` and what it leads to from `source`, if that has room or a link to spare.
  bool Link(uint32_t source, uint32_t node) {
    uint32_t* const spare = Spare(source);
    if (spare == nullptr) return false;
    *spare = node;
    Enter(node, source);
    Spread();
    return true;
  }
  // The first reached node that can be linked from. One that has nothing to spare never has again.
  uint32_t FirstWithSpare() {
    while (Spare(order_[tried_]) == nullptr) ++tried_;
    return order_[tried_];
  }

 private:
  void Enter(uint32_t node, uint32_t parent) {
    if (Has(node)) return;
    parent_[node] = parent;
    order_.push_back(node);
  }
  void Spread() {
    for (; spread_ < order_.size(); ++spread_) {
      if (spread_ % kPollNodes == 0) call_.Poll();
      const uint32_t* const links = links_.Of(order_[spread_]);
      const int64_t count = links_.Count(order_[spread_]);
      for (int64_t i = 0; i < count; ++i) Enter(links[i], order_[spread_]);
    }
  }
  // The place behind the last link, or of the last link that is not its node's own, or null.
  uint32_t* Spare(uint32_t source) const {
    uint32_t* const links = links_.Of(source);
    const int64_t count = links_.Count(source);
    if (count < links_.degree()) return links + count;
    for (int64_t i = count - 1; i >= 0; --i) {
      if (parent_[links[i]] != source) return links + i;
    }
    return nullptr;
  }

  const Call& call_;
  const GraphLinks& links_;
  Nodes parent_;  // of an entry: itself
  Nodes order_;
  size_t spread_ = 0, tried_ = 0;
};

void LinkFromNearest(const GraphSearch& search, uint32_t x, Reach* reach) {
  const BestNodes& best = search.best();
  for (int64_t i = 0; i < best.count(); ++i) {
    if (reach->Link(KeyOf(best.data()[i]), x)) return;
  }
  reach->Link(reach->FirstWithSpare(), x);
}

}  // namespace

Nodes FindEntries(const Call& call, const GraphLinks& links, int64_t nodes, int64_t count) {
  std::vector<int32_t> linked(nodes, 0);
  for (int64_t x = 0; x < nodes; ++x) {
    if (x % kPollNodes == 0) call.Poll();
    const int64_t here = links.Count(x);
    for (int64_t i = 0; i < here; ++i) ++linked[links.Of(x)[i]];
  }
  Nodes order(nodes);
  for (int64_t x = 0; x < nodes; ++x) order[x] = static_cast<uint32_t>(x);
  const int64_t kept = std::min(count, nodes);
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](uint32_t a, uint32_t b) {
    return linked[a] != linked[b] ? linked[a] > linked[b] : a < b;
  });
  order.resize(kept);
  return order;
}

void Repair(const Call& call, const GraphKeys& keys, const GraphLinks& links, const Nodes& entries,
            int64_t width) {
  if (keys.nodes() == 0) return;
  Reach reach(call, links, keys.nodes(), entries);
  GraphSearch search;
  const GraphView view{links.Of(0), keys.nodes(), links.degree()};
  for (int64_t x = 0; x < keys.nodes(); ++x) {
    if (reach.Has(x)) continue;
    call.Poll();
    NodeScorer scorer(keys, x);
    search.Run(view, entries.data(), entries.size(), width, scorer, [] {});
    LinkFromNearest(search, x, &reach);
  }
}

}  // namespace longlens
