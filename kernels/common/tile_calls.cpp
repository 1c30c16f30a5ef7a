#include "tile_calls.h"

#include "head_groups.h"
#include "status.h"

namespace longlens {

bool CheckAttendTiles(const AttendTilesCall& c, TilePlans* plans) {
  const char* const action = "attend tiles";
  Require(c.tokens >= 0, action, "tokens must be >= 0", c.tokens);
  Require(c.q_start >= 0, action, "q_start must be >= 0", c.q_start);
  CheckHeads(action, c.heads, static_cast<int32_t>(c.table.kv_heads));
  Require(int64_t{c.q_start} + c.tokens <= c.kv_len, action, "kv_len must be >= q_start + tokens",
          c.kv_len);
  CheckPageTable(action, c.table, c.kv_len);
  if (c.tokens == 0) return false;
  RequirePointer(c.q, action, "q");
  RequirePointer(c.out, action, "out");
  RequirePointer(c.lse, action, "lse");
  *plans = ReadTilePlans(c.plans, c.plan_words, c.heads, c.tokens, c.kv_len);
  return true;
}

}  // namespace longlens
