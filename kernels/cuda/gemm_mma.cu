// y[t][o] (+)= sum_i x[t][i] W[o][i], operands bf16, sums f32, by matrix instructions of warps.
//
// A block takes kRowTile x kOutTile results and reads kDepth columns of x and W at a time into one
// of several parts of shared memory, which are filled ahead. A part holds x [kRowTile][8 chunks of
// 8 elements], then W [kOutTile][8 chunks]; chunk c of row r is at place c ^ (r % 8), so that the 8
// rows of a matrix of 8x8 lie in different banks. Blocks go down the rows of x within bands of
// kBandTiles row tiles, so that those that run together share W and x in the second-level cache.
#include <algorithm>

#include "launch.cuh"
#include "products.h"
#include "ptx.cuh"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int kDepth = 64;
constexpr int kChunk = 8;
constexpr int kChunks = kDepth / kChunk;
constexpr int kChunkBytes = 16;
constexpr int kRowBytes = kChunks * kChunkBytes;
constexpr int64_t kBandTiles = 16;
// Of one instruction.
constexpr int kMmaRows = 16, kMmaOuts = 8, kMmaDepth = 16;

__device__ __forceinline__ uint32_t Place(int row, int chunk) {
  return row * kRowBytes + ((chunk ^ (row % 8)) * kChunkBytes);
}

// kTile rows of one of the two matrices, as the block copies them.
template <int kTile, int kThreads>
struct Source {
  static constexpr int kRowStep = kThreads / kChunks;
  static constexpr int kCopies = kTile / kRowStep;
  static_assert(kCopies * kRowStep == kTile && kRowStep % 8 == 0);

  const uint16_t* first;  // this thread's first chunk, or any address where it has no rows
  int64_t step;           // elements to its next row
  int rows;               // of its rows that are there
  int chunks;             // of its row from this thread's first on

  __device__ Source(const uint16_t* matrix, int64_t stride, int64_t tile, int64_t count) {
    const int row = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
    const int64_t there = min(count - tile, int64_t{kTile}) - row;
    rows = static_cast<int>(there > 0 ? (there + kRowStep - 1) / kRowStep : 0);
    first = rows > 0 ? matrix + (tile + row) * stride + chunk * kChunk : matrix;
    step = kRowStep * stride;
    chunks = static_cast<int>(stride / kChunk) - chunk;
  }

  // Columns block * kDepth .. to shared memory.
  __device__ __forceinline__ void Copy(int32_t block, uint32_t shared) const {
    const int row = threadIdx.x / kChunks, chunk = threadIdx.x % kChunks;
    const bool column = block * kChunks < chunks;
    const uint32_t to = shared + Place(row, chunk);  // the same place of every kRowStep-th row
#pragma unroll
    for (int n = 0; n < kCopies; ++n) {
      const bool valid = column && n < rows;
      const uint16_t* const from = valid ? first + n * step + int64_t{block} * kDepth : first;
      CpAsync16(to + n * kRowStep * kRowBytes, from, valid);
    }
  }
};

template <int kRowTile, int kOutTile, int kRowWarps, int kOutWarps, int kParts>
struct Shape {
  static constexpr int kRows = kRowTile, kOuts = kOutTile, kWarpsOfOuts = kOutWarps;
  static constexpr int kStages = kParts;
  static constexpr int kThreads = 32 * kRowWarps * kOutWarps;
  static constexpr int kWarpRows = kRowTile / kRowWarps, kWarpOuts = kOutTile / kOutWarps;
  static constexpr int kRowParts = kWarpRows / kMmaRows, kOutParts = kWarpOuts / kMmaOuts;
  static constexpr uint32_t kStageBytes = (kRowTile + kOutTile) * kRowBytes;
  static constexpr size_t kSharedBytes = kStages * kStageBytes;
  using X = Source<kRowTile, kThreads>;
  using W = Source<kOutTile, kThreads>;
  static_assert(kOutParts % 2 == 0);
};

using Large = Shape<128, 128, 2, 4, 3>;
using Small = Shape<64, 64, 2, 2, 4>;

template <class S>
using Sums = float[S::kRowParts][S::kOutParts][4];

// Adds the products of one part of shared memory to the warp's sums.
template <class S>
__device__ __forceinline__ void AddStage(uint32_t shared, int row, int out, Sums<S>& sums) {
  const int lane = threadIdx.x % 32, matrix = lane / 8, line = lane % 8;
  const uint32_t weights = shared + S::kRows * kRowBytes;
#pragma unroll
  for (int depth = 0; depth < kChunks; depth += kMmaDepth / kChunk) {
    uint32_t x[S::kRowParts][4], w[S::kOutParts / 2][4];
#pragma unroll
    for (int i = 0; i < S::kRowParts; ++i) {
      const int r = row + i * kMmaRows + matrix % 2 * 8 + line;
      LoadMatrices(x[i], shared + Place(r, depth + matrix / 2));
    }
#pragma unroll
    for (int j = 0; j < S::kOutParts / 2; ++j) {
      const int r = out + j * 2 * kMmaOuts + matrix / 2 * 8 + line;
      LoadMatrices(w[j], weights + Place(r, depth + matrix % 2));
    }
#pragma unroll
    for (int i = 0; i < S::kRowParts; ++i) {
#pragma unroll
      for (int j = 0; j < S::kOutParts; ++j) {
        MultiplyBf16(sums[i][j], x[i], w[j / 2][j % 2 * 2], w[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// Two neighbouring results.
__device__ __forceinline__ void Store(const Bf16Product& p, int64_t t, int64_t o, float a, float b,
                                      bool pairs) {
  if (t >= p.rows || o >= p.out) return;
  float* const y = p.y + t * p.y_stride + o;
  if (pairs) {
    float2* const both = reinterpret_cast<float2*>(y);
    const float2 old = p.add ? *both : make_float2(0, 0);
    *both = make_float2(old.x + a, old.y + b);
    return;
  }
  y[0] = p.add ? y[0] + a : a;
  if (o + 1 < p.out) y[1] = p.add ? y[1] + b : b;
}

template <class S>
__device__ __forceinline__ void StoreSums(const Bf16Product& p, int64_t row, int64_t out,
                                          const Sums<S>& sums, bool pairs) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < S::kRowParts; ++i) {
#pragma unroll
    for (int j = 0; j < S::kOutParts; ++j) {
      const int64_t t = row + i * kMmaRows + lane / 4;
      const int64_t o = out + j * kMmaOuts + lane % 4 * 2;
      Store(p, t, o, sums[i][j][0], sums[i][j][1], pairs);
      Store(p, t + 8, o, sums[i][j][2], sums[i][j][3], pairs);
    }
  }
}

struct Tile {
  int64_t row, out;
};

// Of block `number`.
template <class S>
__device__ __forceinline__ Tile TileOf(const Bf16Product& p, int64_t number) {
  const int64_t row_tiles = (p.rows + S::kRows - 1) / S::kRows;
  const int64_t out_tiles = (p.out + S::kOuts - 1) / S::kOuts;
  const int64_t band = number / (kBandTiles * out_tiles);
  const int64_t height = min(kBandTiles, row_tiles - band * kBandTiles);
  const int64_t rest = number - band * kBandTiles * out_tiles;
  return {(band * kBandTiles + rest % height) * S::kRows, rest / height * S::kOuts};
}

template <class S>
__global__ void __launch_bounds__(S::kThreads, 2) MmaKernel(const Bf16Product p, bool pairs) {
  const Tile tile = TileOf<S>(p, blockIdx.x);
  const typename S::X x(p.x, p.stride(), tile.row, p.rows);
  const typename S::W w(p.w, p.stride(), tile.out, p.out);
  const uint32_t shared = SharedAddress(SharedMemory());
  const int32_t blocks = static_cast<int32_t>((p.in + kDepth - 1) / kDepth);
  const auto copy = [&](int32_t block) {
    const uint32_t part = shared + block % S::kStages * S::kStageBytes;
    if (block < blocks) {
      x.Copy(block, part);
      w.Copy(block, part + S::kRows * kRowBytes);
    }
    CpAsyncCommit();  // also where there is none, so that groups count blocks
  };
#pragma unroll
  for (int block = 0; block < S::kStages - 1; ++block) copy(block);

  const int warp = threadIdx.x / 32;
  const int row = warp / S::kWarpsOfOuts * S::kWarpRows,
            out = warp % S::kWarpsOfOuts * S::kWarpOuts;
  Sums<S> sums = {};
  for (int32_t block = 0; block < blocks; ++block) {
    CpAsyncWait<S::kStages - 2>();
    __syncthreads();  // all copies of this block are there, all reads of the one before are over
    copy(block + S::kStages - 1);
    AddStage<S>(shared + block % S::kStages * S::kStageBytes, row, out, sums);
  }
  StoreSums<S>(p, tile.row + row, tile.out + out, sums, pairs);
}

template <class S>
int64_t Tiles(const Bf16Product& p) {
  return Blocks(p.rows, S::kRows) * Blocks(p.out, S::kOuts);
}

template <class S>
void LaunchShape(const Call& call, const Bf16Product& p) {
  const bool pairs = p.out % 2 == 0 && p.y_stride % 2 == 0 && IsAligned(p.y, sizeof(float2));
  Launch(call, "multiply bf16", MmaKernel<S>, dim3(Tiles<S>(p)), S::kThreads, S::kSharedBytes, p,
         pairs);
}

}  // namespace

void MultiplyWithMma(const Call& call, const Bf16Product& product) {
  // Large tiles unless they leave multiprocessors idle.
  const bool large =
      product.rows > Small::kRows && Tiles<Large>(product) >= call.device().multiprocessors();
  if (large) return LaunchShape<Large>(call, product);
  LaunchShape<Small>(call, product);
}

}  // namespace longlens
