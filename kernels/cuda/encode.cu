// Blocks of LL_Q8_0 and LL_Q4_1, to the bit as the reference makes them: each operation rounds, so
// none of them may be joined to another.
#include "../common/element_types.h"
#include "convert.h"
#include "elements.cuh"
#include "launch.cuh"
#include "reduce.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarpThreads;

// 0 where every integer stands for the same, and where it would not be finite: as f16 such scales
// are 0.
__device__ float InverseOf(float scale) {
  const float inverse = 1.0f / scale;
  return isfinite(inverse) ? inverse : 0.0f;
}

__device__ void PutF16(uint8_t* at, float x) {
  const uint16_t half = NarrowF16(x);
  at[0] = static_cast<uint8_t>(half);
  at[1] = static_cast<uint8_t>(half >> 8);
}

// Lane i has element i.
__device__ void EncodeQ8(float x, uint8_t* block) {
  const int lane = threadIdx.x % kWarpThreads;
  const float scale = ReduceWarp(fabsf(x), Larger()) / 127.0f;
  if (lane == 0) PutF16(block, scale);
  const int q = static_cast<int>(roundf(__fmul_rn(x, InverseOf(scale))));
  block[2 + lane] = static_cast<uint8_t>(q);
}

__device__ void EncodeQ4(float x, uint8_t* block) {
  const int lane = threadIdx.x % kWarpThreads;
  const float largest = ReduceWarp(x, Larger()), least = -ReduceWarp(-x, Larger());
  // Zeros keep the sign of the first of them.
  const unsigned lanes = __ballot_sync(kWholeWarp, x == least);
  const float minimum = __shfl_sync(kWholeWarp, x, __ffs(static_cast<int>(lanes)) - 1);
  const float scale = largest == minimum ? 0.0f : __fadd_rn(largest, -minimum) / 15.0f;
  if (lane == 0) PutF16(block, scale);
  if (lane == 1) PutF16(block + 2, minimum);
  const float level = __fmul_rn(__fadd_rn(x, -minimum), InverseOf(scale));
  // Where the difference is not finite, it is a NaN times 0.
  const int q = level == level ? min(15, static_cast<int>(__fadd_rn(level, 0.5f))) : 0;
  const int upper = __shfl_down_sync(kWholeWarp, q, kWarpThreads / 2);
  if (lane < kWarpThreads / 2) block[4 + lane] = static_cast<uint8_t>(q | upper << 4);
}

// A warp per block. Sets *found where an element is not finite.
__global__ void __launch_bounds__(kThreads)
    EncodeKernel(const Elements source, uint8_t* target, int32_t dtype, int64_t bytes,
                 int64_t blocks, int* found) {
  const int64_t block = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpThreads;
  if (block >= blocks) return;
  const float x = source.At(block * kWarpThreads + threadIdx.x % kWarpThreads);
  if (__any_sync(kWholeWarp, !isfinite(x))) {
    *found = 1;
  } else if (dtype == LL_Q8_0) {
    EncodeQ8(x, target + block * bytes);
  } else {
    EncodeQ4(x, target + block * bytes);
  }
}

}  // namespace

void EncodeBlocks(const Call& call, const void* source, int32_t source_dtype, void* target,
                  int32_t target_dtype, int64_t count) {
  const ElementType type = ElementTypeOf(target_dtype);
  const int64_t blocks = count / type.block_elements;
  int* const found = call.Scratch<int>(1);
  CheckCuda(cudaMemsetAsync(found, 0, sizeof(int), call.stream()), "convert elements");
  Launch(call, "encode blocks", EncodeKernel, dim3(Blocks(blocks, kWarps)), kThreads, 0,
         ElementsOf(source, source_dtype), static_cast<uint8_t*>(target), target_dtype,
         int64_t{type.block_bytes}, blocks, found);
  int result = 0;
  call.CopyOut(&result, found, 1);
  if (result == 0) return;
  throw Error(LL_INVALID_ARGUMENT,
              "Cannot convert elements as what is quantised must be finite: a number is not");
}

}  // namespace longlens
