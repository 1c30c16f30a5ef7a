// Per token and head x [dim] of q, k or v, for i < rot / 2:
//   x += bias;  x = rmsnorm(x; norm, eps);  (x[i], x[i + rot/2]) = (a cos - b sin, b cos + a sin).
//
// A warp per token and head; a lane owns pairs (i, i + rot/2) and then single elements, so that
// only the sum of squares is exchanged.
#include "head_pass.h"
#include "launch.cuh"
#include "reduce.cuh"

namespace longlens {
namespace {

constexpr int kWarps = 8;

// Neighbouring heads of one tensor.
struct Heads {
  float* x;           // [tokens][heads][dim]
  const float* bias;  // [heads][dim] or null
  const float* norm;  // [dim] or null
  int32_t heads;
  int32_t rot;
  int32_t first;  // number of the first head in table_of_head
};

struct Pass {
  Heads q, k, v;
  int32_t dim;
  float eps;
  const float *cos, *sin;
  const int32_t* table_of_head;
  int64_t tokens, first, rows;
};

struct Head {
  float* x;
  const float* bias;
  const float* norm;

  __device__ float Biased(int32_t i) const { return bias == nullptr ? x[i] : x[i] + bias[i]; }
  __device__ float Normed(int32_t i, float factor) const {
    const float value = Biased(i);
    return norm == nullptr ? value : value * factor * norm[i];
  }
};

// 1 / sqrt(mean of squares + eps)
__device__ float NormFactor(const Head& head, int32_t dim, int32_t half, float eps) {
  const int32_t lane = threadIdx.x % kWarpThreads;
  float sum = 0;
  for (int32_t i = lane; i < half; i += kWarpThreads) {
    const float a = head.Biased(i), b = head.Biased(i + half);
    sum += a * a + b * b;
  }
  for (int32_t i = 2 * half + lane; i < dim; i += kWarpThreads) {
    const float a = head.Biased(i);
    sum += a * a;
  }
  return 1.0f / sqrtf(ReduceWarp(sum, Plus()) / static_cast<float>(dim) + eps);
}

__device__ void PassHead(const Pass& pass, const Heads& heads, int64_t token, int32_t number) {
  const int32_t lane = threadIdx.x % kWarpThreads, dim = pass.dim, half = heads.rot / 2;
  const int64_t channel = int64_t{number} * dim;
  const Head head{heads.x + token * heads.heads * dim + channel,
                  heads.bias == nullptr ? nullptr : heads.bias + channel, heads.norm};
  const float factor = head.norm == nullptr ? 1.0f : NormFactor(head, dim, half, pass.eps);
  const int64_t table =
      half == 0 || pass.table_of_head == nullptr ? 0 : pass.table_of_head[heads.first + number];
  const int64_t angles = (table * pass.tokens + token) * half;
  for (int32_t i = lane; i < half; i += kWarpThreads) {
    const float a = head.Normed(i, factor), b = head.Normed(i + half, factor);
    const float c = pass.cos[angles + i], s = pass.sin[angles + i];
    head.x[i] = a * c - b * s;
    head.x[i + half] = b * c + a * s;
  }
  for (int32_t i = 2 * half + lane; i < dim; i += kWarpThreads) {
    head.x[i] = head.Normed(i, factor);
  }
}

__global__ void __launch_bounds__(kWarps* kWarpThreads) HeadPassKernel(Pass pass) {
  const int64_t warp = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarpThreads;
  const int32_t heads = pass.q.heads + pass.k.heads + pass.v.heads;
  if (warp >= pass.rows * heads) return;
  const int64_t token = pass.first + warp / heads;
  int32_t number = static_cast<int32_t>(warp % heads);
  if (number < pass.q.heads) return PassHead(pass, pass.q, token, number);
  number -= pass.q.heads;
  if (number < pass.k.heads) return PassHead(pass, pass.k, token, number);
  PassHead(pass, pass.v, token, number - pass.k.heads);
}

bool HasWork(const Heads& heads) {
  return heads.bias != nullptr || heads.norm != nullptr || heads.rot > 0;
}

}  // namespace

void HeadPass(const Call& call, const QkvArguments& a, const int32_t* table_of_head, int64_t first,
              int64_t rows) {
  Pass pass{{a.q, a.bq, a.q_norm, a.heads, a.rot, 0},
            {a.k, a.bk, a.k_norm, a.kv_heads, a.rot, a.heads},
            {a.v, a.bv, nullptr, a.kv_heads, 0, 0},
            a.dim,
            a.eps,
            a.cos,
            a.sin,
            table_of_head,
            a.tokens,
            first,
            rows};
  if (!HasWork(pass.q) && !HasWork(pass.k) && !HasWork(pass.v)) return;
  if (!HasWork(pass.v)) pass.v.heads = 0;  // mostly so
  const int64_t heads = int64_t{pass.q.heads} + pass.k.heads + pass.v.heads;
  Launch(call, "turn heads", HeadPassKernel, dim3(Blocks(rows * heads, kWarps)),
         kWarps * kWarpThreads, 0, pass);
}

}  // namespace longlens
