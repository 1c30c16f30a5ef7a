// Products of few rows of x with single elements of W, which lanes read in chunks of 16 bytes.
#include <algorithm>

#include "../common/element_types.h"
#include "gemv.cuh"
#include "runs.cuh"
#include "widen.cuh"

namespace longlens {
namespace {

constexpr int64_t kChunkBytes = 16;

__device__ __forceinline__ void Widen(const uint4& bits, float (&w)[4], const float*) {
  w[0] = __uint_as_float(bits.x), w[1] = __uint_as_float(bits.y);
  w[2] = __uint_as_float(bits.z), w[3] = __uint_as_float(bits.w);
}
__device__ __forceinline__ void Widen(const uint4& bits, float (&w)[8], const uint16_t*) {
  WidenBf16s(bits, w);
}
__device__ __forceinline__ void Widen(const uint4& bits, float (&w)[8], const F16*) {
  const uint32_t pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    w[2 * i] = LowF16(pairs[i]);
    w[2 * i + 1] = HighF16(pairs[i]);
  }
}

// Columns lead .. lead + body - 1 are read in chunks: none where rows of W are not aligned alike.
struct Chunks {
  int64_t lead, body;
};

template <class W, int kNumberOfOutputs, int kNumberOfRows>
struct ElementSums {
  static constexpr int kOutputs = kNumberOfOutputs, kRows = kNumberOfRows;
  static constexpr int kBlocks = kRows == 8 ? 1 : 2;
  using Columns = Chunks;

  const uint8_t* w[kOutputs];
  float sum[kOutputs * kRows];

  __device__ __forceinline__ const W* Row(int o) const { return reinterpret_cast<const W*>(w[o]); }

  __device__ __forceinline__ void Add(const Tasks& t, const Chunks& chunks, int split) {
    AddBody(t, chunks, split);
    AddRest(t, chunks, split);
  }

  // Chunks of warp `split`.
  __device__ __forceinline__ void AddBody(const Tasks& t, const Chunks& chunks, int split) {
    constexpr int kElements = kChunkBytes / sizeof(W);
    const int64_t step = int64_t{t.splits} * kWarpThreads * kElements;
    int64_t i = (int64_t{split} * kWarpThreads + threadIdx.x % kWarpThreads) * kElements;
#pragma unroll(kRows == 8 ? 1 : 2)
    for (; i < chunks.body; i += step) {
      const int64_t column = chunks.lead + i;
      uint4 bits[kOutputs];
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        bits[o] = __ldcs(reinterpret_cast<const uint4*>(Row(o) + column));
      }
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        float x[kElements];
        LoadRun(t.x + min(r, t.rows - 1) * t.in + column, x);
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
          float wide[kElements];
          Widen(bits[o], wide, Row(o));
#pragma unroll
          for (int e = 0; e < kElements; ++e) {
            sum[o * kRows + r] = fmaf(x[e], wide[e], sum[o * kRows + r]);
          }
        }
      }
    }
  }

  // The columns before and after the chunks.
  __device__ __forceinline__ void AddRest(const Tasks& t, const Chunks& chunks, int split) {
    const int64_t rest = t.in - chunks.body;
    int64_t i = int64_t{split} * kWarpThreads + threadIdx.x % kWarpThreads;
    for (; i < rest; i += int64_t{t.splits} * kWarpThreads) {
      const int64_t column = i < chunks.lead ? i : i + chunks.body;
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        float wide[1];
        LoadRun(Row(o) + column, wide);
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          const float x = t.x[min(r, t.rows - 1) * t.in + column];
          sum[o * kRows + r] = fmaf(x, wide[0], sum[o * kRows + r]);
        }
      }
    }
  }
};

// Rows of W per warp: more where rows of x cost more than W.
constexpr int OutputsOf(int rows) { return rows == 8 ? 8 : 4; }

Chunks FindChunks(const Tasks& t, int64_t element) {
  const int64_t chunk = kChunkBytes / element;
  const uintptr_t offset = reinterpret_cast<uintptr_t>(t.of[0].w) % kChunkBytes;
  const int64_t lead = (kChunkBytes - offset) % kChunkBytes / element;
  bool alike = t.in % chunk == 0 && lead % 4 == 0 && IsAligned(t.x, kChunkBytes);
  for (int i = 0; i < t.count; ++i) {
    alike = alike && reinterpret_cast<uintptr_t>(t.of[i].w) % kChunkBytes == offset;
  }
  if (!alike || t.in <= lead) return {0, 0};
  return {lead, (t.in - lead) / chunk * chunk};
}

template <class W>
void MultiplyElements(const Call& call, const Tasks& t) {
  const Chunks chunks = FindChunks(t, sizeof(W));
  const int64_t steps = Blocks(t.in * sizeof(W), kChunkBytes * kWarpThreads);
  ForRows(t, [&](auto rows) {
    LaunchGemv<ElementSums<W, OutputsOf(rows), rows>>(call, t, chunks, steps);
  });
}

void Multiply(const Call& call, Tasks t, int32_t dtype) {
  const ElementType type = ElementTypeOf(dtype);
  t.row_bytes = type.Bytes(t.in);
  if (type.IsBlocks()) return MultiplyBlocks(call, t, dtype);
  if (dtype == LL_F32) return MultiplyElements<float>(call, t);
  if (dtype == LL_BF16) return MultiplyElements<uint16_t>(call, t);
  MultiplyElements<F16>(call, t);
}

Tasks MakeTasks(const float* x, int64_t rows, int64_t in) {
  Tasks t{};
  t.x = x, t.in = in, t.rows = static_cast<int32_t>(rows);
  return t;
}

void AddTask(Tasks& t, const Weights& w, float* y) {
  t.of[t.count++] = {static_cast<const uint8_t*>(w.data), y, w.out, 0};
}

}  // namespace

void ProductsOfFewRows(const Call& call, const float* x, int64_t rows, const Product* products,
                       int count, bool add) {
  for (int first = 0; first < count; ++first) {
    // Those of one type together, where the first of them is.
    const int32_t dtype = products[first].w.dtype;
    const auto is_alike = [&](const Product& product) { return product.w.dtype == dtype; };
    if (std::any_of(products, products + first, is_alike)) continue;
    Tasks t = MakeTasks(x, rows, products[first].w.in);
    t.add = add;
    for (int i = first; i < count; ++i) {
      if (is_alike(products[i])) AddTask(t, products[i].w, products[i].y);
    }
    Multiply(call, t, dtype);
  }
}

void GateOfFewRows(const Call& call, const float* x, int64_t rows, const Weights& gate,
                   const Weights& up, int32_t activation, float* out) {
  Tasks t = MakeTasks(x, rows, gate.in);
  t.is_gated = true, t.activation = activation;
  AddTask(t, gate, out);
  AddTask(t, up, nullptr);
  Multiply(call, t, gate.dtype);
}

}  // namespace longlens
