// Tile plans as kernels of matrix instructions read them: blocks of 128 keys, put together from
// groups of 8 neighbouring keys.
//
// The keys of pages are numbered in groups: group g holds keys 8 g .. 8 g + 7. The columns of a
// plan, which are gathered into memory of their own, are groups from kColumnGroups on, of which the
// first kPadGroups hold zeros. A row tile, or two of them, become up to three lists of blocks: of
// keys that both use, that only the first uses and that only the second uses. In a list, blocks
// whose keys all rows see come first; the others have a mask for each group. Every group is in one
// block only, so tiles that start anywhere cost at most 7 keys at each end of a run of them.
#ifndef LONGLENS_CUDA_TILE_LOWERING_H_
#define LONGLENS_CUDA_TILE_LOWERING_H_

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "../common/tile_plans.h"

namespace longlens {

constexpr int32_t kGroupKeys = 8;
constexpr int32_t kBlockGroups = 16;
constexpr int32_t kBlockKeys = kGroupKeys * kBlockGroups;
constexpr int32_t kColumnGroups = 1 << 28;
constexpr int32_t kPadGroups = kBlockGroups;
constexpr int32_t kMaskRows = 64;

// Mask ids 0 .. 255: all rows see the keys whose bit is set in the id; so 0: none, 255: full.
constexpr int32_t kNoMask = 0;
constexpr int32_t kFullMask = 255;
// Then causal masks: row i sees keys c <= i - distance, for distances that are neither none nor
// full.
constexpr int32_t kCausalMasks = 256;
constexpr int64_t kLeastDistance = 1 - kGroupKeys;
constexpr int64_t kMostDistance = kMaskRows - 1;
constexpr int32_t kFirstOwnMask =
    kCausalMasks + static_cast<int32_t>(kMostDistance - kLeastDistance) + 1;

// Groups group .. group+count-1.
struct Segment {
  int32_t group, count;
};

// `blocks` blocks of kBlockGroups groups: the segments from `segments` on, one behind the other.
// The first `plain` have no masks; mask ids [blocks - plain][kBlockGroups] of row tile w: from
// masks[w].
struct BlockList {
  int32_t segments, blocks, plain;
  int32_t masks[2];
};

// Of one row tile: the first list is all.
struct TileList {
  BlockList both, only[2];
};

// Bit c of rows[i]: row i of a row tile sees key c of a group.
struct GroupMask {
  uint8_t rows[kMaskRows];
};

class TileLowering {
 public:
  // Groups of a row tile with the same mask.
  struct Run {
    int32_t group, count, mask;
  };
  using Runs = std::vector<Run>;

  TileLowering(int32_t q_start, int32_t tokens, int32_t kv_len);

  // Turns to the next plan.
  void Begin(const TilePlan& plan);
  // Rising keys of the plan's columns: column group kColumnGroups + kPadGroups + i / 8 holds key i.
  const std::vector<int32_t>& columns() const { return columns_; }
  // What row tile `r` sees; by rising groups.
  void LowerRows(int32_t r, Runs* runs);
  // Adds the lists of one row tile, or of two. Returns the list's number.
  int32_t Add(const Runs& rows);
  int32_t Add(const Runs& first, const Runs& second);

  // What Append moves the numbers of other's lists by.
  int32_t Lists() const { return static_cast<int32_t>(lists_.size()); }
  // Adds all lists of `other`.
  void Append(const TileLowering& other);

  const std::vector<TileList>& lists() const { return lists_; }
  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<int32_t>& mask_ids() const { return mask_ids_; }
  const std::vector<GroupMask>& masks() const { return masks_; }

 private:
  struct Pair {
    int32_t group, count, masks[2];
  };
  enum class Masks { kFirst, kSecond, kBoth };  // the row tiles whose masks a list has
  // A list in the making.
  struct Draft {
    std::vector<Pair> plain, masked;
    int64_t plain_groups = 0, masked_groups = 0;

    void Clear();
    void Add(const Pair& pair, bool is_plain);
    void MaskRest();
    int64_t Groups() const { return plain_groups + masked_groups; }
  };

  void FindColumns();
  // Keys low <= key < high that all rows see.
  void AddFull(int64_t low, int64_t high, Runs* runs);
  void FlushFull(Runs* runs);
  void AddCausal(int32_t x, Runs* runs);
  void AddMasked(int32_t x, Runs* runs);
  void AddColumns(int32_t r, Runs* runs);
  void AddTouched(Runs* runs);
  void Tidy(Runs* runs);
  // Ids of the groups that a tile of mask `m` covers that begins `shift` keys into one.
  const int32_t* MaskGroups(int32_t m, int32_t shift);
  // Of the keys from `start` of the tile on.
  int32_t MaskGroup(int32_t m, int32_t start);
  int32_t AddMask(const GroupMask& mask);
  int32_t Causal(int64_t distance) const;
  int32_t Combine(int32_t a, int32_t b, bool is_union);
  void AddPair(const Pair& pair);
  void ShareRests();
  BlockList Emit(Draft* draft, Masks kept);
  void AddSegment(const Pair& pair, int32_t first);

  int64_t q_start_, tokens_, kv_len_;
  const TilePlan* plan_ = nullptr;
  int64_t first_position_ = 0, last_position_ = 0;
  int64_t full_low_ = 0, full_high_ = 0;
  std::vector<int32_t> columns_, column_place_, touched_;
  std::vector<uint8_t> column_bits_;
  std::vector<int32_t> mask_groups_, group_ids_;
  std::unordered_map<uint64_t, int32_t> combined_;
  Draft drafts_[3];
  std::vector<TileList> lists_;
  std::vector<Segment> segments_;
  std::vector<int32_t> mask_ids_;
  std::vector<GroupMask> masks_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_LOWERING_H_
