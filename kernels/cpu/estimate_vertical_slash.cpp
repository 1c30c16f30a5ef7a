// Column and diagonal sums of the attention of a few rows, in O(keys) memory.
//
//   m_t, l_t = max and sum of row t (first sweep);  a[t][j] = e^(s[t][j] - m_t) / l_t (second)
//   vertical[j] = sum_t a[t][j];  slash[delta] = sum_t a[t][q_start + t - delta]
//
// Both sweeps are cut into spans of keys, whatever the number of threads; the listed heads of a KV
// head share the keys. A span owns its part of `vertical`. Its diagonals overlap with those of its
// neighbours, so that each span sums them apart, and the parts are added in the order of the spans.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "../common/estimate_calls.h"
#include "../common/head_groups.h"
#include "dispatch.h"
#include "key_rows.h"
#include "query_panels.h"

namespace longlens {
namespace {

constexpr int64_t kSpanKeys = 2048;
constexpr int64_t kBlockRows = 64;
// Bound on the queries of an item: they should stay in the second-level cache.
constexpr int64_t kItemFloats = 1 << 15;

constexpr std::array<float, kMaxPanel> Ones() {
  std::array<float, kMaxPanel> ones{};
  ones.fill(1.0f);
  return ones;
}
constexpr std::array<float, kMaxPanel> kOnes = Ones();

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
  SpanBlock(const SumCall& c, const HeadGroup& group, int64_t row_block, int64_t span)
      : c_(c),
        kernels_(c.call.kernels()),
        group_(group),
        span_(span),
        first_(c.q_start + row_block * kBlockRows),
        rows_(std::min(kBlockRows, c.tokens - row_block * kBlockRows)),
        panels_(kernels_, c.queries, group.heads.data(), group.heads.size(), first_ - c.q_start,
                rows_, first_, Begin()) {
    Scratch& scratch = ThreadScratch();
    keys_ = scratch.Take(kMaxTileKeys * c.kv.dim);
    scores_ = scratch.Take(kMaxTileKeys * kernels_.panel);
  }

  // First sweep: the maximum and sum of each row.
  void Summarise(const RowStats& stats) {
    Sweep([&](int32_t p, int64_t, int32_t count, const PanelMask& mask) {
      float keep[kMaxPanel];
      kernels_.panel_softmax(scores_, count, &mask, panels_.maximum(p), panels_.sum(p), keep);
    });
    for (int32_t p = 0; p < panels_.count(); ++p) {
      std::copy_n(panels_.maximum(p), kernels_.panel, stats.maximum + p * kernels_.panel);
      std::copy_n(panels_.sum(p), kernels_.panel, stats.sum + p * kernels_.panel);
    }
  }

  // Second sweep: adds the probabilities to `vertical` and to parts[place] of this span.
  void AddUp(const RowStats& total, const std::vector<float*>& parts) {
    Sweep([&](int32_t p, int64_t start, int32_t count, const PanelMask& mask) {
      const int32_t width = kernels_.panel;
      kernels_.panel_probs(scores_, count, &mask, total.maximum + p * width,
                           total.sum + p * width);
      for (int32_t lane = 0; lane < panels_.Used(p);) {
        const Segment segment = SegmentAt(p, lane);
        AddColumns(segment, start, count);
        AddDiagonals(segment, start, count, parts[segment.place]);
        lane += segment.lanes;
      }
    });
  }

 private:
  Scratch* Begin() const {
    Scratch& scratch = ThreadScratch();
    const int64_t stacked = rows_ * static_cast<int64_t>(group_.heads.size());
    scratch.Begin(QueryPanels::Floats(kernels_, stacked, c_.kv.dim) +
                  Scratch::RoundUp(kMaxTileKeys * c_.kv.dim) + kMaxTileKeys * kMaxPanel);
    return &scratch;
  }

  // Calls use(panel, start, count, mask) with the scores of each panel and tile of the span.
  template <class Use>
  void Sweep(const Use& use) {
    const int64_t end = std::min(c_.SpanEnd(span_), first_ + rows_);
    for (int64_t start = span_ * kSpanKeys; start < end; start += kMaxTileKeys) {
      c_.call.Poll();
      const int64_t count = std::min<int64_t>(kMaxTileKeys, end - start);
      TileRows(kernels_, c_.kv, group_.kv_head, start, count, Part::kKeys, keys_);
      for (int32_t p = 0; p < panels_.count(); ++p) {
        int32_t last[kMaxPanel];
        panels_.CausalLimits(p, start, last);
        const bool all = start + count - 1 <= panels_.FirstPosition(p);
        const PanelMask mask{all ? nullptr : last, nullptr};
        kernels_.panel_scores(panels_.q(p), keys_, count, c_.kv.dim, scores_);
        use(p, start, static_cast<int32_t>(count), mask);
      }
    }
  }

  Segment SegmentAt(int32_t p, int32_t lane) const {
    const int32_t row = panels_.Row(p, lane);
    const int32_t lanes = std::min<int32_t>(panels_.Used(p) - lane, panels_.rows() - row);
    return {panels_.Head(p, lane), lane, lanes, row};
  }

  void AddColumns(const Segment& segment, int64_t start, int32_t count) const {
    const void* rows[kMaxTileKeys];
    for (int32_t j = 0; j < count; ++j) rows[j] = scores_ + j * kernels_.panel + segment.lane;
    float* const target = c_.vertical + group_.places[segment.place] * c_.Keys() + start;
    kernels_.dot_rows(rows, LL_F32, count, segment.lanes, kOnes.data(), kMaxPanel, 1, target,
                      kMaxTileKeys, true);
  }

  // part[distance of lane and key j] += a[j][lane]
  void AddDiagonals(const Segment& segment, int64_t start, int32_t count, float* part) const {
    const int32_t width = kernels_.panel;
    float* const target = part + (first_ + segment.row - start - c_.FirstDistance(span_));
    // Keys a panel apart touch different sums, so that no addition waits for the one before it.
    for (int32_t residue = 0; residue < width; ++residue) {
      for (int32_t j = residue; j < count; j += width) {
        const float* const probs = scores_ + j * width + segment.lane;
        for (int32_t r = 0; r < segment.lanes; ++r) target[r - j] += probs[r];
      }
    }
  }

  const SumCall& c_;
  const Kernels& kernels_;
  const HeadGroup& group_;
  int64_t span_, first_;
  int32_t rows_;
  QueryPanels panels_;
  float *keys_, *scores_;
};

// What the items of a call share.
class VerticalSlash {
 public:
  VerticalSlash(const SumCall& c, const int32_t* chosen, int32_t count, int32_t heads,
                int32_t kv_heads)
      : c_(c), count_(count), spans_(c.Spans()), blocks_(c.RowBlocks()) {
    const int64_t rows = std::clamp<int64_t>(c.tokens, 1, kBlockRows);
    const int64_t most = std::max<int64_t>(1, kItemFloats / (c.kv.dim * rows));
    groups_ = GroupHeads(chosen, count, heads, kv_heads, most);
    lanes_ = Scratch::RoundUp(std::min<int64_t>(most, count) * rows + kMaxPanel);
    stats_.Reserve(Groups() * blocks_ * (spans_ + 1) * 2 * lanes_);
    parts_.Reserve(count_ * spans_ * c.PartFloats());
  }

  void Run() {
    c_.call.For(Groups() * blocks_ * spans_, [&](int64_t item) {
      const int64_t span = item % spans_, block = item / spans_ % blocks_;
      const int64_t group = item / spans_ / blocks_;
      const RowStats stats = Stats(group, block, span);
      SpanBlock(c_, groups_[group], block, span).Summarise(stats);
    });
    c_.call.For(Groups() * blocks_, [&](int64_t item) { Join(item / blocks_, item % blocks_); });
    c_.call.For(Groups() * spans_, [&](int64_t item) { AddUp(item / spans_, item % spans_); });
    c_.call.For(count_, [&](int64_t place) { AddParts(place); });
  }

 private:
  int64_t Groups() const { return groups_.size(); }

  // Of a span; number spans_ holds those of all spans, with the inverse of the sum.
  RowStats Stats(int64_t group, int64_t block, int64_t span) const {
    const int64_t index = (group * blocks_ + block) * (spans_ + 1) + span;
    float* const stats = stats_.data() + index * 2 * lanes_;
    return {stats, stats + lanes_};
  }

  float* PartOf(int64_t place, int64_t span) const {
    return parts_.data() + (place * spans_ + span) * c_.PartFloats();
  }

  void Join(int64_t group, int64_t block) const {
    const RowStats all = Stats(group, block, spans_);
    const int64_t width = c_.call.kernels().panel;
    const int64_t rows = std::min(kBlockRows, c_.tokens - block * kBlockRows);
    const int64_t stacked = rows * static_cast<int64_t>(groups_[group].heads.size());
    for (int64_t lane = 0; lane < (stacked + width - 1) / width * width; ++lane) {
      float maximum = -INFINITY;
      for (int64_t s = 0; s < spans_; ++s) {
        maximum = std::max(maximum, Stats(group, block, s).maximum[lane]);
      }
      double sum = 0;
      for (int64_t s = 0; s < spans_; ++s) {
        const RowStats some = Stats(group, block, s);
        sum += some.sum[lane] * std::exp2(double{some.maximum[lane]} - maximum);
      }
      all.maximum[lane] = maximum;
      all.sum[lane] = static_cast<float>(1 / sum);
    }
  }

  void AddUp(int64_t number, int64_t span) const {
    const HeadGroup& group = groups_[number];
    const int64_t start = span * kSpanKeys, count = c_.SpanEnd(span) - start;
    std::vector<float*> parts;
    for (const int32_t place : group.places) {
      parts.push_back(PartOf(place, span));
      std::fill_n(parts.back(), c_.PartFloats(), 0.0f);
      std::fill_n(c_.vertical + place * c_.Keys() + start, count, 0.0f);
    }
    for (int64_t block = 0; block < blocks_; ++block) {
      SpanBlock(c_, group, block, span).AddUp(Stats(number, block, spans_), parts);
    }
    c_.call.Progress(group.heads.size());
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
  int64_t count_, spans_, blocks_, lanes_;
  std::vector<HeadGroup> groups_;
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
