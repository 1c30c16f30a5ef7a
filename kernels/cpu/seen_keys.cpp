#include "seen_keys.h"

#include <algorithm>
#include <cstring>

namespace longlens {
namespace {

// Bits low <= i < high of the word whose first bit is number `start`.
uint32_t RangeBits(int64_t start, int64_t low, int64_t high) {
  const int64_t from = std::clamp<int64_t>(low - start, 0, 32);
  const int64_t to = std::clamp<int64_t>(high - start, from, 32);
  return static_cast<uint32_t>((uint64_t{1} << to) - (uint64_t{1} << from));
}

}  // namespace

void SeenKeys::Begin(int64_t first_key, int32_t rows, int64_t first_position) {
  first_key_ = first_key;
  first_position_ = first_position;
  rows_ = rows;
  memset(words_, 0, rows * sizeof(words_[0]));
}

void SeenKeys::Add(const TilePlan& plan, int32_t x, int64_t kv_len) {
  const int64_t start = plan.key_start[x] - first_key_;
  const int64_t low = std::max<int64_t>(start, 0);
  const int64_t high = std::min<int64_t>({start + plan.tile_k, kv_len - first_key_, kStepKeys});
  const int32_t kind = plan.kind[x];
  for (int32_t row = 0; row < rows_; ++row) {
    if (kind == kTileFull) AddRange(row, low, high);
    if (kind == kTileCausal) {
      AddRange(row, low, std::min(high, first_position_ + row + 1 - first_key_));
    }
    if (kind < kTileMasked) continue;
    const int32_t per_row = plan.MaskWords();
    const int64_t mask = (int64_t{kind} - kTileMasked) * plan.tile_q + row;
    for (int32_t w = 0; w < per_row; ++w) {
      const uint32_t bits = static_cast<uint32_t>(plan.masks[mask * per_row + w]);
      AddBits(row, bits, start + 32 * w, low, high);
    }
  }
}

void SeenKeys::AddFirst(int32_t count) {
  for (int32_t row = 0; row < rows_; ++row) AddRange(row, 0, count);
}

void SeenKeys::BeginWhole(int32_t rows) {
  rows_ = rows;
  memset(words_, 0xFF, rows * sizeof(words_[0]));
}

void SeenKeys::TakeBlock(int32_t to, const SeenKeys& other, int32_t from) {
  for (int32_t row = 0; row < rows_; ++row) words_[row][to] = other.words_[row][from];
}

void SeenKeys::AddRange(int32_t row, int64_t low, int64_t high) {
  for (int64_t b = low / kBlock; b * kBlock < high; ++b) {
    words_[row][b] |= RangeBits(b * kBlock, low, high);
  }
}

void SeenKeys::AddBits(int32_t row, uint32_t bits, int64_t start, int64_t low, int64_t high) {
  const uint32_t seen = bits & RangeBits(start, low, high);
  const int64_t b = start >> 5;  // rounds down, below 0 too
  const uint64_t spread = uint64_t{seen} << (start - b * kBlock);
  const uint32_t low_word = static_cast<uint32_t>(spread);
  const uint32_t high_word = static_cast<uint32_t>(spread >> 32);
  if (low_word != 0) words_[row][b] |= low_word;
  if (high_word != 0) words_[row][b + 1] |= high_word;
}

void SeenKeys::Summarise(int32_t first, int32_t count, uint32_t* any, uint32_t* all) const {
  memset(any, 0, kStepBlocks * sizeof(uint32_t));
  memset(all, 0xFF, kStepBlocks * sizeof(uint32_t));
  for (int32_t i = 0; i < std::min(count, rows_); ++i) {
    const uint32_t* const words = words_[(first + i) % rows_];
    for (int b = 0; b < kStepBlocks; ++b) {
      any[b] |= words[b];
      all[b] &= words[b];
    }
  }
}

}  // namespace longlens
