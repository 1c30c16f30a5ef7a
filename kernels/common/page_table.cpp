#include "page_table.h"

#include "status.h"

namespace longlens {

void PageTable::ThrowNotEntered(int64_t head, int64_t page) {
  throw Error(
      LL_INVALID_ARGUMENT,
      "Cannot use tokens as page %lld of KV head %lld must be entered: current value is null",
      static_cast<long long>(page), static_cast<long long>(head));
}

void CheckPageTable(const char* action, const PageTable& table, int64_t tokens) {
  const auto& [pages, stride, kv_heads, dim, dtype] = table;
  Require(dim > 0, action, "dim must be > 0", dim);
  Require(dtype == LL_F32 || dtype == LL_BF16 || dtype == LL_INT8, action,
          "kv_dtype must be LL_F32, LL_BF16 or LL_INT8", dtype);
  Require(kv_heads > 0, action, "kv_heads must be > 0", kv_heads);
  Require(stride >= 0, action, "stride must be >= 0", stride);
  Require(tokens <= stride * LL_PAGE_TOKENS, action, "the tokens must lie in stride pages", tokens);
  if (tokens > 0) RequirePointer(pages, action, "pages");
}

void RequirePagesOf(const PageTable& table, int64_t head, int64_t start, int64_t end) {
  for (int64_t page = start / LL_PAGE_TOKENS; page * LL_PAGE_TOKENS < end; ++page) {
    table.Page(head, page);
  }
}

void RequirePages(const PageTable& table, int64_t start, int64_t end) {
  for (int64_t head = 0; head < table.kv_heads; ++head) RequirePagesOf(table, head, start, end);
}

}  // namespace longlens
