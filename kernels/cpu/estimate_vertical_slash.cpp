// Column and diagonal sums of the attention of a few rows, in O(keys) memory.
//
//   e[t][j] = 2^(s[t][j] - m_t[j]);  m_t[j] = max of row t up to the tile of j (first sweep)
//   a[t][j] = e[t][j] 2^(m_t[j] - m_t) / l_t;  m_t, l_t = max and sum of row t (second)
//   vertical[j] = sum_t a[t][j];  slash[delta] = sum_t a[t][q_start + t - delta]
//
// Both sweeps are cut into spans of keys, whatever the number of threads; the listed heads of a KV
// head share the keys. As many exponentials as a third-level cache holds are kept between the
// sweeps, the others are computed again. A span owns its part of `vertical`. Its diagonals overlap
// with those of its neighbours, so that each span sums them apart, and the parts are added in the
// order of the spans.
#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "../common/estimate_calls.h"
#include "../common/head_groups.h"
#include "dispatch.h"
#include "tile_scores.h"

namespace longlens {
namespace {

constexpr int64_t kSpanKeys = 2048;
constexpr int64_t kBlockRows = 64;
// Bound on the queries of an item: they should stay in the second-level cache.
constexpr int64_t kItemFloats = 1 << 15;
// Bound on the stacked rows of an item.
constexpr int64_t kItemLanes = 256;
// Bound on the exponentials that are kept.
constexpr int64_t kKeptFloats = 1 << 22;

struct SumCall {
  const Call& call;
  Queries queries;
  KvView kv;
  int64_t q_start, tokens;
  float *vertical, *slash;

  int64_t Keys() const { return q_start + tokens; }
  int64_t Spans() const { return (Keys() + kSpanKeys - 1) / kSpanKeys; }
  int64_t SpanEnd(int64_t span) const { return std::min(Keys(), (span + 1) * kSpanKeys); }
  int64_t RowBlocks() const { return (tokens + kBlockRows - 1) / kBlockRows; }
  // Diagonals that keys of a span can lie on: entry x is distance q_start - (span + 1) * kSpanKeys
  // + 1 + x. Those below 0 lie in the future and stay 0.
  int64_t PartFloats() const { return kSpanKeys + tokens - 1; }
  int64_t FirstDistance(int64_t span) const { return q_start - (span + 1) * kSpanKeys + 1; }
};

// Lanes of a panel that belong to one head.
struct Segment {
  int32_t place;  // in the group
  int32_t lane, lanes, row;
};

// Running softmax of the rows of a block over one span, [lanes] each.
struct RowStats {
  float *maximum, *sum;
};

// A block of rows of a group's heads, over one span of keys.
class SpanBlock {
 public:
  SpanBlock(const SumCall& c, const HeadGroup& group, int64_t row_block, int64_t span, float* tiles)
      : c_(c),
        kernels_(c.call.kernels()),
        group_(group),
        span_(span),
        first_(c.q_start + row_block * kBlockRows),
        rows_(std::min(kBlockRows, c.tokens - row_block * kBlockRows)),
        panels_(kernels_, c.queries, group.heads.data(), group.heads.size(), first_ - c.q_start,
                rows_, first_, Begin()),
        tiles_(tiles) {}

  // First sweep: the maximum and sum of each row.
  void Summarise(const RowStats& stats) {
    const int32_t width = kernels_.panel;
    TileScores scores(c_.call, c_.queries, c_.kv, panels_, group_.heads.data(), first_ - c_.q_start,
                      &ThreadScratch());
    ForTiles([&](int64_t start, int32_t count) {
      scores.Take(group_.kv_head, start, count);
      for (int32_t p = 0; p < panels_.count(); ++p) {
        float* const tile = TileOf(p, start, count);
        scores.Write(p, tile);
        Softmax(p, start, count, tile);
      }
    });
    for (int32_t p = 0; p < panels_.count(); ++p) {
      std::copy_n(panels_.maximum(p), width, stats.maximum + p * width);
      std::copy_n(panels_.sum(p), width, stats.sum + p * width);
    }
  }

  // Second sweep: adds the probabilities to `vertical` and to parts[place] of this span.
  void AddUp(const RowStats& total, const std::vector<float*>& parts) {
    const int32_t width = kernels_.panel;
    ForTiles([&](int64_t start, int32_t count) {
      for (int32_t p = 0; p < panels_.count(); ++p) {
        const float* const tile = TileOf(p, start, count);
        FetchEarly(tile + (count + 1) * width, (count + 1) * width * sizeof(float));
        float factors[kMaxPanel];
        std::copy_n(tile + count * width, width, factors);
        const PanelMask all{};
        kernels_.panel_probs(factors, 1, &all, total.maximum + p * width, total.sum + p * width);
        for (int32_t lane = 0; lane < panels_.Used(p);) {
          const Segment segment = SegmentAt(p, lane);
          AddSegment(segment, start, count, tile, factors, parts[segment.place]);
          lane += segment.lanes;
        }
      }
    });
  }

 private:
  Scratch* Begin() const {
    Scratch& scratch = ThreadScratch();
    const int64_t stacked = rows_ * static_cast<int64_t>(group_.heads.size());
    scratch.Begin(QueryPanels::Floats(kernels_, stacked, c_.kv.dim) +
                  TileScores::Floats(c_.call, stacked, c_.kv.dim));
    return &scratch;
  }

  template <class Use>
  void ForTiles(const Use& use) const {
    const int64_t end = std::min(c_.SpanEnd(span_), first_ + rows_);
    for (int64_t start = span_ * kSpanKeys; start < end; start += kMaxTileKeys) {
      c_.call.Poll();
      use(start, static_cast<int32_t>(std::min<int64_t>(kMaxTileKeys, end - start)));
    }
  }

  // Of panel p and the keys from `start` on: [count + 1][panel], behind the keys what they are
  // relative to.
  float* TileOf(int32_t p, int64_t start, int32_t count) const {
    const int64_t key = start % kSpanKeys, lines = key + key / kMaxTileKeys;
    return tiles_ + (lines * panels_.count() + p * (count + 1)) * kernels_.panel;
  }

  // The scores of a tile become exponentials relative to the maximum so far.
  void Softmax(int32_t p, int64_t start, int32_t count, float* tile) const {
    int32_t last[kMaxPanel];
    PanelMask mask{};
    if (start + count - 1 > panels_.FirstPosition(p)) {
      panels_.CausalLimits(p, start, last);
      mask.last = last;
    }
    float keep[kMaxPanel];
    kernels_.panel_softmax(tile, count, &mask, panels_.maximum(p), panels_.sum(p), keep);
    std::copy_n(panels_.maximum(p), kernels_.panel, tile + count * kernels_.panel);
  }

  Segment SegmentAt(int32_t p, int32_t lane) const {
    const int32_t row = panels_.Row(p, lane);
    const int32_t lanes = std::min<int32_t>(panels_.Used(p) - lane, panels_.rows() - row);
    return {panels_.Head(p, lane), lane, lanes, row};
  }

  void AddSegment(const Segment& segment, int64_t start, int32_t count, const float* tile,
                  const float* factors, float* part) const {
    float* const columns = c_.vertical + group_.places[segment.place] * c_.Keys() + start;
    float* const diagonals = part + (first_ + segment.row - start - c_.FirstDistance(span_));
    kernels_.panel_sums(tile + segment.lane, count, factors + segment.lane, segment.lanes, columns,
                        diagonals);
  }

  const SumCall& c_;
  const Kernels& kernels_;
  const HeadGroup& group_;
  int64_t span_, first_;
  int32_t rows_;
  QueryPanels panels_;
  float* tiles_;
};

// Of exponentials that were kept.
Spare<Buffer<float>>& SpareKept() {
  static Spare<Buffer<float>> spare;
  return spare;
}

// The tiles of a span that is not kept.
Buffer<float>& ThreadTiles() {
  thread_local Buffer<float> tiles;
  return tiles;
}

// What the items of a call share.
class VerticalSlash {
 public:
  VerticalSlash(const SumCall& c, const int32_t* chosen, int32_t count, int32_t heads,
                int32_t kv_heads)
      : c_(c),
        count_(count),
        spans_(c.Spans()),
        blocks_(c.RowBlocks()),
        kept_(SpareKept().Take()) {
    const int64_t rows = std::clamp<int64_t>(c.tokens, 1, kBlockRows);
    const int64_t kept_lanes = kKeptFloats / c.Keys();
    const int64_t item_lanes = std::min(kItemFloats / c.kv.dim, kItemLanes);
    const int64_t most_lanes = kept_lanes < rows ? item_lanes : std::min(kept_lanes, item_lanes);
    const int64_t most = std::max<int64_t>(1, most_lanes / rows);
    const int64_t width = c.call.kernels().panel;
    groups_ = GroupHeads(chosen, count, heads, kv_heads, most);
    lanes_ = (std::min<int64_t>(most, count) * rows + width - 1) / width * width;
    span_floats_ = lanes_ * (kSpanKeys + kSpanKeys / kMaxTileKeys);
    const int64_t kept_spans = std::max<int64_t>(1, kKeptFloats / (lanes_ * kSpanKeys));
    spans_kept_ = std::min(kept_spans, spans_);
    batch_ = std::max<int64_t>(1, std::min(kept_spans / spans_, Units()));
    kept_->Reserve(batch_ * spans_kept_ * span_floats_);
    stats_.Reserve(batch_ * (spans_ + 1) * 2 * lanes_);
    parts_.Reserve(count_ * spans_ * c.PartFloats());
  }

  ~VerticalSlash() { SpareKept().Give(std::move(kept_)); }
  VerticalSlash(const VerticalSlash&) = delete;
  VerticalSlash& operator=(const VerticalSlash&) = delete;

  void Run() {
    c_.call.For(count_, [&](int64_t place) { ClearSums(place); });
    for (int64_t first = 0; first < Units(); first += batch_) {
      RunBatch(first, std::min(Units(), first + batch_));
    }
    c_.call.For(count_, [&](int64_t place) { AddParts(place); });
  }

 private:
  // A unit is a block of rows of a group.
  int64_t Units() const { return static_cast<int64_t>(groups_.size()) * blocks_; }

  void RunBatch(int64_t first, int64_t end) const {
    c_.call.For((end - first) * spans_, [&](int64_t item) {
      const int64_t unit = first + item / spans_, span = item % spans_;
      SpanBlockOf(unit, span).Summarise(Stats(unit, span));
    });
    c_.call.For(end - first, [&](int64_t i) { Join(first + i); });
    const int64_t group = first / blocks_, groups = (end - 1) / blocks_ + 1 - group;
    c_.call.For(groups * spans_, [&](int64_t item) {
      const int64_t of_group = (group + item / spans_) * blocks_;
      AddUp(std::max(first, of_group), std::min(end, of_group + blocks_), item % spans_);
    });
  }

  const HeadGroup& GroupOf(int64_t unit) const { return groups_[unit / blocks_]; }

  bool IsKept(int64_t span) const { return span < spans_kept_; }

  SpanBlock SpanBlockOf(int64_t unit, int64_t span) const {
    float* const tiles =
        IsKept(span) ? kept_->data() + (unit % batch_ * spans_kept_ + span) * span_floats_
                     : ThreadTiles().Reserve(span_floats_);
    return {c_, GroupOf(unit), unit % blocks_, span, tiles};
  }

  // Of a span; number spans_ holds those of all spans, with the inverse of the sum.
  RowStats Stats(int64_t unit, int64_t span) const {
    float* const stats = stats_.data() + (unit % batch_ * (spans_ + 1) + span) * 2 * lanes_;
    return {stats, stats + lanes_};
  }

  float* PartOf(int64_t place, int64_t span) const {
    return parts_.data() + (place * spans_ + span) * c_.PartFloats();
  }

  void Join(int64_t unit) const {
    const RowStats all = Stats(unit, spans_);
    const int64_t width = c_.call.kernels().panel;
    const int64_t rows = std::min(kBlockRows, c_.tokens - unit % blocks_ * kBlockRows);
    const int64_t stacked = rows * static_cast<int64_t>(GroupOf(unit).heads.size());
    for (int64_t lane = 0; lane < (stacked + width - 1) / width * width; ++lane) {
      float maximum = -INFINITY;
      for (int64_t s = 0; s < spans_; ++s) {
        maximum = std::max(maximum, Stats(unit, s).maximum[lane]);
      }
      double sum = 0;
      for (int64_t s = 0; s < spans_; ++s) {
        const RowStats some = Stats(unit, s);
        sum += some.sum[lane] * std::exp2(double{some.maximum[lane]} - maximum);
      }
      all.maximum[lane] = maximum;
      all.sum[lane] = static_cast<float>(1 / sum);
    }
  }

  // Units first .. end-1 are of one group.
  void AddUp(int64_t first, int64_t end, int64_t span) const {
    const HeadGroup& group = GroupOf(first);
    std::vector<float*> parts;
    for (const int32_t place : group.places) parts.push_back(PartOf(place, span));
    for (int64_t unit = first; unit < end; ++unit) {
      SpanBlock block = SpanBlockOf(unit, span);
      if (!IsKept(span)) block.Summarise(Stats(unit, span));
      block.AddUp(Stats(unit, spans_), parts);
    }
    if (end % blocks_ == 0) c_.call.Progress(group.heads.size());
  }

  void ClearSums(int64_t place) const {
    std::fill_n(PartOf(place, 0), spans_ * c_.PartFloats(), 0.0f);
    std::fill_n(c_.vertical + place * c_.Keys(), c_.Keys(), 0.0f);
  }

  void AddParts(int64_t place) const {
    float* const slash = c_.slash + place * c_.Keys();
    std::fill_n(slash, c_.Keys(), 0.0f);
    for (int64_t span = 0; span < spans_; ++span) {
      const float* const part = PartOf(place, span);
      const int64_t shift = c_.FirstDistance(span);
      const int64_t end = std::min(c_.PartFloats(), c_.Keys() - shift);
      for (int64_t x = std::max<int64_t>(0, -shift); x < end; ++x) slash[shift + x] += part[x];
    }
  }

  const SumCall& c_;
  int64_t count_, spans_, blocks_, lanes_, span_floats_, spans_kept_, batch_;
  std::vector<HeadGroup> groups_;
  std::unique_ptr<Buffer<float>> kept_;
  Buffer<float> stats_, parts_;
};

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_vertical_slash(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                     int32_t heads, const int32_t* chosen, int32_t count,
                                     int32_t kv_heads, int32_t dim, float scale,
                                     void* const* pages, int32_t stride, int32_t kv_dtype,
                                     float* vertical, float* slash) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    const ChosenQueries queries{q, q_start, tokens, heads, chosen, count, scale, kv};
    if (!CheckVerticalSlash(queries, vertical, slash)) return;
    const Call call(run);
    const SumCall sum{call, {q, heads, dim, scale}, kv, q_start, tokens, vertical, slash};
    VerticalSlash(sum, chosen, count, heads, kv_heads).Run();
  });
}
