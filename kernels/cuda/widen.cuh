// Elements of pages as f32.
#ifndef LONGLENS_CUDA_WIDEN_CUH_
#define LONGLENS_CUDA_WIDEN_CUH_

#include "ptx.cuh"

namespace longlens {

// Four numbers of -127 .. 127 as f32: with 128 added they are the low bits of 2^23 + x.
__device__ __forceinline__ void WidenInt8(uint32_t four, float* x) {
  const uint32_t moved = four ^ 0x80808080u;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[i] = __uint_as_float(__byte_perm(moved, 0x4B000000u, 0x7650u + i)) - 8388736.0f;
  }
}

__device__ __forceinline__ void WidenBf16s(const uint4& eight, float* x) {
  const uint32_t pairs[4] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = LowBf16(pairs[i]);
    x[2 * i + 1] = HighBf16(pairs[i]);
  }
}

__device__ __forceinline__ float ScaleOfExponent(uint32_t exponent) {
  return __uint_as_float(exponent << 23);
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_WIDEN_CUH_
