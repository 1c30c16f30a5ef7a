#include "head_groups.h"

#include "status.h"

namespace longlens {

std::vector<HeadGroup> GroupHeads(const int32_t* chosen, int32_t count, int32_t heads,
                                  int32_t kv_heads, int64_t most) {
  const int32_t group = heads / kv_heads;
  std::vector<HeadGroup> groups;
  for (int32_t g = 0; g < kv_heads; ++g) {
    HeadGroup now{g, {}, {}};
    for (int32_t c = 0; c < count; ++c) {
      if (chosen[c] / group != g) continue;
      if (static_cast<int64_t>(now.places.size()) == most) {
        groups.push_back(now);
        now = {g, {}, {}};
      }
      now.places.push_back(c);
      now.heads.push_back(chosen[c]);
    }
    if (!now.places.empty()) groups.push_back(now);
  }
  return groups;
}

void CheckHeads(const char* action, int32_t heads, int32_t kv_heads) {
  Require(kv_heads > 0, action, "kv_heads must be > 0", kv_heads);
  Require(heads > 0 && heads % kv_heads == 0, action, "heads must be a multiple of kv_heads",
          heads);
}

void CheckChosen(const char* action, const int32_t* chosen, int32_t count, int32_t heads) {
  Require(count >= 0, action, "count must be >= 0", count);
  if (count > 0) RequirePointer(chosen, action, "chosen");
  for (int32_t c = 0; c < count; ++c) {
    Require(chosen[c] >= 0 && chosen[c] < heads, action, "chosen must be in 0..heads-1",
            chosen[c]);
  }
}

}  // namespace longlens
