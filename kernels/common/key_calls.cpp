#include "key_calls.h"

#include "head_groups.h"
#include "status.h"

namespace longlens {
namespace {

void CheckPointers(const char* action, const int32_t* pointers, int64_t count) {
  Require(pointers[0] >= 0, action, "range_ptr and index_ptr must be >= 0", pointers[0]);
  for (int64_t i = 0; i < count; ++i) {
    Require(pointers[i] <= pointers[i + 1], action, "range_ptr and index_ptr must not fall",
            pointers[i + 1]);
  }
}

}  // namespace

bool CheckAttendKeys(const AttendKeysCall& c) {
  const char* const action = "attend keys";
  Require(c.rows >= 0, action, "rows must be >= 0", c.rows);
  Require(c.kv_len >= 0, action, "kv_len must be >= 0", c.kv_len);
  CheckHeads(action, c.heads, static_cast<int32_t>(c.table.kv_heads));
  CheckPageTable(action, c.table, c.kv_len);
  if (c.rows == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.out, action, "out");
  RequirePointer(c.lse, action, "lse");
  RequirePointer(c.range_ptr, action, "range_ptr");
  RequirePointer(c.index_ptr, action, "index_ptr");
  CheckPointers(action, c.range_ptr, c.Sets());
  CheckPointers(action, c.index_ptr, c.Sets());
  if (c.range_ptr[c.Sets()] > 0) RequirePointer(c.ranges, action, "ranges");
  if (c.index_ptr[c.Sets()] > 0) RequirePointer(c.indices, action, "indices");
  for (int64_t x = 0; x < c.Sets(); ++x) CheckKeySet(action, c.Set(x), c.kv_len);
  return true;
}

bool CheckMerge(const MergeCall& c) {
  const char* const action = "merge partial attentions";
  Require(c.rows >= 0, action, "rows must be >= 0", c.rows);
  Require(c.dim > 0, action, "dim must be > 0", c.dim);
  if (c.rows == 0) return false;
  const void* const needed[] = {c.out_a, c.lse_a, c.out_b, c.lse_b, c.out, c.lse};
  const char* const names[] = {"out_a", "lse_a", "out_b", "lse_b", "out", "lse"};
  for (int i = 0; i < 6; ++i) RequirePointer(needed[i], action, names[i]);
  return true;
}

bool CheckAttentionRow(const AttentionRowCall& c) {
  const char* const action = "compute an attention row";
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  Require(c.kv_len >= 0, action, "kv_len must be >= 0", c.kv_len);
  Require(c.set.range_count >= 0, action, "range_count must be >= 0", c.set.range_count);
  Require(c.set.index_count >= 0, action, "index_count must be >= 0", c.set.index_count);
  CheckPageTable(action, c.table, c.kv_len);
  RequirePointer(c.q, action, "q");
  RequirePointer(c.lse, action, "lse");
  if (c.kv_len > 0) RequirePointer(c.probs, action, "probs");
  if (c.set.range_count > 0) RequirePointer(c.set.ranges, action, "ranges");
  if (c.set.index_count > 0) RequirePointer(c.set.indices, action, "indices");
  CheckKeySet(action, c.set, c.kv_len);
  return true;
}

bool CheckPoolMap(const PoolMapCall& c) {
  const char* const action = "pool an attention map";
  const int64_t end = int64_t{c.q_start} + c.tokens;
  Require(c.tokens >= 0, action, "tokens must be >= 0", c.tokens);
  Require(c.q_start >= 0, action, "q_start must be >= 0", c.q_start);
  CheckHeads(action, c.heads, static_cast<int32_t>(c.table.kv_heads));
  Require(c.head >= 0 && c.head < c.heads, action, "head must be in 0..heads-1", c.head);
  Require(end <= c.n, action, "n must be >= q_start + tokens", c.n);
  Require(c.bins >= 1 && c.bins <= c.n, action, "bins must be in 1..n", c.bins);
  CheckPageTable(action, c.table, end);
  if (c.tokens == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.sum, action, "sum");
  RequirePointer(c.max, action, "max");
  return true;
}

bool CheckTopKeys(const TopKeysCall& c) {
  const char* const action = "find the top keys";
  CheckHeads(action, c.heads, static_cast<int32_t>(c.table.kv_heads));
  Require(c.count >= 0, action, "count must be >= 0", c.count);
  Require(c.k >= 0, action, "k must be >= 0", c.k);
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.end >= c.start, action, "end must be >= start", c.end);
  CheckPageTable(action, c.table, c.end > c.start ? c.end : 0);
  if (c.count == 0 || c.k == 0) return false;
  RequirePointer(c.q, action, "q");
  CheckChosen(action, c.chosen, c.count, c.heads);
  RequirePointer(c.indices, action, "indices");
  RequirePointer(c.scores, action, "scores");
  return true;
}

}  // namespace longlens
