#include "graph_repair.h"

#include <algorithm>

#include "graph_search.h"

namespace longlens {
namespace {

// Nodes between two polls.
constexpr int64_t kPollNodes = 4096;

// The nodes that the entries lead to, as a tree: the link from its parent is a node's own.
class Reach {
 public:
  Reach(const Call& call, const GraphLinks& links) : call_(call), links_(links) {}

  bool Has(uint32_t node) const { return links_.Parent(node) != LL_NO_NODE; }
  // Reaches `node` by a link of `parent`, and what it leads to.
  void Enter(uint32_t node, uint32_t parent) {
    Add(node, parent);
    for (size_t next = 0; next < queue_.size(); ++next) {
      if (next % kPollNodes == 0) call_.Poll();
      const uint32_t* const links = links_.Of(queue_[next]);
      const int64_t count = links_.Count(queue_[next]);
      for (int64_t i = 0; i < count; ++i) Add(links[i], queue_[next]);
    }
    queue_.clear();
  }
  // Reaches `node` by what it is linked to itself, if that leads back.
  void EnterBack(uint32_t node) {
    const uint32_t* const links = links_.Of(node);
    const int64_t count = links_.Count(node);
    for (int64_t i = 0; i < count; ++i) {
      if (Has(links[i]) && links_.Has(links[i], node)) return Enter(node, links[i]);
    }
  }
  // Links `node` from `source`, if that has room or a link to spare.
  bool Link(uint32_t source, uint32_t node) {
    uint32_t* const spare = Has(source) ? Spare(source) : nullptr;
    if (spare == nullptr) return false;
    *spare = node;
    Enter(node, source);
    return true;
  }
  // Links `node` from the first that can: reached nodes have more room than there are of them.
  void LinkFromFirst(uint32_t node) {
    for (uint32_t source = 0; !Link(source, node);) ++source;
  }

 private:
  void Add(uint32_t node, uint32_t parent) {
    if (Has(node)) return;
    links_.Parent(node) = parent;
    queue_.push_back(node);
  }
  // The place behind the last link, or of the last link that is not its node's own, or null.
  uint32_t* Spare(uint32_t source) const {
    uint32_t* const links = links_.Of(source);
    const int64_t count = links_.Count(source);
    if (count < links_.degree()) return links + count;
    for (int64_t i = count - 1; i >= 0; --i) {
      if (links_.Parent(links[i]) != source) return links + i;
    }
    return nullptr;
  }

  const Call& call_;
  const GraphLinks& links_;
  Nodes queue_;
};

void LinkFromNearest(const GraphSearch& search, uint32_t x, Reach* reach) {
  const BestNodes& best = search.best();
  for (int64_t i = 0; i < best.count(); ++i) {
    if (reach->Link(KeyOf(best.data()[i]), x)) return;
  }
  reach->LinkFromFirst(x);
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
            int64_t first, int64_t width) {
  Reach reach(call, links);
  for (uint32_t entry : entries) reach.Enter(entry, entry);
  for (int64_t x = first; x < keys.nodes(); ++x) {
    if (!reach.Has(x)) reach.EnterBack(x);
  }
  GraphSearch search;
  const GraphView view{links.Of(0), keys.nodes(), links.degree()};
  for (int64_t x = first; x < keys.nodes(); ++x) {
    if (reach.Has(x)) continue;
    call.Poll();
    NodeScorer scorer(keys, x);
    search.Run(view, entries.data(), entries.size(), width, width, scorer, [] {});
    LinkFromNearest(search, x, &reach);
  }
}

}  // namespace longlens
