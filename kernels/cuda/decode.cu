// Weights as f32 or bf16.
#include "block_weights.cuh"
#include "convert.h"
#include "elements.cuh"
#include "launch.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;
// Of a row of single elements, for a block of threads.
constexpr int64_t kPart = 2048;

template <class Out>
__global__ void __launch_bounds__(kThreads)
    ElementsKernel(const Elements source, int64_t in, Out* target, int64_t stride, int64_t parts) {
  const int64_t row = blockIdx.x / parts, first = blockIdx.x % parts * kPart;
  const int64_t end = min(first + kPart, stride);
  for (int64_t i = first + threadIdx.x; i < end; i += kThreads) {
    const float x[1] = {i < in ? source.At(row * in + i) : 0.0f};
    StoreRun(target + row * stride + i, x);
  }
}

// A warp per step of columns. kAligned: runs of the target are aligned to 16.
template <class T, class Out, bool kAligned>
__global__ void __launch_bounds__(kThreads)
    BlocksKernel(const uint8_t* source, int64_t count, Out* target) {
  const int64_t thread = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  const int64_t column = thread / 32 * kStepColumns + T::Column(threadIdx.x % 32);
  if (column >= count) return;
  float x[2][kRun];
  LoadNumbers<T>(source, column, x);
#pragma unroll
  for (int run = 0; run < 2; ++run) {
    Out* const to = target + column + run * T::kApart;
    if constexpr (kAligned) {
      StoreRun(to, x[run]);
    } else {
#pragma unroll
      for (int i = 0; i < kRun; ++i) {
        const float one[1] = {x[run][i]};
        StoreRun(to + i, one);
      }
    }
  }
}

template <class Out>
void Decode(const Call& call, const Weights& w, Out* target, int64_t stride) {
  const int64_t count = w.out * w.in;
  if (!ElementTypeOf(w.dtype).IsBlocks()) {
    const int64_t parts = Blocks(stride, kPart);
    return Launch(call, "convert elements", ElementsKernel<Out>, dim3(w.out * parts), kThreads, 0,
                  ElementsOf(w.data, w.dtype), w.in, target, stride, parts);
  }
  const uint8_t* const blocks = AlignedBlocks(call, w.data, w.dtype, count);
  const dim3 grid(Blocks(count, kStepColumns * (kThreads / 32)));
  ForBlockType(w.dtype, [&]<class T>(T) {
    Launch(call, "decode blocks",
           IsAligned(target, 16) ? BlocksKernel<T, Out, true> : BlocksKernel<T, Out, false>, grid,
           kThreads, 0, blocks, count, target);
  });
}

const void* CopyOf(const Call& call, const void* source, int64_t bytes) {
  // Whole words, as kernels read blocks of odd sizes by words.
  void* const copy = call.Scratch<uint32_t>(Blocks(bytes, sizeof(uint32_t)));
  CheckCuda(cudaMemcpyAsync(copy, source, bytes, cudaMemcpyDefault, call.stream()),
            "copy device memory");
  return copy;
}

}  // namespace

void DecodeRows(const Call& call, const Weights& w, void* target, int32_t target_dtype,
                int64_t stride) {
  if (target_dtype == LL_F32) return Decode(call, w, static_cast<float*>(target), stride);
  Decode(call, w, static_cast<uint16_t*>(target), stride);
}

const uint8_t* AlignedBlocks(const Call& call, const void* blocks, int32_t dtype, int64_t count) {
  if (!IsAligned(blocks, AlignOfBlocks(dtype))) {
    blocks = CopyOf(call, blocks, ElementTypeOf(dtype).Bytes(count));
  }
  return static_cast<const uint8_t*>(blocks);
}

const float* AlignedNumbers(const Call& call, const float* numbers, int64_t count) {
  if (IsAligned(numbers, 16)) return numbers;
  return static_cast<const float*>(CopyOf(call, numbers, count * int64_t{sizeof(float)}));
}

}  // namespace longlens
