#include <algorithm>
#include <future>
#include <thread>

#include "tile_units.h"

namespace longlens {
namespace {

int32_t Stack(const TilePlan& plan) { return std::max(1, kUnitRows / plan.tile_q); }

// Threads that lowering is worth: a tile or column takes some nanoseconds, a thread some 50 us.
size_t Threads(const TilePlans& plans) {
  constexpr int64_t kShare = 1 << 15;
  constexpr size_t kMost = 8;
  int64_t work = 0;
  for (const TilePlan& plan : plans.plans) {
    work += int64_t{plan.row_ptr[plan.row_tiles]} + plan.col_ptr[plan.row_tiles];
  }
  const size_t cores = std::max(1u, std::thread::hardware_concurrency());
  return std::min({kMost, cores, static_cast<size_t>(work / kShare + 1)});
}

}  // namespace

TileUnits TileUnits::Of(const AttendTilesCall& c, const TilePlans& plans) {
  const size_t count = plans.plans.size(), parts = std::min(count, Threads(plans));
  std::vector<std::future<TileUnits>> others;
  for (size_t i = 1; i < parts; ++i) {
    others.push_back(std::async(std::launch::async, [&, i] {
      return TileUnits(c, plans, count * i / parts, count * (i + 1) / parts);
    }));
  }
  TileUnits units(c, plans, 0, count / parts);
  for (std::future<TileUnits>& other : others) units.Append(other.get());
  units.Sort();
  return units;
}

TileUnits::TileUnits(const AttendTilesCall& c, const TilePlans& plans, size_t first, size_t end)
    : c_(c), plan_of_head_(plans.plan_of_head), lowering_(c.q_start, c.tokens, c.kv_len) {
  // Plans without columns need zeros only, which all share.
  packs_.push_back({0, 0, kPadGroups * kGroupKeys});
  column_keys_.assign(kPadGroups * kGroupKeys, -1);
  for (size_t p = first; p < end; ++p) AddPlan(plans.plans[p], static_cast<int32_t>(p));
}

void TileUnits::Append(const TileUnits& other) {
  const int32_t lists = lowering_.Lists(), heads = static_cast<int32_t>(heads_.size());
  const int32_t columns = static_cast<int32_t>(column_keys_.size());
  for (TileUnit unit : other.units_) {
    unit.list += lists;
    unit.column_row += columns;
    for (RowBlock& block : unit.blocks) block.heads += heads;
    units_.push_back(unit);
  }
  for (ColumnPack pack : other.packs_) {
    pack.first_row += columns;
    packs_.push_back(pack);
  }
  heads_.insert(heads_.end(), other.heads_.begin(), other.heads_.end());
  column_keys_.insert(column_keys_.end(), other.column_keys_.begin(), other.column_keys_.end());
  lowering_.Append(other.lowering_);
  cost_ += other.cost_;
}

void TileUnits::AddPlan(const TilePlan& plan, int32_t number) {
  FindBundles(number);
  if (bundles_.empty()) return;
  lowering_.Begin(plan);
  for (Bundle& bundle : bundles_) AddPack(&bundle);
  pages_.assign((int64_t{c_.kv_len} + LL_PAGE_TOKENS - 1) / LL_PAGE_TOKENS, false);
  for (const int32_t key : lowering_.columns()) pages_[key / LL_PAGE_TOKENS] = true;
  for (int32_t r = 0; r < plan.row_tiles; r += 2) {
    AddRowTiles(plan, r, std::min(2, plan.row_tiles - r));
  }
  RequirePages();
}

void TileUnits::FindBundles(int32_t number) {
  const int32_t group = c_.heads / static_cast<int32_t>(c_.table.kv_heads);
  bundles_.clear();
  for (int32_t h = 0; h < c_.heads; ++h) {
    if (plan_of_head_[h] != number) continue;
    if (bundles_.empty() || bundles_.back().kv_head != h / group) {
      bundles_.push_back({h / group, static_cast<int32_t>(heads_.size()), 0, 0});
    }
    heads_.push_back(h);
    ++bundles_.back().count;
  }
}

void TileUnits::AddPack(Bundle* bundle) {
  const std::vector<int32_t>& columns = lowering_.columns();
  if (columns.empty()) return;
  const int32_t first = static_cast<int32_t>(column_keys_.size());
  bundle->pack = static_cast<int32_t>(packs_.size());
  column_keys_.insert(column_keys_.end(), kPadGroups * kGroupKeys, -1);
  column_keys_.insert(column_keys_.end(), columns.begin(), columns.end());
  while (column_keys_.size() % kGroupKeys != 0) column_keys_.push_back(-1);
  packs_.push_back({bundle->kv_head, first, static_cast<int32_t>(column_keys_.size()) - first});
}

// Row blocks of one row tile share its list by twos; of an odd number, the last shares with that of
// the next row tile.
void TileUnits::AddRowTiles(const TilePlan& plan, int32_t r, int32_t count) {
  constexpr int32_t kPageGroups = LL_PAGE_TOKENS / kGroupKeys;
  int32_t own[2] = {-1, -1}, common = -1;
  const auto own_list = [&](int w) {
    if (own[w] < 0) own[w] = lowering_.Add(runs_[w]);
    return own[w];
  };
  for (int w = 0; w < count; ++w) {
    lowering_.LowerRows(r + w, &runs_[w]);
    for (const TileLowering::Run& run : runs_[w]) {
      if (run.group >= kColumnGroups) break;
      const int32_t last = (run.group + run.count - 1) / kPageGroups;
      for (int32_t page = run.group / kPageGroups; page <= last; ++page) pages_[page] = true;
    }
  }
  for (const Bundle& bundle : bundles_) {
    const int32_t blocks = (bundle.count + Stack(plan) - 1) / Stack(plan), even = blocks / 2 * 2;
    for (int w = 0; w < count; ++w) {
      for (int32_t b = 0; b < even; b += 2) {
        AddUnit(bundle, own_list(w), BlockOf(plan, r + w, bundle, b),
                BlockOf(plan, r + w, bundle, b + 1));
      }
    }
    if (even == blocks) continue;
    if (count == 1) {
      AddUnit(bundle, own_list(0), BlockOf(plan, r, bundle, even), RowBlock::Of(0, 1, 0, 0));
      continue;
    }
    if (common < 0) common = lowering_.Add(runs_[0], runs_[1]);
    AddUnit(bundle, common, BlockOf(plan, r, bundle, even), BlockOf(plan, r + 1, bundle, even));
  }
}

RowBlock TileUnits::BlockOf(const TilePlan& plan, int32_t r, const Bundle& bundle,
                            int32_t b) const {
  const int32_t stack = Stack(plan), first_row = r * plan.tile_q;
  return RowBlock::Of(first_row, std::min(plan.tile_q, c_.tokens - first_row),
                      bundle.heads + b * stack, std::min(stack, bundle.count - b * stack));
}

void TileUnits::AddUnit(const Bundle& bundle, int32_t list, const RowBlock& first,
                        const RowBlock& second) {
  const ColumnPack& pack = packs_[bundle.pack];
  units_.push_back({list, bundle.kv_head, pack.first_row, pack.rows, {first, second}});
  cost_ += Cost(units_.back());
}

int64_t TileUnits::Cost(const TileUnit& unit) const {
  const TileList& list = lowering_.lists()[unit.list];
  return 2 * list.both.blocks + list.only[0].blocks + list.only[1].blocks;
}

void TileUnits::RequirePages() {
  for (const Bundle& bundle : bundles_) {
    for (size_t page = 0; page < pages_.size(); ++page) {
      if (pages_[page]) c_.table.Page(bundle.kv_head, static_cast<int64_t>(page));
    }
  }
}

// By cost, the largest first; equal ones stay in order.
void TileUnits::Sort() {
  int64_t most = 0;
  for (const TileUnit& unit : units_) most = std::max(most, Cost(unit));
  std::vector<int32_t> next(most + 2, 0);
  for (const TileUnit& unit : units_) ++next[most - Cost(unit) + 1];
  for (int64_t i = 1; i <= most + 1; ++i) next[i] += next[i - 1];
  std::vector<TileUnit> sorted(units_.size());
  for (const TileUnit& unit : units_) sorted[next[most - Cost(unit)]++] = unit;
  units_.swap(sorted);
}

}  // namespace longlens
