#include "asking_rows.h"

#include <algorithm>

#include "status.h"

namespace longlens {

bool CheckAskingRows(const char* action, const AskingRows& asking) {
  const auto& [q, rows, kv_head_of] = asking;
  Require(rows >= 0, action, "rows must be >= 0", rows);
  if (rows == 0) return false;
  RequirePointer(q, action, "q");
  RequirePointer(kv_head_of, action, "kv_head_of");
  for (int32_t r = 0; r < rows; ++r) {
    Require(kv_head_of[r] >= 0, action, "kv_head_of must be >= 0", kv_head_of[r]);
  }
  return true;
}

int64_t KvHeadsOf(const AskingRows& asking) {
  if (asking.kv_head_of == nullptr || asking.rows <= 0) return 1;
  const int32_t most = *std::max_element(asking.kv_head_of, asking.kv_head_of + asking.rows);
  return std::max<int64_t>(0, most) + 1;
}

void GroupRows(const AskingRows& asking, int64_t most, std::vector<RowGroup>* groups) {
  groups->clear();
  for (int64_t row = 0; row < asking.rows; ++row) {
    const int64_t head = asking.kv_head_of[row];
    if (groups->empty() || groups->back().kv_head != head || groups->back().rows == most) {
      groups->push_back({head, row, 0});
    }
    ++groups->back().rows;
  }
}

}  // namespace longlens
