// The query heads that a call lists, by the KV head that they read.
#ifndef LONGLENS_COMMON_HEAD_GROUPS_H_
#define LONGLENS_COMMON_HEAD_GROUPS_H_

#include <cstdint>
#include <vector>

namespace longlens {

// Listed heads of one KV head: their places in the list, and the heads themselves.
struct HeadGroup {
  int32_t kv_head;
  std::vector<int32_t> places, heads;
};

// Groups of at most `most` heads, by rising KV head.
std::vector<HeadGroup> GroupHeads(const int32_t* chosen, int32_t count, int32_t heads,
                                  int32_t kv_heads, int64_t most = INT32_MAX);

// The same in a list that keeps its room.
void GroupHeads(const int32_t* chosen, int32_t count, int32_t heads, int32_t kv_heads, int64_t most,
                std::vector<HeadGroup>* groups);

// Throws LL_INVALID_ARGUMENT unless the heads can be shared out to the KV heads.
void CheckHeads(const char* action, int32_t heads, int32_t kv_heads);
// The same unless every listed head is one of `heads`.
void CheckChosen(const char* action, const int32_t* chosen, int32_t count, int32_t heads);

}  // namespace longlens

#endif  // LONGLENS_COMMON_HEAD_GROUPS_H_
