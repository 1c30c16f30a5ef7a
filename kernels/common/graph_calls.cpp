#include "graph_calls.h"

#include <algorithm>

#include "status.h"

namespace longlens {
namespace {

void CheckLists(const GraphExtendCall& c, const char* action) {
  const int64_t count = int64_t{c.list_count} * c.list_length;
  for (int64_t x = 0; x < count; ++x) {
    const int64_t node = int64_t{c.lists[x]} - c.start;
    Require(c.lists[x] == -1 || (node >= 0 && node < c.nodes), action,
            "lists must hold keys of the graph, or -1", c.lists[x]);
  }
}

void CheckBuilt(const GraphExtendCall& c, const char* action) {
  const uint32_t built = c.built;
  for (int64_t x = 0; x < c.built; ++x) {
    uint32_t largest = 0;  // plus one, so that LL_NO_NODE is 0
    for (int32_t i = 0; i < c.degree; ++i) {
      largest = std::max(largest, c.neighbours[x * c.degree + i] + 1);
    }
    Require(largest <= built, action, "neighbours must be nodes that are built", largest - 1);
    Require(c.parents[x] < built, action, "parents must be nodes that are built", c.parents[x]);
  }
  for (int32_t e = 0; e < c.entry_count && c.built > 0; ++e) {
    Require(c.entries[e] >= -1 && c.entries[e] < c.built, action,
            "entries must be nodes that are built, or -1", c.entries[e]);
  }
}

}  // namespace

bool CheckNearestKeys(const NearestKeysCall& c) {
  const char* const action = "find the nearest keys";
  Require(c.rows >= 0, action, "rows must be >= 0", c.rows);
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  Require(c.k >= 0, action, "k must be >= 0", c.k);
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.end >= c.start, action, "end must be >= start", c.end);
  CheckPageTable(action, c.table, c.end > c.start ? c.end : 0);
  if (c.rows == 0 || c.k == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.keys, action, "keys");
  return true;
}

bool CheckScoreKeys(const ScoreKeysCall& c) {
  const char* const action = "score keys";
  Require(c.kv_len >= 0, action, "kv_len must be >= 0", c.kv_len);
  CheckPageTable(action, c.table, c.kv_len);
  if (!CheckAskingRows(action, c.asking)) return false;
  RequirePointer(c.ptr, action, "ptr");
  Require(c.ptr[0] >= 0, action, "ptr must be >= 0", c.ptr[0]);
  for (int32_t r = 0; r < c.asking.rows; ++r) {
    Require(c.ptr[r] <= c.ptr[r + 1], action, "ptr must not fall", c.ptr[r + 1]);
  }
  if (c.ptr[c.asking.rows] == c.ptr[0]) return false;
  RequirePointer(c.keys, action, "keys");
  RequirePointer(c.scores, action, "scores");
  for (int64_t x = c.ptr[0]; x < c.ptr[c.asking.rows]; ++x) {
    Require(c.keys[x] >= 0 && c.keys[x] < c.kv_len, action, "keys must be in 0..kv_len-1",
            c.keys[x]);
  }
  return true;
}

bool CheckGraphExtend(const GraphExtendCall& c) {
  const char* const action = "build a graph";
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.built >= 0, action, "built must be >= 0", c.built);
  Require(c.nodes >= c.built, action, "nodes must be >= built", c.nodes);
  Require(int64_t{c.start} + c.nodes <= INT32_MAX, action, "start + nodes must be < 2^31", c.nodes);
  Require(c.list_count >= 0, action, "list_count must be >= 0", c.list_count);
  Require(c.list_length >= 0, action, "list_length must be >= 0", c.list_length);
  Require(c.degree >= 2, action, "degree must be >= 2", c.degree);
  Require(c.width >= 1, action, "width must be >= 1", c.width);
  Require(c.entry_count >= 1, action, "entry_count must be >= 1", c.entry_count);
  CheckPageTable(action, c.table, c.nodes > 0 ? int64_t{c.start} + c.nodes : 0);
  RequirePointer(c.entries, action, "entries");
  if (c.nodes > 0) RequirePointer(c.neighbours, action, "neighbours");
  if (c.nodes > 0) RequirePointer(c.parents, action, "parents");
  if (int64_t{c.list_count} * c.list_length > 0) RequirePointer(c.lists, action, "lists");
  CheckLists(c, action);
  CheckBuilt(c, action);
  return true;
}

bool CheckGraphSearch(const GraphSearchCall& c) {
  const char* const action = "search a graph";
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.nodes >= 0, action, "nodes must be >= 0", c.nodes);
  Require(c.capacity >= c.nodes, action, "capacity must be >= nodes", c.capacity);
  Require(c.degree >= 1, action, "degree must be >= 1", c.degree);
  Require(c.entry_count >= 0, action, "entry_count must be >= 0", c.entry_count);
  Require(c.k >= 0, action, "k must be >= 0", c.k);
  Require(c.width >= c.k && c.width >= 1, action, "width must be >= k and >= 1", c.width);
  CheckPageTable(action, c.table, c.nodes > 0 ? int64_t{c.start} + c.nodes : 0);
  if (!CheckAskingRows(action, c.asking)) return false;
  RequirePointer(c.graph_of, action, "graph_of");
  RequirePointer(c.scanned, action, "scanned");
  if (c.k > 0) RequirePointer(c.keys, action, "keys");
  if (c.k > 0) RequirePointer(c.scores, action, "scores");
  if (c.nodes > 0) RequirePointer(c.neighbours, action, "neighbours");
  if (c.entry_count > 0) RequirePointer(c.entries, action, "entries");
  for (int32_t r = 0; r < c.asking.rows; ++r) {
    Require(c.graph_of[r] >= 0, action, "graph_of must be >= 0", c.graph_of[r]);
  }
  return true;
}

}  // namespace longlens
