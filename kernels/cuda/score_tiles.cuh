// Tiles of scores, kTile rows by kTile columns, as sums of products of rows that a tile's threads
// read in runs of 16 channels.
//
//   s[i][j] = sum over parts p < parts and channels c < dim of a(i, p, c) b(j, p, c)
//
// A block of kTileThreads computes a tile; thread t holds rows 8 (t / 16) .. + 7 of columns
// 4 (t % 16) .. + 3. Products are of f32.
#ifndef LONGLENS_CUDA_SCORE_TILES_CUH_
#define LONGLENS_CUDA_SCORE_TILES_CUH_

#include "row_chunks.cuh"

namespace longlens {

constexpr int kTile = 64;
constexpr int kTileThreads = 128;
constexpr int kTileDepth = 32;  // channels in shared memory
constexpr int kThreadRows = 8, kThreadColumns = 4;
constexpr int kThreadsAcross = kTile / kThreadColumns;
static_assert(kTileThreads / kThreadsAcross * kThreadRows == kTile);
static_assert(kTileThreads / kTile * kRunChannels == kTileDepth);

struct TileShared {
  float a[kTileDepth][kTile], b[kTileDepth][kTile];
};

using TileScores = float[kThreadRows][kThreadColumns];

__device__ __forceinline__ int TileRow(int i) {
  return threadIdx.x / kThreadsAcross * kThreadRows + i;
}
__device__ __forceinline__ int TileColumn(int j) {
  return threadIdx.x % kThreadsAcross * kThreadColumns + j;
}

__device__ __forceinline__ void MultiplyTile(const TileShared& shared, TileScores& s) {
#pragma unroll 8
  for (int c = 0; c < kTileDepth; ++c) {
    const float4 low = *reinterpret_cast<const float4*>(&shared.a[c][TileRow(0)]);
    const float4 high = *reinterpret_cast<const float4*>(&shared.a[c][TileRow(4)]);
    const float4 four = *reinterpret_cast<const float4*>(&shared.b[c][TileColumn(0)]);
    const float rows[kThreadRows] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
    const float columns[kThreadColumns] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
      for (int j = 0; j < kThreadColumns; ++j) s[i][j] = fmaf(rows[i], columns[j], s[i][j]);
    }
  }
}

// a.Read(row, part, channel, run) and b.Read(column, ..) give zeros where there is nothing. All
// threads of the block call it; other shared memory may be read and written until then.
template <class A, class B>
__device__ __forceinline__ void ScoreTile(const A& a, const B& b, int32_t parts, int32_t dim,
                                          TileShared& shared, TileScores& s) {
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) s[i][j] = 0.0f;
  }
  const int row = threadIdx.x % kTile, first = threadIdx.x / kTile * kRunChannels;
  ChannelRun run_a, run_b;
  a.Read(row, 0, first, run_a);
  b.Read(row, 0, first, run_b);
  int32_t part = 0, channel = 0;
  while (part < parts) {
    __syncthreads();  // the channels before have been multiplied
#pragma unroll
    for (int i = 0; i < kRunChannels; ++i) {
      shared.a[first + i][row] = run_a[i];
      shared.b[first + i][row] = run_b[i];
    }
    __syncthreads();
    channel += kTileDepth;
    if (channel >= dim) {
      channel = 0;
      ++part;
    }
    if (part < parts) {  // under way while the block multiplies
      a.Read(row, part, channel + first, run_a);
      b.Read(row, part, channel + first, run_b);
    }
    MultiplyTile(shared, s);
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_SCORE_TILES_CUH_
