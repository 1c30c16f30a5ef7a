// Single elements of any type and alignment.
#ifndef LONGLENS_CUDA_ELEMENTS_CUH_
#define LONGLENS_CUDA_ELEMENTS_CUH_

#include "../include/longlens.h"
#include "ptx.cuh"
#include "runs.cuh"

namespace longlens {

struct Elements {
  const uint8_t* first;
  int32_t dtype;
  bool is_aligned;

  __device__ __forceinline__ float At(int64_t i) const {
    if (dtype == LL_F32) {
      const uint8_t* const at = first + 4 * i;
      if (is_aligned) return *reinterpret_cast<const float*>(at);
      return __uint_as_float(at[0] | at[1] << 8 | at[2] << 16 | uint32_t{at[3]} << 24);
    }
    const uint8_t* const at = first + 2 * i;
    const uint16_t half = is_aligned ? *reinterpret_cast<const uint16_t*>(at)
                                     : static_cast<uint16_t>(at[0] | at[1] << 8);
    return dtype == LL_BF16 ? WidenBf16(half) : WidenF16(half);
  }
};

inline Elements ElementsOf(const void* source, int32_t dtype) {
  return {static_cast<const uint8_t*>(source), dtype, IsAligned(source, dtype == LL_F32 ? 4 : 2)};
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_ELEMENTS_CUH_
