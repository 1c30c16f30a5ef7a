// Where searches of a graph begin, and what makes every node reachable from there.
#ifndef LONGLENS_CPU_GRAPH_REPAIR_H_
#define LONGLENS_CPU_GRAPH_REPAIR_H_

#include "dispatch.h"
#include "graph_links.h"

namespace longlens {

// The `count` nodes that most nodes are linked to, ties to the lower; all where they are fewer.
Nodes FindEntries(const Call& call, const GraphLinks& links, int64_t nodes, int64_t count);

// Tells every node its parent. Nodes from `first` on that the entries do not lead to are linked
// from the nearest that a search `width` wide finds and that has room, or a link that is not needed
// to reach a node. Nodes before `first` have parents.
void Repair(const Call& call, const GraphKeys& keys, const GraphLinks& links, const Nodes& entries,
            int64_t first, int64_t width);

}  // namespace longlens

#endif  // LONGLENS_CPU_GRAPH_REPAIR_H_
