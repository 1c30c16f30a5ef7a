// The part of TileLowering that makes lists of blocks of what row tiles see.
#include <algorithm>

#include "tile_lowering.h"

namespace longlens {

void TileLowering::Draft::Clear() {
  plain.clear();
  masked.clear();
  plain_groups = masked_groups = 0;
}

void TileLowering::Draft::Add(const Pair& pair, bool is_plain) {
  (is_plain ? plain : masked).push_back(pair);
  (is_plain ? plain_groups : masked_groups) += pair.count;
}

// Groups that fill no whole block without masks go to the blocks with masks.
void TileLowering::Draft::MaskRest() {
  int64_t rest = plain_groups % kBlockGroups;
  plain_groups -= rest;
  masked_groups += rest;
  while (rest > 0) {
    Pair& last = plain.back();
    const int32_t count = static_cast<int32_t>(std::min<int64_t>(rest, last.count));
    last.count -= count;
    masked.push_back({last.group + last.count, count, {last.masks[0], last.masks[1]}});
    if (last.count == 0) plain.pop_back();
    rest -= count;
  }
}

void TileLowering::AddPair(const Pair& pair) {
  const bool uses_first = pair.masks[0] != kNoMask, uses_second = pair.masks[1] != kNoMask;
  if (!uses_first && !uses_second) return;
  const bool is_plain =
      (!uses_first || pair.masks[0] == kFullMask) && (!uses_second || pair.masks[1] == kFullMask);
  drafts_[uses_first && uses_second ? 0 : uses_first ? 1 : 2].Add(pair, is_plain);
}

int32_t TileLowering::Add(const Runs& rows) {
  for (Draft& draft : drafts_) draft.Clear();
  for (const Run& run : rows) AddPair({run.group, run.count, {run.mask, run.mask}});
  drafts_[0].MaskRest();
  TileList list{};
  list.both = Emit(&drafts_[0], Masks::kFirst);
  list.both.masks[1] = list.both.masks[0];
  lists_.push_back(list);
  return static_cast<int32_t>(lists_.size()) - 1;
}

int32_t TileLowering::Add(const Runs& first, const Runs& second) {
  for (Draft& draft : drafts_) draft.Clear();
  const Run* lists[2] = {first.data(), second.data()};
  const Run* const ends[2] = {lists[0] + first.size(), lists[1] + second.size()};
  int32_t used[2] = {0, 0};  // groups of the present runs
  const auto start = [&](int w) {
    return lists[w] == ends[w] ? INT32_MAX : lists[w]->group + used[w];
  };
  while (lists[0] != ends[0] || lists[1] != ends[1]) {
    const int32_t starts[2] = {start(0), start(1)}, group = std::min(starts[0], starts[1]);
    int32_t count = INT32_MAX;
    Pair pair{group, 0, {kNoMask, kNoMask}};
    for (int w = 0; w < 2; ++w) {
      if (starts[w] == INT32_MAX) continue;
      const bool here = starts[w] == group;
      if (here) pair.masks[w] = lists[w]->mask;
      count = std::min(count, here ? lists[w]->count - used[w] : starts[w] - group);
    }
    pair.count = count;
    AddPair(pair);
    for (int w = 0; w < 2; ++w) {
      if (starts[w] == group && (used[w] += count) == lists[w]->count) {
        ++lists[w];
        used[w] = 0;
      }
    }
  }
  for (Draft& draft : drafts_) draft.MaskRest();
  ShareRests();
  lists_.push_back({Emit(&drafts_[0], Masks::kBoth),
                    {Emit(&drafts_[1], Masks::kFirst), Emit(&drafts_[2], Masks::kSecond)}});
  return static_cast<int32_t>(lists_.size()) - 1;
}

// What one row tile uses alone costs nothing in the free groups of the last common block.
void TileLowering::ShareRests() {
  Draft& both = drafts_[0];
  for (int w = 1; w <= 2; ++w) {
    Draft& own = drafts_[w];
    const int64_t free = (kBlockGroups - both.Groups() % kBlockGroups) % kBlockGroups;
    int64_t rest = own.masked_groups % kBlockGroups;
    if (rest == 0 || rest > free) continue;
    while (rest > 0) {
      Pair last = own.masked.back();
      const int32_t count = static_cast<int32_t>(std::min<int64_t>(rest, last.count));
      last.group += last.count - count;
      last.count = count;
      both.Add(last, false);
      if ((own.masked.back().count -= count) == 0) own.masked.pop_back();
      own.masked_groups -= count;
      rest -= count;
    }
  }
}

BlockList TileLowering::Emit(Draft* draft, Masks kept) {
  const int64_t pad = (kBlockGroups - draft->masked_groups % kBlockGroups) % kBlockGroups;
  if (pad > 0) draft->Add({kColumnGroups, static_cast<int32_t>(pad), {kNoMask, kNoMask}}, false);
  BlockList list{};
  list.segments = static_cast<int32_t>(segments_.size());
  list.plain = static_cast<int32_t>(draft->plain_groups / kBlockGroups);
  list.blocks = static_cast<int32_t>(draft->Groups() / kBlockGroups);
  for (const std::vector<Pair>* pairs : {&draft->plain, &draft->masked}) {
    for (const Pair& pair : *pairs) AddSegment(pair, list.segments);
  }
  for (int w = 0; w < 2; ++w) {
    if (kept != Masks::kBoth && w != static_cast<int>(kept)) continue;
    list.masks[w] = static_cast<int32_t>(mask_ids_.size());
    for (const Pair& pair : draft->masked) {
      mask_ids_.insert(mask_ids_.end(), pair.count, pair.masks[w]);
    }
  }
  return list;
}

void TileLowering::AddSegment(const Pair& pair, int32_t first) {
  const bool is_first = static_cast<int32_t>(segments_.size()) == first;
  if (!is_first && segments_.back().group + segments_.back().count == pair.group) {
    segments_.back().count += pair.count;
  } else {
    segments_.push_back({pair.group, pair.count});
  }
}

void TileLowering::Append(const TileLowering& other) {
  const int32_t segments = static_cast<int32_t>(segments_.size());
  const int32_t ids = static_cast<int32_t>(mask_ids_.size());
  const int32_t masks = static_cast<int32_t>(masks_.size()) - kFirstOwnMask;
  for (TileList list : other.lists_) {
    for (BlockList* const part : {&list.both, &list.only[0], &list.only[1]}) {
      part->segments += segments;
      for (int32_t& first : part->masks) first += ids;
    }
    lists_.push_back(list);
  }
  segments_.insert(segments_.end(), other.segments_.begin(), other.segments_.end());
  for (const int32_t id : other.mask_ids_)
    mask_ids_.push_back(id < kFirstOwnMask ? id : id + masks);
  masks_.insert(masks_.end(), other.masks_.begin() + kFirstOwnMask, other.masks_.end());
}

}  // namespace longlens
