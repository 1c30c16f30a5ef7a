// Up to kFewRows rows: W is streamed once (gemv.cu, gemv_blocks.cu), whatever is asked for: it is
// bound by memory.
// More rows, products of f32: gemm_simt.cu, which takes single elements of any type.
// More rows, products of bf16, which no W in f32 allows: cuBLASLt where it is there (cublas_lt.cu),
// else gemm_mma.cu. Both want W in bf16, rows aligned to 16.
// What these do not take, blocks above all, is decoded into a slab, some rows of W at a time.
#include <algorithm>

#include "convert.h"
#include "cublas_lt.h"
#include "launch.cuh"
#include "linear.h"
#include "runs.cuh"

namespace longlens {
namespace {

constexpr int64_t kRowGrain = 128;
constexpr int64_t kMostChunkRows = 8192;
// Numbers of scratch memory of a chunk of rows.
constexpr int64_t kChunkFloats = int64_t{1} << 28;
// Multiplications of one launch: some milliseconds.
constexpr int64_t kPieceOfF32 = int64_t{1} << 36;
constexpr int64_t kPieceOfBf16 = int64_t{1} << 39;

constexpr int64_t kSlabBytes = int64_t{64} << 20;

int64_t RoundUp(int64_t x, int64_t grain) { return (x + grain - 1) / grain * grain; }

}  // namespace

Linear::Linear(const Call& call, int64_t rows, std::initializer_list<int32_t> dtypes)
    : call_(call), rows_(rows), rounds_(call.multiplies_bf16() && rows > kFewRows) {
  for (const int32_t dtype : dtypes) rounds_ = rounds_ && dtype != LL_F32;
}

// Chunks of a call are alike, so that the last one is no small one.
int64_t Linear::ChunkRows(int64_t width) const {
  const int64_t most =
      std::clamp(kChunkFloats / width / kRowGrain * kRowGrain, kRowGrain, kMostChunkRows);
  const int64_t chunks = Blocks(rows_, most);
  return std::min(rows_, RoundUp(Blocks(rows_, chunks), kRowGrain));
}

bool Linear::IsReady(const Weights& w) const {
  if (!rounds_) return !ElementTypeOf(w.dtype).IsBlocks();
  return w.dtype == LL_BF16 && w.in % Bf16Product::kPad == 0 && IsAligned(w.data, 16);
}

void Linear::MultiplyPiece(const Activations& x, int64_t first, int64_t rows,
                           const Product& product, int64_t y_stride, bool add) const {
  const auto& [w, y] = product;
  float* const target = y + first * y_stride;
  if (!rounds_) {
    return MultiplyF32(call_, {x.f32() + first * x.stride(), w, target, y_stride, rows, add});
  }
  const Bf16Product piece{x.bf16() + first * x.stride(),
                          static_cast<const uint16_t*>(w.data),
                          target,
                          y_stride,
                          rows,
                          w.out,
                          w.in,
                          add};
  if (!MultiplyWithCublas(call_, piece)) MultiplyWithMma(call_, piece);
}

void Linear::MultiplyReady(const Activations& x, int64_t rows, const Product& product,
                           int64_t y_stride, bool add) const {
  const int64_t work = product.w.out * product.w.in;
  const int64_t most = (rounds_ ? kPieceOfBf16 : kPieceOfF32) / work;
  const int64_t step = std::max(kRowGrain, most / kRowGrain * kRowGrain);
  for (int64_t first = 0; first < rows; first += step) {
    if (first > 0) call_.Pace();
    MultiplyPiece(x, first, std::min(step, rows - first), product, y_stride, add);
  }
  constexpr int64_t kShort = 16;  // of a piece
  if (rows * work > (rounds_ ? kPieceOfBf16 : kPieceOfF32) / kShort) call_.Pace();
}

void Linear::MultiplyOne(const Activations& x, int64_t rows, const Product& product,
                         bool add) const {
  const auto& [w, y] = product;
  if (IsReady(w)) return MultiplyReady(x, rows, product, w.out, add);
  const int32_t dtype = rounds_ ? LL_BF16 : LL_F32;
  const int64_t stride = rounds_ ? RoundUp(w.in, Bf16Product::kPad) : w.in;
  const int64_t row_bytes = ElementTypeOf(dtype).Bytes(stride);
  const int64_t most = std::max(kRowGrain, kSlabBytes / row_bytes / kRowGrain * kRowGrain);
  const ScratchScope scope(call_);
  void* const slab = call_.Scratch<char>(std::min(most, w.out) * row_bytes);
  for (int64_t first = 0; first < w.out; first += most) {
    const int64_t outs = std::min(most, w.out - first);
    DecodeRows(call_, w.Rows(first, outs), slab, dtype, stride);
    MultiplyReady(x, rows, {{slab, dtype, outs, w.in}, y + first}, w.out, add);
  }
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
  if (!NeedsRoom(gate, up)) {
    return GateOfFewRows(call_, x.f32(), rows, gate, up, activation, static_cast<float*>(out.data));
  }
  float* const second = room + rows * gate.out;
  Multiply(x, rows, {{gate, room}, {up, second}}, false);
  GateRows(call_, room, second, rows, activation, out);
}

}  // namespace longlens
