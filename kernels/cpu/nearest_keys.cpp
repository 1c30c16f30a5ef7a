// The k keys with the largest q . k for many rows.
//
//   s[j][r] = sum_i k[j][i] q[i][r]      a tile of keys against panels of rows
// A block of rows is packed once; each tile of keys is widened once for all its panels. A row keeps
// the score of its k-th best key: a tile whose scores are all below is done with. Where there are
// few rows the keys are cut into spans, whose bests are joined.
#include <algorithm>
#include <vector>

#include "../common/graph_calls.h"
#include "best_keys.h"
#include "dispatch.h"
#include "key_rows.h"
#include "quantise.h"
#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kBlockRows = 256;   // packed, they fit the second cache
constexpr int64_t kLeastSpan = 4096;  // below, joining costs more than another thread gains
constexpr int64_t kPollTiles = 4;
constexpr const char* kAction = "find the nearest keys";

struct Nearest {
  const Call& call;
  KvView kv;
  const float* q;
  int64_t rows, kv_head, start, end, k, span;
  SpanBests* bests;  // of each row
};

// Some rows in panels, and the best keys of each.
class RowBlock {
 public:
  RowBlock(const Nearest& n, int64_t first, int64_t s, Scratch* scratch)
      : n_(n),
        width_(n.call.kernels().panel),
        first_(first),
        rows_(std::min(kBlockRows, n.rows - first)),
        q_(scratch->Take(Lanes(n) * n.kv.dim)),
        limits_(scratch->Take(Lanes(n))),
        scores_(scratch->Take(kMaxTileKeys * width_)) {
    std::fill_n(limits_, Lanes(n), INFINITY);
    for (int64_t r = 0; r < rows_; r += width_) Pack(r);
    for (int64_t r = 0; r < rows_; ++r) {
      best_.push_back(n.bests->Of(first + r, s, n.k));
      limits_[r] = -INFINITY;
    }
  }
  static int64_t Lanes(const Nearest& n) {
    const int64_t panel = n.call.kernels().panel;
    return (std::min(kBlockRows, n.rows) + panel - 1) / panel * panel;
  }
  static int64_t Floats(const Nearest& n) {
    const int64_t lanes = Lanes(n);
    return Scratch::RoundUp(lanes * n.kv.dim) + Scratch::RoundUp(lanes) +
           Scratch::RoundUp(kMaxTileKeys * kMaxPanel);
  }

  // Scores a tile of keys for all rows.
  void Add(const float* keys, int64_t first_key, int32_t count) {
    for (int64_t r = 0; r < rows_; r += width_) {
      n_.call.kernels().panel_scores(q_ + r * n_.kv.dim, keys, count, n_.kv.dim, scores_);
      for (int32_t j = 0; j < count; ++j) {
        if (IsAbove(scores_ + j * width_, limits_ + r)) Push(r, j, first_key + j);
      }
    }
  }
  // Raises the limits to the k-th best so far.
  void Tighten() {
    for (int64_t r = 0; r < rows_; ++r) {
      best_[r].Finish();
      limits_[r] = best_[r].lowest();
    }
  }
  void Finish(int64_t s) {
    for (int64_t r = 0; r < rows_; ++r) n_.bests->Finish(first_ + r, s, &best_[r]);
  }

 private:
  void Pack(int64_t r) {
    const void* rows[kMaxPanel];
    const int32_t used = static_cast<int32_t>(std::min<int64_t>(width_, rows_ - r));
    for (int32_t i = 0; i < used; ++i) rows[i] = n_.q + (first_ + r + i) * n_.kv.dim;
    n_.call.kernels().pack_panel(rows, LL_F32, used, n_.kv.dim, 1.0f, q_ + r * n_.kv.dim);
  }
  // Whether any row's score is above its limit; eight at a time: every panel is a multiple of it.
  bool IsAbove(const float* scores, const float* limits) const {
    int32_t above = 0;
    for (int64_t r = 0; r < width_; r += 8) {
      for (int i = 0; i < 8; ++i) above |= scores[r + i] > limits[r + i] ? -1 : 0;
    }
    return above != 0;
  }
  void Push(int64_t r, int32_t j, int64_t key) {
    const int64_t used = std::min<int64_t>(width_, rows_ - r);
    for (int64_t i = 0; i < used; ++i) {
      const float score = scores_[j * width_ + i];
      if (!(score > limits_[r + i])) continue;
      best_[r + i].Push(score, static_cast<int32_t>(key));
      limits_[r + i] = best_[r + i].lowest();
    }
  }

  const Nearest& n_;
  int64_t width_, first_, rows_;
  float *q_, *limits_, *scores_;
  std::vector<BestKeys> best_;
};

void SearchSpan(const Nearest& n, int64_t first_row, int64_t s) {
  Scratch& scratch = ThreadScratch();
  scratch.Begin(RowBlock::Floats(n) + Scratch::RoundUp(kMaxTileKeys * n.kv.dim));
  RowBlock block(n, first_row, s, &scratch);
  float* const tile = scratch.Take(kMaxTileKeys * n.kv.dim);
  const int64_t first = n.start + s * n.span, end = std::min(n.end, first + n.span);
  for (int64_t key = first; key < end; key += kMaxTileKeys) {
    if ((key - first) / kMaxTileKeys % kPollTiles == 0) n.call.Poll();
    const int64_t count = std::min<int64_t>(kMaxTileKeys, end - key);
    TileRows(n.call.kernels(), n.kv, n.kv_head, key, count, Part::kKeys, tile);
    Require(AllFinite(tile, count * n.kv.dim), kAction, "keys must be finite: one is not, from key",
            key);
    block.Add(tile, key, static_cast<int32_t>(count));
    const int64_t tiles = (key - first) / kMaxTileKeys + 1;
    if ((tiles & (tiles - 1)) == 0) block.Tighten();  // while there are few, many are kept
  }
  block.Finish(s);
}

void Write(const Nearest& n, int64_t row, int64_t k, int32_t* keys, float* scores) {
  const int64_t count = n.bests->Join(row);
  float* const own = scores == nullptr ? nullptr : scores + row * k;
  WriteBest(n.bests->Joined(row), count, k, keys + row * k, own);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_nearest_keys(ll_run* run, const float* q, int32_t rows, int32_t kv_head,
                                   int32_t dim, void* const* pages, int32_t stride,
                                   int32_t kv_dtype, int32_t start, int32_t end, int32_t k,
                                   int32_t* keys, float* scores) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    if (!CheckNearestKeys({q, rows, kv_head, kv, start, end, k, keys, scores})) return;
    Require(AllFinite(q, int64_t{rows} * dim), kAction, "q must be finite: a number is not, rows",
            rows);
    const Call call(run);
    const int64_t count = int64_t{end} - start, blocks = (rows + kBlockRows - 1) / kBlockRows;
    // Items enough for the threads: what is left when one of them is done should be little.
    const int64_t wanted = std::max<int64_t>(1, 4 * call.threads() / blocks);
    const int64_t span = std::max(kLeastSpan, (count + wanted - 1) / wanted);
    const int64_t spans = (count + span - 1) / span, kept = std::min<int64_t>(k, span);
    SpanBests bests;
    bests.Begin(rows, spans, kept, span);
    const Nearest n{call, kv, q, rows, kv_head, start, end, kept, span, &bests};
    call.For(blocks * spans, [&](int64_t item) {
      const int64_t first = item / spans * kBlockRows;
      SearchSpan(n, first, item % spans);
      if (item % spans == 0) call.Progress(std::min(kBlockRows, rows - first));
    });
    call.For(rows, [&](int64_t row) { Write(n, row, k, keys, scores); });
  });
}
