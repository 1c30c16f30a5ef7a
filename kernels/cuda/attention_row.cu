// The probabilities of one query over a key set.
//
// Scores lie at their keys among -INFINITY, so that one pass over all keys gives probabilities and
// zeros.
#include <algorithm>

#include "../common/key_calls.h"
#include "key_scores.h"
#include "launch.cuh"
#include "page_table.h"
#include "softmax.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 256;

__global__ void __launch_bounds__(kThreads) FillScores(float* scores, int32_t count) {
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) scores[i] = -INFINITY;
}

// parts[block] = maximum and sum of the scores that the block's threads read.
__global__ void __launch_bounds__(kThreads)
    SumScores(const float* scores, int32_t count, float2* parts) {
  RunningSoftmax softmax;
  const int64_t step = int64_t{gridDim.x} * kThreads;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < count; i += step) {
    softmax.Add(scores[i]);
  }
  softmax.JoinBlock(reinterpret_cast<float*>(SharedMemory()));
  if (threadIdx.x == 0) parts[blockIdx.x] = make_float2(softmax.maximum, softmax.sum);
}

// Turns scores into probabilities; each block joins the parts, at most one for a thread.
__global__ void __launch_bounds__(kThreads)
    NormaliseScores(float* scores, int32_t count, const float2* parts, int32_t part_count,
                    float* lse) {
  RunningSoftmax softmax;
  if (static_cast<int32_t>(threadIdx.x) < part_count) {
    const float2 part = parts[threadIdx.x];
    softmax.Join(part.x, part.y);
  }
  softmax.JoinBlock(reinterpret_cast<float*>(SharedMemory()));
  const float inverse = softmax.sum == 0.0f ? 0.0f : 1.0f / softmax.sum;
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < count) scores[i] = Exp2(scores[i] - softmax.Base()) * inverse;
  if (i == 0) *lse = softmax.LogSumExp();
}

void AttendRow(const Call& call, const AttentionRowCall& c) {
  const char* const action = "compute an attention row";
  const int64_t size = KeyPieces::SizeFor(c.set.Keys(), call.device().multiprocessors());
  KeyPieces pieces;
  pieces.Add(c.table, {c.kv_head, 0, 0, 1, c.set, c.set.Keys()}, size);
  const unsigned blocks = Blocks(c.kv_len, kThreads);
  const unsigned part_count = std::min<int64_t>(blocks, kMostBlocks);
  float* const scores = call.Scratch<float>(c.kv_len);
  float2* const parts = call.Scratch<float2>(part_count);
  float* const lse = call.Scratch<float>(1);
  constexpr size_t kShared = 64 * sizeof(float);
  Launch(call, action, FillScores, dim3(blocks), kThreads, 0, scores, c.kv_len);
  ScoreKeys(call, pieces,
            {c.q,
             {0},
             {0},
             static_cast<float>(c.scale * kLog2E),
             CopyPagesIn(call, c.table, 0, c.kv_len),
             scores,
             c.kv_len,
             0});
  Launch(call, action, SumScores, dim3(part_count), kThreads, kShared, scores, c.kv_len, parts);
  Launch(call, action, NormaliseScores, dim3(blocks), kThreads, kShared, scores, c.kv_len, parts,
         static_cast<int32_t>(part_count), lse);
  call.CopyOut(c.probs, scores, c.kv_len);
  call.CopyOut(c.lse, lse, 1);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_attention_row(ll_run* run, const float* q, int32_t kv_head, int32_t dim,
                                    float scale, void* const* pages, int32_t stride,
                                    int32_t kv_dtype, int32_t kv_len, const int32_t* ranges,
                                    int32_t range_count, const int32_t* indices,
                                    int32_t index_count, float* probs, float* lse) {
  return Guard(run, [&] {
    const AttentionRowCall row{q,
                               kv_head,
                               scale,
                               {pages, stride, int64_t{kv_head} + 1, dim, kv_dtype},
                               kv_len,
                               {ranges, range_count, indices, index_count},
                               probs,
                               lse};
    if (!CheckAttentionRow(row)) return;
    const Call call(run);
    if (kv_len == 0) {
      *lse = -INFINITY;
    } else {
      AttendRow(call, row);
    }
    call.Progress(1);
  });
}
