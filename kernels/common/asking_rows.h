// Rows of queries that ask an index together, each for a KV head.
#ifndef LONGLENS_COMMON_ASKING_ROWS_H_
#define LONGLENS_COMMON_ASKING_ROWS_H_

#include <cstdint>
#include <vector>

namespace longlens {

struct AskingRows {
  const float* q;  // [rows][dim]
  int32_t rows;
  const int32_t* kv_head_of;
};

// Whether there are rows; throws LL_INVALID_ARGUMENT unless they are given and their KV heads are
// >= 0.
bool CheckAskingRows(const char* action, const AskingRows& asking);
// KV heads that a page table needs for the rows; 1 where there are none.
int64_t KvHeadsOf(const AskingRows& asking);

// Neighbouring rows of a KV head, which read its keys together.
struct RowGroup {
  int64_t kv_head, row, rows;
};
// Groups of at most `most` rows. `groups` is emptied first.
void GroupRows(const AskingRows& asking, int64_t most, std::vector<RowGroup>* groups);

}  // namespace longlens

#endif  // LONGLENS_COMMON_ASKING_ROWS_H_
