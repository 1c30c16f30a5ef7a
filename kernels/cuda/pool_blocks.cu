// Means of blocks of queries and of keys, and the channelwise bounds of blocks of keys.
#include <algorithm>
#include <cmath>

#include "../common/estimate_calls.h"
#include "launch.cuh"
#include "page_table.h"
#include "row_chunks.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 128;

// A thread per block and channel of all heads.
__global__ void __launch_bounds__(kThreads)
    PoolQueries(const float* q, int32_t tokens, int64_t width, int32_t block, int64_t count,
                float* out) {
  const int64_t x = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (x >= count * width) return;
  const int64_t first = x / width * block, end = min(first + block, int64_t{tokens});
  const float* const column = q + x % width;
  float sum = 0.0f;
#pragma unroll 8
  for (int64_t t = first; t < end; ++t) sum += column[t * width];
  out[x] = sum / static_cast<float>(end - first);
}

struct Mean {
  float sum = 0.0f;

  __device__ void Add(float x) { sum += x; }
  __device__ void Join(const Mean& other) { sum += other.sum; }
};

struct Bounds {
  float least = INFINITY, most = -INFINITY;

  __device__ void Add(float x) {
    least = x < least ? x : least;
    most = x > most ? x : most;
  }
  __device__ void Join(const Bounds& other) {
    least = other.least < least ? other.least : least;
    most = other.most > most ? other.most : most;
  }
};

struct MeanOut {
  float* out;

  // Of results `elements` on.
  MeanOut Behind(int64_t elements) const { return {out + elements}; }
  __device__ void Write(int64_t at, const Mean& mean, int32_t keys) const {
    out[at] = mean.sum / static_cast<float>(keys);
  }
};
struct BoundsOut {
  float *min, *max;

  BoundsOut Behind(int64_t elements) const { return {min + elements, max + elements}; }
  __device__ void Write(int64_t at, const Bounds& bounds, int32_t) const {
    min[at] = bounds.least;
    max[at] = bounds.most;
  }
};

// Blocks of keys start + b * block .. of each KV head.
struct BlockSpan {
  int32_t kv_heads, start, end, block;
};

// A block of threads per block of keys and KV head; thread t reads run t % runs of the channels of
// every (kThreads / runs)th key, and the runs' sums are joined in the order of their first keys.
// Shared memory: [kThreads][kRunChannels + 1] sums, of which consecutive ones lie apart in banks.
template <class Sum, class Out>
__global__ void __launch_bounds__(kThreads) ReduceKeys(DevicePages pages, BlockSpan span, Out out) {
  constexpr int kStride = kRunChannels + 1;
  Sum* const shared = reinterpret_cast<Sum*>(SharedMemory());
  const int64_t target = blockIdx.x;  // b * kv_heads + head
  const int32_t kv_head = target % span.kv_heads, dim = pages.layout.dim;
  const int64_t first = span.start + target / span.kv_heads * span.block;
  const int32_t keys = static_cast<int32_t>(min(int64_t{span.block}, span.end - first));
  const int32_t all_runs = (dim + kRunChannels - 1) / kRunChannels;
  const int32_t runs = min(all_runs, kThreads), groups = kThreads / runs;
  const int32_t run = threadIdx.x % runs, group = threadIdx.x / runs;
  for (int32_t first_run = 0; first_run < all_runs; first_run += runs) {
    const int32_t channel = (first_run + run) * kRunChannels;
    Sum sums[kRunChannels];
    if (group < groups && channel < dim) {
      for (int32_t j = group; j < keys; j += groups) {
        ChannelRun x;
        ReadKeys(pages, kv_head, static_cast<int32_t>(first + j), channel, x);
#pragma unroll
        for (int i = 0; i < kRunChannels; ++i) sums[i].Add(x[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kRunChannels; ++i) shared[threadIdx.x * kStride + i] = sums[i];
    __syncthreads();
    for (int32_t i = threadIdx.x; i < runs * kRunChannels; i += kThreads) {
      const int32_t at = first_run * kRunChannels + i;
      if (at >= dim) break;
      Sum sum;
      for (int32_t g = 0; g < groups; ++g) {
        sum.Join(shared[(g * runs + i / kRunChannels) * kStride + i % kRunChannels]);
      }
      out.Write(target * dim + at, sum, keys);
    }
    __syncthreads();
  }
}

// Queues the reduction of all blocks, which are not none.
template <class Sum, class Out>
void Reduce(const Call& call, const char* name, const BlocksOfKeys& blocks, const Out& out) {
  constexpr int64_t kLaunchKeys = int64_t{1} << 23;  // some milliseconds
  const PageTable& table = blocks.table;
  RequirePages(table, blocks.start, blocks.end);
  const DevicePages pages = CopyPagesIn(call, table, 0, blocks.end);
  const int32_t kv_heads = static_cast<int32_t>(table.kv_heads);
  const int64_t each = std::max<int64_t>(1, kLaunchKeys / (int64_t{blocks.block} * kv_heads));
  for (int64_t b = 0; b < blocks.Count(); b += each) {
    const int64_t now = std::min(each, blocks.Count() - b);
    const int64_t start = blocks.start + b * blocks.block;
    const BlockSpan span{kv_heads, static_cast<int32_t>(start), blocks.end, blocks.block};
    constexpr size_t kShared = kThreads * (kRunChannels + 1) * sizeof(Sum);
    Launch(call, name, ReduceKeys<Sum, Out>, dim3(now * kv_heads), kThreads, kShared, pages, span,
           out.Behind(b * kv_heads * table.dim));
    call.Progress(now * kv_heads);
    if (b + now < blocks.Count()) call.Pace();
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_pool_queries(ll_run* run, const float* q, int32_t tokens, int32_t heads,
                                   int32_t dim, int32_t block, float* out) {
  return Guard(run, [&] {
    if (!CheckPoolQueries(q, tokens, heads, dim, block, out)) return;
    const Call call(run);
    const int64_t width = int64_t{heads} * dim, count = Blocks(tokens, block);
    Launch(call, "pool queries", PoolQueries, dim3(Blocks(count * width, kThreads)), kThreads, 0, q,
           tokens, width, block, count, out);
    call.Progress(count);
  });
}

extern "C" int32_t ll_pool_keys(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                                int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                                int32_t block, float* out) {
  return Guard(run, [&] {
    const BlocksOfKeys blocks{{pages, stride, kv_heads, dim, kv_dtype}, start, end, block};
    if (!CheckPoolKeys(blocks, out)) return;
    Reduce<Mean>(Call(run), "pool keys", blocks, MeanOut{out});
  });
}

extern "C" int32_t ll_key_bounds(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                                 int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                                 int32_t block, float* min, float* max) {
  return Guard(run, [&] {
    const BlocksOfKeys blocks{{pages, stride, kv_heads, dim, kv_dtype}, start, end, block};
    if (!CheckKeyBounds(blocks, min, max)) return;
    Reduce<Bounds>(Call(run), "bound keys", blocks, BoundsOut{min, max});
  });
}
