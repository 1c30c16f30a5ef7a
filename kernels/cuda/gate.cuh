// Activations of the gated feed-forward layer.
#ifndef LONGLENS_CUDA_GATE_CUH_
#define LONGLENS_CUDA_GATE_CUH_

#include "../include/longlens.h"
#include "device.cuh"

namespace longlens {

// silu(x) = x / (1 + e^-x);  gelu_tanh(x) = x (1 + tanh u) / 2 = x / (1 + e^-2u),
// u = sqrt(2/pi) (x + 0.044715 x^3)
__device__ __forceinline__ float Activate(float x, int32_t activation) {
  const float u = activation == LL_SILU ? x : x * (x * x * 0.0713548163f + 1.5957691216f);
  return x / (1.0f + expf(-u));
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_GATE_CUH_
