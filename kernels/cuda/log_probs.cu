// out[r] = logits[r][targets[r]] - log sum exp logits[r].
//
// A block per row: its maximum, then the sum of exp(x - maximum), in f64 so that a vocabulary of
// any length adds no error. The second pass finds most of the row in the second-level cache.
#include <algorithm>

#include "../common/model_arguments.h"
#include "launch.cuh"
#include "reduce.cuh"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 512;
// Logits of one launch: some milliseconds.
constexpr int64_t kPiece = int64_t{1} << 31;

// Calls body(x) for each of this thread's elements of the row.
template <int kRun, class Body>
__device__ __forceinline__ void ForElements(const float* row, int64_t vocab, const Body& body) {
#pragma unroll 4
  for (int64_t i = threadIdx.x * kRun; i < vocab; i += kThreads * kRun) {
    float x[kRun];
    LoadRun(row + i, x);
#pragma unroll
    for (int e = 0; e < kRun; ++e) body(x[e]);
  }
}

template <int kRun>
__global__ void __launch_bounds__(kThreads)
    LogProbKernel(const float* logits, int64_t vocab, const int32_t* targets, float* out) {
  const float* const row = logits + blockIdx.x * vocab;
  float largest = -INFINITY;
  ForElements<kRun>(row, vocab, [&](float x) { largest = fmaxf(largest, x); });
  largest = ReduceBlock<kThreads>(largest, Larger());
  if (largest == -INFINITY) largest = 0;  // as -inf - -inf is no number
  double sum = 0;
  ForElements<kRun>(row, vocab, [&](float x) { sum += expf(x - largest); });
  sum = ReduceBlock<kThreads>(sum, Plus());
  if (threadIdx.x == 0) {
    out[blockIdx.x] = static_cast<float>(row[targets[blockIdx.x]] - (largest + log(sum)));
  }
}

void LogProbs(const Call& call, const LogProbsArguments& a) {
  const int32_t* const targets = call.CopyIn(a.targets, a.rows);
  float* const out = call.Scratch<float>(a.rows);
  const int64_t vocab = a.vocab, rows = a.rows, step = std::max<int64_t>(1, kPiece / vocab);
  const bool runs = vocab % 4 == 0 && IsAligned(a.logits, 16);
  for (int64_t r = 0; r < rows; r += step) {
    if (r > 0) call.Pace();
    const int64_t now = std::min(step, rows - r);
    Launch(call, "compute log-probabilities", runs ? LogProbKernel<4> : LogProbKernel<1>, dim3(now),
           kThreads, 0, a.logits + r * vocab, vocab, targets + r, out + r);
    call.Progress(now);
  }
  call.CopyOut(a.out, out, rows);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_log_probs(ll_run* run, const float* logits, int32_t rows, int32_t vocab,
                                const int32_t* targets, float* out) {
  return Guard(run, [&] {
    const LogProbsArguments a{logits, rows, vocab, targets, out};
    if (HasWork(a)) LogProbs(Call(run), a);
  });
}
