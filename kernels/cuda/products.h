// The kernels under linear.h. y (+)= x W^T: x [rows][in], W [out][in], y [rows][out].
#ifndef LONGLENS_CUDA_PRODUCTS_H_
#define LONGLENS_CUDA_PRODUCTS_H_

#include <cstdint>

#include "../common/element_types.h"
#include "runtime.h"

namespace longlens {

// W [out][in]
struct Weights {
  const void* data;
  int32_t dtype;
  int64_t out, in;

  Weights Rows(int64_t first, int64_t count) const {
    return {static_cast<const char*>(data) + ElementTypeOf(dtype).Bytes(first * in), dtype, count,
            in};
  }
};

// One matrix and its result.
struct Product {
  Weights w;
  float* y;
};

// ---- products of f32 ----

// Rows up to which weights are streamed once past all rows of x.
constexpr int64_t kFewRows = 8;
constexpr int kMostProducts = 3;

// Up to kFewRows rows; all products have one `in`.
void ProductsOfFewRows(const Call& call, const float* x, int64_t rows, const Product* products,
                       int count, bool add);
// out [rows][gate.out] = act(x gate^T) * (x up^T), up to kFewRows rows; both of one dtype.
void GateOfFewRows(const Call& call, const float* x, int64_t rows, const Weights& gate,
                   const Weights& up, int32_t activation, float* out);

// y [rows][y_stride]; W of single elements.
struct F32Product {
  const float* x;
  Weights w;
  float* y;
  int64_t y_stride, rows;
  bool add;
};
void MultiplyF32(const Call& call, const F32Product& product);

// ---- products of bf16, sums in f32 ----

// x and W are aligned to 16 and their rows padded with zeros to a multiple of 8 elements;
// y [rows][y_stride].
struct Bf16Product {
  const uint16_t* x;
  const uint16_t* w;
  float* y;
  int64_t y_stride, rows, out, in;
  bool add;

  static constexpr int64_t kPad = 8;
  __host__ __device__ int64_t stride() const { return (in + kPad - 1) / kPad * kPad; }
};
void MultiplyWithMma(const Call& call, const Bf16Product& product);

}  // namespace longlens

#endif  // LONGLENS_CUDA_PRODUCTS_H_
