// Block scores from sums along antidiagonals (XAttention), without the matrix of cells.
//
//   s[I][J] = scale / S * sum_r q[I S + S - 1 - r] . k[J S + r],  r < S
//   W[R][C] = sum over the cells of block (R, C) of softmax_J(s[I])
//
// A cell is a dot product of depth S * dim: S rows of keys lie one behind the other, and the query
// rows of a cell are packed in reverse. Tokens after the last one count as zeros. One sweep over
// the keys suffices: a row keeps, for each block of keys, the sum e_C of its cells and the maximum
// m_C that it held then, and at the end
//   W[R][C] = sum over the rows I of block R of e_C e^(m_C - m) / l
#include <algorithm>
#include <cmath>
#include <vector>

#include "../common/estimate_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "query_panels.h"
#include "scratch.h"

namespace longlens {
namespace {

// Bound on the queries of an item: they should stay in the second-level cache.
constexpr int64_t kItemFloats = 1 << 16;
// Keys that are scored together, where blocks are shorter: few cells at a time would leave a part of
// the kernel's rows unused.
constexpr int64_t kTileKeys = 384;

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

struct CellCall {
  const Call& call;
  Queries queries;
  KvView kv;
  int64_t q_start, tokens, stride, block;

  int64_t Keys() const { return q_start + tokens; }
  int64_t QBlocks() const { return DivideUp(tokens, block); }
  int64_t KBlocks() const { return DivideUp(Keys(), block); }
  // Cells along a side of a block.
  int64_t Side() const { return block / stride; }
  // Last cell of keys that begins at or before the end of cell `row` of queries.
  int64_t Last(int64_t row) const {
    return (std::min(q_start + (row + 1) * stride, Keys()) - 1) / stride;
  }
};

// Some whole row blocks of one head.
class CellRows {
 public:
  CellRows(const CellCall& c, int32_t head, int64_t first_block, int64_t blocks)
      : c_(c),
        kernels_(c.call.kernels()),
        width_(kernels_.panel),
        depth_(c.stride * c.kv.dim),
        head_(head),
        first_(first_block * c.Side()),
        rows_(std::min(DivideUp(c.tokens, c.stride) - first_, blocks * c.Side())),
        panels_(DivideUp(rows_, width_)),
        k_blocks_(c.Last(first_ + rows_ - 1) / c.Side() + 1),
        tile_blocks_(std::max<int64_t>(1, kTileKeys / c.block)) {
    const int64_t lanes = panels_ * width_, tile = tile_blocks_ * c.block;
    const int64_t cells = tile / c.stride * width_;
    Scratch& scratch = ThreadScratch();
    scratch.Begin(Scratch::RoundUp(lanes * depth_) + Scratch::RoundUp(tile * c.kv.dim) +
                  Scratch::RoundUp(cells) + 2 * Scratch::RoundUp(lanes) +
                  2 * Scratch::RoundUp(lanes * k_blocks_));
    q_ = scratch.Take(lanes * depth_);
    keys_ = scratch.Take(tile * c.kv.dim);
    scores_ = scratch.Take(cells);
    maximum_ = scratch.Take(lanes);
    sum_ = scratch.Take(lanes);
    block_sum_ = scratch.Take(lanes * k_blocks_);
    block_maximum_ = scratch.Take(lanes * k_blocks_);
    std::fill_n(maximum_, lanes, -INFINITY);
    std::fill_n(sum_, lanes, 0.0f);
    for (int64_t p = 0; p < panels_; ++p) Pack(p);
  }

  // Writes rows first_block .. of the head's sums [q_blocks][k_blocks].
  void Run(float* sums) {
    for (int64_t block = 0; block < k_blocks_; block += tile_blocks_) {
      c_.call.Poll();
      const int64_t start = block * c_.block;
      const int64_t end = std::min(c_.Keys(), (block + tile_blocks_) * c_.block);
      FillKeys(start, end - start);
      for (int64_t p = 0; p < panels_; ++p) ScoreTile(p, block, DivideUp(end - start, c_.stride));
    }
    for (int64_t p = 0; p < panels_; ++p) Finish(p, sums);
  }

 private:
  int64_t Used(int64_t p) const { return std::min(width_, rows_ - p * width_); }

  // q[r dim + i][lane] = query of the cell's row stride - 1 - r
  void Pack(int64_t p) const {
    const std::vector<float> zeros(c_.kv.dim);
    const float factor = static_cast<float>(c_.queries.scale * kLog2E / c_.stride);
    for (int64_t r = 0; r < c_.stride; ++r) {
      const void* source[kMaxPanel];
      for (int64_t lane = 0; lane < Used(p); ++lane) {
        const int64_t row = (first_ + p * width_ + lane + 1) * c_.stride - 1 - r;
        source[lane] = row < c_.tokens ? c_.queries.Row(row, head_) : zeros.data();
      }
      kernels_.pack_panel(source, LL_F32, Used(p), c_.kv.dim, factor,
                          q_ + (p * depth_ + r * c_.kv.dim) * width_);
    }
  }

  // Keys start .. start+count-1, then zeros to the end of their last cell.
  void FillKeys(int64_t start, int64_t count) const {
    const int64_t dim = c_.kv.dim;
    const int64_t kv_head = head_ / (c_.queries.heads / c_.kv.kv_heads);
    for (int64_t j = 0; j < count; j += kMaxTileKeys) {
      const int64_t tile = std::min<int64_t>(kMaxTileKeys, count - j);
      TileRows(kernels_, c_.kv, kv_head, start + j, tile, Part::kKeys, keys_ + j * dim);
    }
    std::fill(keys_ + count * dim, keys_ + DivideUp(count, c_.stride) * depth_, 0.0f);
  }

  // Scores of panel p with `cells` cells of keys, and e and m of the blocks that they lie in.
  void ScoreTile(int64_t p, int64_t block, int64_t cells) const {
    const int64_t last_row = first_ + p * width_ + Used(p) - 1;
    const int64_t seen = std::min(cells, c_.Last(last_row) - block * c_.Side() + 1);
    if (seen > 0) {
      kernels_.panel_scores(q_ + p * depth_ * width_, keys_, seen, depth_, scores_);
    }
    const int64_t end = std::min(k_blocks_, block + tile_blocks_);
    for (int64_t b = block, cell = 0; b < end; ++b, cell += c_.Side()) {
      SumBlock(p, b, scores_ + cell * width_, std::min(c_.Side(), seen - cell));
    }
  }

  // e and m of panel p for one block of keys, of which `seen` cells have scores.
  void SumBlock(int64_t p, int64_t block, float* scores, int64_t seen) const {
    float* const maximum = maximum_ + p * width_;
    float* const sum = sum_ + p * width_;
    float* const block_sum = block_sum_ + (p * k_blocks_ + block) * width_;
    std::fill_n(block_sum, width_, 0.0f);
    if (seen > 0) {
      const int64_t row = first_ + p * width_, start = block * c_.Side();
      int32_t last[kMaxPanel];
      for (int64_t lane = 0; lane < width_; ++lane) {
        last[lane] = static_cast<int32_t>(c_.Last(row + std::min(lane, Used(p) - 1)) - start);
      }
      const PanelMask mask{last[0] >= seen - 1 ? nullptr : last, nullptr};
      float keep[kMaxPanel];
      kernels_.panel_softmax(scores, seen, &mask, maximum, block_sum, keep);
      for (int64_t lane = 0; lane < width_; ++lane) {
        sum[lane] = sum[lane] * keep[lane] + block_sum[lane];
      }
    }
    std::copy_n(maximum, width_, block_maximum_ + (p * k_blocks_ + block) * width_);
  }

  void Finish(int64_t p, float* sums) const {
    float inverse[kMaxPanel];
    for (int64_t lane = 0; lane < width_; ++lane) inverse[lane] = 1 / sum_[p * width_ + lane];
    // e^(m_C - m) / l in the place of m_C
    float* const weights = block_maximum_ + p * k_blocks_ * width_;
    const PanelMask all{nullptr, nullptr};
    kernels_.panel_probs(weights, k_blocks_, &all, maximum_ + p * width_, inverse);
    const float* const block_sum = block_sum_ + p * k_blocks_ * width_;
    for (int64_t lane = 0; lane < Used(p); ++lane) {
      float* const row = sums + (first_ + p * width_ + lane) / c_.Side() * c_.KBlocks();
      for (int64_t block = 0; block < k_blocks_; ++block) {
        row[block] += block_sum[block * width_ + lane] * weights[block * width_ + lane];
      }
    }
  }

  const CellCall& c_;
  const Kernels& kernels_;
  int64_t width_, depth_;
  int32_t head_;
  int64_t first_, rows_, panels_, k_blocks_, tile_blocks_;
  float *q_, *keys_, *scores_, *maximum_, *sum_, *block_sum_, *block_maximum_;
};

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_antidiagonal_scores(ll_run* run, const float* q, int32_t q_start,
                                          int32_t tokens, int32_t heads, const int32_t* chosen,
                                          int32_t count, int32_t kv_heads, int32_t dim, float scale,
                                          void* const* pages, int32_t stride, int32_t kv_dtype,
                                          int32_t step, int32_t block, float* scores) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    const ChosenQueries queries{q, q_start, tokens, heads, chosen, count, scale, kv};
    if (!CheckAntidiagonals(queries, step, block, scores)) return;
    const Call call(run);
    const CellCall c{call, {q, heads, dim, scale}, kv, q_start, tokens, step, block};
    const int64_t rows = kItemFloats / (int64_t{step} * dim);
    const int64_t each = std::max<int64_t>(1, rows / c.Side());
    const int64_t items = DivideUp(c.QBlocks(), each), size = c.QBlocks() * c.KBlocks();
    // The longest items first, so that the last ones to finish are short.
    call.For(count * items, [&](int64_t item) {
      const int64_t place = item % count, first = (items - 1 - item / count) * each;
      const int64_t blocks = std::min(each, c.QBlocks() - first);
      float* const target = scores + place * size;
      std::fill_n(target + first * c.KBlocks(), blocks * c.KBlocks(), 0.0f);
      CellRows(c, chosen[place], first, blocks).Run(target);
      call.Progress(blocks);
    });
  });
}
