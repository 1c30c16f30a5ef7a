#include "key_pieces.h"

#include <algorithm>
#include <numeric>

#include "../include/longlens.h"

namespace longlens {
namespace {

// Shorter runs are read as single keys.
constexpr int64_t kShortRun = 128;
constexpr int64_t kSmallestPiece = 64, kLargestPiece = 1024;
// Pieces that a multiprocessor should have where there are keys enough.
constexpr int64_t kPiecesEach = 32;

int ClassOf(int32_t heads) {
  int number = 0;
  while (kClassHeads[number] < heads) ++number;
  return number;
}

// Throws where a page of the set is not entered.
void RequireKeys(const PageTable& table, int64_t head, const KeySet& set) {
  for (int64_t i = 0; i < set.range_count; ++i) {
    const int64_t start = set.ranges[2 * i], end = set.ranges[2 * i + 1];
    if (start < end) RequirePagesOf(table, head, start, end);
  }
  for (int64_t i = 0; i < set.index_count; ++i) {
    table.Page(head, set.indices[i] / LL_PAGE_TOKENS);
  }
}

}  // namespace

int64_t KeyPieces::SizeFor(int64_t keys, int multiprocessors) {
  const int64_t share = keys / (kPiecesEach * multiprocessors);
  int64_t size = kSmallestPiece;
  while (size < std::min(share, kLargestPiece)) size *= 2;
  return size;
}

void KeyPieces::Clear() {
  for (std::vector<KeyPiece>& some : pieces_) some.clear();
  list_.clear();
  slots_ = 0;
}

void KeyPieces::Add(const PageTable& table, const KeyUnit& unit, int64_t size) {
  RequireKeys(table, unit.kv_head, unit.set);
  const int64_t listed = static_cast<int64_t>(list_.size());
  AddRuns(unit, size);
  list_.insert(list_.end(), unit.set.indices, unit.set.indices + unit.set.index_count);
  AddListed(unit, listed, size);
}

// Short runs go to the list.
void KeyPieces::AddRuns(const KeyUnit& unit, int64_t size) {
  for (int64_t i = 0; i < unit.set.range_count; ++i) {
    const int64_t start = unit.set.ranges[2 * i], end = unit.set.ranges[2 * i + 1];
    if (end - start < kShortRun) {
      list_.resize(list_.size() + (end - start));
      std::iota(list_.end() - (end - start), list_.end(), static_cast<int32_t>(start));
      continue;
    }
    for (int64_t first = start; first < end;) {
      const int64_t stop = std::min(end, (first / size + 1) * size);
      AddPiece(unit, first, stop - first, false);
      first = stop;
    }
  }
}

void KeyPieces::AddListed(const KeyUnit& unit, int64_t first, int64_t size) {
  const int64_t end = static_cast<int64_t>(list_.size());
  for (; first < end; first += size) AddPiece(unit, first, std::min(size, end - first), true);
}

void KeyPieces::AddPiece(const KeyUnit& unit, int64_t first, int64_t count, bool listed) {
  pieces_[ClassOf(unit.heads)].push_back({unit.kv_head, static_cast<int32_t>(first),
                                          static_cast<int32_t>(count), listed, unit.row, unit.head,
                                          unit.heads, 0, slots_});
  slots_ += unit.heads;
}

}  // namespace longlens
