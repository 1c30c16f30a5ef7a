// The work of a call of ll_attend_tiles as its kernels see it: units of two blocks of rows that go
// over the same lists of keys (tile_lowering.h).
#ifndef LONGLENS_CUDA_TILE_WORK_CUH_
#define LONGLENS_CUDA_TILE_WORK_CUH_

#include <cstdint>

#include "pages.cuh"
#include "tile_lowering.h"

namespace longlens {

constexpr int32_t kUnitRows = 64;  // of a block

// The rows of a row tile for some heads, one head after the other: lane n is row first_row + n %
// rows of head heads[n / rows]. No heads: there is no such block.
struct RowBlock {
  int32_t first_row, rows, heads, head_count;
  int32_t inverse;  // ceil(2^16 / rows): n / rows = n inverse / 2^16 for all lanes n

  static RowBlock Of(int32_t first_row, int32_t rows, int32_t heads, int32_t head_count) {
    return {first_row, rows, heads, head_count, ((1 << 16) + rows - 1) / rows};
  }
};

// Row block w uses both and only[w] of its list of blocks.
struct TileUnit {
  int32_t list, kv_head;
  int32_t column_row, column_rows;  // packed columns of its plan and KV head
  RowBlock blocks[2];
};

struct TileWork {
  const TileUnit* units;
  const TileList* lists;
  const Segment* segments;
  const int32_t* mask_ids;
  const GroupMask* masks;
  const int32_t* heads;
  DevicePages pages;
  const int32_t* column_keys;  // of each packed row; -1: zeros
  const char* columns;         // packed, or null
  const float* q;              // [tokens][total_heads][dim]
  float *out, *lse;
  int32_t total_heads, dim, kv_len;
  // A score is sign * factor * q . k, as an exponent of 2; factor > 0.
  float factor, sign;
};

// A lane of a row block. One that is not used has the numbers of another, so that they may be read.
struct Lane {
  bool is_used;
  int32_t mask_row;
  int64_t index;  // of row and head: in lse, and in q and out times dim

  __device__ Lane(const TileWork& work, const RowBlock& block, int32_t n) {
    const int32_t head = n * block.inverse >> 16;
    mask_row = n - head * block.rows;
    is_used = head < block.head_count;
    const int32_t there = max(min(head, block.head_count - 1), 0);
    index =
        int64_t{block.first_row + mask_row} * work.total_heads + work.heads[block.heads + there];
  }
};

// Walks the groups of a list of blocks.
class GroupCursor {
 public:
  __device__ explicit GroupCursor(const Segment* segments) : next_(segments) {}

  // Takes at most `most` > 0 groups that follow each other.
  __device__ Segment Take(int32_t most) {
    if (left_ == 0) Load();
    const Segment taken{group_, min(most, left_)};
    group_ += taken.count;
    left_ -= taken.count;
    return taken;
  }
  // Leaves out `count` groups.
  __device__ void Skip(int32_t count) {
    while (count > 0) count -= Take(count).count;
  }
  // The group that comes next; there must be one.
  __device__ int32_t Group() {
    if (left_ == 0) Load();
    return group_;
  }

 private:
  __device__ void Load() {
    group_ = next_->group;
    left_ = next_->count;
    ++next_;
  }

  const Segment* next_;
  int32_t group_ = 0, left_ = 0;
};

// The order of a unit's steps of kKeys keys: what both row blocks use, then by turns what one uses.
template <int kKeys>
class StepOrder {
 public:
  static constexpr int32_t kPerBlock = kBlockKeys / kKeys;
  static constexpr int32_t kGroups = kKeys / kGroupKeys;

  struct Step {
    int32_t list;   // 0: both, 1 + w: only w
    int32_t index;  // in its list
    __device__ bool IsOf(int32_t w) const { return list == 0 || list == 1 + w; }
  };

  __device__ explicit StepOrder(const TileList& list)
      : both_(list.both.blocks * kPerBlock),
        first_(list.only[0].blocks * kPerBlock),
        second_(list.only[1].blocks * kPerBlock) {}

  __device__ int32_t count() const { return both_ + first_ + second_; }
  __device__ Step At(int32_t i) const {
    if (i < both_) return {0, i};
    const int32_t own = i - both_, turns = min(first_, second_);
    if (own < 2 * turns) return {1 + own % 2, own / 2};
    return {first_ > second_ ? 1 : 2, own - turns};
  }

 private:
  int32_t both_, first_, second_;
};

__device__ __forceinline__ const BlockList& ListOf(const TileList& list, int32_t number) {
  return number == 0 ? list.both : list.only[number - 1];
}

// Mask ids of the groups of a step for row block w; null: all keys are seen.
template <int kKeys>
__device__ __forceinline__ const int32_t* StepMasks(const TileWork& work, const BlockList& list,
                                                    int32_t index, int32_t w) {
  const int32_t masked = index - list.plain * StepOrder<kKeys>::kPerBlock;
  if (masked < 0) return nullptr;
  return work.mask_ids + list.masks[w] + masked * StepOrder<kKeys>::kGroups;
}

// Where neighbouring groups lie: rows of 64 channels, 128 bytes, swizzled as in pages.cuh.
struct GroupSource {
  const char* keys;
  int64_t slice_bytes;  // from 64 channels to the next
  int64_t values;       // from keys to values
  int32_t count;        // groups

  __device__ GroupSource(const TileWork& work, const TileUnit& unit, const Segment& run) {
    constexpr int64_t kRowBytes = 128, kGroupBytes = kGroupKeys * kRowBytes;
    if (run.group >= kColumnGroups) {
      const int64_t part = int64_t{unit.column_rows} * work.pages.layout.dim * 2;
      const int64_t group = run.group - kColumnGroups;
      keys =
          work.columns + int64_t{unit.column_row} * work.pages.layout.dim * 4 + group * kGroupBytes;
      slice_bytes = unit.column_rows * kRowBytes;
      values = part;
      count = run.count;
      return;
    }
    constexpr int32_t kPageGroups = LL_PAGE_TOKENS / kGroupKeys;
    const int32_t place = run.group % kPageGroups;
    keys = work.pages.Page(unit.kv_head, run.group / kPageGroups) + place * kGroupBytes;
    slice_bytes = PageLayout::kSliceBytes;
    values = work.pages.layout.PartBytes();
    count = min(run.count, kPageGroups - place);
  }
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_WORK_CUH_
