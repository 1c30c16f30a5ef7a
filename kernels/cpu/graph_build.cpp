// Making and extending graphs over keys (RoarGraph, Chen et al. 2024, with distances between keys
// in L2, and the lists of a pivot merged).
//
//   project   the first key of each list, its pivot, is linked to the others
//   insert    each new node searches the graph and is linked to what it found
//   repair    nodes that the entries do not lead to get a link from one that they lead to
// When a graph is extended its entries stay, and so do the links by which its nodes are reached.
// In each step links are found from the graph as it stood before, then added node by node: the
// result does not depend on the number of threads.
//
// Links of projection find what queries want, and most are of these; few of insertion are enough to
// lead there. With half of them for each (keys of 64 channels, 32 links), a search looks at a sixth
// more keys for the same recall.
#include <algorithm>
#include <vector>

#include "../common/graph_calls.h"
#include "dispatch.h"
#include "graph_links.h"
#include "graph_repair.h"
#include "graph_search.h"
#include "kv.h"

namespace longlens {
namespace {

// Nodes of a batch are inserted without seeing each other: a small part of those there are.
constexpr int64_t kLeastBatch = 16, kLargestBatch = 1024, kBatchShare = 8;
// Of all that a search scores the best so many times its width may become links.
constexpr int64_t kCandidates = 4;
// Lists between two polls.
constexpr int64_t kPollLists = 1024;

struct Build {
  const Call& call;
  const GraphExtendCall& c;
  const GraphKeys& keys;
  const GraphLinks& links;

  // Links of a pivot to the keys of its lists.
  int64_t OfPivot() const { return std::max<int64_t>(1, links.degree() * 3 / 8); }
  // Links of a node by projection, both ways.
  int64_t Projected() const { return std::max<int64_t>(1, links.degree() * 3 / 4); }
  // Links of a new node to what it finds: more where projection gave it few.
  int64_t Inserted(uint32_t x) const {
    const int64_t degree = links.degree();
    return std::max<int64_t>({1, degree / 16, degree / 2 - links.Count(x)});
  }
};

// Adds to each source its links and to each target its sources.
void AddBothWays(const Build& b, const std::vector<Nodes>& lists, const Nodes& from) {
  b.call.For(lists.size(), [&](int64_t i) { b.links.Add(from[i], lists[i]); });
  NodePairs back;
  for (size_t i = 0; i < lists.size(); ++i) {
    for (uint32_t node : lists[i]) back.Add(node, from[i]);
  }
  back.Sort();
  b.call.For(back.nodes(), [&](int64_t i) { b.links.Add(back.Node(i), back.Others(i)); });
}

// ---- projection ----

// The pivot of each list with its other keys.
NodePairs PoolsOfPivots(const GraphExtendCall& c) {
  NodePairs pools;
  for (int64_t x = 0; x < c.list_count; ++x) {
    const int32_t* const list = c.lists + x * c.list_length;
    for (int32_t i = 1; i < c.list_length && list[0] >= 0 && list[i] >= 0; ++i) {
      pools.Add(list[0] - c.start, list[i] - c.start);
    }
  }
  pools.Sort();
  return pools;
}

void Project(const Build& b) {
  const NodePairs pools = PoolsOfPivots(b.c);
  std::vector<Nodes> near(pools.nodes());
  b.call.For(pools.nodes(), [&](int64_t i) {
    near[i] = b.links.Prune(b.links.Sort(pools.Node(i), pools.Others(i)), b.OfPivot(), true);
  });
  // What a node is linked to, and what is linked to it, share its links.
  NodePairs both;
  for (int64_t i = 0; i < pools.nodes(); ++i) {
    if (i % kPollLists == 0) b.call.Poll();
    for (uint32_t node : near[i]) {
      both.Add(pools.Node(i), node);
      both.Add(node, pools.Node(i));
    }
  }
  both.Sort();
  b.call.For(both.nodes(), [&](int64_t i) {
    const uint32_t x = both.Node(i);
    b.links.Add(x, b.links.Prune(b.links.Sort(x, both.Others(i)), b.Projected(), true));
  });
}

// ---- insertion ----

// What a node finds nearest.
Nodes FindNear(const Build& b, const Nodes& entries, uint32_t x) {
  GraphSearch& search = GraphSearch::OfThread();
  NodeScorer scorer(b.keys, x);
  const GraphView view{b.links.Of(0), b.c.nodes, b.links.degree()};
  const int64_t width = b.c.width;
  search.Run(view, entries.data(), entries.size(), width, kCandidates * width, scorer, [] {});
  std::vector<Near> found;
  for (int64_t i = 0; i < search.best().count(); ++i) {
    const Candidate candidate = search.best().data()[i];
    const uint32_t node = KeyOf(candidate);
    if (node == x || b.links.Has(x, node)) continue;
    found.push_back({b.keys.Half(x) - ScoreOf(candidate), node});
  }
  return b.links.Prune(found, b.Inserted(x), false);
}

void Insert(const Build& b, const Nodes& entries) {
  for (int64_t next = b.c.built; next < b.c.nodes;) {
    const int64_t wanted = std::clamp(next / kBatchShare, kLeastBatch, kLargestBatch);
    const int64_t count = std::min(wanted, b.c.nodes - next);
    std::vector<Nodes> found(count);
    Nodes from(count);
    b.call.For(count, [&](int64_t i) {
      from[i] = static_cast<uint32_t>(next + i);
      found[i] = FindNear(b, entries, from[i]);
    });
    AddBothWays(b, found, from);
    b.call.Progress(count);
    next += count;
  }
}

// ---- all of it ----

void Make(const Build& b) {
  const GraphExtendCall& c = b.c;
  std::fill_n(c.parents, c.nodes, LL_NO_NODE);
  Project(b);
  Insert(b, FindEntries(b.call, b.links, c.nodes, c.entry_count));
  const Nodes found = FindEntries(b.call, b.links, c.nodes, c.entry_count);
  Repair(b.call, b.keys, b.links, found, 0, c.width);
  std::fill_n(c.entries, c.entry_count, -1);
  std::copy(found.begin(), found.end(), c.entries);
}

void Extend(const Build& b) {
  const GraphExtendCall& c = b.c;
  int32_t* const end = c.entries + c.entry_count;
  // One with fewer nodes than entries has little to keep.
  if (c.built == 0 || std::find(c.entries, end, -1) != end) return Make(b);
  const Nodes entries(c.entries, c.entries + c.entry_count);
  std::fill_n(c.parents + c.built, c.nodes - c.built, LL_NO_NODE);
  Project(b);
  Insert(b, entries);
  Repair(b.call, b.keys, b.links, entries, c.built, c.width);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_graph_extend(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                                   int32_t stride, int32_t kv_dtype, int32_t start, int32_t built,
                                   int32_t nodes, const int32_t* lists, int32_t list_count,
                                   int32_t list_length, int32_t degree, int32_t width,
                                   uint32_t* neighbours, uint32_t* parents, int32_t* entries,
                                   int32_t entry_count) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    const GraphExtendCall extend{kv_head,    kv,          start,  built, nodes,      lists,
                                 list_count, list_length, degree, width, neighbours, parents,
                                 entries,    entry_count};
    if (!CheckGraphExtend(extend)) return;
    const Call call(run);
    const GraphKeys keys(call, kv, kv_head, start, nodes);
    const GraphLinks links(keys, neighbours, parents, degree);
    std::fill_n(neighbours + int64_t{built} * degree, int64_t{nodes - built} * degree, LL_NO_NODE);
    Extend({call, extend, keys, links});
  });
}
