#include "flat4_calls.h"

#include "status.h"

namespace longlens {
namespace {

// Returns the end of the nodes' keys.
int64_t CheckNodes(const char* action, const PageTable& table, int32_t start, int32_t nodes) {
  Require(start >= 0, action, "start must be >= 0", start);
  Require(nodes >= 0, action, "nodes must be >= 0", nodes);
  const int64_t end = int64_t{start} + nodes;
  Require(end <= INT32_MAX, action, "start + nodes must be < 2^31", end);
  CheckPageTable(action, table, nodes > 0 ? end : 0);
  Require(table.dim % 4 == 0, action, "dim must be a multiple of 4", table.dim);
  return end;
}

void CheckRecords(const char* action, const uint8_t* records) {
  RequirePointer(records, action, "records");
  const int64_t rest = reinterpret_cast<uintptr_t>(records) % sizeof(float);
  Require(rest == 0, action, "records must lie at a multiple of 4 bytes", rest);
}

}  // namespace

bool CheckFlat4Encode(const Flat4EncodeCall& c) {
  const char* const action = "encode keys";
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  const int64_t end = CheckNodes(action, c.table, c.start, c.nodes);
  Require(c.first >= 0 && c.first <= c.nodes, action, "first must be in 0..nodes", c.first);
  Require(c.first % LL_FLAT4_KEYS == 0, action, "first must be a multiple of LL_FLAT4_KEYS",
          c.first);
  if (c.first == c.nodes) return false;
  CheckRecords(action, c.records);
  RequirePagesOf(c.table, c.kv_head, c.start + c.first, end);
  return true;
}

bool CheckFlat4Search(const Flat4SearchCall& c) {
  const char* const action = "search encoded keys";
  CheckNodes(action, c.table, c.start, c.nodes);
  Require(c.k >= 1, action, "k must be >= 1", c.k);
  Require(c.candidates >= c.k, action, "candidates must be >= k", c.candidates);
  Require(c.record_bytes >= Flat4Records(c.nodes) * Flat4RecordBytes(c.table.dim), action,
          "record_bytes must hold the records of all nodes", c.record_bytes);
  Require(c.record_bytes % int64_t{sizeof(float)} == 0, action,
          "record_bytes must be a multiple of 4", c.record_bytes);
  if (!CheckAskingRows(action, c.asking)) return false;
  if (c.nodes > 0) CheckRecords(action, c.records);
  RequirePointer(c.keys, action, "keys");
  RequirePointer(c.scores, action, "scores");
  RequirePointer(c.scanned, action, "scanned");
  return true;
}

}  // namespace longlens
