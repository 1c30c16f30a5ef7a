// The pooled n x n attention map of one head, in O(rows of a block) memory.
//
//   m_i, l_i = max and sum of row i (first sweep);  p_ij = e^(s_ij - m_i) / l_i (second sweep)
//   sum[bin(i)][bin(j)] += p_ij,  max[bin(i)][bin(j)] = max(.., p_ij),  bin(t) = t * bins / n
//
// A work item is a run of whole query bins, so that its rows of the map belong to one thread and
// the order of additions is fixed. With the rows in the lanes of a panel, a key bin is summed
// vertically and leaves the panel once, at its end.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../common/key_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "query_panels.h"

namespace longlens {
namespace {

constexpr int64_t kBlockRows = 64;

struct MapCall {
  const Call& call;
  Queries queries;
  int32_t head;
  KvView kv;
  int64_t kv_head, q_start, tokens, n, bins;
  float *sum, *max;

  int64_t Bin(int64_t token) const { return token * bins / n; }
  // First token of a bin.
  int64_t BinStart(int64_t bin) const { return (bin * n + bins - 1) / bins; }
};

// Up to kBlockRows rows.
class MapBlock {
 public:
  MapBlock(const MapCall& map_call, int64_t first, int64_t rows)
      : c_(map_call),
        kernels_(map_call.call.kernels()),
        first_(first),
        last_(first + rows - 1),
        panels_(kernels_, c_.queries, &c_.head, 1, first - c_.q_start, rows, first, Begin(rows)) {
    Scratch& scratch = ThreadScratch();
    keys_ = scratch.Take(kMaxTileKeys * c_.kv.dim);
    scores_ = scratch.Take(kMaxTileKeys * kernels_.panel);
    inverse_ = scratch.Take(kernels_.panel);
  }

  void Run() {
    Sweep([&](int32_t p, int64_t, int32_t count, const PanelMask& mask) {
      float keep[kMaxPanel];
      kernels_.panel_softmax(scores_, count, &mask, panels_.maximum(p), panels_.sum(p), keep);
    });
    Sweep([&](int32_t p, int64_t start, int32_t count, const PanelMask& mask) {
      for (int32_t r = 0; r < kernels_.panel; ++r) inverse_[r] = 1 / panels_.sum(p)[r];
      kernels_.panel_probs(scores_, count, &mask, panels_.maximum(p), inverse_);
      Pool(p, start, count);
    });
  }

 private:
  Scratch* Begin(int64_t rows) const {
    Scratch& scratch = ThreadScratch();
    scratch.Begin(QueryPanels::Floats(kernels_, rows, c_.kv.dim) +
                  Scratch::RoundUp(kMaxTileKeys * c_.kv.dim) + (kMaxTileKeys + 1) * kMaxPanel);
    return &scratch;
  }

  // Calls use(panel, start, count, mask) with the scores of each panel and tile on or below the
  // diagonal.
  template <class Use>
  void Sweep(const Use& use) {
    for (int64_t start = 0; start <= last_; start += kMaxTileKeys) {
      c_.call.Poll();
      const int64_t count = std::min<int64_t>(kMaxTileKeys, last_ + 1 - start);
      TileRows(kernels_, c_.kv, c_.kv_head, start, count, Part::kKeys, keys_);
      for (int32_t p = 0; p < panels_.count(); ++p) {
        const int64_t seen = std::min(count, panels_.LastPosition(p) - start + 1);
        if (seen <= 0) continue;
        int32_t last[kMaxPanel];
        panels_.CausalLimits(p, start, last);
        const bool all = start + seen - 1 <= panels_.FirstPosition(p);
        const PanelMask mask{all ? nullptr : last, nullptr};
        kernels_.panel_scores(panels_.q(p), keys_, seen, c_.kv.dim, scores_);
        use(p, start, static_cast<int32_t>(seen), mask);
      }
    }
  }

  // Adds the probabilities of keys start .. start+count-1 to the map.
  void Pool(int32_t p, int64_t start, int32_t count) const {
    const int32_t width = kernels_.panel;
    for (int32_t j = 0; j < count;) {
      const int64_t bin = c_.Bin(start + j);
      const int32_t end =
          static_cast<int32_t>(std::min<int64_t>(count, c_.BinStart(bin + 1) - start));
      float sum[kMaxPanel] = {}, max[kMaxPanel] = {};
      for (; j < end; ++j) {
        for (int32_t r = 0; r < width; ++r) {
          const float prob = scores_[j * width + r];
          sum[r] += prob;
          max[r] = max[r] < prob ? prob : max[r];
        }
      }
      for (int32_t r = 0; r < panels_.Used(p); ++r) {
        const int64_t cell = c_.Bin(first_ + panels_.Row(p, r)) * c_.bins + bin;
        c_.sum[cell] += sum[r];
        c_.max[cell] = std::max(c_.max[cell], max[r]);
      }
    }
  }

  const MapCall& c_;
  const Kernels& kernels_;
  int64_t first_, last_;
  QueryPanels panels_;
  float *keys_, *scores_, *inverse_;
};

// Rows where items begin, last ones first because they are the longest, as pairs start, end.
std::vector<std::pair<int64_t, int64_t>> MakeItems(const MapCall& c) {
  std::vector<std::pair<int64_t, int64_t>> items;
  const int64_t end = c.q_start + c.tokens;
  for (int64_t start = c.q_start; start < end;) {
    int64_t bin = c.Bin(start), stop = c.BinStart(bin + 1);
    while (stop < end && c.BinStart(bin + 2) - start <= kBlockRows) stop = c.BinStart(++bin + 1);
    items.emplace_back(start, std::min(stop, end));
    start = stop;
  }
  std::reverse(items.begin(), items.end());
  return items;
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_pool_map(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                               int32_t heads, int32_t head, int32_t kv_heads, int32_t dim,
                               float scale, void* const* pages, int32_t stride, int32_t kv_dtype,
                               int32_t n, int32_t bins, float* sum, float* max) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    const PoolMapCall c{q, q_start, tokens, heads, head, scale, kv, n, bins, sum, max};
    if (!CheckPoolMap(c)) return;
    const Call call(run);
    const MapCall map_call{
        call, {q, heads, dim, scale}, head, kv, c.KvHead(), q_start, tokens, n, bins, sum, max};
    const auto items = MakeItems(map_call);
    call.For(items.size(), [&](int64_t i) {
      const auto [start, end] = items[i];
      for (int64_t row = start; row < end; row += kBlockRows) {
        const int64_t rows = std::min(kBlockRows, end - row);
        MapBlock(map_call, row, rows).Run();
        call.Progress(rows);
      }
    });
  });
}
