// Sums and maxima of a block's threads, in a fixed order.
#ifndef LONGLENS_CUDA_REDUCE_CUH_
#define LONGLENS_CUDA_REDUCE_CUH_

#include <cstdint>

#include "ptx.cuh"

namespace longlens {

constexpr int kWarpThreads = 32;

struct Plus {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// Every lane gets the same bits, as a + b and b + a are the same.
template <class T, class Combine>
__device__ T ReduceWarp(T value, Combine combine) {
#pragma unroll
  for (int bits = kWarpThreads / 2; bits > 0; bits /= 2) {
    value = combine(value, __shfl_xor_sync(kWholeWarp, value, bits));
  }
  return value;
}

// Of kThreads threads, a multiple of 32; all must call it.
template <int kThreads, class T, class Combine>
__device__ T ReduceBlock(T value, Combine combine) {
  constexpr int kWarps = kThreads / kWarpThreads;
  __shared__ T of_warp[kWarps];
  value = ReduceWarp(value, combine);
  __syncthreads();  // a reduction before this one has been read
  if (threadIdx.x % kWarpThreads == 0) of_warp[threadIdx.x / kWarpThreads] = value;
  __syncthreads();
  value = of_warp[0];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) value = combine(value, of_warp[warp]);
  return value;
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_REDUCE_CUH_
