#include "graph_links.h"

#include <algorithm>

#include "key_rows.h"
#include "quantise.h"

namespace longlens {
namespace {

// Keys that are measured by one item, and that are scored at once.
constexpr int64_t kTile = 256, kScored = 64;
// Kept links that a node is compared with at once: most nodes are hidden by one of the first.
constexpr int64_t kCompared = 4;

}  // namespace

GraphKeys::GraphKeys(const Call& call, const KvView& kv, int64_t kv_head, int64_t start,
                     int64_t nodes)
    : kernels_(call.kernels()),
      kv_(kv),
      kv_head_(kv_head),
      start_(start),
      nodes_(nodes),
      is_widened_(kv.dtype == LL_INT8),
      widened_(is_widened_ ? nodes * kv.dim : 0),
      half_(nodes) {
  call.For((nodes + kTile - 1) / kTile, [&](int64_t tile) {
    Measure(tile * kTile, std::min(kTile, nodes - tile * kTile));
  });
}

void GraphKeys::Measure(int64_t first, int64_t count) {
  const int64_t dim = kv_.dim;
  Scratch& scratch = ThreadScratch();
  scratch.Begin(Scratch::RoundUp(is_widened_ ? 0 : count * dim));
  float* const rows = is_widened_ ? widened_.data() + first * dim : scratch.Take(count * dim);
  TileRows(kernels_, kv_, kv_head_, start_ + first, count, Part::kKeys, rows);
  Require(AllFinite(rows, count * dim), "build a graph", "keys must be finite: one is not, from",
          start_ + first);
  for (int64_t j = 0; j < count; ++j) {
    const void* row[1 + kRowsAhead];
    std::fill_n(row, 1 + kRowsAhead, rows + j * dim);
    kernels_.score_rows(row, LL_F32, 1, dim, rows + j * dim, 1, &half_[first + j], 0);
    half_[first + j] *= 0.5f;
  }
}

void GraphKeys::Fetch(uint32_t node) const {
  const char* const row = static_cast<const char*>(Row(node));
  const int64_t bytes = is_widened_ ? kv_.dim * 4 : kv_.RowBytes();
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(row + i);
}

void GraphKeys::Query(uint32_t x, Buffer<float>* query) const {
  float* const ordered = query->Reserve(2 * kv_.dim);
  float* const row = ordered + kv_.dim;
  if (is_widened_) {
    std::copy_n(widened_.data() + x * kv_.dim, kv_.dim, row);
  } else {
    WidenRows(kernels_, kv_, kv_head_, start_ + x, 1, Part::kKeys, row);
  }
  kernels_.order_row(row, dtype(), kv_.dim, false, ordered);
}

void GraphKeys::Score(const float* query, const uint32_t* nodes, int64_t count, float* out) const {
  for (int64_t first = 0; first < count; first += kScored) {
    const int64_t here = std::min(kScored, count - first);
    const void* rows[kScored + kRowsAhead];
    for (int64_t j = 0; j < here; ++j) rows[j] = Row(nodes[first + j]);
    std::fill_n(rows + here, kRowsAhead, rows[0]);
    kernels_.score_rows(rows, dtype(), here, kv_.dim, query, 1, out + first, 0);
    for (int64_t j = first; j < first + here; ++j) out[j] -= half_[nodes[j]];
  }
}

const float* GraphLinks::Query(uint32_t x) const {
  thread_local Buffer<float> query;
  keys_.Query(x, &query);
  return query.data();
}

int64_t GraphLinks::Count(uint32_t x) const {
  const uint32_t* const links = Of(x);
  return std::find(links, links + degree_, LL_NO_NODE) - links;
}

bool GraphLinks::Has(uint32_t x, uint32_t node) const {
  const uint32_t* const links = Of(x);
  return std::find(links, links + degree_, node) != links + degree_;
}

std::vector<Near> GraphLinks::Sort(uint32_t x, const Nodes& nodes) const {
  Nodes each = nodes;
  std::sort(each.begin(), each.end());
  each.erase(std::unique(each.begin(), each.end()), each.end());
  each.erase(std::remove(each.begin(), each.end(), x), each.end());
  std::vector<float> scores(each.size());
  keys_.Score(Query(x), each.data(), each.size(), scores.data());
  std::vector<Near> sorted(each.size());
  for (size_t i = 0; i < each.size(); ++i) sorted[i] = {keys_.Half(x) - scores[i], each[i]};
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

Nodes GraphLinks::Prune(const std::vector<Near>& sorted, int64_t most, bool fills,
                        Nodes kept) const {
  Nodes hidden;
  for (const Near& near : sorted) {
    if (static_cast<int64_t>(kept.size()) == most) break;
    (IsHidden(near, kept) ? hidden : kept).push_back(near.node);
  }
  if (fills) {
    const size_t left = std::min<size_t>(hidden.size(), most - kept.size());
    kept.insert(kept.end(), hidden.begin(), hidden.begin() + left);
  }
  return kept;
}

bool GraphLinks::IsHidden(const Near& near, const Nodes& kept) const {
  const int64_t count = kept.size();
  if (count == 0) return false;
  const float* const query = Query(near.node);
  for (int64_t i = 0; i < count; i += kCompared) {
    const int64_t here = std::min(kCompared, count - i);
    float scores[kCompared];
    keys_.Score(query, kept.data() + i, here, scores);
    for (int64_t j = 0; j < here; ++j) {
      if (keys_.Half(near.node) - scores[j] < near.gap) return true;
    }
  }
  return false;
}

void GraphLinks::Add(uint32_t x, const Nodes& nodes) const {
  uint32_t* const links = Of(x);
  const int64_t count = Count(x);
  Nodes fresh;
  for (uint32_t node : nodes) {
    if (node != x && !Has(x, node)) fresh.push_back(node);
  }
  if (count + static_cast<int64_t>(fresh.size()) <= degree_) {
    std::copy(fresh.begin(), fresh.end(), links + count);
    return;
  }
  Nodes owed;
  for (int64_t i = 0; i < count; ++i) (Parent(links[i]) == x ? owed : fresh).push_back(links[i]);
  const Nodes kept = Prune(Sort(x, fresh), degree_, true, std::move(owed));
  std::copy(kept.begin(), kept.end(), links);
}

ReverseLinks::ReverseLinks(const std::vector<Nodes>& lists, const Nodes& from) {
  for (size_t i = 0; i < lists.size(); ++i) {
    for (uint32_t target : lists[i]) pairs_.push_back({target, from[i]});
  }
  std::stable_sort(pairs_.begin(), pairs_.end(),
                   [](const Pair& a, const Pair& b) { return a.target < b.target; });
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (i == 0 || pairs_[i].target != pairs_[i - 1].target) first_.push_back(i);
  }
  first_.push_back(pairs_.size());
}

Nodes ReverseLinks::Sources(int64_t t) const {
  Nodes sources;
  for (int64_t i = first_[t]; i < first_[t + 1]; ++i) sources.push_back(pairs_[i].source);
  return sources;
}

}  // namespace longlens
