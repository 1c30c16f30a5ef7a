#include "graph_links.h"

#include <algorithm>
#include <cmath>

#include "key_rows.h"
#include "quantise.h"

namespace longlens {

GraphKeys::GraphKeys(const Call& call, const KvView& kv, int64_t kv_head, int64_t start,
                     int64_t nodes)
    : kernels_(call.kernels()),
      kv_(kv),
      kv_head_(kv_head),
      start_(start),
      nodes_(nodes),
      is_widened_(kv.dtype == LL_INT8),
      row_bytes_(is_widened_ ? kv.dim * int64_t{sizeof(float)} : kv.RowBytes()),
      widened_(is_widened_ ? nodes * kv.dim : 0),
      half_(nodes) {
  if (nodes == 0) return;
  const int64_t first_page = start / LL_PAGE_TOKENS;
  call.For((start + nodes - 1) / LL_PAGE_TOKENS + 1 - first_page, [&](int64_t page) {
    const int64_t first = std::max<int64_t>(0, (first_page + page) * LL_PAGE_TOKENS - start);
    const int64_t end = std::min(nodes, (first_page + page + 1) * LL_PAGE_TOKENS - start);
    Measure(first, end - first);
  });
}

void GraphKeys::Measure(int64_t first, int64_t count) {
  const int64_t dim = kv_.dim;
  if (is_widened_) {
    WidenRows(kernels_, kv_, kv_head_, start_ + first, count, Part::kKeys,
              widened_.data() + first * dim);
  }
  kernels_.square_rows(Row(first), dtype(), count, dim, &half_[first]);
  for (int64_t j = first; j < first + count; ++j) {
    half_[j] *= 0.5f;
    if (!std::isfinite(half_[j])) RequireFinite(j);
  }
}

void GraphKeys::RequireFinite(uint32_t node) const {
  Buffer<float> row(kv_.dim);
  WidenRows(kernels_, kv_, kv_head_, start_ + node, 1, Part::kKeys, row.data());
  Require(AllFinite(row.data(), kv_.dim), "build a graph", "keys must be finite: one is not, key",
          start_ + node);
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
  for (int64_t first = 0; first < count; first += kFreshNodes) {
    const int64_t here = std::min<int64_t>(kFreshNodes, count - first);
    const void* rows[kFreshNodes + kRowsAhead];
    for (int64_t j = 0; j < here; ++j) rows[j] = Row(nodes[first + j]);
    Score(query, rows, nodes + first, here, out + first);
  }
}

void GraphKeys::Score(const float* query, const void** rows, const uint32_t* nodes, int64_t count,
                      float* out) const {
  std::fill_n(rows + count, kRowsAhead, rows[0]);
  kernels_.score_rows(rows, dtype(), count, kv_.dim, query, 1, out, 0);
  for (int64_t j = 0; j < count; ++j) out[j] -= half_[nodes[j]];
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
  const auto is_full = [&] { return static_cast<int64_t>(kept.size()) >= most; };
  const bool fits = static_cast<int64_t>(kept.size() + sorted.size()) <= most;
  std::vector<Near> left = sorted;
  if (!fills || !fits) {
    for (uint32_t node : kept) DropHidden(node, &left);
    for (size_t i = 0; i < left.size() && !is_full(); ++i) {
      kept.push_back(left[i].node);
      DropHidden(left[i].node, &left, i + 1);
    }
  }
  for (size_t i = 0; fills && i < sorted.size() && !is_full(); ++i) {
    const uint32_t node = sorted[i].node;
    if (std::find(kept.begin(), kept.end(), node) == kept.end()) kept.push_back(node);
  }
  return kept;
}

void GraphLinks::DropHidden(uint32_t by, std::vector<Near>* left, int64_t first) const {
  Near* const near = left->data() + first;
  const int64_t count = left->size() - first;
  Nodes nodes(count);
  std::vector<float> scores(count);
  for (int64_t i = 0; i < count; ++i) nodes[i] = near[i].node;
  keys_.Score(Query(by), nodes.data(), count, scores.data());
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    const bool is_hidden = keys_.Half(by) - scores[i] < near[i].gap;
    if (!is_hidden) near[kept++] = near[i];
  }
  left->resize(first + kept);
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

void NodePairs::Sort() {
  std::sort(pairs_.begin(), pairs_.end());
  first_.clear();
  for (size_t i = 0; i < pairs_.size(); ++i) {
    if (i == 0 || pairs_[i] >> 32 != pairs_[i - 1] >> 32) first_.push_back(i);
  }
  first_.push_back(pairs_.size());
}

Nodes NodePairs::Others(int64_t i) const {
  Nodes others;
  for (int64_t p = first_[i]; p < first_[i + 1]; ++p) {
    others.push_back(static_cast<uint32_t>(pairs_[p]));
  }
  return others;
}

}  // namespace longlens
