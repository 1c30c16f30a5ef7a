// y[t][o] (+)= sum_i x[t][i] W[o][i] in f32: plain multiplications and additions.
//
// A block takes kRowTile x kOutTile results and reads kDepth columns of x and W at a time, turned
// round, into one of two buffers of shared memory: x [kDepth][kRowTile + pad], then W likewise. The
// next columns are on their way to registers meanwhile. A thread has kThreadRows x kThreadOuts
// results, in runs of 4 that lie apart, so that reads of a warp meet different banks.
#include "launch.cuh"
#include "products.h"
#include "ptx.cuh"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int kDepth = 16;
constexpr int kRun = 4;
constexpr int kRunsOfDepth = kDepth / kRun;
constexpr int kPad = 4;

// How one of the two matrices is cut: kTile of its rows for a block, kOfThread for a thread.
template <int kTile, int kOfThread, int kThreads>
struct Cut {
  static constexpr int kStride = kTile + kPad;
  static constexpr int kFloats = kDepth * kStride;
  static constexpr int kLoads = kTile * kRunsOfDepth / kThreads;
  static constexpr int kPlaces = kTile / kOfThread;  // threads along it
  static_assert(kLoads * kThreads == kTile * kRunsOfDepth && kOfThread % kRun == 0);

  // Row of a thread's result i.
  static __device__ __forceinline__ int RowOf(int place, int i) {
    return i / kRun * kPlaces * kRun + place * kRun + i % kRun;
  }

  // Columns depth .. depth + kDepth - 1 of rows first .. to registers; zeros beyond the matrix.
  template <bool kRuns, class T>
  static __device__ __forceinline__ void Load(const T* matrix, int64_t rows, int64_t in,
                                              int64_t first, int64_t depth,
                                              float (&to)[kLoads][kRun]) {
#pragma unroll
    for (int n = 0; n < kLoads; ++n) {
      const int item = threadIdx.x + n * kThreads;
      const int64_t row = first + item / kRunsOfDepth;
      const int64_t column = depth + item % kRunsOfDepth * kRun;
      const T* const from = matrix + row * in + column;
#pragma unroll
      for (int e = 0; e < kRun; ++e) to[n][e] = 0;
      if (row >= rows) continue;
      if constexpr (kRuns) {
        if (column < in) LoadRun(from, to[n]);
      } else {
#pragma unroll
        for (int e = 0; e < kRun; ++e) {
          float one[1] = {};
          if (column + e < in) LoadRun(from + e, one);
          to[n][e] = one[0];
        }
      }
    }
  }

  // Registers to shared memory.
  static __device__ __forceinline__ void Put(const float (&from)[kLoads][kRun], float* shared) {
#pragma unroll
    for (int n = 0; n < kLoads; ++n) {
      const int item = threadIdx.x + n * kThreads;
#pragma unroll
      for (int e = 0; e < kRun; ++e) {
        shared[(item % kRunsOfDepth * kRun + e) * kStride + item / kRunsOfDepth] = from[n][e];
      }
    }
  }

  // A thread's numbers of one column.
  static __device__ __forceinline__ void Take(const float* shared, int column, int place,
                                              float (&to)[kOfThread]) {
#pragma unroll
    for (int i = 0; i < kOfThread; i += kRun) {
      float run[kRun];
      LoadRun(shared + column * kStride + RowOf(place, i), run);
#pragma unroll
      for (int e = 0; e < kRun; ++e) to[i + e] = run[e];
    }
  }
};

template <int kRowTile, int kOutTile, int kThreadRows, int kThreadOuts>
struct Shape {
  static constexpr int kThreads = kRowTile / kThreadRows * (kOutTile / kThreadOuts);
  static constexpr int kRows = kThreadRows, kOuts = kThreadOuts;
  static constexpr int kRowsOfBlock = kRowTile, kOutsOfBlock = kOutTile;
  using X = Cut<kRowTile, kThreadRows, kThreads>;
  using W = Cut<kOutTile, kThreadOuts, kThreads>;
  static constexpr int kBufferFloats = X::kFloats + W::kFloats;
  static constexpr size_t kSharedBytes = 2 * kBufferFloats * sizeof(float);
};

using Large = Shape<128, 128, 8, 8>;
using Small = Shape<32, 64, 4, 4>;

template <class S, bool kRuns, class T>
__device__ __forceinline__ void Sum(const F32Product& p, const T* w, int64_t row, int64_t out,
                                    float (&sum)[S::kRows][S::kOuts]) {
  float* const shared = reinterpret_cast<float*>(SharedMemory());
  const int row_place = threadIdx.x / S::W::kPlaces, out_place = threadIdx.x % S::W::kPlaces;
  const int64_t in = p.w.in;
  float next_x[S::X::kLoads][kRun], next_w[S::W::kLoads][kRun];
  S::X::template Load<kRuns>(p.x, p.rows, in, row, 0, next_x);
  S::W::template Load<kRuns>(w, p.w.out, in, out, 0, next_w);
  int buffer = 0;
  for (int64_t depth = 0; depth < in; depth += kDepth, buffer ^= 1) {
    float* const xs = shared + buffer * S::kBufferFloats;
    float* const ws = xs + S::X::kFloats;
    S::X::Put(next_x, xs);
    S::W::Put(next_w, ws);
    __syncthreads();  // the other buffer is free after it, too
    if (depth + kDepth < in) {
      S::X::template Load<kRuns>(p.x, p.rows, in, row, depth + kDepth, next_x);
      S::W::template Load<kRuns>(w, p.w.out, in, out, depth + kDepth, next_w);
    }
#pragma unroll
    for (int c = 0; c < kDepth; ++c) {
      float x[S::kRows], weight[S::kOuts];
      S::X::Take(xs, c, row_place, x);
      S::W::Take(ws, c, out_place, weight);
#pragma unroll
      for (int i = 0; i < S::kRows; ++i) {
#pragma unroll
        for (int j = 0; j < S::kOuts; ++j) sum[i][j] = fmaf(x[i], weight[j], sum[i][j]);
      }
    }
  }
}

template <class S, class T, bool kRuns>
__global__ void __launch_bounds__(S::kThreads, 2)
    GemmKernel(const F32Product p, const T* w, int64_t row_tiles) {
  const int64_t row = blockIdx.x % row_tiles * S::kRowsOfBlock;
  const int64_t out = blockIdx.x / row_tiles * S::kOutsOfBlock;
  float sum[S::kRows][S::kOuts] = {};
  Sum<S, kRuns>(p, w, row, out, sum);
  const int row_place = threadIdx.x / S::W::kPlaces, out_place = threadIdx.x % S::W::kPlaces;
#pragma unroll
  for (int i = 0; i < S::kRows; ++i) {
    const int64_t t = row + S::X::RowOf(row_place, i);
    if (t >= p.rows) continue;
#pragma unroll
    for (int j = 0; j < S::kOuts; ++j) {
      const int64_t o = out + S::W::RowOf(out_place, j);
      if (o >= p.w.out) continue;
      float* const y = p.y + t * p.y_stride + o;
      *y = p.add ? *y + sum[i][j] : sum[i][j];
    }
  }
}

template <class S, class T>
void LaunchShape(const Call& call, const F32Product& p) {
  const T* const w = static_cast<const T*>(p.w.data);
  const bool runs = p.w.in % kRun == 0 && IsAligned(p.x, 16) && IsAligned(w, kRun * sizeof(T));
  const int64_t row_tiles = Blocks(p.rows, S::kRowsOfBlock);
  Launch(call, "multiply f32", runs ? GemmKernel<S, T, true> : GemmKernel<S, T, false>,
         dim3(row_tiles * Blocks(p.w.out, S::kOutsOfBlock)), S::kThreads, S::kSharedBytes, p, w,
         row_tiles);
}

// Large tiles unless they leave multiprocessors idle.
bool IsLarge(const Call& call, const F32Product& p) {
  const int64_t tiles = Blocks(p.rows, Large::kRowsOfBlock) * Blocks(p.w.out, Large::kOutsOfBlock);
  return p.rows > Small::kRowsOfBlock && tiles >= call.device().multiprocessors();
}

template <class T>
void Choose(const Call& call, const F32Product& p) {
  if (IsLarge(call, p)) return LaunchShape<Large, T>(call, p);
  LaunchShape<Small, T>(call, p);
}

}  // namespace

void MultiplyF32(const Call& call, const F32Product& product) {
  if (product.w.dtype == LL_F32) return Choose<float>(call, product);
  if (product.w.dtype == LL_F16) return Choose<F16>(call, product);
  Choose<uint16_t>(call, product);
}

}  // namespace longlens
