// The passes over rows: a block per row, or per row and part of it, and neighbouring elements per
// thread where addresses allow it.
#include "activations.h"
#include "gate.cuh"
#include "launch.cuh"
#include "reduce.cuh"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;

// out[r][i] (+)= x[r][i] / sqrt(mean_j x[r][j]^2 + eps) * norm[i], then zeros.
template <class Out, int kRun, bool kAdd>
__global__ void __launch_bounds__(kThreads)
    NormKernel(const float* x, int64_t width, const float* norm, float eps, Out* out,
               int64_t stride) {
  const float* const row = x + blockIdx.x * width;
  Out* const target = out + blockIdx.x * stride;
  float v[kRun], n[kRun], sum = 0;
  for (int64_t i = threadIdx.x * kRun; i < width; i += kThreads * kRun) {
    LoadRun(row + i, v);
#pragma unroll
    for (int e = 0; e < kRun; ++e) sum += v[e] * v[e];
  }
  sum = ReduceBlock<kThreads>(sum, Plus());
  const float factor = 1.0f / sqrtf(sum / static_cast<float>(width) + eps);
  for (int64_t i = threadIdx.x * kRun; i < stride; i += kThreads * kRun) {
    if (i < width) {
      LoadRun(row + i, v);
      LoadRun(norm + i, n);
    }
#pragma unroll
    for (int e = 0; e < kRun; ++e) v[e] = i < width ? v[e] * factor * n[e] : 0.0f;
    if constexpr (kAdd) {
      float before[kRun];
      LoadRun(target + i, before);
#pragma unroll
      for (int e = 0; e < kRun; ++e) v[e] += before[e];
    }
    StoreRun(target + i, v);
  }
}

// out[r][i] = x[r][i], then zeros.
template <int kRun>
__global__ void __launch_bounds__(kThreads)
    RoundKernel(const float* x, int64_t width, uint16_t* out, int64_t stride) {
  const int64_t i = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kRun;
  if (i >= stride) return;
  float v[kRun] = {};
  if (i < width) LoadRun(x + blockIdx.x * width + i, v);
  StoreRun(out + blockIdx.x * stride + i, v);
}

// out[r][i] = act(gate[r][i]) * up[r][i], then zeros. out may be gate.
template <class Out, int kRun>
__global__ void __launch_bounds__(kThreads)
    GateKernel(const float* gate, const float* up, int64_t width, int32_t activation, Out* out,
               int64_t stride) {
  const int64_t i = (int64_t{blockIdx.y} * kThreads + threadIdx.x) * kRun;
  if (i >= stride) return;
  float g[kRun] = {}, u[kRun] = {};
  if (i < width) {
    LoadRun(gate + blockIdx.x * width + i, g);
    LoadRun(up + blockIdx.x * width + i, u);
  }
#pragma unroll
  for (int e = 0; e < kRun; ++e) g[e] = Activate(g[e], activation) * u[e];
  StoreRun(out + blockIdx.x * stride + i, g);
}

// Calls body(null pointer of the elements' type).
template <class Body>
void ForType(const Activations& out, const Body& body) {
  if (out.rounded) {
    body(static_cast<uint16_t*>(out.data));
  } else {
    body(static_cast<float*>(out.data));
  }
}

template <class... Pointers>
bool TakesRuns(const Activations& out, Pointers... pointers) {
  return out.width % 4 == 0 && IsAligned(out.data, 16) && (IsAligned(pointers, 16) && ...);
}

dim3 Parts(int64_t rows, const Activations& out, int run) {
  return dim3(rows, Blocks(out.stride(), kThreads * run));
}

}  // namespace

Activations MakeActivations(const Call& call, int64_t rows, int64_t width, bool rounded) {
  Activations made{nullptr, width, rounded};
  if (rows > 0) made.data = call.Scratch<char>(rows * made.stride() * (rounded ? 2 : 4));
  return made;
}

void NormRows(const Call& call, const float* x, int64_t rows, const float* norm, float eps,
              const Activations& out) {
  const bool runs = TakesRuns(out, x, norm);
  ForType(out, [&]<class Out>(Out* target) {
    Launch(call, "normalise", runs ? NormKernel<Out, 4, false> : NormKernel<Out, 1, false>,
           dim3(rows), kThreads, 0, x, out.width, norm, eps, target, out.stride());
  });
}

void AddNormRows(const Call& call, const float* x, int64_t rows, int64_t width, const float* norm,
                 float eps, float* y) {
  const bool runs = TakesRuns({y, width, false}, x, norm);
  Launch(call, "normalise and add", runs ? NormKernel<float, 4, true> : NormKernel<float, 1, true>,
         dim3(rows), kThreads, 0, x, width, norm, eps, y, width);
}

void RoundRows(const Call& call, const float* x, int64_t rows, const Activations& out) {
  const bool runs = TakesRuns(out, x);
  Launch(call, "round", runs ? RoundKernel<4> : RoundKernel<1>, Parts(rows, out, runs ? 4 : 1),
         kThreads, 0, x, out.width, static_cast<uint16_t*>(out.data), out.stride());
}

void GateRows(const Call& call, const float* gate, const float* up, int64_t rows,
              int32_t activation, const Activations& out) {
  const bool runs = TakesRuns(out, gate, up);
  ForType(out, [&]<class Out>(Out* target) {
    Launch(call, "gate", runs ? GateKernel<Out, 4> : GateKernel<Out, 1>,
           Parts(rows, out, runs ? 4 : 1), kThreads, 0, gate, up, out.width, activation, target,
           out.stride());
  });
}

}  // namespace longlens
