// Prefill attention over tile plans, by online softmax.
//
//   s[j][r] = scale q[r] . k[j];  m' = max(m, max_j s[j][r])
//   keep = e^(m - m');  p[j][r] = e^(s[j][r] - m');  l' = l keep + sum_j p[j][r]
//   o'[i][r] = o[i][r] keep + sum_j p[j][r] v[j][i];  at the end out = o / l, lse = m + log l
//
// A work item is some neighbouring row tiles of the heads of a KV head that share a plan. The rows
// of a row tile stand side by side in panels. The item goes over the tiles of all its row tiles in
// the order of their first keys: a tile of keys and values that several of them see is fetched (and
// widened) once. The columns of a row tile come last, in batches of kMaxTileKeys. A tile's sums are
// made apart and added as one term, which keeps long rows exact. Each item is computed by one
// thread in a fixed order: results do not depend on timing.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../common/tile_calls.h"
#include "bf16_attention.h"
#include "key_rows.h"
#include "tile_call.h"

namespace longlens {
namespace {

// Bounds on the lanes of an item: their queries and results should stay in the second-level cache.
constexpr int64_t kItemFloats = 1 << 15;
constexpr int64_t kItemLanes = 512;
// After the last tile of a row tile.
constexpr int64_t kNoKey = INT64_MAX;

// Row tiles first .. first+count-1 of a bundle's heads.
struct Item {
  const Bundle* bundle;
  int32_t first, count;
  int64_t cost;
};

// Where a thread works on one tile after the other.
struct TileRoom {
  float *keys, *values;  // [kMaxTileKeys][dim]
  float* scores;         // [kMaxTileKeys][panel]
  float* keep;           // [panel]

  static int64_t Floats(int64_t dim) {
    return 2 * Scratch::RoundUp(kMaxTileKeys * dim) + (kMaxTileKeys + 1) * kMaxPanel;
  }
};

// Which keys of a tile a panel's rows see, in room of its own.
struct MaskRoom {
  int32_t last[kMaxPanel];
  uint32_t words[kMaxTileKeys / 32 * kMaxPanel];
};

// One row tile of a bundle's heads, with the running softmax of its rows.
class RowTile {
 public:
  RowTile(const TileCall& tile_call, const Bundle& bundle, int32_t row_tile, Scratch* scratch)
      : c_(tile_call),
        kernels_(tile_call.call.kernels()),
        plan_(*bundle.plan),
        bundle_(bundle),
        row_tile_(row_tile),
        first_row_(int64_t{row_tile} * plan_.tile_q),
        rows_(std::min<int64_t>(plan_.tile_q, tile_call.tokens - first_row_)),
        tile_(plan_.row_ptr[row_tile]),
        panels_(kernels_, c_.queries, bundle.heads.data(), bundle.heads.size(), first_row_, rows_,
                c_.q_start + first_row_, scratch) {}

  // First key of the next tile, or kNoKey.
  int64_t NextStart() const {
    return tile_ < plan_.row_ptr[row_tile_ + 1] ? plan_.key_start[tile_] : kNoKey;
  }

  // Keys of the next tile; <= 0: no row sees one.
  int64_t NextCount() const {
    const int64_t start = plan_.key_start[tile_];
    const int64_t count = std::min<int64_t>(plan_.tile_k, c_.kv_len - start);
    const int64_t last_position = c_.q_start + first_row_ + rows_ - 1;
    const bool is_causal = plan_.kind[tile_] == kTileCausal;
    return is_causal ? std::min(count, last_position - start + 1) : count;
  }

  // Attends to the next tile, whose keys and values are in the room.
  void UseNext(const TileRoom& room) {
    const int64_t count = NextCount();
    for (int32_t p = 0; p < panels_.count(); ++p) UsePanel(p, count, room);
    ++tile_;
  }

  // Attends to the columns.
  void UseColumns(const TileRoom& room) {
    const int32_t end = plan_.col_ptr[row_tile_ + 1];
    for (int32_t j = plan_.col_ptr[row_tile_]; j < end; j += kMaxTileKeys) {
      c_.call.Poll();
      const int32_t* const columns = plan_.columns + j;
      const int32_t count = std::min(kMaxTileKeys, end - j), head = bundle_.kv_head;
      ColumnRows(kernels_, c_.kv, head, columns, count, Part::kKeys, room.keys);
      ColumnRows(kernels_, c_.kv, head, columns, count, Part::kValues, room.values);
      const PanelMask all{nullptr, nullptr};
      for (int32_t p = 0; p < panels_.count(); ++p) Attend(p, count, all, room);
    }
  }

  void Finish() const {
    for (int32_t p = 0; p < panels_.count(); ++p) FinishPanel(p);
  }

 private:
  void UsePanel(int32_t p, int64_t count, const TileRoom& room) {
    const int64_t start = plan_.key_start[tile_];
    const int32_t kind = plan_.kind[tile_];
    MaskRoom mask_room;
    PanelMask mask{nullptr, nullptr};
    if (kind == kTileCausal) {
      count = std::min(count, panels_.LastPosition(p) - start + 1);
      if (count <= 0) return;
      if (start + count - 1 > panels_.FirstPosition(p)) {
        panels_.CausalLimits(p, start, mask_room.last);
        mask.last = mask_room.last;
      }
    } else if (kind >= kTileMasked) {
      GatherMask(kind - kTileMasked, p, mask_room.words);
      mask.words = mask_room.words;
    }
    Attend(p, count, mask, room);
  }

  // words[w][r]: word w of the mask of lane r's row.
  void GatherMask(int64_t mask, int32_t p, uint32_t* words) const {
    const int32_t per_row = plan_.MaskWords();
    const int32_t* const rows = plan_.masks + mask * plan_.tile_q * per_row;
    for (int32_t r = 0; r < kernels_.panel; ++r) {
      for (int32_t w = 0; w < per_row; ++w) {
        const bool used = r < panels_.Used(p);
        words[w * kernels_.panel + r] = used ? rows[panels_.Row(p, r) * per_row + w] : 0;
      }
    }
  }

  void Attend(int32_t p, int32_t count, const PanelMask& mask, const TileRoom& room) {
    kernels_.panel_scores(panels_.q(p), room.keys, count, c_.kv.dim, room.scores);
    kernels_.panel_softmax(room.scores, count, &mask, panels_.maximum(p), panels_.sum(p),
                           room.keep);
    kernels_.panel_values(room.scores, room.values, count, c_.kv.dim, room.keep, panels_.out(p));
  }

  void FinishPanel(int32_t p) const {
    const int64_t dim = c_.kv.dim;
    const float* const o = panels_.out(p);
    for (int32_t r = 0; r < panels_.Used(p); ++r) {
      const int64_t row = first_row_ + panels_.Row(p, r);
      const int64_t index = row * c_.queries.heads + bundle_.heads[panels_.Head(p, r)];
      const float sum = panels_.sum(p)[r];
      const float inverse = sum == 0 ? 0 : 1 / sum;
      float* const target = c_.out + index * dim;
      for (int64_t i = 0; i < dim; ++i) target[i] = o[i * kernels_.panel + r] * inverse;
      c_.lse[index] =
          sum == 0 ? -INFINITY
                   : static_cast<float>((panels_.maximum(p)[r] + std::log2(double{sum})) * kLn2);
    }
  }

  const TileCall& c_;
  const Kernels& kernels_;
  const TilePlan& plan_;
  const Bundle& bundle_;
  int32_t row_tile_;
  int64_t first_row_, rows_;
  int32_t tile_;  // the next one
  QueryPanels panels_;
};

class ItemRun {
 public:
  ItemRun(const TileCall& tile_call, const Item& item) : c_(tile_call), bundle_(*item.bundle) {
    const Kernels& kernels = c_.call.kernels();
    const int64_t stacked = bundle_.plan->tile_q * static_cast<int64_t>(bundle_.heads.size());
    Scratch& scratch = ThreadScratch();
    scratch.Begin(item.count * QueryPanels::Floats(kernels, stacked, c_.kv.dim) +
                  TileRoom::Floats(c_.kv.dim));
    room_.keys = scratch.Take(kMaxTileKeys * c_.kv.dim);
    room_.values = scratch.Take(kMaxTileKeys * c_.kv.dim);
    room_.scores = scratch.Take(kMaxTileKeys * kernels.panel);
    room_.keep = scratch.Take(kernels.panel);
    row_tiles_.reserve(item.count);
    for (int32_t i = 0; i < item.count; ++i) {
      row_tiles_.emplace_back(c_, bundle_, item.first + i, &scratch);
    }
  }

  void Run() {
    for (int64_t start = NextStart(); start != kNoKey; start = NextStart()) {
      c_.call.Poll();
      UseTiles(start);
    }
    for (RowTile& rows : row_tiles_) rows.UseColumns(room_);
    for (const RowTile& rows : row_tiles_) rows.Finish();
  }

 private:
  int64_t NextStart() const {
    int64_t start = kNoKey;
    for (const RowTile& rows : row_tiles_) start = std::min(start, rows.NextStart());
    return start;
  }

  // The next tile of each row tile where it starts there.
  void UseTiles(int64_t start) {
    int64_t count = 0;
    for (const RowTile& rows : row_tiles_) {
      if (rows.NextStart() == start) count = std::max(count, rows.NextCount());
    }
    const Kernels& kernels = c_.call.kernels();
    TileRows(kernels, c_.kv, bundle_.kv_head, start, count, Part::kKeys, room_.keys);
    TileRows(kernels, c_.kv, bundle_.kv_head, start, count, Part::kValues, room_.values);
    for (RowTile& rows : row_tiles_) {
      if (rows.NextStart() == start) rows.UseNext(room_);
    }
  }

  const TileCall& c_;
  const Bundle& bundle_;
  TileRoom room_;
  std::vector<RowTile> row_tiles_;
};

// Lanes of the panels of a row tile.
int64_t LanesOf(const TileCall& tile_call, const Bundle& bundle) {
  const int64_t panel = tile_call.call.kernels().panel;
  const int64_t rows = bundle.plan->tile_q * static_cast<int64_t>(bundle.heads.size());
  return (rows + panel - 1) / panel * panel;
}

// Lanes that an item may have: few enough that the threads share the work evenly.
int64_t ItemLanes(const TileCall& tile_call, int64_t most, const std::vector<Bundle>& bundles) {
  int64_t lanes = 0;
  for (const Bundle& bundle : bundles) {
    lanes += LanesOf(tile_call, bundle) * bundle.plan->row_tiles;
  }
  return std::min(most, lanes / (8 * tile_call.call.threads()));
}

// Longest first, so that the last items to finish are short.
std::vector<Item> MakeItems(const TileCall& tile_call, int64_t most,
                            const std::vector<Bundle>& bundles) {
  const int64_t item_lanes = ItemLanes(tile_call, most, bundles);
  std::vector<Item> items;
  for (const Bundle& bundle : bundles) {
    const TilePlan& plan = *bundle.plan;
    const int64_t lanes = LanesOf(tile_call, bundle);
    const int32_t tiles = static_cast<int32_t>(std::max<int64_t>(1, item_lanes / lanes));
    for (int32_t r = 0; r < plan.row_tiles; r += tiles) {
      const int32_t count = std::min(tiles, plan.row_tiles - r);
      const int64_t keys = int64_t{plan.row_ptr[r + count] - plan.row_ptr[r]} * plan.tile_k +
                           plan.col_ptr[r + count] - plan.col_ptr[r];
      items.push_back({&bundle, r, count, keys * lanes});
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.cost > b.cost; });
  return items;
}

void AttendTilesF32(const TileCall& tile_call, const TilePlans& plans) {
  const Call& call = tile_call.call;
  const int64_t most = std::min(kItemLanes, kItemFloats / tile_call.kv.dim);
  const std::vector<Bundle> bundles = MakeBundles(tile_call, plans, most);
  const std::vector<Item> items = MakeItems(tile_call, most, bundles);
  call.For(items.size(), [&](int64_t i) {
    ItemRun(tile_call, items[i]).Run();
    call.Progress(items[i].count * items[i].bundle->heads.size());
  });
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_attend_tiles(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                   int32_t heads, int32_t kv_heads, int32_t dim, float scale,
                                   void* const* pages, int32_t stride, int32_t kv_dtype,
                                   int32_t kv_len, const int32_t* plans, int64_t plan_words,
                                   float* out, float* lse) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    const AttendTilesCall c{q,      q_start, tokens,     heads, scale, kv,
                            kv_len, plans,   plan_words, out,   lse};
    TilePlans read{};
    if (!CheckAttendTiles(c, &read)) return;
    const Call call(run);
    const TileCall tile_call{call, {q, heads, dim, scale}, kv, q_start, tokens, kv_len, out, lse};
    if (call.bf16() != nullptr) return AttendTilesBf16(tile_call, read);
    AttendTilesF32(tile_call, read);
  });
}
