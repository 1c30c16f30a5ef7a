// y = x W^T, the product under every projection.
#ifndef LONGLENS_CPU_LINEAR_H_
#define LONGLENS_CPU_LINEAR_H_

#include "dispatch.h"

namespace longlens {

// W [out][in], f32 or bf16.
struct Weights {
  const void* data;
  int32_t dtype;
  int64_t out, in;

  const void* Row(int64_t o) const {
    return static_cast<const char*>(data) + o * in * (dtype == LL_F32 ? 4 : 2);
  }
};

// y[t][o] (+)= sum_i x[t][i] W[o][i];  x [rows][in], y [rows][out], both contiguous.
void Linear(const Call& call, const float* x, int64_t rows, const Weights& w, float* y, bool add);

}  // namespace longlens

#endif  // LONGLENS_CPU_LINEAR_H_
