// Products of few rows of x with blocks of quantised weights, which are decoded in registers. With
// number = scale (level - base) + shift, a lane's run adds
//   scale (sum_i x[i] level[i] - base X) + shift X,  X = sum_i x[i].
// The rows of x are f32, as in products with other weights.
#include "block_weights.cuh"
#include "convert.h"
#include "gemv.cuh"
#include "runs.cuh"

namespace longlens {
namespace {

struct NoColumns {};

template <class T, int kNumberOfRows>
struct BlockSums {
  static constexpr int kRows = kNumberOfRows;
  // As many as registers allow: x is read for each of the groups of kOutputs.
  static constexpr int kOutputs = kRows == 1 && T::kScales == 1 ? 8 : 4;
  static constexpr int kBlocks = kRows * T::kScales >= 8 ? 1 : 2;
  using Columns = NoColumns;

  const uint8_t* w[kOutputs];
  float sum[kOutputs * kRows];

  __device__ __forceinline__ void Add(const Tasks& t, const NoColumns&, int split) {
    const int lane = threadIdx.x % kWarpThreads, place = T::Place(lane);
    const int64_t step = t.splits * kStepColumns;
    for (int64_t column = split * kStepColumns + T::Column(lane); column < t.in; column += step) {
      const int64_t at = column / T::kElements * T::kBytes;
      typename T::Bits bits[kOutputs];
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) bits[o] = T::Load(w[o] + at, place);
      Levels levels[kOutputs];
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) levels[o] = T::Decode(bits[o], place);
#pragma unroll
      for (int r = 0; r < kRows; ++r) AddRow(t.x + min(r, t.rows - 1) * t.in + column, r, levels);
    }
  }

 private:
  __device__ __forceinline__ void AddRow(const float* from, int r,
                                         const Levels (&levels)[kOutputs]) {
    float x[2][kRun], all[2] = {};
#pragma unroll
    for (int run = 0; run < 2; ++run) {
      LoadRun(from + run * T::kApart, x[run]);
#pragma unroll
      for (int i = 0; i < kRun; ++i) all[run] += x[run][i];
    }
    if (T::kScales == 1) all[0] += all[1];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
      float added = 0;
#pragma unroll
      for (int run = 0; run < T::kScales; ++run) {
        const float first = T::kBase == 0 ? 0.0f : -T::kBase * all[run];
        const float part = Multiply(x, levels[o], run, first);
        added = fmaf(levels[o].scale[run], part, added);
        if (T::kShifted) added = fmaf(levels[o].shift[run], all[run], added);
      }
      sum[o * kRows + r] += added;
    }
  }

  // The sum of what has scale `number`, which begins with `sum`.
  static __device__ __forceinline__ float Multiply(const float (&x)[2][kRun], const Levels& levels,
                                                   int number, float sum) {
#pragma unroll
    for (int run = 0; run < 2; ++run) {
      if (T::kScales == 2 && run != number) continue;
#pragma unroll
      for (int i = 0; i < kRun; ++i) sum = fmaf(x[run][i], levels.level[run][i], sum);
    }
    return sum;
  }
};

}  // namespace

void MultiplyBlocks(const Call& call, const Tasks& tasks, int32_t dtype) {
  Tasks t = tasks;
  t.x = AlignedNumbers(call, t.x, t.rows * t.in);
  for (int i = 0; i < t.count; ++i) {
    t.of[i].w = AlignedBlocks(call, t.of[i].w, dtype, t.of[i].out * t.in);
  }
  ForBlockType(dtype, [&]<class T>(T) {
    ForRows(t, [&](auto rows) {
      LaunchGemv<BlockSums<T, rows>>(call, t, NoColumns(), Blocks(t.in, kStepColumns));
    });
  });
}

}  // namespace longlens
