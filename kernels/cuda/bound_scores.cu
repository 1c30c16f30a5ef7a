// Upper bounds of q . k for blocks of keys (Quest):
//
//   bound[b] = sum_i max(q[i] min[b][i], q[i] max[b][i])
//            = sum_i q[i] (q[i] > 0 ? max[b][i] : min[b][i])
// All rounding is upwards, so that no sum is below the exact one, in any order.
#include <algorithm>

#include "../common/estimate_calls.h"
#include "../common/head_groups.h"
#include "launch.cuh"
#include "packed_arrays.h"
#include "reduce.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;

// Listed heads that read a KV head: first .. first + count - 1 of `heads` and `places`.
struct BoundGroup {
  int32_t kv_head, first, count;
};

struct BoundCall {
  BoundScoresCall c;  // bounds [count][blocks] in device memory
  const BoundGroup* groups;
  const int32_t *heads, *places;
};

// Grid (blocks, groups): a warp per block and group, whose heads share the block's bounds.
__global__ void __launch_bounds__(kThreads) BoundScores(BoundCall call) {
  const BoundScoresCall& c = call.c;
  const int64_t b = int64_t{blockIdx.x} * kWarps + threadIdx.x / 32;
  if (b >= c.blocks) return;
  const BoundGroup group = call.groups[blockIdx.y];
  const int lane = threadIdx.x % 32;
  const float* const least = c.min + (b * c.kv_heads + group.kv_head) * c.dim;
  const float* const most = c.max + (b * c.kv_heads + group.kv_head) * c.dim;
  for (int32_t h = group.first; h < group.first + group.count; ++h) {
    const float* const q = c.q + int64_t{call.heads[h]} * c.dim;
    float sum = 0.0f;
    for (int32_t i = lane; i < c.dim; i += 32) {
      sum = __fmaf_ru(q[i], q[i] > 0.0f ? most[i] : least[i], sum);
    }
    sum = ReduceWarp(sum, [](float a, float b) { return __fadd_ru(a, b); });
    if (lane == 0) c.bounds[int64_t{call.places[h]} * c.blocks + b] = sum;
  }
}

void Bound(const Call& call, const BoundScoresCall& c) {
  const std::vector<HeadGroup> groups = GroupHeads(c.chosen, c.count, c.heads, c.kv_heads);
  std::vector<BoundGroup> bound_groups;
  std::vector<int32_t> heads, places;
  for (const HeadGroup& group : groups) {
    bound_groups.push_back({group.kv_head, static_cast<int32_t>(heads.size()),
                            static_cast<int32_t>(group.heads.size())});
    heads.insert(heads.end(), group.heads.begin(), group.heads.end());
    places.insert(places.end(), group.places.begin(), group.places.end());
  }
  PackedArrays arrays;
  const int64_t groups_at = arrays.Add(bound_groups), heads_at = arrays.Add(heads);
  const int64_t places_at = arrays.Add(places);
  const char* const packed = arrays.CopyIn(call);
  const int64_t count = int64_t{c.count} * c.blocks;
  BoundCall bound{c, ArrayAt<BoundGroup>(packed, groups_at), ArrayAt<int32_t>(packed, heads_at),
                  ArrayAt<int32_t>(packed, places_at)};
  bound.c.bounds = call.Scratch<float>(count);
  Launch(call, "bound scores", BoundScores, dim3(Blocks(c.blocks, kWarps), groups.size()), kThreads,
         0, bound);
  call.CopyOut(c.bounds, bound.c.bounds, count);
  call.Progress(static_cast<int64_t>(groups.size()) * c.blocks);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_bound_scores(ll_run* run, const float* q, int32_t heads, int32_t kv_heads,
                                   int32_t dim, const int32_t* chosen, int32_t count,
                                   const float* min, const float* max, int32_t blocks,
                                   float* bounds) {
  return Guard(run, [&] {
    const BoundScoresCall bound{q, heads, kv_heads, dim, chosen, count, min, max, blocks, bounds};
    if (!CheckBoundScores(bound)) return;
    Bound(Call(run), bound);
  });
}
