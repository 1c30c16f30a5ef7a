// out[t] = scale table[ids[t]], a block per token.
#include "block_weights.cuh"
#include "convert.h"
#include "elements.cuh"
#include "embed.h"
#include "launch.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    EmbedKernel(const int32_t* ids, const Elements table, int64_t hidden, float scale, float* out) {
  const int64_t row = ids[blockIdx.x] * hidden;
  float* const target = out + blockIdx.x * hidden;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) target[i] = table.At(row + i) * scale;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    EmbedBlocksKernel(const int32_t* ids, const uint8_t* table, int64_t hidden, float scale,
                      float* out) {
  const uint8_t* const row = table + ids[blockIdx.x] * (hidden / T::kElements * T::kBytes);
  float* const target = out + blockIdx.x * hidden;
  const int warp = threadIdx.x / 32;
  int64_t column = warp * kStepColumns + T::Column(threadIdx.x % 32);
  for (; column < hidden; column += kThreads / 32 * kStepColumns) {
    float x[2][kRun];
    LoadNumbers<T>(row, column, x);
#pragma unroll
    for (int run = 0; run < 2; ++run) {
#pragma unroll
      for (int i = 0; i < kRun; ++i) target[column + run * T::kApart + i] = x[run][i] * scale;
    }
  }
}

void EmbedBlocks(const Call& call, const EmbedArguments& a, const int32_t* ids) {
  const int64_t hidden = a.hidden;
  const uint8_t* const table = AlignedBlocks(call, a.table, a.table_dtype, a.vocab * hidden);
  ForBlockType(a.table_dtype, [&]<class T>(T) {
    Launch(call, "embed", EmbedBlocksKernel<T>, dim3(a.tokens), kThreads, 0, ids, table, hidden,
           a.scale, a.out);
  });
}

}  // namespace

void Embed(const Call& call, const EmbedArguments& a) {
  const int32_t* const ids = call.CopyIn(a.ids, a.tokens);
  if (ElementTypeOf(a.table_dtype).IsBlocks()) {
    EmbedBlocks(call, a, ids);
  } else {
    Launch(call, "embed", EmbedKernel, dim3(a.tokens), kThreads, 0, ids,
           ElementsOf(a.table, a.table_dtype), int64_t{a.hidden}, a.scale, a.out);
  }
  call.Progress(a.tokens);
}

}  // namespace longlens
