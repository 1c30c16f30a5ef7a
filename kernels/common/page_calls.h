// Arguments of the calls of the ABI that write and read pages, and what is checked of them. Each
// check throws LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_PAGE_CALLS_H_
#define LONGLENS_COMMON_PAGE_CALLS_H_

#include <cstdint>

#include "page_table.h"

namespace longlens {

struct AppendCall {
  PageTable table;
  int32_t start, tokens;
  const float *k, *v, *positions;

  int64_t End() const { return int64_t{start} + tokens; }
};
// Requires every page that is written, too.
bool CheckAppend(const AppendCall& call);

struct ReadKvCall {
  PageTable table;  // of kv_head + 1 heads
  int32_t kv_head, start, tokens;

  int64_t End() const { return int64_t{start} + tokens; }
};
// Requires every page that is read, too.
bool CheckReadKv(const ReadKvCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_PAGE_CALLS_H_
