// Rows between two products of a layer, and the passes that make them.
#ifndef LONGLENS_CUDA_ACTIVATIONS_H_
#define LONGLENS_CUDA_ACTIVATIONS_H_

#include <cstdint>

#include "runtime.h"

namespace longlens {

// x [rows][stride] of `width` elements: f32, or rounded to bf16 and padded with zeros so that rows
// are aligned to 16.
struct Activations {
  void* data;
  int64_t width;
  bool rounded;

  static constexpr int64_t kPad = 8;
  int64_t stride() const { return rounded ? (width + kPad - 1) / kPad * kPad : width; }
  const float* f32() const { return static_cast<const float*>(data); }
  const uint16_t* bf16() const { return static_cast<const uint16_t*>(data); }
};

// Room for `rows` rows until the call's work is over.
Activations MakeActivations(const Call& call, int64_t rows, int64_t width, bool rounded);

// out = rmsnorm(x; norm, eps).  x [rows][out.width].
void NormRows(const Call& call, const float* x, int64_t rows, const float* norm, float eps,
              const Activations& out);

// y += rmsnorm(x; norm, eps).  x, y [rows][width].
void AddNormRows(const Call& call, const float* x, int64_t rows, int64_t width, const float* norm,
                 float eps, float* y);

// out = x rounded.  x [rows][out.width].
void RoundRows(const Call& call, const float* x, int64_t rows, const Activations& out);

// out = act(gate) * up.  gate, up [rows][out.width].
void GateRows(const Call& call, const float* gate, const float* up, int64_t rows,
              int32_t activation, const Activations& out);

}  // namespace longlens

#endif  // LONGLENS_CUDA_ACTIVATIONS_H_
