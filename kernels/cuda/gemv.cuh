// y[r][o] (+)= sum_i x[r][i] W[o][i] for few rows r: bound by the memory that W is read from.
//
// A warp takes kOutputs rows of W at a time, so that each element of x that it reads serves all of
// them; `splits` warps of a block share the columns where W has too few rows to occupy the device.
// Sums: of a lane's columns, of the lanes, of the splits, always in that order. How a lane sums
// depends on what W is made of: gemv.cu, gemv_blocks.cu.
#ifndef LONGLENS_CUDA_GEMV_CUH_
#define LONGLENS_CUDA_GEMV_CUH_

#include <type_traits>

#include "gate.cuh"
#include "launch.cuh"
#include "products.h"
#include "reduce.cuh"

namespace longlens {

constexpr int kGemvWarps = 8;
constexpr int kGemvThreads = kGemvWarps * kWarpThreads;

struct Task {
  const uint8_t* w;
  float* y;
  int64_t out;
  int64_t first_group;  // of kOutputs rows of W
};

// Products of x with each matrix, or y = act(x W[0]^T) * (x W[1]^T) where is_gated.
struct Tasks {
  Task of[kMostProducts];
  int32_t count;
  int32_t splits;
  int64_t groups;
  int64_t row_bytes;  // of W
  const float* x;
  int64_t in;
  int32_t rows;
  bool add;
  bool is_gated;
  int32_t activation;
};

// Sums of the lanes. While lanes hold several numbers, each gives half of them away: number n ends
// up in lane n's bits, the last numbers of several lanes in all of them.
template <int kCount>
__device__ __forceinline__ void SumLanes(const float (&sum)[kCount], float* to) {
  constexpr int kLeft = kCount > kWarpThreads ? kCount / kWarpThreads : 1;
  const int lane = threadIdx.x % kWarpThreads;
  float v[kCount];
#pragma unroll
  for (int n = 0; n < kCount; ++n) v[n] = sum[n];
  int number = 0;
#pragma unroll
  for (int step = 0, count = kCount; step < 5; ++step) {
    const int bit = kWarpThreads / 2 >> step;
    const bool upper = (lane & bit) != 0;
    if (count > kLeft) {
      count /= 2;
#pragma unroll
      for (int n = 0; n < kCount / 2; ++n) {
        if (n >= count) continue;
        const float kept = upper ? v[n + count] : v[n], given = upper ? v[n] : v[n + count];
        v[n] = kept + __shfl_xor_sync(kWholeWarp, given, bit);
      }
      if (upper) number += count;
    } else {
#pragma unroll
      for (int n = 0; n < kLeft; ++n) v[n] += __shfl_xor_sync(kWholeWarp, v[n], bit);
    }
  }
#pragma unroll
  for (int n = 0; n < kLeft; ++n) to[number + n] = v[n];  // equal lanes write equal numbers
}

// The task of a group, the first one where is_gated.
__device__ __forceinline__ const Task& TaskOf(const Tasks& t, int64_t group) {
  int number = 0;
#pragma unroll
  for (int i = 1; i < kMostProducts; ++i) {
    if (!t.is_gated && i < t.count && group >= t.of[i].first_group) number = i;
  }
  return t.of[number];
}

// Row `number` of the group's kOutputs rows of W, clamped: rows that are not there are not stored.
// Where is_gated, half of them are of the first matrix, half of the second.
template <int kOutputs>
__device__ __forceinline__ const uint8_t* RowOf(const Tasks& t, const Task& task, int64_t group,
                                                int number) {
  constexpr int kPairs = kOutputs / 2;
  if (t.is_gated) {
    const int64_t o = min(group * kPairs + number % kPairs, task.out - 1);
    return t.of[number / kPairs].w + o * t.row_bytes;
  }
  const int64_t o = min((group - task.first_group) * kOutputs + number, task.out - 1);
  return task.w + o * t.row_bytes;
}

// Stores what the group's sum number n = output * kRows + row is for; sum(n) is that sum.
template <int kOutputs, int kRows, class Sum>
__device__ __forceinline__ void StoreSum(const Tasks& t, const Task& task, int64_t group, int n,
                                         const Sum& sum) {
  const int outputs = t.is_gated ? kOutputs / 2 : kOutputs, output = n / kRows, row = n % kRows;
  const int64_t o = (group - task.first_group) * outputs + output;
  if (output >= outputs || row >= t.rows || o >= task.out) return;
  float* const y = task.y + row * task.out + o;
  if (t.is_gated) {
    *y = Activate(sum(n), t.activation) * sum(n + outputs * kRows);
  } else {
    *y = t.add ? *y + sum(n) : sum(n);
  }
}

// Sums: kOutputs, kRows; kBlocks, that registers are there for on a multiprocessor; w[kOutputs],
// rows of W; sum[kOutputs * kRows], of what Add(t, columns, split) finds of the columns of warp
// `split`.
template <class Sums>
__global__ void __launch_bounds__(kGemvThreads, Sums::kBlocks)
    GemvKernel(const Tasks t, const typename Sums::Columns columns) {
  constexpr int kCount = Sums::kOutputs * Sums::kRows;
  __shared__ float parts[kGemvWarps][kCount];
  const int warp = threadIdx.x / kWarpThreads, per_block = kGemvWarps / t.splits;
  const int64_t first = int64_t{blockIdx.x} * per_block;
  const int64_t group = min(first + warp / t.splits, t.groups - 1);
  const Task& task = TaskOf(t, group);
  Sums sums;
#pragma unroll
  for (int o = 0; o < Sums::kOutputs; ++o) {
    sums.w[o] = RowOf<Sums::kOutputs>(t, task, group, o);
  }
#pragma unroll
  for (int n = 0; n < kCount; ++n) sums.sum[n] = 0;
  sums.Add(t, columns, warp % t.splits);
  SumLanes(sums.sum, parts[warp]);
  __syncthreads();
  for (int i = threadIdx.x; i < per_block * kCount; i += kGemvThreads) {
    const int64_t stored = first + i / kCount;
    if (stored >= t.groups) return;
    const int from = i / kCount * t.splits;
    const auto sum = [&](int n) {
      float all = parts[from][n];
      for (int s = 1; s < t.splits; ++s) all += parts[from + s][n];
      return all;
    };
    StoreSum<Sums::kOutputs, Sums::kRows>(t, TaskOf(t, stored), stored, i % kCount, sum);
  }
}

// `steps`: parts of a row that a warp takes one after the other.
inline int32_t GemvSplits(const Call& call, const Tasks& t, int64_t steps) {
  constexpr int64_t kWarpsWanted = 32;  // per multiprocessor: they keep the memory busy
  const int64_t wanted = kWarpsWanted * call.device().multiprocessors();
  int32_t splits = 1;
  while (splits < kGemvWarps && 2 * splits <= steps && t.groups * splits < wanted) splits *= 2;
  return splits;
}

template <class Sums>
void LaunchGemv(const Call& call, Tasks t, const typename Sums::Columns& columns, int64_t steps) {
  t.groups = 0;
  for (int i = 0; i < t.count; ++i) {
    t.of[i].first_group = t.is_gated ? 0 : t.groups;
    if (i == 0 || !t.is_gated) {
      t.groups += Blocks(t.of[i].out, t.is_gated ? Sums::kOutputs / 2 : Sums::kOutputs);
    }
  }
  t.splits = GemvSplits(call, t, steps);
  Launch(call, "multiply few rows", GemvKernel<Sums>, dim3(Blocks(t.groups, kGemvWarps / t.splits)),
         kGemvThreads, 0, t, columns);
}

// Calls body(rows) with a constant for kernels of at least t.rows rows.
template <class Body>
void ForRows(const Tasks& t, const Body& body) {
  if (t.rows == 1) return body(std::integral_constant<int, 1>());
  if (t.rows == 2) return body(std::integral_constant<int, 2>());
  if (t.rows <= 4) return body(std::integral_constant<int, 4>());
  body(std::integral_constant<int, 8>());
}

// Matrices of blocks of dtype.
void MultiplyBlocks(const Call& call, const Tasks& t, int32_t dtype);

}  // namespace longlens

#endif  // LONGLENS_CUDA_GEMV_CUH_
