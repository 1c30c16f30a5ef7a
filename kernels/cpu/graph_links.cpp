#include "graph_links.h"

#include <algorithm>

#include "key_rows.h"
#include "quantise.h"

namespace longlens {
namespace {

// Keys that are scored at once.
constexpr int64_t kScored = 64;
// Kept links that a node is compared with at once: most nodes are hidden by one of the first.
constexpr int64_t kCompared = 4;

}  // namespace

GraphKeys::GraphKeys(const Call& call, const KvView& kv, int64_t kv_head, int64_t start,
                     int64_t nodes)
    : kernels_(call.kernels()), nodes_(nodes), dim_(kv.dim), rows_(nodes * kv.dim), half_(nodes) {
  call.For((nodes + kScored - 1) / kScored, [&](int64_t tile) {
    const int64_t first = tile * kScored, count = std::min(kScored, nodes - first);
    float* const rows = rows_.data() + first * dim_;
    TileRows(kernels_, kv, kv_head, start + first, count, Part::kKeys, rows);
    Require(AllFinite(rows, count * dim_), "build a graph", "keys must be finite: one is not, from",
            start + first);
    for (int64_t j = 0; j < count; ++j) {
      const void* row[1 + kRowsAhead];
      std::fill_n(row, 1 + kRowsAhead, rows + j * dim_);
      kernels_.score_rows(row, LL_F32, 1, dim_, rows + j * dim_, 1, &half_[first + j], 0);
      half_[first + j] *= 0.5f;
    }
  });
}

void GraphKeys::Score(uint32_t x, const uint32_t* nodes, int64_t count, float* out) const {
  for (int64_t first = 0; first < count; first += kScored) {
    const int64_t here = std::min(kScored, count - first);
    const void* rows[kScored + kRowsAhead];
    for (int64_t j = 0; j < here; ++j) rows[j] = Row(nodes[first + j]);
    std::fill_n(rows + here, kRowsAhead, Row(x));
    kernels_.score_rows(rows, LL_F32, here, dim_, Row(x), 1, out + first, 0);
    for (int64_t j = first; j < first + here; ++j) out[j] -= half_[nodes[j]];
  }
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
  keys_.Score(x, each.data(), each.size(), scores.data());
  std::vector<Near> sorted(each.size());
  for (size_t i = 0; i < each.size(); ++i) sorted[i] = {keys_.Half(x) - scores[i], each[i]};
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

Nodes GraphLinks::Prune(const std::vector<Near>& sorted, int64_t most, bool fills) const {
  Nodes kept, hidden;
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
  for (int64_t i = 0; i < count; i += kCompared) {
    const int64_t here = std::min(kCompared, count - i);
    float scores[kCompared];
    keys_.Score(near.node, kept.data() + i, here, scores);
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
  fresh.insert(fresh.end(), links, links + count);
  const Nodes kept = Prune(Sort(x, fresh), degree_, true);
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
