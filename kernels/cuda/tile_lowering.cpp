#include "tile_lowering.h"

#include <algorithm>
#include <cstring>

namespace longlens {
namespace {

int64_t GroupOf(int64_t key) { return key / kGroupKeys; }
int64_t RoundDown(int64_t key) { return key / kGroupKeys * kGroupKeys; }
int64_t RoundUp(int64_t key) { return RoundDown(key + kGroupKeys - 1); }

// Bits of the keys low <= key < high of a group whose first key is `start`.
int32_t Pattern(int64_t start, int64_t low, int64_t high) {
  const int64_t from = std::clamp<int64_t>(low - start, 0, kGroupKeys);
  const int64_t to = std::clamp<int64_t>(high - start, from, kGroupKeys);
  return (1 << to) - (1 << from);
}

}  // namespace

TileLowering::TileLowering(int32_t q_start, int32_t tokens, int32_t kv_len)
    : q_start_(q_start), tokens_(tokens), kv_len_(kv_len) {
  for (int32_t bits = 0; bits <= kFullMask; ++bits) {
    GroupMask mask;
    memset(mask.rows, bits, sizeof(mask.rows));
    masks_.push_back(mask);
  }
  for (int64_t distance = kLeastDistance; distance <= kMostDistance; ++distance) {
    GroupMask mask;
    for (int32_t i = 0; i < kMaskRows; ++i) {
      mask.rows[i] = static_cast<uint8_t>(Pattern(distance, distance, i + 1));
    }
    masks_.push_back(mask);
  }
}

void TileLowering::Begin(const TilePlan& plan) {
  plan_ = &plan;
  int32_t masks = 0;
  const int32_t tiles = plan.row_ptr[plan.row_tiles];
  for (int32_t x = 0; x < tiles; ++x) masks = std::max(masks, plan.kind[x] - kTileMasked + 1);
  mask_groups_.assign(int64_t{masks} * kGroupKeys, -1);
  group_ids_.clear();
  FindColumns();
}

void TileLowering::FindColumns() {
  const int32_t count = plan_->col_ptr[plan_->row_tiles];
  columns_.clear();
  if (count == 0) return;
  column_place_.assign(kv_len_, -1);
  for (int32_t i = 0; i < count; ++i) column_place_[plan_->columns[i]] = 0;
  for (int64_t key = 0; key < kv_len_; ++key) {
    if (column_place_[key] < 0) continue;
    column_place_[key] = static_cast<int32_t>(columns_.size());
    columns_.push_back(static_cast<int32_t>(key));
  }
  column_bits_.assign(columns_.size() / kGroupKeys + 1, 0);
}

void TileLowering::LowerRows(int32_t r, Runs* runs) {
  runs->clear();
  const int64_t first_row = int64_t{r} * plan_->tile_q;
  first_position_ = q_start_ + first_row;
  last_position_ = q_start_ + std::min(first_row + plan_->tile_q, tokens_) - 1;
  full_low_ = full_high_ = 0;
  const int32_t* const start = plan_->key_start;
  const int32_t* const kind = plan_->kind;
  for (int32_t x = plan_->row_ptr[r], end = plan_->row_ptr[r + 1]; x < end; ++x) {
    if (kind[x] == kTileFull) {
      const int32_t first = x;
      while (x + 1 < end && kind[x + 1] == kTileFull && start[x + 1] == start[x] + plan_->tile_k)
        ++x;
      AddFull(start[first], std::min<int64_t>(int64_t{start[x]} + plan_->tile_k, kv_len_), runs);
    } else if (kind[x] == kTileCausal) {
      AddCausal(x, runs);
    } else {
      AddMasked(x, runs);
    }
  }
  FlushFull(runs);
  Tidy(runs);
  AddColumns(r, runs);
}

void TileLowering::AddFull(int64_t low, int64_t high, Runs* runs) {
  if (low >= high) return;
  if (low != full_high_) {
    FlushFull(runs);
    full_low_ = low;
  }
  full_high_ = high;
}

void TileLowering::FlushFull(Runs* runs) {
  const int64_t low = full_low_, high = full_high_;
  full_low_ = full_high_ = 0;
  const auto add = [&](int64_t first, int64_t end, int32_t mask) {
    if (first >= end || mask == kNoMask) return;
    runs->push_back(
        {static_cast<int32_t>(GroupOf(first)), static_cast<int32_t>(GroupOf(end - first)), mask});
  };
  const int64_t first = std::min(RoundUp(low), high), end = std::max(RoundDown(high), first);
  const int64_t head = RoundDown(low), tail = RoundDown(high);
  if (head < low) add(head, head + kGroupKeys, Pattern(head, low, high));
  add(first, end, kFullMask);
  if (tail < high && tail >= low) add(tail, tail + kGroupKeys, Pattern(tail, low, high));
}

void TileLowering::AddCausal(int32_t x, Runs* runs) {
  const int64_t low = plan_->key_start[x], tile_end = low + plan_->tile_k;
  const int64_t high = std::min(tile_end, last_position_ + 1);
  if (low >= high) return;
  const int64_t plain = std::clamp(RoundDown(first_position_ + 1), low, high);
  AddFull(low, plain, runs);
  for (int64_t start = RoundDown(plain); start < high; start += kGroupKeys) {
    // Keys before `plain` are there already.
    const int32_t inside = Pattern(start, plain, tile_end);
    const int32_t mask = Combine(Causal(start - first_position_), inside, false);
    if (mask != kNoMask) runs->push_back({static_cast<int32_t>(GroupOf(start)), 1, mask});
  }
}

void TileLowering::AddMasked(int32_t x, Runs* runs) {
  const int64_t low = plan_->key_start[x], high = std::min(low + plan_->tile_k, kv_len_);
  const int32_t shift = static_cast<int32_t>(low % kGroupKeys);
  const int32_t* ids = MaskGroups(plan_->kind[x] - kTileMasked, shift);
  for (int64_t start = low - shift; start < high; start += kGroupKeys) {
    const int32_t mask = Combine(*ids++, Pattern(start, 0, high), false);
    runs->push_back({static_cast<int32_t>(GroupOf(start)), 1, mask});
  }
}

void TileLowering::AddColumns(int32_t r, Runs* runs) {
  touched_.clear();
  int32_t group = 0;
  uint32_t bits = 0;
  const auto flush = [&] {
    if (bits != 0 && column_bits_[group] == 0) touched_.push_back(group);
    column_bits_[group] |= static_cast<uint8_t>(bits);
    bits = 0;
  };
  const int32_t end = plan_->col_ptr[r + 1];
  if (plan_->col_ptr[r] == end) return;
  for (int32_t i = plan_->col_ptr[r]; i < end; ++i) {
    const int32_t place = column_place_[plan_->columns[i]];
    if (place / kGroupKeys != group) {
      flush();
      group = place / kGroupKeys;
    }
    bits |= 1u << place % kGroupKeys;
  }
  flush();
  AddTouched(runs);
}

void TileLowering::AddTouched(Runs* runs) {
  if (!std::is_sorted(touched_.begin(), touched_.end()))
    std::sort(touched_.begin(), touched_.end());
  constexpr int32_t kFirst = kColumnGroups + kPadGroups;
  for (const int32_t group : touched_) {
    const int32_t mask = column_bits_[group];
    column_bits_[group] = 0;
    if (!runs->empty()) {
      Run& last = runs->back();
      if (mask == kFullMask && last.mask == kFullMask &&
          last.group + last.count == kFirst + group) {
        ++last.count;
        continue;
      }
    }
    runs->push_back({kFirst + group, 1, mask});
  }
}

// Brings runs in order and unites masks of the same group, which neighbouring tiles may have.
void TileLowering::Tidy(Runs* runs) {
  const auto earlier = [](const Run& a, const Run& b) { return a.group < b.group; };
  if (!std::is_sorted(runs->begin(), runs->end(), earlier)) {
    std::stable_sort(runs->begin(), runs->end(), earlier);
  }
  size_t kept = 0;
  for (const Run& run : *runs) {
    if (kept > 0 && (*runs)[kept - 1].group == run.group) {
      (*runs)[kept - 1].mask = Combine((*runs)[kept - 1].mask, run.mask, true);
    } else if (run.mask != kNoMask) {
      (*runs)[kept++] = run;
    }
  }
  runs->resize(kept);
}

int32_t TileLowering::Causal(int64_t distance) const {
  if (distance < kLeastDistance) return kFullMask;
  if (distance > kMostDistance) return kNoMask;
  return kCausalMasks + static_cast<int32_t>(distance - kLeastDistance);
}

const int32_t* TileLowering::MaskGroups(int32_t m, int32_t shift) {
  int32_t& first = mask_groups_[int64_t{m} * kGroupKeys + shift];
  if (first < 0) {
    first = static_cast<int32_t>(group_ids_.size());
    for (int32_t start = -shift; start < plan_->tile_k; start += kGroupKeys) {
      group_ids_.push_back(MaskGroup(m, start));
    }
  }
  return &group_ids_[first];
}

int32_t TileLowering::MaskGroup(int32_t m, int32_t start) {
  const int32_t words = plan_->MaskWords();
  const int32_t* const rows = plan_->masks + int64_t{m} * plan_->tile_q * words;
  GroupMask mask{};
  bool is_same = true;
  for (int32_t i = 0; i < plan_->tile_q; ++i) {
    const uint32_t low = static_cast<uint32_t>(rows[i * words]);
    const uint32_t high = words > 1 ? static_cast<uint32_t>(rows[i * words + 1]) : 0;
    const uint64_t bits = uint64_t{high} << 32 | low;
    mask.rows[i] = static_cast<uint8_t>(start < 0 ? bits << -start : bits >> start);
    is_same &= mask.rows[i] == mask.rows[0];
  }
  return is_same ? mask.rows[0] : AddMask(mask);
}

int32_t TileLowering::AddMask(const GroupMask& mask) {
  masks_.push_back(mask);
  return static_cast<int32_t>(masks_.size()) - 1;
}

int32_t TileLowering::Combine(int32_t a, int32_t b, bool is_union) {
  const int32_t keeps = is_union ? kNoMask : kFullMask;
  if (a == keeps) return b;
  if (b == keeps) return a;
  const int32_t wins = is_union ? kFullMask : kNoMask;
  if (a == wins || b == wins) return wins;
  if (a < kCausalMasks && b < kCausalMasks) return is_union ? a | b : a & b;
  const uint64_t key = uint64_t(a) << 32 | uint64_t(b) << 1 | uint64_t{is_union};
  const auto found = combined_.find(key);
  if (found != combined_.end()) return found->second;
  GroupMask mask;
  for (int32_t i = 0; i < kMaskRows; ++i) {
    const uint8_t x = masks_[a].rows[i], y = masks_[b].rows[i];
    mask.rows[i] = is_union ? x | y : x & y;
  }
  return combined_[key] = AddMask(mask);
}

}  // namespace longlens
