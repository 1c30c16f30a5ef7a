// y = x W^T, the product under every projection.
#ifndef LONGLENS_CPU_LINEAR_H_
#define LONGLENS_CPU_LINEAR_H_

#include <initializer_list>

#include "../common/element_types.h"
#include "dispatch.h"

namespace longlens {

// W [out][in] of any type of weights.
struct Weights {
  const void* data;
  int32_t dtype;
  int64_t out, in;

  // Row o from element i on, where a block starts.
  const void* Row(int64_t o, int64_t i = 0) const {
    const ElementType type = ElementTypeOf(dtype);
    return static_cast<const char*>(data) + o * type.Bytes(in) + type.Bytes(i);
  }
};

// A matrix and where its product with x goes.
struct Product {
  Weights w;
  float* y;
};

// y[t][o] (+)= sum_i x[t][i] W[o][i];  x [rows][in], y [rows][out], both contiguous.
void Linear(const Call& call, const float* x, int64_t rows, const Weights& w, float* y, bool add);

// Several products of one x, whose matrices have rows of the same length.
void LinearEach(const Call& call, const float* x, int64_t rows,
                std::initializer_list<Product> products);

// out [in] = row o of W.
void WidenRow(const Kernels& kernels, const Weights& w, int64_t o, float* out);

}  // namespace longlens

#endif  // LONGLENS_CPU_LINEAR_H_
