// Prefill attention over tile plans, by online softmax.
//
//   s[j][r] = scale q[r] . k[j];  m' = max(m, max_j s[j][r])
//   keep = e^(m - m');  p[j][r] = e^(s[j][r] - m');  l' = l keep + sum_j p[j][r]
//   o'[i][r] = o[i][r] keep + sum_j p[j][r] v[j][i];  at the end out = o / l, lse = m + log l
//
// A work item is one row tile of the heads of a KV head that share a plan. Their rows stand side by
// side in panels, so that a tile of keys and values is fetched (and widened) once for all of them.
// The columns of a row tile come last, in batches of kMaxTileKeys. A tile's sums are made apart and
// added as one term, which keeps long rows exact. Each item is computed by one thread in a fixed
// order: results do not depend on timing.
#include <algorithm>
#include <cmath>
#include <vector>

#include "bf16_attention.h"
#include "key_rows.h"
#include "tile_call.h"

namespace longlens {
namespace {

// Bounds on the rows of an item: its queries and results should stay in the second-level cache.
constexpr int64_t kItemFloats = 1 << 15;
constexpr int64_t kItemRows = 512;

struct Item {
  const Bundle* bundle;
  int32_t row_tile;
  int64_t cost;
};

// Which keys of a tile a panel's rows see, in room of its own.
struct MaskRoom {
  int32_t last[kMaxPanel];
  uint32_t words[kMaxTileKeys / 32 * kMaxPanel];
};

class RowTile {
 public:
  RowTile(const TileCall& tile_call, const Bundle& bundle, int32_t row_tile)
      : c_(tile_call),
        kernels_(tile_call.call.kernels()),
        plan_(*bundle.plan),
        bundle_(bundle),
        row_tile_(row_tile),
        first_row_(int64_t{row_tile} * plan_.tile_q),
        rows_(std::min<int64_t>(plan_.tile_q, tile_call.tokens - first_row_)),
        panels_(kernels_, c_.queries, bundle.heads.data(), bundle.heads.size(), first_row_, rows_,
                c_.q_start + first_row_, Begin()) {
    Scratch& scratch = ThreadScratch();
    keys_ = scratch.Take(kMaxTileKeys * c_.kv.dim);
    values_ = scratch.Take(kMaxTileKeys * c_.kv.dim);
    scores_ = scratch.Take(kMaxTileKeys * kernels_.panel);
    keep_ = scratch.Take(kernels_.panel);
  }

  void Run() {
    for (int32_t x = plan_.row_ptr[row_tile_]; x < plan_.row_ptr[row_tile_ + 1]; ++x) {
      c_.call.Poll();
      Tile(plan_.key_start[x], plan_.kind[x]);
    }
    const int32_t end = plan_.col_ptr[row_tile_ + 1];
    for (int32_t j = plan_.col_ptr[row_tile_]; j < end; j += kMaxTileKeys) {
      c_.call.Poll();
      Columns(plan_.columns + j, std::min(kMaxTileKeys, end - j));
    }
    for (int32_t p = 0; p < panels_.count(); ++p) Finish(p);
  }

 private:
  Scratch* Begin() const {
    Scratch& scratch = ThreadScratch();
    const int64_t stacked = rows_ * static_cast<int64_t>(bundle_.heads.size());
    scratch.Begin(QueryPanels::Floats(kernels_, stacked, c_.kv.dim) +
                  2 * Scratch::RoundUp(kMaxTileKeys * c_.kv.dim) + (kMaxTileKeys + 1) * kMaxPanel);
    return &scratch;
  }

  void Tile(int64_t start, int32_t kind) {
    const int64_t last_position = c_.q_start + first_row_ + rows_ - 1;
    int64_t count = std::min<int64_t>(plan_.tile_k, c_.kv_len - start);
    if (kind == kTileCausal) count = std::min(count, last_position - start + 1);
    if (count <= 0) return;
    TileRows(kernels_, c_.kv, bundle_.kv_head, start, count, Part::kKeys, keys_);
    TileRows(kernels_, c_.kv, bundle_.kv_head, start, count, Part::kValues, values_);
    for (int32_t p = 0; p < panels_.count(); ++p) {
      MaskRoom room;
      PanelMask mask{nullptr, nullptr};
      int64_t seen = count;
      if (kind == kTileCausal) {
        seen = std::min(seen, panels_.LastPosition(p) - start + 1);
        if (seen <= 0) continue;
        if (start + seen - 1 > panels_.FirstPosition(p)) {
          panels_.CausalLimits(p, start, room.last);
          mask.last = room.last;
        }
      } else if (kind >= kTileMasked) {
        GatherMask(kind - kTileMasked, p, room.words);
        mask.words = room.words;
      }
      Panel(p, seen, mask);
    }
  }

  void Columns(const int32_t* columns, int32_t count) {
    ColumnRows(kernels_, c_.kv, bundle_.kv_head, columns, count, Part::kKeys, keys_);
    ColumnRows(kernels_, c_.kv, bundle_.kv_head, columns, count, Part::kValues, values_);
    const PanelMask all{nullptr, nullptr};
    for (int32_t p = 0; p < panels_.count(); ++p) Panel(p, count, all);
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

  void Panel(int32_t p, int32_t count, const PanelMask& mask) {
    kernels_.panel_scores(panels_.q(p), keys_, count, c_.kv.dim, scores_);
    kernels_.panel_softmax(scores_, count, &mask, panels_.maximum(p), panels_.sum(p), keep_);
    kernels_.panel_values(scores_, values_, count, c_.kv.dim, keep_, panels_.out(p));
  }

  void Finish(int32_t p) const {
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
  QueryPanels panels_;
  float *keys_, *values_, *scores_, *keep_;
};

// Longest first, so that the last items to finish are short.
std::vector<Item> MakeItems(const std::vector<Bundle>& bundles) {
  std::vector<Item> items;
  for (const Bundle& bundle : bundles) {
    const TilePlan& plan = *bundle.plan;
    for (int32_t r = 0; r < plan.row_tiles; ++r) {
      const int64_t tiles = plan.row_ptr[r + 1] - plan.row_ptr[r];
      const int64_t columns = plan.col_ptr[r + 1] - plan.col_ptr[r];
      const int64_t rows = int64_t{plan.tile_q} * static_cast<int64_t>(bundle.heads.size());
      items.push_back({&bundle, r, (tiles * plan.tile_k + columns) * rows});
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.cost > b.cost; });
  return items;
}

void AttendTilesF32(const TileCall& tile_call, const TilePlans& plans) {
  const Call& call = tile_call.call;
  const int64_t item_rows = std::min(kItemRows, kItemFloats / tile_call.kv.dim);
  const std::vector<Bundle> bundles = MakeBundles(tile_call, plans, item_rows);
  const std::vector<Item> items = MakeItems(bundles);
  call.For(items.size(), [&](int64_t i) {
    RowTile(tile_call, *items[i].bundle, items[i].row_tile).Run();
    call.Progress(items[i].bundle->heads.size());
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
    const char* const action = "attend tiles";
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    Require(tokens >= 0, action, "tokens must be >= 0", tokens);
    Require(q_start >= 0, action, "q_start must be >= 0", q_start);
    Require(kv_heads > 0, action, "kv_heads must be > 0", kv_heads);
    Require(heads > 0 && heads % kv_heads == 0, action, "heads must be a multiple of kv_heads",
            heads);
    Require(int64_t{q_start} + tokens <= kv_len, action, "kv_len must be >= q_start + tokens",
            kv_len);
    CheckKv(action, kv, kv_len);
    if (tokens == 0) return;
    RequirePointer(q, action, "q");
    RequirePointer(out, action, "out");
    RequirePointer(lse, action, "lse");
    const TilePlans read = ReadTilePlans(plans, plan_words, heads, tokens, kv_len);
    const Call call(run);
    const TileCall tile_call{call, {q, heads, dim, scale}, kv, q_start, tokens, kv_len, out, lse};
    if (call.bf16() != nullptr) return AttendTilesBf16(tile_call, read);
    AttendTilesF32(tile_call, read);
  });
}
