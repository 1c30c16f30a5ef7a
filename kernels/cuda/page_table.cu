#include "page_table.h"

#include <algorithm>
#include <vector>

namespace longlens {

DevicePages CopyPagesIn(const Call& call, const PageTable& table, int64_t start, int64_t end) {
  const int64_t first = start / LL_PAGE_TOKENS;
  const int64_t count = (end + LL_PAGE_TOKENS - 1) / LL_PAGE_TOKENS - first;
  std::vector<char*> pages(table.kv_heads * count);
  for (int64_t head = 0; head < table.kv_heads; ++head) {
    void* const* const row = table.pages + head * table.stride + first;
    std::transform(row, row + count, pages.begin() + head * count,
                   [](void* page) { return static_cast<char*>(page); });
  }
  const PageLayout layout{static_cast<int32_t>(table.dim), table.dtype};
  return {call.CopyIn(pages.data(), static_cast<int64_t>(pages.size())), count, layout};
}

}  // namespace longlens
