#include "estimate_calls.h"

#include "head_groups.h"
#include "status.h"

namespace longlens {
namespace {

void CheckRows(const char* action, const ChosenQueries& c) {
  Require(c.tokens >= 0, action, "tokens must be >= 0", c.tokens);
  Require(c.q_start >= 0, action, "q_start must be >= 0", c.q_start);
}

void CheckHeadsAndPages(const char* action, const ChosenQueries& c) {
  CheckHeads(action, c.heads, static_cast<int32_t>(c.table.kv_heads));
  CheckChosen(action, c.chosen, c.count, c.heads);
  CheckPageTable(action, c.table, c.Keys());
}

// Whether there are blocks.
bool CheckBlocks(const char* action, const BlocksOfKeys& c) {
  Require(c.start >= 0, action, "start must be >= 0", c.start);
  Require(c.end >= c.start, action, "end must be >= start", c.end);
  Require(c.block > 0, action, "block must be > 0", c.block);
  CheckPageTable(action, c.table, c.end > c.start ? c.end : 0);
  return c.end > c.start;
}

}  // namespace

void RequirePagesOfChosen(const ChosenQueries& c) {
  for (int32_t i = 0; i < c.count; ++i) {
    RequirePagesOf(c.table, c.chosen[i] / c.Group(), 0, c.Keys());
  }
}

bool CheckVerticalSlash(const ChosenQueries& c, const float* vertical, const float* slash) {
  const char* const action = "sum columns and diagonals";
  CheckRows(action, c);
  CheckHeadsAndPages(action, c);
  if (c.Keys() == 0 || c.count == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(vertical, action, "vertical");
  RequirePointer(slash, action, "slash");
  return true;
}

bool CheckAntidiagonals(const ChosenQueries& c, int32_t step, int32_t block, const float* scores) {
  const char* const action = "sum antidiagonals";
  CheckRows(action, c);
  Require(step > 0, action, "step must be > 0", step);
  Require(block > 0 && block % step == 0, action, "block must be a multiple of step", block);
  CheckHeadsAndPages(action, c);
  if (c.tokens == 0 || c.count == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(scores, action, "scores");
  return true;
}

bool CheckPoolQueries(const float* q, int32_t tokens, int32_t heads, int32_t dim, int32_t block,
                      const float* out) {
  const char* const action = "pool queries";
  Require(tokens >= 0, action, "tokens must be >= 0", tokens);
  Require(heads > 0, action, "heads must be > 0", heads);
  Require(dim > 0, action, "dim must be > 0", dim);
  Require(block > 0, action, "block must be > 0", block);
  if (tokens == 0) return false;
  RequirePointer(q, action, "q");
  RequirePointer(out, action, "out");
  return true;
}

bool CheckPoolKeys(const BlocksOfKeys& blocks, const float* out) {
  const char* const action = "pool keys";
  if (!CheckBlocks(action, blocks)) return false;
  RequirePointer(out, action, "out");
  return true;
}

bool CheckKeyBounds(const BlocksOfKeys& blocks, const float* min, const float* max) {
  const char* const action = "bound keys";
  if (!CheckBlocks(action, blocks)) return false;
  RequirePointer(min, action, "min");
  RequirePointer(max, action, "max");
  return true;
}

bool CheckBlockScores(const BlockScoresCall& c) {
  const char* const action = "score blocks";
  Require(c.q_blocks >= 0, action, "q_blocks must be >= 0", c.q_blocks);
  Require(c.k_blocks >= 0, action, "k_blocks must be >= 0", c.k_blocks);
  Require(c.dim > 0, action, "dim must be > 0", c.dim);
  Require(c.q_start >= 0, action, "q_start must be >= 0", c.q_start);
  Require(c.block > 0, action, "block must be > 0", c.block);
  Require(c.softmax == 0 || c.softmax == 1, action, "softmax must be 0 or 1", c.softmax);
  CheckHeads(action, c.heads, c.kv_heads);
  CheckChosen(action, c.chosen, c.count, c.heads);
  if (c.q_blocks == 0 || c.k_blocks == 0 || c.count == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.k, action, "k");
  RequirePointer(c.scores, action, "scores");
  return true;
}

bool CheckBoundScores(const BoundScoresCall& c) {
  const char* const action = "bound scores";
  Require(c.dim > 0, action, "dim must be > 0", c.dim);
  Require(c.blocks >= 0, action, "blocks must be >= 0", c.blocks);
  CheckHeads(action, c.heads, c.kv_heads);
  CheckChosen(action, c.chosen, c.count, c.heads);
  if (c.count == 0 || c.blocks == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.min, action, "min");
  RequirePointer(c.max, action, "max");
  RequirePointer(c.bounds, action, "bounds");
  return true;
}

}  // namespace longlens
