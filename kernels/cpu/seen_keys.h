// Which keys of a page, or of the blocks of a step, the rows of a row tile see: a bit for each.
#ifndef LONGLENS_CPU_SEEN_KEYS_H_
#define LONGLENS_CPU_SEEN_KEYS_H_

#include <cstdint>

#include "bf16_kernels.h"
#include "../common/tile_plans.h"

namespace longlens {

constexpr int32_t kMaxTileRows = 64;

class SeenKeys {
 public:
  // Nothing, for `rows` rows whose positions start at first_position, in the page of first_key.
  void Begin(int64_t first_key, int32_t rows, int64_t first_position);
  // Adds tile `x` of the plan, of which keys from kv_len on do not occur.
  void Add(const TilePlan& plan, int32_t x, int64_t kv_len);
  // Adds the first `count` keys for all rows.
  void AddFirst(int32_t count);
  // All keys of blocks anywhere, for `rows` rows.
  void BeginWhole(int32_t rows);
  // Block `to` as block `from` of the other one, which is for the same rows.
  void TakeBlock(int32_t to, const SeenKeys& other, int32_t from);

  // [rows][kStepBlocks]
  const uint32_t* words() const { return words_[0]; }
  int32_t rows() const { return rows_; }
  // Of each block, the keys that some (any) or each (all) of `count` rows from row first % rows on
  // see, of which the first follows the last.
  void Summarise(int32_t first, int32_t count, uint32_t* any, uint32_t* all) const;

 private:
  // Keys low <= key < high of the page.
  void AddRange(int32_t row, int64_t low, int64_t high);
  // Those keys of low <= key < high whose bit is set, bit 0 being key `start`, which may be < 0.
  void AddBits(int32_t row, uint32_t bits, int64_t start, int64_t low, int64_t high);

  int64_t first_key_ = 0, first_position_ = 0;
  int32_t rows_ = 0;
  uint32_t words_[kMaxTileRows][kStepBlocks];
};

}  // namespace longlens

#endif  // LONGLENS_CPU_SEEN_KEYS_H_
