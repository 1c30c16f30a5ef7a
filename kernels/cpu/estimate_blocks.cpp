// Blocks of tokens by their means: pooled queries and keys, and the scores of all pairs of blocks.
//
//   mean[b] = sum of the rows of block b / their number
//   scores[R][C] = scale mean_q[R] . mean_k[C],  or softmax over C of it
//
// The means stream their input once. The scores are a matrix product: the means of keys are packed
// into panels, the means of queries are its rows, and a row of the result is contiguous, so that
// softmax runs over it in place.
#include <algorithm>
#include <cmath>

#include "../common/estimate_calls.h"
#include "dispatch.h"
#include "key_blocks.h"
#include "query_panels.h"
#include "scratch.h"

namespace longlens {
namespace {

// Rows of queries that are averaged by one item.
constexpr int64_t kItemRows = 512;
// Rows of scores of an item.
constexpr int64_t kBlockRows = 64;

// out[i] += sum of rows[t][i]. By itself, as inlined its loops do not keep their variables in
// registers.
[[gnu::noinline]] void AddRows(const float* rows, int64_t count, int64_t width, float* out) {
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t i = 0; i < width; ++i) out[i] += rows[t * width + i];
  }
}

void Divide(float* row, int64_t width, int64_t count) {
  for (int64_t i = 0; i < width; ++i) row[i] /= static_cast<float>(count);
}

struct ScoreCall {
  const Call& call;
  const float* q;
  int64_t q_blocks, heads;
  const float* k;
  int64_t k_blocks, kv_heads, dim;
  float scale;
  int64_t q_start, block;
  bool softmax;

  // Blocks of keys that row block `row` sees: those that begin at or before its last token.
  int64_t Seen(int64_t row) const {
    return std::min(k_blocks, (q_start + (row + 1) * block - 1) / block + 1);
  }
};

// Row blocks first .. first+rows-1 of one head, before softmax.
void ScoreRows(const ScoreCall& c, int64_t head, int64_t first, int64_t rows, float* scores) {
  const Kernels& kernels = c.call.kernels();
  Scratch& scratch = ThreadScratch();
  scratch.Begin(c.dim * kernels.panel);
  float* const panel = scratch.Take(c.dim * kernels.panel);
  const float factor = c.softmax ? static_cast<float>(c.scale * kLog2E) : c.scale;
  const int64_t kv_head = head / (c.heads / c.kv_heads), seen = c.Seen(first + rows - 1);
  for (int64_t column = 0; column < seen; column += kernels.panel) {
    c.call.Poll();
    const int32_t columns = static_cast<int32_t>(std::min<int64_t>(kernels.panel, seen - column));
    const void* source[kMaxPanel];
    for (int32_t x = 0; x < columns; ++x) {
      source[x] = c.k + ((column + x) * c.kv_heads + kv_head) * c.dim;
    }
    kernels.pack_panel(source, LL_F32, columns, c.dim, factor, panel);
    kernels.gemm_slab(c.q + (first * c.heads + head) * c.dim, c.heads * c.dim, rows, panel, c.dim,
                      columns, scores + column, c.k_blocks, false);
  }
}

// Ends a row of scores, of which `seen` count.
void FinishRow(const Kernels& kernels, bool softmax, int64_t seen, int64_t count, float* row) {
  std::fill(row + seen, row + count, softmax ? 0.0f : -INFINITY);
  if (!softmax) return;
  float maximum = -INFINITY, sum = 0;
  kernels.softmax_row(row, seen, &maximum, &sum);
  const float inverse = 1 / sum;
  for (int64_t x = 0; x < seen; ++x) row[x] *= inverse;
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_pool_queries(ll_run* run, const float* q, int32_t tokens, int32_t heads,
                                   int32_t dim, int32_t block, float* out) {
  return Guard(run, [&] {
    if (!CheckPoolQueries(q, tokens, heads, dim, block, out)) return;
    const Call call(run);
    const int64_t width = int64_t{heads} * dim, blocks = (int64_t{tokens} + block - 1) / block;
    const int64_t each = std::max<int64_t>(1, kItemRows / block);
    call.For((blocks + each - 1) / each, [&](int64_t item) {
      const int64_t end = std::min(blocks, (item + 1) * each);
      for (int64_t b = item * each; b < end; ++b) {
        const int64_t count = std::min<int64_t>(block, tokens - b * block);
        float* const mean = out + b * width;
        std::fill_n(mean, width, 0.0f);
        AddRows(q + b * block * width, count, width, mean);
        Divide(mean, width, count);
      }
      call.Progress(end - item * each);
    });
  });
}

extern "C" int32_t ll_pool_keys(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                                int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                                int32_t block, float* out) {
  return Guard(run, [&] {
    const BlocksOfKeys blocks{{pages, stride, kv_heads, dim, kv_dtype}, start, end, block};
    if (!CheckPoolKeys(blocks, out)) return;
    ForKeyBlocks(
        Call(run), blocks, [&](int64_t target) { std::fill_n(out + target * dim, dim, 0.0f); },
        [&](int64_t target, const float* keys, int64_t count) {
          AddRows(keys, count, dim, out + target * dim);
        },
        [&](int64_t target, int64_t keys) { Divide(out + target * dim, dim, keys); });
  });
}

extern "C" int32_t ll_block_scores(ll_run* run, const float* q, int32_t q_blocks, int32_t heads,
                                   const int32_t* chosen, int32_t count, const float* k,
                                   int32_t k_blocks, int32_t kv_heads, int32_t dim, float scale,
                                   int32_t q_start, int32_t block, int32_t softmax,
                                   float* scores) {
  return Guard(run, [&] {
    const BlockScoresCall asked{q,        q_blocks, heads, chosen,  count, k,       k_blocks,
                                kv_heads, dim,      scale, q_start, block, softmax, scores};
    if (!CheckBlockScores(asked)) return;
    const Call call(run);
    const ScoreCall c{call,     q,   q_blocks, heads,   k,     k_blocks,
                      kv_heads, dim, scale,    q_start, block, softmax != 0};
    const int64_t row_blocks = (q_blocks + kBlockRows - 1) / kBlockRows;
    call.For(count * row_blocks, [&](int64_t item) {
      const int64_t place = item / row_blocks, first = item % row_blocks * kBlockRows;
      const int64_t rows = std::min<int64_t>(kBlockRows, q_blocks - first);
      float* const target = scores + (place * q_blocks + first) * k_blocks;
      ScoreRows(c, chosen[place], first, rows, target);
      for (int64_t row = 0; row < rows; ++row) {
        FinishRow(call.kernels(), c.softmax, c.Seen(first + row), k_blocks,
                  target + row * k_blocks);
      }
      call.Progress(rows);
    });
  });
}
