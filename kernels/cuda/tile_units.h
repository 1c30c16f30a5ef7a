// Cuts a call of ll_attend_tiles into units of work. On the host.
#ifndef LONGLENS_CUDA_TILE_UNITS_H_
#define LONGLENS_CUDA_TILE_UNITS_H_

#include <vector>

#include "../common/tile_calls.h"
#include "tile_lowering.h"
#include "tile_pages.h"
#include "tile_work.cuh"

namespace longlens {

class TileUnits {
 public:
  // Throws LL_INVALID_ARGUMENT where a page that a plan needs is not entered. Plans that differ are
  // worked on by several threads, as a sparse one may take the host longer than the device.
  static TileUnits Of(const AttendTilesCall& c, const TilePlans& plans);

  // Those with most work first.
  const std::vector<TileUnit>& units() const { return units_; }
  // Steps of kBlockKeys keys of a row block that a unit is worth.
  int64_t Cost(const TileUnit& unit) const;
  int64_t cost() const { return cost_; }
  const std::vector<int32_t>& heads() const { return heads_; }
  const std::vector<ColumnPack>& packs() const { return packs_; }
  const std::vector<int32_t>& column_keys() const { return column_keys_; }
  const TileLowering& lowering() const { return lowering_; }

 private:
  // Heads of one KV head with the same plan, and their columns.
  struct Bundle {
    int32_t kv_head, heads, count;  // heads: first of them in heads_
    int32_t pack;
  };

  // Units of the plans first .. end - 1.
  TileUnits(const AttendTilesCall& c, const TilePlans& plans, size_t first, size_t end);
  void Append(const TileUnits& other);
  void AddPlan(const TilePlan& plan, int32_t number);
  void FindBundles(int32_t number);
  void AddPack(Bundle* bundle);
  void AddRowTiles(const TilePlan& plan, int32_t r, int32_t count);
  void AddUnit(const Bundle& bundle, int32_t list, const RowBlock& first, const RowBlock& second);
  RowBlock BlockOf(const TilePlan& plan, int32_t r, const Bundle& bundle, int32_t b) const;
  void RequirePages();
  void Sort();

  AttendTilesCall c_;
  const int32_t* plan_of_head_;
  TileLowering lowering_;
  TileLowering::Runs runs_[2];
  std::vector<Bundle> bundles_;  // of the present plan
  std::vector<bool> pages_;      // that the present plan uses
  std::vector<TileUnit> units_;
  std::vector<int32_t> heads_, column_keys_;
  std::vector<ColumnPack> packs_;
  int64_t cost_ = 0;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_UNITS_H_
