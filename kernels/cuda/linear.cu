// Up to kFewRows rows: W is streamed once (gemv.cu), whatever is asked for: it is bound by memory.
// More rows of f32: gemm_simt.cu.
// More rows, W in bf16, products of bf16: cuBLASLt where it is there (cublas_lt.cu), else
// gemm_mma.cu. Both want rows that are aligned to 16: weights of a file may begin anywhere.
#include <algorithm>

#include "cublas_lt.h"
#include "launch.cuh"
#include "linear.h"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kRowGrain = 128;
constexpr int64_t kMostChunkRows = 8192;
// Numbers of scratch memory of a chunk of rows.
constexpr int64_t kChunkFloats = int64_t{1} << 28;
// Multiplications of one launch: some milliseconds.
constexpr int64_t kPieceOfF32 = int64_t{1} << 36;
constexpr int64_t kPieceOfBf16 = int64_t{1} << 39;

int64_t RoundUp(int64_t x, int64_t grain) { return (x + grain - 1) / grain * grain; }

// target[o][i] = w[o][i], then zeros.
__global__ void __launch_bounds__(kThreads)
    AlignKernel(const uint16_t* w, int64_t in, uint16_t* target, int64_t stride) {
  const int64_t i = int64_t{blockIdx.y} * kThreads + threadIdx.x;
  if (i >= stride) return;
  target[blockIdx.x * stride + i] = i < in ? w[blockIdx.x * in + i] : 0;
}

}  // namespace

Linear::Linear(const Call& call, int64_t rows, int32_t dtype)
    : call_(call),
      rows_(rows),
      rounds_(call.multiplies_bf16() && dtype == LL_BF16 && rows > kFewRows) {}

// Chunks of a call are alike, so that the last one is no small one.
int64_t Linear::ChunkRows(int64_t width) const {
  const int64_t most =
      std::clamp(kChunkFloats / width / kRowGrain * kRowGrain, kRowGrain, kMostChunkRows);
  const int64_t chunks = Blocks(rows_, most);
  return std::min(rows_, RoundUp(Blocks(rows_, chunks), kRowGrain));
}

Weights Linear::Prepare(const Weights& w) const {
  if (!rounds_ || (w.in % Bf16Product::kPad == 0 && IsAligned(w.data, 16))) return w;
  const int64_t stride = RoundUp(w.in, Bf16Product::kPad);
  uint16_t* const target = call_.Scratch<uint16_t>(w.out * stride);
  Launch(call_, "align weights", AlignKernel, dim3(w.out, Blocks(stride, kThreads)), kThreads, 0,
         static_cast<const uint16_t*>(w.data), w.in, target, stride);
  return {target, w.dtype, w.out, w.in};
}

void Linear::MultiplyPiece(const Activations& x, int64_t first, int64_t rows,
                           const Product& product, bool add) const {
  const auto& [w, y] = product;
  float* const target = y + first * w.out;
  if (!rounds_) {
    return MultiplyF32(call_, {x.f32() + first * x.stride(), w, target, rows, add});
  }
  const Bf16Product piece{x.bf16() + first * x.stride(),
                          static_cast<const uint16_t*>(w.data),
                          target,
                          rows,
                          w.out,
                          w.in,
                          add};
  if (!MultiplyWithCublas(call_, piece)) MultiplyWithMma(call_, piece);
}

void Linear::MultiplyOne(const Activations& x, int64_t rows, const Product& product,
                         bool add) const {
  const int64_t work = product.w.out * product.w.in;
  const int64_t most = (rounds_ ? kPieceOfBf16 : kPieceOfF32) / work;
  const int64_t step = std::max(kRowGrain, most / kRowGrain * kRowGrain);
  for (int64_t first = 0; first < rows; first += step) {
    if (first > 0) call_.Pace();
    MultiplyPiece(x, first, std::min(step, rows - first), product, add);
  }
  constexpr int64_t kShort = 16;  // of a piece
  if (rows * work > (rounds_ ? kPieceOfBf16 : kPieceOfF32) / kShort) call_.Pace();
}

void Linear::Multiply(const Activations& x, int64_t rows, std::initializer_list<Product> products,
                      bool add) const {
  if (rows <= kFewRows && !rounds_) {
    return ProductsOfFewRows(call_, x.f32(), rows, products.begin(),
                             static_cast<int>(products.size()), add);
  }
  for (const Product& product : products) MultiplyOne(x, rows, product, add);
}

void Linear::MultiplyGated(const Activations& x, int64_t rows, const Weights& gate,
                           const Weights& up, int32_t activation, float* room,
                           const Activations& out) const {
  if (!NeedsRoom()) {
    return GateOfFewRows(call_, x.f32(), rows, gate, up, activation, static_cast<float*>(out.data));
  }
  float* const second = room + rows * gate.out;
  Multiply(x, rows, {{gate, room}, {up, second}}, false);
  GateRows(call_, room, second, rows, activation, out);
}

}  // namespace longlens
