// Prefill attention over tile plans with the products of a bf16 unit (bf16_kernels.h).
//
// Keys and values of a KV head are packed once, page by page. A work item is some neighbouring row
// tiles of the heads of a bundle, whose stacked rows stand in blocks of 32. The item goes over the
// pages in order; at each page, all its blocks of rows use the page while it is near the core. Of
// a page, the blocks of 32 keys that some row sees are multiplied; where not all rows see all keys
// of them, the others are hidden by masks. So a tile that starts at a key that is no multiple of 32
// costs as much as one that covers the blocks it touches. Where a row tile does not see the whole
// page, its blocks wait for those of its next pages: a step costs little more for eight blocks than
// for two. Columns are packed for each row tile and come last.
//
// Keys of a block that a row does not see must have finite values, as they are multiplied with 0.
#include "bf16_attention.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "key_rows.h"
#include "packed_kv.h"
#include "seen_keys.h"

namespace longlens {
namespace {

// Blocks of rows of an item: as many as share a page well, while their queries and results stay in
// the second-level cache.
constexpr int64_t kItemBlocks = 16;
constexpr int64_t kItemBytes = 1 << 19;
// Steps that are handed to the unit at once, if not a few more.
constexpr int64_t kSteps = 32;

// Row tiles first .. first+count-1 of a bundle's heads.
struct Item {
  const Bundle* bundle;
  int32_t first, count;
  int64_t cost;
};

// A part of a tile: what of it lies in a page.
struct Piece {
  int64_t page;
  int32_t tile;
};

// The stacked rows of one row tile in blocks of 32, with their running softmax. Lane i of block p,
// n = 32 p + i, is row n % rows of the head at n / rows.
struct RowBlocks {
  int32_t row_tile, rows, stacked;
  int64_t first_row;
  uint16_t* q;                 // [blocks][32 * depth]
  float *out, *maximum, *sum;  // [blocks][32 * depth], [blocks][32], [blocks][32]
  std::vector<Piece> pieces;   // by page
  size_t next = 0;             // piece
  int32_t waiting[kStepBlocks];  // blocks of the KV head for the next step
  int32_t count = 0;             // of them
  SeenKeys* seen = nullptr;      // of their keys, if not all rows see all of them

  int32_t blocks() const { return (stacked + kBlock - 1) / kBlock; }
};

class ItemRun {
 public:
  ItemRun(const TileCall& tile_call, const PackedKv& packed, const Item& item)
      : c_(tile_call),
        bf16_(*tile_call.call.bf16()),
        packed_(packed),
        item_(item),
        plan_(*item.bundle->plan),
        depth_(PaddedDepth(tile_call.kv.dim)),
        factor_(tile_call.queries.scale == 0 ? 1 : std::abs(tile_call.queries.scale) * kLog2E) {
    TakeScratch();
    for (int32_t i = 0; i < item.count; ++i) AddRowTile(item.first + i);
    steps_.reserve(kSteps);
  }

  void Run() {
    const InUse in_use(bf16_);
    for (int64_t page = NextPage(); page >= 0; page = NextPage()) {
      for (RowBlocks& rows : row_blocks_) UsePage(page, &rows);
    }
    for (RowBlocks& rows : row_blocks_) UseWaiting(&rows);
    Attend();
    for (const RowBlocks& rows : row_blocks_) UseColumns(rows);
    for (const RowBlocks& rows : row_blocks_) Finish(rows);
  }

 private:
  // ---- making ----

  void TakeScratch() {
    Scratch& scratch = ThreadScratch();
    const int64_t heads = item_.bundle->heads.size();
    const int64_t tile_blocks = (plan_.tile_q * heads + kBlock - 1) / kBlock;
    const int64_t lanes = item_.count * tile_blocks * kBlock;
    const int64_t span = kStepKeys * depth_ / 2, rows = kBlock * c_.kv.dim;
    scratch.Begin(lanes * depth_ / 2 + lanes * depth_ + 2 * lanes + kAttendFloats + 2 * span +
                  2 * Scratch::RoundUp(rows));
    q_ = reinterpret_cast<uint16_t*>(scratch.Take(lanes * depth_ / 2));
    out_ = scratch.Take(lanes * depth_);
    maximum_ = scratch.Take(lanes);
    sum_ = scratch.Take(lanes);
    room_ = scratch.Take(kAttendFloats);
    column_keys_ = reinterpret_cast<uint16_t*>(scratch.Take(span));
    column_values_ = reinterpret_cast<uint16_t*>(scratch.Take(span));
    key_rows_ = scratch.Take(rows);
    value_rows_ = scratch.Take(rows);
    std::fill_n(out_, lanes * depth_, 0.0f);
    std::fill_n(maximum_, lanes, -INFINITY);
    std::fill_n(sum_, lanes, 0.0f);
  }

  void AddRowTile(int32_t row_tile) {
    RowBlocks rows{};
    rows.row_tile = row_tile;
    rows.first_row = int64_t{row_tile} * plan_.tile_q;
    rows.rows = static_cast<int32_t>(std::min<int64_t>(plan_.tile_q, c_.tokens - rows.first_row));
    rows.stacked = rows.rows * static_cast<int32_t>(item_.bundle->heads.size());
    const int64_t lane = lanes_;
    lanes_ += int64_t{rows.blocks()} * kBlock;
    rows.q = q_ + lane * depth_;
    rows.out = out_ + lane * depth_;
    rows.maximum = maximum_ + lane;
    rows.sum = sum_ + lane;
    PackQueries(rows);
    AddPieces(&rows);
    row_blocks_.push_back(std::move(rows));
  }

  void PackQueries(const RowBlocks& rows) const {
    const float scale = c_.queries.scale;
    const float sign = scale > 0 ? 1 : scale < 0 ? -1 : 0;
    for (int32_t p = 0; p < rows.blocks(); ++p) {
      const void* source[kBlock];
      const int32_t used = std::min(kBlock, rows.stacked - p * kBlock);
      for (int32_t i = 0; i < used; ++i) {
        const int32_t n = p * kBlock + i;
        source[i] = c_.queries.Row(rows.first_row + n % rows.rows,
                                   item_.bundle->heads[n / rows.rows]);
      }
      bf16_.pack_left(source, LL_F32, used, c_.kv.dim, sign, rows.q + p * kBlock * depth_);
    }
  }

  void AddPieces(RowBlocks* rows) const {
    const int64_t end_position = c_.q_start + rows->first_row + rows->rows;
    std::vector<Piece>& pieces = rows->pieces;
    for (int32_t x = plan_.row_ptr[rows->row_tile]; x < plan_.row_ptr[rows->row_tile + 1]; ++x) {
      const int64_t start = plan_.key_start[x];
      int64_t end = std::min<int64_t>(start + plan_.tile_k, c_.kv_len);
      if (plan_.kind[x] == kTileCausal) end = std::min(end, end_position);
      if (start >= end) continue;
      for (int64_t page = start / kStepKeys; page * kStepKeys < end; ++page) {
        pieces.push_back({page, x});
      }
    }
    const auto earlier = [](const Piece& a, const Piece& b) { return a.page < b.page; };
    if (!std::is_sorted(pieces.begin(), pieces.end(), earlier)) {
      std::stable_sort(pieces.begin(), pieces.end(), earlier);
    }
  }

  // ---- steps ----

  // The first page that a row tile has still to use; -1: none.
  int64_t NextPage() const {
    int64_t page = -1;
    for (const RowBlocks& rows : row_blocks_) {
      if (rows.next == rows.pieces.size()) continue;
      const int64_t next = rows.pieces[rows.next].page;
      page = page < 0 ? next : std::min(page, next);
    }
    return page;
  }

  void UsePage(int64_t page, RowBlocks* rows) {
    const size_t first = rows->next;
    int64_t full_keys = 0;
    for (; rows->next < rows->pieces.size() && rows->pieces[rows->next].page == page; ++rows->next)
      full_keys += FullKeys(*rows, rows->pieces[rows->next]);
    if (rows->next == first) return;
    const int32_t first_block = static_cast<int32_t>(page * kStepBlocks);
    // No key is held twice.
    if (full_keys == kStepKeys) {
      int32_t blocks[kStepBlocks];
      std::iota(blocks, blocks + kStepBlocks, first_block);
      return AddPageSteps(*rows, blocks, kStepBlocks, nullptr);
    }
    page_.Begin(page * kStepKeys, rows->rows, c_.q_start + rows->first_row);
    for (size_t i = first; i < rows->next; ++i) page_.Add(plan_, rows->pieces[i].tile, c_.kv_len);
    uint32_t any[kStepBlocks], all[kStepBlocks];
    page_.Summarise(0, rows->rows, any, all);
    for (int32_t b = 0; b < kStepBlocks; ++b) {
      if (any[b] != 0) Wait(first_block + b, b, all[b] == ~0u, rows);
    }
  }

  // Lets block b of the page, which all rows see whole or not, wait for others of its row tile.
  void Wait(int32_t block, int32_t b, bool is_whole, RowBlocks* rows) {
    if (!is_whole && rows->seen == nullptr) {
      rows->seen = NextMask();
      rows->seen->BeginWhole(rows->rows);
    }
    if (!is_whole) rows->seen->TakeBlock(rows->count, page_, b);
    rows->waiting[rows->count++] = block;
    if (rows->count == kStepBlocks) UseWaiting(rows);
  }

  void UseWaiting(RowBlocks* rows) {
    AddPageSteps(*rows, rows->waiting, rows->count, rows->seen);
    if (rows->seen != nullptr) lent_.push_back(rows->seen);
    rows->seen = nullptr;
    rows->count = 0;
  }

  // Keys of the piece if all rows see all of them, else 0.
  int64_t FullKeys(const RowBlocks& rows, const Piece& piece) const {
    const int64_t start = plan_.key_start[piece.tile], first = piece.page * kStepKeys;
    const int64_t end = std::min<int64_t>(start + plan_.tile_k, c_.kv_len);
    const int32_t kind = plan_.kind[piece.tile];
    const bool is_past = kind == kTileCausal && end <= c_.q_start + rows.first_row + 1;
    if (kind != kTileFull && !is_past) return 0;
    return std::min(end, first + kStepKeys) - std::max(start, first);
  }

  // Columns of the row tile, a span at a time.
  void UseColumns(const RowBlocks& rows) {
    const int32_t end = plan_.col_ptr[rows.row_tile + 1];
    for (int32_t x = plan_.col_ptr[rows.row_tile]; x < end; x += kStepKeys) {
      const int32_t count = std::min(kStepKeys, end - x);
      PackColumns(plan_.columns + x, count);
      SeenKeys* seen = nullptr;
      if (count < kStepKeys) {
        seen = NextMask();
        seen->Begin(0, rows.rows, 0);
        seen->AddFirst(count);
        lent_.push_back(seen);
      }
      int32_t blocks[kStepBlocks];
      std::iota(blocks, blocks + kStepBlocks, 0);
      AddSteps(rows, column_keys_, column_values_, blocks, kStepBlocks, seen);
      Attend();
    }
  }

  void PackColumns(const int32_t* columns, int32_t count) const {
    const Kernels& kernels = c_.call.kernels();
    for (int32_t j = 0; j < count; j += kBlock) {
      const int32_t now = std::min(kBlock, count - j), head = item_.bundle->kv_head;
      ColumnRows(kernels, c_.kv, head, columns + j, now, Part::kKeys, key_rows_);
      ColumnRows(kernels, c_.kv, head, columns + j, now, Part::kValues, value_rows_);
      PackBlock(bf16_, key_rows_, value_rows_, now, c_.kv.dim, column_keys_ + j * depth_,
                column_values_ + j * depth_);
    }
  }

  // Steps of packed blocks of the KV head.
  void AddPageSteps(const RowBlocks& rows, const int32_t* blocks, int32_t count,
                    const SeenKeys* seen) {
    const int32_t head = item_.bundle->kv_head;
    AddSteps(rows, packed_.Keys(head), packed_.Values(head), blocks, count, seen);
  }

  // A step for each block of rows that sees a key. seen: of the blocks in their order; null if all
  // rows see all of them.
  void AddSteps(const RowBlocks& rows, const uint16_t* keys, const uint16_t* values,
                const int32_t* blocks, int32_t count, const SeenKeys* seen) {
    for (int32_t p = 0; p < rows.blocks(); ++p) {
      AttendStep step{};
      step.keys = keys;
      step.values = values;
      step.q = rows.q + p * kBlock * depth_;
      step.out = rows.out + p * kBlock * depth_;
      step.maximum = rows.maximum + p * kBlock;
      step.sum = rows.sum + p * kBlock;
      step.first = p * kBlock;
      ChooseBlocks(seen, std::min(kBlock, rows.stacked - step.first), blocks, count, &step);
      if (step.count == 0) continue;
      steps_.push_back(step);
    }
    if (steps_.size() >= kSteps) Attend();
  }

  static void ChooseBlocks(const SeenKeys* seen, int32_t lanes, const int32_t* blocks,
                           int32_t count, AttendStep* step) {
    uint32_t any[kStepBlocks], all[kStepBlocks];
    if (seen != nullptr) seen->Summarise(step->first, lanes, any, all);
    for (int32_t n = 0; n < count; ++n) {
      if (seen != nullptr && any[n] == 0) continue;
      step->blocks[step->count] = blocks[n];
      step->places[step->count++] = n;
      if (seen == nullptr || all[n] == ~0u) continue;
      step->words = seen->words();
      step->rows = seen->rows();
    }
  }

  SeenKeys* NextMask() {
    if (spare_.empty()) {
      masks_.push_back(std::make_unique<SeenKeys>());
      return masks_.back().get();
    }
    SeenKeys* const mask = spare_.back();
    spare_.pop_back();
    return mask;
  }

  // After this no step waits, so that what was lent to steps, and columns, may change.
  void Attend() {
    c_.call.Poll();
    bf16_.attend(steps_.data(), steps_.size(), depth_, factor_, room_);
    steps_.clear();
    spare_.insert(spare_.end(), lent_.begin(), lent_.end());
    lent_.clear();
  }

  void Finish(const RowBlocks& rows) const {
    const int64_t dim = c_.kv.dim;
    for (int32_t n = 0; n < rows.stacked; ++n) {
      const int64_t row = rows.first_row + n % rows.rows;
      const int64_t index = row * c_.queries.heads + item_.bundle->heads[n / rows.rows];
      const float sum = rows.sum[n], maximum = rows.maximum[n];
      const float inverse = sum == 0 ? 0 : 1 / sum;
      for (int64_t i = 0; i < dim; ++i) {
        c_.out[index * dim + i] = rows.out[n * depth_ + i] * inverse;
      }
      const double lse = (double{maximum} * factor_ + std::log2(double{sum})) * kLn2;
      c_.lse[index] = sum == 0 ? -INFINITY : static_cast<float>(lse);
    }
  }

  const TileCall& c_;
  const Bf16Kernels& bf16_;
  const PackedKv& packed_;
  const Item& item_;
  const TilePlan& plan_;
  int64_t depth_;
  float factor_;
  std::vector<RowBlocks> row_blocks_;
  std::vector<AttendStep> steps_;
  SeenKeys page_;  // the one that is used
  std::vector<std::unique_ptr<SeenKeys>> masks_;
  std::vector<SeenKeys*> spare_, lent_;  // lent: to steps that wait
  int64_t lanes_ = 0;
  uint16_t *q_, *column_keys_, *column_values_;
  float *out_, *maximum_, *sum_, *room_, *key_rows_, *value_rows_;
};

int64_t BlocksOf(const Bundle& bundle) {
  const int64_t rows = bundle.plan->tile_q * static_cast<int64_t>(bundle.heads.size());
  return (rows + kBlock - 1) / kBlock;
}

// Blocks of rows that an item may have: few enough that the threads share the work evenly.
int64_t ItemBlocks(const TileCall& tile_call, const Bundle* bundles, size_t count) {
  const int64_t block_bytes = 6 * kBlock * PaddedDepth(tile_call.kv.dim);
  int64_t blocks = 0;
  for (size_t i = 0; i < count; ++i) blocks += BlocksOf(bundles[i]) * bundles[i].plan->row_tiles;
  const int64_t share = blocks / (4 * tile_call.call.threads());
  return std::max<int64_t>(1, std::min({kItemBlocks, kItemBytes / block_bytes, share}));
}

// Longest first, so that the last items to finish are short.
std::vector<Item> MakeItems(const TileCall& tile_call, const Bundle* bundles, size_t count) {
  const int64_t most = ItemBlocks(tile_call, bundles, count);
  std::vector<Item> items;
  for (const Bundle* bundle = bundles; bundle < bundles + count; ++bundle) {
    const TilePlan& plan = *bundle->plan;
    const int32_t tiles = static_cast<int32_t>(std::max<int64_t>(1, most / BlocksOf(*bundle)));
    for (int32_t r = 0; r < plan.row_tiles; r += tiles) {
      const int32_t here = std::min(tiles, plan.row_tiles - r);
      const int64_t area = int64_t{plan.row_ptr[r + here] - plan.row_ptr[r]} * plan.tile_k +
                           plan.col_ptr[r + here] - plan.col_ptr[r];
      items.push_back({bundle, r, here, area * BlocksOf(*bundle)});
    }
  }
  std::stable_sort(items.begin(), items.end(),
                   [](const Item& a, const Item& b) { return a.cost > b.cost; });
  return items;
}

}  // namespace

void AttendTilesBf16(const TileCall& tile_call, const TilePlans& plans) {
  const std::vector<Bundle> bundles = MakeBundles(tile_call, plans, kItemBlocks * kBlock);
  PackedKv packed(tile_call);
  for (size_t first = 0, end; first < bundles.size(); first = end) {
    const int32_t head = bundles[first].kv_head;
    for (end = first; end < bundles.size() && bundles[end].kv_head < head + packed.batch(); ++end) {
    }
    packed.Fill(&bundles[first], end - first);
    const std::vector<Item> items = MakeItems(tile_call, &bundles[first], end - first);
    tile_call.call.For(items.size(), [&](int64_t i) {
      ItemRun(tile_call, packed, items[i]).Run();
      tile_call.call.Progress(items[i].count * items[i].bundle->heads.size());
    });
  }
}

}  // namespace longlens
