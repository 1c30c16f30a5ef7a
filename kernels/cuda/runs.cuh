// Runs of neighbouring elements, read and written as a whole.
#ifndef LONGLENS_CUDA_RUNS_CUH_
#define LONGLENS_CUDA_RUNS_CUH_

#include <cstdint>

#include "device.cuh"
#include "ptx.cuh"

namespace longlens {

// An element of LL_F16; those of LL_BF16 are plain uint16_t.
struct F16 {
  uint16_t bits;
};

// Addresses of runs of 4 are aligned to the run, those of 8 to 16 bytes.
__device__ __forceinline__ void LoadRun(const float* from, float (&x)[1]) { x[0] = *from; }
__device__ __forceinline__ void LoadRun(const float* from, float (&x)[4]) {
  const float4 all = *reinterpret_cast<const float4*>(from);
  x[0] = all.x, x[1] = all.y, x[2] = all.z, x[3] = all.w;
}
__device__ __forceinline__ void LoadRun(const uint16_t* from, float (&x)[1]) {
  x[0] = WidenBf16(*from);
}
__device__ __forceinline__ void LoadRun(const uint16_t* from, float (&x)[4]) {
  const uint2 all = *reinterpret_cast<const uint2*>(from);
  x[0] = LowBf16(all.x), x[1] = HighBf16(all.x), x[2] = LowBf16(all.y), x[3] = HighBf16(all.y);
}

__device__ __forceinline__ void LoadRun(const F16* from, float (&x)[1]) {
  x[0] = WidenF16(from->bits);
}
__device__ __forceinline__ void LoadRun(const F16* from, float (&x)[4]) {
  const uint2 all = *reinterpret_cast<const uint2*>(from);
  x[0] = LowF16(all.x), x[1] = HighF16(all.x), x[2] = LowF16(all.y), x[3] = HighF16(all.y);
}
__device__ __forceinline__ void LoadRun(const float* from, float (&x)[8]) {
#pragma unroll
  for (int i = 0; i < 8; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(from + i);
    x[i] = four.x, x[i + 1] = four.y, x[i + 2] = four.z, x[i + 3] = four.w;
  }
}

__device__ __forceinline__ void StoreRun(float* to, const float (&x)[1]) { *to = x[0]; }
__device__ __forceinline__ void StoreRun(float* to, const float (&x)[4]) {
  *reinterpret_cast<float4*>(to) = make_float4(x[0], x[1], x[2], x[3]);
}
__device__ __forceinline__ void StoreRun(uint16_t* to, const float (&x)[1]) {
  *to = NarrowBf16(x[0]);
}
__device__ __forceinline__ void StoreRun(uint16_t* to, const float (&x)[4]) {
  *reinterpret_cast<uint2*>(to) = make_uint2(PackBf16(x[0], x[1]), PackBf16(x[2], x[3]));
}

__device__ __forceinline__ void StoreRun(float* to, const float (&x)[8]) {
#pragma unroll
  for (int i = 0; i < 8; i += 4) {
    *reinterpret_cast<float4*>(to + i) = make_float4(x[i], x[i + 1], x[i + 2], x[i + 3]);
  }
}
__device__ __forceinline__ void StoreRun(uint16_t* to, const float (&x)[8]) {
  *reinterpret_cast<uint4*>(to) = make_uint4(PackBf16(x[0], x[1]), PackBf16(x[2], x[3]),
                                             PackBf16(x[4], x[5]), PackBf16(x[6], x[7]));
}

inline bool IsAligned(const void* address, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(address) % bytes == 0;
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_RUNS_CUH_
