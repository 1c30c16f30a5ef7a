// Online softmax of the scores that a warp has in its registers, and what comes before and after
// it.
//
//   b' = max(b, max_j s[j] f) where that is more than kLag above b, else b;  keep = 2^(b - b')
//   p[j] = 2^(s[j] f - b');  l' = l keep + sum_j p[j];  o' = o keep + sum_j p[j] v[j]
// with f = scale log2 e. As b may lag, o is rarely multiplied; p is at most 2^kLag, which bf16
// holds as well as 1. s f is rounded once only, in the fused multiply-add; b is rounded by itself,
// which cancels, but for scores so huge that its error is an exponent. Neighbouring numbers of such
// size differ by so much that p is 1 or 0 for any f: then f is a power of two, whose products are
// exact.
#ifndef LONGLENS_CUDA_TILE_SOFTMAX_CUH_
#define LONGLENS_CUDA_TILE_SOFTMAX_CUH_

#include "tile_work.cuh"

namespace longlens {

constexpr float kLn2 = 0.69314718055994531f;

// A thread's two rows g and g + 8 of the 16 of its warp, g = lane / 4. Scores and results lie as
// d of MultiplyBf16: [4 j + 2 half + i] is column 8 j + 2 (lane % 4) + i of row g + 8 half.
class RowPair {
 public:
  static constexpr float kLag = 8;

  __device__ RowPair(const TileWork& work, const RowBlock& block, int32_t row)
      : factor_(work.factor) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Lane lane(work, block, row + 8 * half);
      mask_row_[half] = lane.mask_row;
      index_[half] = lane.is_used ? lane.index : -1;
      base_[half] = -INFINITY;
      slope_[half] = factor_;
      sum_[half] = 0;
    }
  }

  // Hides the keys that masks do not show.
  template <int kCount>
  __device__ void Hide(const TileWork& work, const int32_t* ids, float (&s)[kCount]) const {
    const int32_t column = 2 * (threadIdx.x % 4);
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
      const GroupMask& mask = work.masks[ids[j]];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const uint32_t bits = uint32_t{mask.rows[mask_row_[half]]} >> column;
        if ((bits & 1) == 0) s[4 * j + 2 * half] = -INFINITY;
        if ((bits & 2) == 0) s[4 * j + 2 * half + 1] = -INFINITY;
      }
    }
  }

  // Makes probabilities of scores. Returns whether the results so far must be multiplied by keep;
  // all lanes of a warp return the same.
  template <int kCount>
  __device__ bool Step(float (&s)[kCount], float (&keep)[2]) {
    float most[2] = {s[0], s[2]};
#pragma unroll
    for (int j = 0; j < kCount / 4; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        most[half] = fmaxf(most[half], fmaxf(s[4 * j + 2 * half], s[4 * j + 2 * half + 1]));
      }
    }
    const bool grows = Grow(most, keep);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float base = base_[half] == -INFINITY ? 0.0f : base_[half];
      float sum = 0;
#pragma unroll
      for (int j = 0; j < kCount / 4; ++j) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          float& x = s[4 * j + 2 * half + i];
          x = Exp2(fmaf(x, slope_[half], -base));
          sum += x;
        }
      }
      sum_[half] += sum;
    }
    return grows;
  }

  // Writes results and logarithms.
  template <int kCount>
  __device__ void Finish(const TileWork& work, const float (&o)[kCount]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = OfQuad(sum_[half], [](float a, float b) { return a + b; });
      if (index_[half] < 0) continue;
      const float inverse = sum == 0 ? 0 : 1 / sum;
      float* const out = work.out + index_[half] * work.dim;
      const int32_t column = 2 * (threadIdx.x % 4);
      const bool is_whole = work.dim == 2 * kCount;
#pragma unroll
      for (int j = 0; j < kCount / 4; ++j) {
        const float2 x =
            make_float2(o[4 * j + 2 * half] * inverse, o[4 * j + 2 * half + 1] * inverse);
        if (is_whole) {
          *reinterpret_cast<float2*>(out + 8 * j + column) = x;
        } else {
          WriteInside(work.dim, 8 * j + column, x, out);
        }
      }
      if (threadIdx.x % 4 != 0) continue;
      const float base =
          slope_[half] == factor_ ? base_[half] : base_[half] / slope_[half] * factor_;
      work.lse[index_[half]] = sum == 0 ? -INFINITY : (base + log2f(sum)) * kLn2;
    }
  }

 private:
  // From here on errors of b are exponents.
  static constexpr float kHuge = 1u << 30;

  template <class Join>
  static __device__ float OfQuad(float x, const Join& join) {
    x = join(x, __shfl_xor_sync(kWholeWarp, x, 1));
    return join(x, __shfl_xor_sync(kWholeWarp, x, 2));
  }

  static __device__ void WriteInside(int32_t dim, int32_t channel, const float2& x, float* out) {
    if (channel < dim) out[channel] = x.x;
    if (channel + 1 < dim) out[channel + 1] = x.y;
  }

  // The least power of two >= x > 0.
  static __device__ float PowerOfTwo(float x) {
    const uint32_t bits = __float_as_uint(x);
    return __uint_as_float((bits + 0x007FFFFF) & 0x7F800000);
  }

  __device__ bool Grow(const float (&most)[2], float (&keep)[2]) {
    float base[2], slope[2];
    bool grows[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float m = OfQuad(most[half], [](float a, float b) { return fmaxf(a, b); });
      slope[half] = factor_;
      base[half] = m * factor_;
      if (fabsf(base[half]) >= kHuge && m != -INFINITY) {
        slope[half] = PowerOfTwo(factor_);
        base[half] = m * slope[half];
      }
      grows[half] = base[half] > base_[half] + kLag;
    }
    if (!__any_sync(kWholeWarp, grows[0] || grows[1])) return false;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      keep[half] = 1;
      if (!grows[half]) continue;
      keep[half] = Exp2(base_[half] - base[half]);
      base_[half] = base[half];
      slope_[half] = slope[half];
      sum_[half] *= keep[half];
    }
    return true;
  }

  float factor_;
  int32_t mask_row_[2];
  int64_t index_[2];  // of row and head; -1: none
  float base_[2], slope_[2], sum_[2];
};

template <int kCount>
__device__ __forceinline__ void MultiplyRows(const float (&keep)[2], float (&o)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) o[i] *= keep[i / 2 % 2];
}

// Probabilities of 16 keys, from 16 k on, as the left operand of a product.
template <int kCount>
__device__ __forceinline__ void PackProbs(const float (&p)[kCount], int k, uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) a[i] = PackBf16(p[8 * k + 2 * i], p[8 * k + 2 * i + 1]);
}

__device__ __forceinline__ uint4 PackChunk(const float4& low, const float4& high, float sign) {
  return make_uint4(PackBf16(low.x * sign, low.y * sign), PackBf16(low.z * sign, low.w * sign),
                    PackBf16(high.x * sign, high.y * sign), PackBf16(high.z * sign, high.w * sign));
}

// Eight channels of a query, zeros from channel dim on.
__device__ __forceinline__ void ReadChunkInside(const float* row, int32_t channel, int32_t dim,
                                                float4* low, float4* high) {
  const auto at = [&](int32_t i) { return channel + i < dim ? row[channel + i] : 0.0f; };
  *low = make_float4(at(0), at(1), at(2), at(3));
  *high = make_float4(at(4), at(5), at(6), at(7));
}

// Writes the queries of a row block times `sign` to `shared`, [kDim / 64][64 rows][128 bytes] of
// bf16, swizzled; by 128 threads. Many reads are under way at once.
template <int kDim>
__device__ __forceinline__ void LoadQueries(const TileWork& work, const RowBlock& block,
                                            char* shared, int32_t thread) {
  constexpr int32_t kChunks = kDim / 8, kThreads = 128, kAtOnce = kDim == 64 ? 4 : 8;
  constexpr int32_t kRowsAtOnce = kThreads / kChunks;
  const int32_t chunk = thread % kChunks;
  for (int32_t first = thread / kChunks; first < kUnitRows; first += kAtOnce * kRowsAtOnce) {
    float4 low[kAtOnce], high[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const Lane lane(work, block, first + i * kRowsAtOnce);
      const float* const row = work.q + lane.index * work.dim;
      if (work.dim == kDim) {
        low[i] = *reinterpret_cast<const float4*>(row + chunk * 8);
        high[i] = *reinterpret_cast<const float4*>(row + chunk * 8 + 4);
      } else {
        ReadChunkInside(row, chunk * 8, work.dim, &low[i], &high[i]);
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int32_t row = first + i * kRowsAtOnce;
      char* const target = shared + chunk / 8 * (kUnitRows * 128) + row * 128;
      *reinterpret_cast<uint4*>(target + (chunk % 8 ^ row % 8) * 16) =
          PackChunk(low[i], high[i], work.sign);
    }
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_SOFTMAX_CUH_
