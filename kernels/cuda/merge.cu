// The merge of two partial attentions over disjoint keys.
#include <cmath>

#include "../common/key_calls.h"
#include "launch.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;

// A warp per row. out and lse may be inputs: a lane writes what only it has read, but for lse.
__global__ void __launch_bounds__(kThreads) MergeRows(MergeCall c) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (row >= c.rows) return;
  const int lane = threadIdx.x % 32;
  const double lse_a = c.lse_a[row], lse_b = c.lse_b[row], largest = lse_a < lse_b ? lse_b : lse_a;
  __syncwarp();
  const bool is_empty = largest == -INFINITY;
  const double a = is_empty ? 0.0 : exp(lse_a - largest);
  const double b = is_empty ? 0.0 : exp(lse_b - largest);
  const double inverse = is_empty ? 0.0 : 1.0 / (a + b);
  const float weight_a = static_cast<float>(a * inverse);
  const float weight_b = static_cast<float>(b * inverse);
  for (int32_t i = lane; i < c.dim; i += 32) {
    const int64_t at = row * c.dim + i;
    c.out[at] = is_empty ? 0.0f : weight_a * c.out_a[at] + weight_b * c.out_b[at];
  }
  if (lane == 0) c.lse[row] = is_empty ? -INFINITY : static_cast<float>(largest + log(a + b));
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_merge(ll_run* run, int32_t rows, int32_t dim, const float* out_a,
                            const float* lse_a, const float* out_b, const float* lse_b, float* out,
                            float* lse) {
  return Guard(run, [&] {
    const MergeCall merge{rows, dim, out_a, lse_a, out_b, lse_b, out, lse};
    if (!CheckMerge(merge)) return;
    const Call call(run);
    Launch(call, "merge partial attentions", MergeRows, dim3(Blocks(rows, kWarps)), kThreads, 0,
           merge);
    call.Progress(rows);
  });
}
