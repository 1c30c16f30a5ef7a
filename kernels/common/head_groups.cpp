#include "head_groups.h"

#include "status.h"

namespace longlens {

void GroupHeads(const int32_t* chosen, int32_t count, int32_t heads, int32_t kv_heads, int64_t most,
                std::vector<HeadGroup>* groups) {
  const int32_t group = heads / kv_heads;
  size_t used = 0;
  for (int32_t g = 0; g < kv_heads; ++g) {
    HeadGroup* now = nullptr;
    for (int32_t c = 0; c < count; ++c) {
      if (chosen[c] / group != g) continue;
      if (now == nullptr || static_cast<int64_t>(now->places.size()) == most) {
        if (used == groups->size()) groups->emplace_back();
        now = &(*groups)[used++];
        now->kv_head = g;
        now->places.clear();
        now->heads.clear();
      }
      now->places.push_back(c);
      now->heads.push_back(chosen[c]);
    }
  }
  groups->resize(used);
}

std::vector<HeadGroup> GroupHeads(const int32_t* chosen, int32_t count, int32_t heads,
                                  int32_t kv_heads, int64_t most) {
  std::vector<HeadGroup> groups;
  GroupHeads(chosen, count, heads, kv_heads, most, &groups);
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
