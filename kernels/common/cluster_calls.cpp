#include "cluster_calls.h"

#include "status.h"

namespace longlens {
namespace {

// Whether there are rows, after checks of what both calls take.
bool CheckAsking(const char* action, const AskingRows& asking, const ClusterRoom& room,
                 const PageTable& table, int64_t tokens) {
  const auto& [capacity, clusters, node_capacity] = room;
  Require(clusters >= 0, action, "clusters must be >= 0", clusters);
  Require(capacity >= clusters, action, "capacity must be >= clusters", capacity);
  Require(node_capacity >= 0, action, "node_capacity must be >= 0", node_capacity);
  if (!CheckAskingRows(action, asking)) return false;
  CheckPageTable(action, table, tokens);
  return true;
}

void CheckMembers(const char* action, const ClusterSearchCall& c) {
  for (int64_t head = 0; head < c.table.kv_heads; ++head) {
    const int32_t* const ptr = c.member_ptr + head * (int64_t{c.room.capacity} + 1);
    Require(ptr[0] >= 0, action, "member_ptr must be >= 0", ptr[0]);
    for (int32_t x = 0; x < c.room.clusters; ++x) {
      Require(ptr[x] <= ptr[x + 1], action, "member_ptr must not fall", ptr[x + 1]);
    }
    const int32_t end = ptr[c.room.clusters];
    Require(end <= c.room.node_capacity, action, "member_ptr must be <= node_capacity", end);
  }
}

}  // namespace

void CheckClusterKeys(const ClusterKeysCall& c) {
  const char* const action = "cluster keys";
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.end >= c.start, action, "end must be >= start", c.end);
  Require(c.count > 0, action, "count must be > 0", c.count);
  Require(c.iterations >= 0, action, "iterations must be >= 0", c.iterations);
  CheckPageTable(action, c.table, c.Keys() > 0 ? c.end : 0);
  RequirePointer(c.centroids, action, "centroids");
  RequirePointer(c.value_sums, action, "value_sums");
  RequirePointer(c.sizes, action, "sizes");
  if (c.Keys() > 0) RequirePointer(c.cluster_of, action, "cluster_of");
  RequirePagesOf(c.table, c.kv_head, c.start, c.end);
}

bool CheckClusterSearch(const ClusterSearchCall& c) {
  const char* const action = "search clusters";
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.budget >= 0, action, "budget must be >= 0", c.budget);
  Require(c.k > 0, action, "k must be > 0", c.k);
  if (!CheckAsking(action, c.asking, c.room, c.table, c.room.clusters > 0 ? c.start : 0))
    return false;
  RequirePointer(c.scanned, action, "scanned");
  RequirePointer(c.keys, action, "keys");
  RequirePointer(c.scores, action, "scores");
  if (c.room.clusters == 0) return true;
  RequirePointer(c.centroids, action, "centroids");
  RequirePointer(c.sizes, action, "sizes");
  RequirePointer(c.member_ptr, action, "member_ptr");
  CheckMembers(action, c);
  if (c.room.node_capacity > 0) RequirePointer(c.members, action, "members");
  return true;
}

bool CheckClusterTail(const ClusterTailCall& c) {
  const char* const action = "estimate a tail";
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.nodes >= 0, action, "nodes must be >= 0", c.nodes);
  Require(c.nodes <= c.room.node_capacity, action, "nodes must be <= node_capacity", c.nodes);
  const int64_t end = int64_t{c.start} + c.nodes;
  if (!CheckAsking(action, c.asking, c.room, c.table, c.nodes > 0 ? end : 0)) return false;
  RequirePointer(c.ptr, action, "ptr");
  RequirePointer(c.out, action, "out");
  RequirePointer(c.lse, action, "lse");
  Require(c.ptr[0] >= 0, action, "ptr must be >= 0", c.ptr[0]);
  for (int32_t r = 0; r < c.asking.rows; ++r) {
    Require(c.ptr[r] <= c.ptr[r + 1], action, "ptr must not fall", c.ptr[r + 1]);
  }
  const int32_t total = c.ptr[c.asking.rows];
  if (total > c.ptr[0]) RequirePointer(c.listed, action, "listed");
  for (int32_t x = c.ptr[0]; x < total; ++x) {
    Require(c.listed[x] >= c.start && c.listed[x] < end, action,
            "listed must be in start..start+nodes-1", c.listed[x]);
  }
  if (c.room.clusters > 0) {
    RequirePointer(c.centroids, action, "centroids");
    RequirePointer(c.value_sums, action, "value_sums");
    RequirePointer(c.sizes, action, "sizes");
  }
  if (total > c.ptr[0]) RequirePointer(c.cluster_of, action, "cluster_of");
  return true;
}

}  // namespace longlens
