// Sets of keys (ranges, then single keys) and the attention of a few query rows over a part of one.
#ifndef LONGLENS_CPU_KEY_SETS_H_
#define LONGLENS_CPU_KEY_SETS_H_

#include <algorithm>
#include <cstdint>
#include <utility>

#include "../common/key_set.h"
#include "dispatch.h"
#include "kernels.h"
#include "kv.h"

namespace longlens {

// Keys that are fetched, scored and weighed together.
constexpr int32_t kKeyBlock = 256;

// Walks the keys of a set in order, from key number `skip` on.
class KeyCursor {
 public:
  KeyCursor(const KeySet& set, int64_t skip);
  // Writes the next keys, at most `count`; returns how many.
  int32_t Next(int32_t* keys, int32_t count);

 private:
  const KeySet& set_;
  int64_t range_ = 0, offset_ = 0, index_ = 0;
};

// How many keys from the first on follow each other in one page.
int32_t RunOfKeys(const int32_t* keys, int32_t count);

// Keys that are worked on together, and their rows. Behind these are the rows of the keys that
// come next, as score_rows wants them.
struct KeyBlock {
  int32_t count;
  int32_t keys[kKeyBlock];
  const void* rows[kKeyBlock + kRowsAhead];
};

// Walks keys first .. first+count-1 of a set in blocks.
class KeyWalk {
 public:
  KeyWalk(const KvView& kv, int64_t kv_head, const KeySet& set, int64_t first, int64_t count)
      : kv_(kv), kv_head_(kv_head), cursor_(set, first), left_(count) {
    Fill(now_);
    Fill(next_);
    LookAhead();
  }
  KeyWalk(const KeyWalk&) = delete;
  KeyWalk& operator=(const KeyWalk&) = delete;

  // Has no keys at the end.
  const KeyBlock& now() const { return *now_; }
  // The same rows of the values.
  void Values(const void** rows) const {
    const int64_t offset = LL_PAGE_TOKENS * kv_.RowBytes();
    for (int32_t j = 0; j < now_->count + kRowsAhead; ++j) {
      rows[j] = static_cast<const char*>(now_->rows[j]) + offset;
    }
  }
  void Advance() {
    std::swap(now_, next_);
    Fill(next_);
    LookAhead();
  }

 private:
  void Fill(KeyBlock* block) {
    const int64_t most = std::min<int64_t>(kKeyBlock, left_);
    block->count = cursor_.Next(block->keys, static_cast<int32_t>(most));
    left_ -= block->count;
    FillRows(block);
  }
  void FillRows(KeyBlock* block) const;
  void LookAhead() {
    const void** const ahead = now_->rows + now_->count;
    for (int32_t j = 0; j < kRowsAhead; ++j) {
      ahead[j] = j < next_->count ? next_->rows[j] : now_->rows[0];
    }
  }

  const KvView& kv_;
  int64_t kv_head_;
  KeyCursor cursor_;
  int64_t left_;
  KeyBlock blocks_[2];
  KeyBlock *now_ = &blocks_[0], *next_ = &blocks_[1];
};

}  // namespace longlens

#endif  // LONGLENS_CPU_KEY_SETS_H_
