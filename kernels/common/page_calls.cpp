#include "page_calls.h"

#include "status.h"

namespace longlens {
namespace {

void CheckTokens(const char* action, int32_t start, int32_t tokens) {
  Require(start >= 0, action, "start must be >= 0", start);
  Require(tokens >= 0, action, "tokens must be >= 0", tokens);
}

}  // namespace

bool CheckAppend(const AppendCall& c) {
  const char* const action = "append tokens";
  CheckTokens(action, c.start, c.tokens);
  CheckPageTable(action, c.table, c.End());
  if (c.tokens == 0) return false;
  RequirePointer(c.k, action, "k");
  RequirePointer(c.v, action, "v");
  RequirePointer(c.positions, action, "positions");
  RequirePages(c.table, c.start, c.End());
  return true;
}

bool CheckReadKv(const ReadKvCall& c) {
  const char* const action = "read tokens";
  Require(c.kv_head >= 0, action, "kv_head must be >= 0", c.kv_head);
  CheckTokens(action, c.start, c.tokens);
  CheckPageTable(action, c.table, c.End());
  if (c.tokens == 0) return false;
  RequirePagesOf(c.table, c.kv_head, c.start, c.End());
  return true;
}

}  // namespace longlens
