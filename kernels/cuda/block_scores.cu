// Scores of pairs of blocks by their means.
//
//   scores[R][C] = scale q[R] . k[C], or its softmax over C, for the blocks C that R sees
#include <algorithm>

#include "../common/estimate_calls.h"
#include "launch.cuh"
#include "score_tiles.cuh"
#include "softmax.cuh"

namespace longlens {
namespace {

constexpr int kRowThreads = 256;
// Scores that are held at a time, unless kTile rows have more.
constexpr int64_t kMostScores = int64_t{1} << 24;
// By the limits of a grid.
constexpr int64_t kMostRows = 1 << 21;
constexpr int32_t kMostPlaces = 1 << 15;

// Rows of f32, as a source of ScoreTile.
struct MeanRows {
  const float* rows;
  int64_t stride;
  int32_t count, dim, is_wide;

  __device__ __forceinline__ void Read(int row, int32_t, int32_t channel, ChannelRun& x) const {
    if (row >= count) return ClearRun(x);
    ReadFloats(rows + row * stride, dim, channel, is_wide != 0, x);
  }
};

struct ScoreBlocksCall {
  BlockScoresCall c;  // its `chosen` in device memory
  float factor;
  int32_t is_wide;
  int32_t first_place, first_row, rows;  // of this launch
  float* scores;                         // [places][rows][k_blocks]

  // Blocks of keys that row block `row` sees: those that begin at or before its last token.
  __device__ int32_t Seen(int32_t row) const {
    const int64_t last = c.q_start + (int64_t{row} + 1) * c.block - 1;
    return static_cast<int32_t>(min(int64_t{c.k_blocks}, last / c.block + 1));
  }
};

// Block (column tile, row tile, place).
__global__ void __launch_bounds__(kTileThreads) ScoreBlocks(ScoreBlocksCall call) {
  TileShared& shared = *reinterpret_cast<TileShared*>(SharedMemory());
  const BlockScoresCall& c = call.c;
  const int32_t column = blockIdx.x * kTile, tile_row = blockIdx.y * kTile, place = blockIdx.z;
  const int32_t head = c.chosen[call.first_place + place], kv_head = head / (c.heads / c.kv_heads);
  const int32_t first_row = call.first_row + tile_row;
  const int32_t rows = min(kTile, call.rows - tile_row), columns = min(kTile, c.k_blocks - column);
  const int64_t q_stride = int64_t{c.heads} * c.dim, k_stride = int64_t{c.kv_heads} * c.dim;
  TileScores s;
  if (column < call.Seen(first_row + rows - 1)) {
    const float* const q = c.q + first_row * q_stride + int64_t{head} * c.dim;
    const float* const k = c.k + column * k_stride + int64_t{kv_head} * c.dim;
    ScoreTile(MeanRows{q, q_stride, rows, c.dim, call.is_wide},
              MeanRows{k, k_stride, columns, c.dim, call.is_wide}, 1, c.dim, shared, s);
  }
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
    const int row = TileRow(i);
    if (row >= rows) continue;
    const int32_t seen = call.Seen(first_row + row);
    float* const target =
        call.scores + (int64_t{place} * call.rows + tile_row + row) * c.k_blocks + column;
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) {
      const int at = TileColumn(j);
      if (at < columns) target[at] = column + at < seen ? s[i][j] * call.factor : -INFINITY;
    }
  }
}

// A block per row.
__global__ void __launch_bounds__(kRowThreads) NormaliseRows(float* scores, int32_t columns) {
  float* const row = scores + int64_t{blockIdx.x} * columns;
  RunningSoftmax softmax;
  for (int32_t i = threadIdx.x; i < columns; i += kRowThreads) softmax.Add(row[i]);
  softmax.JoinBlock(reinterpret_cast<float*>(SharedMemory()));
  const float inverse = 1.0f / softmax.sum;
  for (int32_t i = threadIdx.x; i < columns; i += kRowThreads) {
    row[i] = Exp2(row[i] - softmax.Base()) * inverse;
  }
}

void Score(const Call& call, const BlockScoresCall& c) {
  const char* const name = "score blocks";
  const int64_t by_memory = kMostScores / c.k_blocks / kTile * kTile;
  const int64_t most = std::clamp<int64_t>(by_memory, kTile, kMostRows);
  const int32_t rows = static_cast<int32_t>(std::min<int64_t>(most, c.q_blocks));
  const int64_t most_places = std::min(c.count, kMostPlaces);
  const int32_t places = static_cast<int32_t>(std::clamp<int64_t>(most / rows, 1, most_places));
  float* const scores = call.Scratch<float>(int64_t{places} * rows * c.k_blocks);
  ScoreBlocksCall launch{c, static_cast<float>(c.softmax != 0 ? c.scale * kLog2E : c.scale),
                         c.dim % 4 == 0 && reinterpret_cast<uintptr_t>(c.q) % 16 == 0 &&
                             reinterpret_cast<uintptr_t>(c.k) % 16 == 0,
                         0, 0, 0, scores};
  launch.c.chosen = call.CopyIn(c.chosen, c.count);
  for (int32_t place = 0; place < c.count; place += places) {
    const int32_t now = std::min(places, c.count - place);
    for (int32_t row = 0; row < c.q_blocks; row += rows) {
      launch.first_place = place;
      launch.first_row = row;
      launch.rows = std::min(rows, c.q_blocks - row);
      Launch(call, name, ScoreBlocks,
             dim3(Blocks(c.k_blocks, kTile), Blocks(launch.rows, kTile), now), kTileThreads,
             sizeof(TileShared), launch);
      if (c.softmax != 0) {
        Launch(call, name, NormaliseRows, dim3(now * launch.rows), kRowThreads,
               64 * sizeof(float), scores, c.k_blocks);
      }
      // Places follow each other in the result where a chunk has all their rows.
      const int64_t first = (int64_t{place} * c.q_blocks + row) * c.k_blocks;
      call.CopyOut(c.scores + first, scores, int64_t{now} * launch.rows * c.k_blocks);
      call.Progress(int64_t{now} * launch.rows);
      call.Pace();
    }
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_block_scores(ll_run* run, const float* q, int32_t q_blocks, int32_t heads,
                                   const int32_t* chosen, int32_t count, const float* k,
                                   int32_t k_blocks, int32_t kv_heads, int32_t dim, float scale,
                                   int32_t q_start, int32_t block, int32_t softmax,
                                   float* scores) {
  return Guard(run, [&] {
    const BlockScoresCall blocks{q,   q_blocks, heads,   chosen, count,   k,     k_blocks, kv_heads,
                                 dim, scale,    q_start, block,  softmax, scores};
    if (!CheckBlockScores(blocks)) return;
    Score(Call(run), blocks);
  });
}
