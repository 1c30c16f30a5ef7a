// Block scores from sums along antidiagonals (XAttention), without the matrix of cells.
//
//   scores[R][C] = sum over the cells of block (R, C) of softmax_J(s[I]), s as in cells.cuh
#include <algorithm>

#include "pool_cells.cuh"

namespace longlens {
namespace {

// Copies the chunk's rows of blocks, which follow each other in the result of a place.
void CopyScores(const Call& call, const CellChunk& chunk, const PooledChunk& pooled,
                int64_t q_blocks, int64_t k_blocks, float* scores) {
  const int64_t count = pooled.row_bins * k_blocks;
  for (int64_t place = 0; place < chunk.places; ++place) {
    const int64_t row = (chunk.first_place + place) * q_blocks + pooled.first_bin;
    call.CopyOut(scores + row * k_blocks, pooled.sum + place * count, count);
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_antidiagonal_scores(ll_run* run, const float* q, int32_t q_start,
                                          int32_t tokens, int32_t heads, const int32_t* chosen,
                                          int32_t count, int32_t kv_heads, int32_t dim, float scale,
                                          void* const* pages, int32_t stride, int32_t kv_dtype,
                                          int32_t step, int32_t block, float* scores) {
  return Guard(run, [&] {
    const ChosenQueries queries{q,     q_start, tokens, heads, chosen, count,
                                scale, {pages, stride, kv_heads, dim, kv_dtype}};
    if (!CheckAntidiagonals(queries, step, block, scores)) return;
    const Call call(run);
    const Cells cells = CellsOf(call, queries, step);
    const int32_t side = block / step;
    const int32_t q_blocks = (cells.Rows() - 1) / side + 1;
    const int32_t k_blocks = (cells.Columns() - 1) / side + 1;
    const CellChunks chunks(call, cells, count, side, k_blocks);
    const Pooling pooling{cells, {side, 1, k_blocks}, 0, false};
    const Pooler pooler(call, pooling, chunks);
    chunks.ForEach([&](const CellChunk& chunk) {
      const PooledChunk pooled = pooler.Queue(chunk);
      CopyScores(call, chunk, pooled, q_blocks, k_blocks, scores);
      call.Progress(int64_t{pooled.row_bins} * chunk.places);
    });
  });
}
