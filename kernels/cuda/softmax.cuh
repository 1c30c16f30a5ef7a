// Softmax with powers of 2, of scores that come one after the other.
#ifndef LONGLENS_CUDA_SOFTMAX_CUH_
#define LONGLENS_CUDA_SOFTMAX_CUH_

#include <cmath>

#include "ptx.cuh"
#include "reduce.cuh"

namespace longlens {

constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;

// Running maximum (base 2) and sum of 2^(score - maximum).
struct RunningSoftmax {
  float maximum = -INFINITY;
  float sum = 0.0f;

  // What the weights are powers above; finite, so that -INFINITY minus it is no NaN.
  __device__ __forceinline__ float Base() const { return maximum == -INFINITY ? 0.0f : maximum; }
  // Takes a new maximum; returns what sums so far are to be multiplied by.
  __device__ __forceinline__ float Raise(float top) {
    const float keep = top == maximum ? 1.0f : Exp2(maximum - top);
    maximum = top;
    sum *= keep;
    return keep;
  }
  __device__ __forceinline__ void Add(float score) {
    if (score > maximum) Raise(score);
    sum += Exp2(score - Base());
  }
  __device__ __forceinline__ void Join(float other_maximum, float other_sum) {
    if (other_maximum > maximum) Raise(other_maximum);
    sum += other_sum * Exp2(other_maximum - Base());
  }
  // Joins those of `width` neighbouring lanes; they get the same but for rounding.
  __device__ __forceinline__ void JoinLanes(int width) {
    for (int bit = width / 2; bit >= 1; bit /= 2) {
      const float other_maximum = __shfl_xor_sync(kWholeWarp, maximum, bit);
      const float other_sum = __shfl_xor_sync(kWholeWarp, sum, bit);
      Join(other_maximum, other_sum);
    }
  }
  // Joins those of the block's threads, which all get the same; `shared` is room for 64 floats that
  // no thread reads any more.
  __device__ void JoinBlock(float* shared) {
    const int warp = threadIdx.x / 32, warps = blockDim.x / 32;
    JoinLanes(32);
    if (threadIdx.x % 32 == 0) {
      shared[2 * warp] = maximum;
      shared[2 * warp + 1] = sum;
    }
    __syncthreads();
    *this = RunningSoftmax();
    for (int w = 0; w < warps; ++w) Join(shared[2 * w], shared[2 * w + 1]);
    __syncthreads();
  }
  // Of scores that include log2(e).
  __device__ __forceinline__ float LogSumExp() const {
    return sum == 0.0f ? -INFINITY : (maximum + log2f(sum)) * static_cast<float>(kLn2);
  }
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_SOFTMAX_CUH_
