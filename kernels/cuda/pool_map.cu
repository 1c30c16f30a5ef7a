// The pooled n x n attention map of one head: chunks of rows are pooled on the device, and added to
// the caller's map on the host.
#include <algorithm>
#include <vector>

#include "../common/key_calls.h"
#include "pool_cells.cuh"

namespace longlens {
namespace {

// Adds a chunk to the caller's map.
void AddToMap(const PoolMapCall& c, const PooledChunk& pooled, const std::vector<float>& sum,
              const std::vector<float>& max) {
  const int64_t first = int64_t{pooled.first_bin} * c.bins;
  const int64_t cells = int64_t{pooled.row_bins} * c.bins;
  for (int64_t i = 0; i < cells; ++i) {
    c.sum[first + i] += sum[i];
    c.max[first + i] = std::max(c.max[first + i], max[i]);
  }
}

void PoolMap(const Call& call, const PoolMapCall& c) {
  const ChosenQueries queries{c.q, c.q_start, c.tokens, c.heads, &c.head, 1, c.scale, c.table};
  const Cells cells = CellsOf(call, queries, 1);
  const CellChunks chunks(call, cells, 1, kTile, 2 * int64_t{c.bins});
  const Pooling pooling{cells, {c.n, c.bins, c.bins}, c.q_start, true};
  const Pooler pooler(call, pooling, chunks);
  std::vector<float> sum, max;
  chunks.ForEach([&](const CellChunk& chunk) {
    const PooledChunk pooled = pooler.Queue(chunk);
    const int64_t count = int64_t{pooled.row_bins} * c.bins;
    sum.resize(count);
    max.resize(count);
    call.CopyOut(sum.data(), pooled.sum, count);
    call.CopyOut(max.data(), pooled.max, count);
    AddToMap(c, pooled, sum, max);
    call.Progress(chunk.rows);
  });
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_pool_map(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                               int32_t heads, int32_t head, int32_t kv_heads, int32_t dim,
                               float scale, void* const* pages, int32_t stride, int32_t kv_dtype,
                               int32_t n, int32_t bins, float* sum, float* max) {
  return Guard(run, [&] {
    const PoolMapCall map{q,     q_start, tokens, heads, head,
                          scale, {pages, stride, kv_heads, dim, kv_dtype}, n, bins, sum, max};
    if (!CheckPoolMap(map)) return;
    PoolMap(Call(run), map);
  });
}
