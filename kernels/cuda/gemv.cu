// y[r][o] (+)= sum_i x[r][i] W[o][i] for few rows r: bound by the memory that W is read from.
//
// A warp takes kOutputs rows of W at a time, so that each element of x that it reads serves all of
// them, and reads them in chunks of 16 bytes per lane; `splits` warps of a block share the columns
// where W has too few rows to occupy the device. Sums: of a lane's chunks, of the lanes, of the
// splits, always in that order.
#include <type_traits>

#include "gate.cuh"
#include "launch.cuh"
#include "products.h"
#include "reduce.cuh"
#include "runs.cuh"
#include "widen.cuh"

namespace longlens {
namespace {

constexpr int kWarps = 8;
constexpr int64_t kChunkBytes = 16;
// Warps per multiprocessor that keep the memory busy.
constexpr int64_t kWarpsWanted = 32;

struct Task {
  const void* w;
  float* y;
  int64_t out;
  int64_t first_group;  // of kOutputs rows of W
};

struct Tasks {
  Task of[kMostProducts];
  int32_t count;
  int32_t splits;
  int64_t groups;
  const float* x;
  int64_t in;
  int32_t rows;
  bool add;
  // Columns lead .. lead + body - 1 are read in chunks: none where rows of W are not aligned alike.
  int64_t lead, body;
};

__device__ __forceinline__ void Widen(const uint4& bits, float (&w)[4], const float*) {
  w[0] = __uint_as_float(bits.x), w[1] = __uint_as_float(bits.y);
  w[2] = __uint_as_float(bits.z), w[3] = __uint_as_float(bits.w);
}
__device__ __forceinline__ void Widen(const uint4& bits, float (&w)[8], const uint16_t*) {
  WidenBf16s(bits, w);
}

// The chunk at `from` of each row of x; columns of a chunk are aligned to 16 bytes.
template <int kElements>
__device__ __forceinline__ void LoadX(const float* from, float (&x)[kElements]) {
#pragma unroll
  for (int e = 0; e < kElements; e += 4) {
    const float4 four = *reinterpret_cast<const float4*>(from + e);
    x[e] = four.x, x[e + 1] = four.y, x[e + 2] = four.z, x[e + 3] = four.w;
  }
}

// Rows of W that a warp multiplies, and its sums.
template <class W, int kOutputs, int kRows>
struct Sums {
  const W* w[kOutputs];
  float sum[kOutputs * kRows];

  // Chunks of warp `split`.
  __device__ __forceinline__ void AddBody(const Tasks& t, int split) {
    constexpr int kElements = kChunkBytes / sizeof(W);
    const int64_t step = int64_t{t.splits} * kWarpThreads * kElements;
    int64_t i = (int64_t{split} * kWarpThreads + threadIdx.x % kWarpThreads) * kElements;
#pragma unroll(kRows == 8 ? 1 : 2)
    for (; i < t.body; i += step) {
      const int64_t column = t.lead + i;
      uint4 bits[kOutputs];
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        bits[o] = __ldcs(reinterpret_cast<const uint4*>(w[o] + column));
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        float x[kElements];
        LoadX(t.x + min(r, t.rows - 1) * t.in + column, x);
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
          float wide[kElements];
          Widen(bits[o], wide, w[o]);
#pragma unroll
          for (int e = 0; e < kElements; ++e) {
            sum[o * kRows + r] = fmaf(x[e], wide[e], sum[o * kRows + r]);
          }
        }
      }
    }
  }

  // The columns before and after the chunks.
  __device__ __forceinline__ void AddRest(const Tasks& t, int split) {
    const int64_t rest = t.in - t.body;
    int64_t i = int64_t{split} * kWarpThreads + threadIdx.x % kWarpThreads;
    for (; i < rest; i += int64_t{t.splits} * kWarpThreads) {
      const int64_t column = i < t.lead ? i : i + t.body;
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        float wide[1];
        LoadRun(w[o] + column, wide);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const float x = t.x[min(r, t.rows - 1) * t.in + column];
          sum[o * kRows + r] = fmaf(x, wide[0], sum[o * kRows + r]);
        }
      }
    }
  }
};

// Sums of the lanes. While lanes hold several numbers, each gives half of them away: number n ends
// up in lane n's bits, the last numbers of several lanes in all of them.
template <int kCount>
__device__ __forceinline__ void SumLanes(const float (&sum)[kCount], float* to) {
  constexpr int kLeft = kCount > kWarpThreads ? kCount / kWarpThreads : 1;
  const int lane = threadIdx.x % kWarpThreads;
  float v[kCount];
#pragma unroll
  for (int n = 0; n < kCount; ++n) v[n] = sum[n];
  int number = 0;
#pragma unroll
  for (int step = 0, count = kCount; step < 5; ++step) {
    const int bit = kWarpThreads / 2 >> step;
    const bool upper = (lane & bit) != 0;
    if (count > kLeft) {
      count /= 2;
#pragma unroll
      for (int n = 0; n < kCount / 2; ++n) {
        if (n >= count) continue;
        const float kept = upper ? v[n + count] : v[n], given = upper ? v[n] : v[n + count];
        v[n] = kept + __shfl_xor_sync(kWholeWarp, given, bit);
      }
      if (upper) number += count;
    } else {
#pragma unroll
      for (int n = 0; n < kLeft; ++n) v[n] += __shfl_xor_sync(kWholeWarp, v[n], bit);
    }
  }
#pragma unroll
  for (int n = 0; n < kLeft; ++n) to[number + n] = v[n];  // equal lanes write equal numbers
}

struct Plain {
  // Row `number` of the group's rows of W, clamped: rows that are not there are not stored.
  template <class W, int kOutputs>
  static __device__ const W* Row(const Tasks& t, const Task& task, int64_t group, int number) {
    const int64_t o = min((group - task.first_group) * kOutputs + number, task.out - 1);
    return static_cast<const W*>(task.w) + o * t.in;
  }
  template <int kOutputs, int kRows, class Sum>
  __device__ void Store(const Tasks& t, const Task& task, int64_t group, int n,
                        const Sum& sum) const {
    const int64_t o = (group - task.first_group) * kOutputs + n / kRows;
    if (n % kRows >= t.rows || o >= task.out) return;
    float* const y = task.y + n % kRows * task.out + o;
    *y = t.add ? *y + sum(n) : sum(n);
  }
};

// Half of a group's rows are of the first matrix, half of the second.
struct Gated {
  int32_t activation;

  template <class W, int kOutputs>
  static __device__ const W* Row(const Tasks& t, const Task& task, int64_t group, int number) {
    constexpr int kPairs = kOutputs / 2;
    const int64_t o = min(group * kPairs + number % kPairs, task.out - 1);
    return static_cast<const W*>(t.of[number / kPairs].w) + o * t.in;
  }
  template <int kOutputs, int kRows, class Sum>
  __device__ void Store(const Tasks& t, const Task& task, int64_t group, int n,
                        const Sum& sum) const {
    constexpr int kPairs = kOutputs / 2;
    const int64_t o = group * kPairs + n / kRows;
    if (n >= kPairs * kRows || n % kRows >= t.rows || o >= task.out) return;
    task.y[n % kRows * task.out + o] = Activate(sum(n), activation) * sum(n + kPairs * kRows);
  }
};

__device__ __forceinline__ const Task& TaskOf(const Tasks& t, int64_t group) {
  int number = 0;
#pragma unroll
  for (int i = 1; i < kMostProducts; ++i) {
    if (i < t.count && group >= t.of[i].first_group) number = i;
  }
  return t.of[number];
}

template <class W, int kOutputs, int kRows, class Mode>
__global__ void __launch_bounds__(kWarps* kWarpThreads, kRows == 8 ? 1 : 2)
    GemvKernel(const Tasks t, const Mode mode) {
  constexpr int kCount = kOutputs * kRows;
  __shared__ float parts[kWarps][kCount];
  const int warp = threadIdx.x / kWarpThreads, per_block = kWarps / t.splits;
  const int64_t first = int64_t{blockIdx.x} * per_block;
  const int64_t group = min(first + warp / t.splits, t.groups - 1);
  const Task& task = TaskOf(t, group);
  Sums<W, kOutputs, kRows> sums;
#pragma unroll
  for (int o = 0; o < kOutputs; ++o) sums.w[o] = Mode::template Row<W, kOutputs>(t, task, group, o);
#pragma unroll
  for (int n = 0; n < kCount; ++n) sums.sum[n] = 0;
  sums.AddBody(t, warp % t.splits);
  sums.AddRest(t, warp % t.splits);
  SumLanes(sums.sum, parts[warp]);
  __syncthreads();
  for (int i = threadIdx.x; i < per_block * kCount; i += kWarps * kWarpThreads) {
    const int64_t stored = first + i / kCount;
    if (stored >= t.groups) return;
    const int from = i / kCount * t.splits;
    const auto sum = [&](int n) {
      float all = parts[from][n];
      for (int s = 1; s < t.splits; ++s) all += parts[from + s][n];
      return all;
    };
    mode.template Store<kOutputs, kRows>(t, TaskOf(t, stored), stored, i % kCount, sum);
  }
}

// Rows of W per warp: more where rows of x cost more than W.
constexpr int OutputsOf(int rows) { return rows == 8 ? 8 : 4; }

// Sets lead and body.
void FindChunks(Tasks& t, int64_t element) {
  const int64_t chunk = kChunkBytes / element;
  const uintptr_t offset = reinterpret_cast<uintptr_t>(t.of[0].w) % kChunkBytes;
  const int64_t lead = (kChunkBytes - offset) % kChunkBytes / element;
  bool alike = t.in % chunk == 0 && lead % 4 == 0 && IsAligned(t.x, kChunkBytes);
  for (int i = 0; i < t.count; ++i) {
    alike = alike && reinterpret_cast<uintptr_t>(t.of[i].w) % kChunkBytes == offset;
  }
  t.lead = alike ? lead : 0;
  t.body = alike && t.in > lead ? (t.in - lead) / chunk * chunk : 0;
}

int32_t Splits(const Call& call, const Tasks& t, int64_t element) {
  const int64_t wanted = kWarpsWanted * call.device().multiprocessors();
  const int64_t chunks = Blocks(t.in * element, kChunkBytes * kWarpThreads);
  int32_t splits = 1;
  while (splits < kWarps && 2 * splits <= chunks && t.groups * splits < wanted) splits *= 2;
  return splits;
}

// A group takes `group_outs` rows of each matrix that it reads.
template <class W, int kRows, class Mode>
void LaunchRows(const Call& call, Tasks t, const Mode& mode, int64_t group_outs) {
  t.groups = 0;
  const bool gated = !std::is_same_v<Mode, Plain>;
  for (int i = 0; i < t.count; ++i) {
    t.of[i].first_group = gated ? 0 : t.groups;
    if (i == 0 || !gated) t.groups += Blocks(t.of[i].out, group_outs);
  }
  if (gated) t.count = 1;  // TaskOf finds the first
  t.splits = Splits(call, t, sizeof(W));
  Launch(call, "multiply few rows", GemvKernel<W, OutputsOf(kRows), kRows, Mode>,
         dim3(Blocks(t.groups, kWarps / t.splits)), kWarps * kWarpThreads, 0, t, mode);
}

template <class W, class Mode>
void LaunchGemv(const Call& call, Tasks t, const Mode& mode, int parts) {
  FindChunks(t, sizeof(W));
  if (t.rows == 1) return LaunchRows<W, 1>(call, t, mode, OutputsOf(1) / parts);
  if (t.rows == 2) return LaunchRows<W, 2>(call, t, mode, OutputsOf(2) / parts);
  if (t.rows <= 4) return LaunchRows<W, 4>(call, t, mode, OutputsOf(4) / parts);
  LaunchRows<W, 8>(call, t, mode, OutputsOf(8) / parts);
}

template <class Mode>
void LaunchGemv(const Call& call, const Tasks& t, int32_t dtype, const Mode& mode, int parts) {
  if (dtype == LL_F32) return LaunchGemv<float>(call, t, mode, parts);
  LaunchGemv<uint16_t>(call, t, mode, parts);
}

}  // namespace

void ProductsOfFewRows(const Call& call, const float* x, int64_t rows, const Product* products,
                       int count, bool add) {
  Tasks t{};
  t.count = count, t.x = x, t.in = products[0].w.in;
  t.rows = static_cast<int32_t>(rows), t.add = add;
  for (int i = 0; i < count; ++i)
    t.of[i] = {products[i].w.data, products[i].y, products[i].w.out, 0};
  LaunchGemv(call, t, products[0].w.dtype, Plain(), 1);
}

void GateOfFewRows(const Call& call, const float* x, int64_t rows, const Weights& gate,
                   const Weights& up, int32_t activation, float* out) {
  Tasks t{};
  t.count = 2, t.x = x, t.in = gate.in, t.rows = static_cast<int32_t>(rows);
  t.of[0] = {gate.data, out, gate.out, 0};
  t.of[1] = {up.data, nullptr, up.out, 0};
  LaunchGemv(call, t, gate.dtype, Gated{activation}, 2);
}

}  // namespace longlens
