// The AVX-512-BF16 unit: dot products of bf16 pairs in vectors. Compiled with the flags of
// avx512.cpp and -mavx512bf16; empty elsewhere.
//
// A product takes 8 rows of the left operand at a time, whose pairs are broadcast from memory,
// times two vectors of the right one: 16 sums.
#include "bf16_kernels.h"

#if defined(LONGLENS_EMULATED) || defined(__AVX512BF16__)
#define LL_WIDTH 16
#include "bf16_vectors.inl"

namespace longlens {
namespace {

constexpr int kRows = 8;
constexpr int kSideCalls = kBlock / kRows;

void Begin() {}
void End() {}

// sum[n] += a[0] b[2 n] + a[1] b[2 n + 1]
LL_INLINE F DotPair(F sum, const Bf16* a, const Bf16* b) {
  int32_t pair;
  memcpy(&pair, a, 4);
#if defined(LONGLENS_EMULATED)
  EmulatedDot(&sum, pair, b);
  return sum;
#else
  const __m512bh columns = (__m512bh)_mm512_loadu_si512(b);
  return (F)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), columns);
#endif
}

// 8 rows of c from pairs of 8 rows of the left operand.
template <class Right, class Side>
LL_INLINE void ProductRows(const Bf16* left, int64_t chunk, int64_t stride, const Right& right,
                           int64_t terms, bool add, float* c, int64_t ldc, Side& side) {
  F sum[kRows][2];
  LL_UNROLL for (int m = 0; m < kRows; ++m) {
    sum[m][0] = add ? Load(c + m * ldc) : F{};
    sum[m][1] = add ? Load(c + m * ldc + kWidth) : F{};
  }
  for (int64_t i = 0; i < terms; ++i) {
    const Bf16 *const columns = right(i), *const a = left + i * chunk;
    for (int k = 0; k < kBlock / 2; ++k) {
      LL_UNROLL for (int m = 0; m < kRows; ++m) {
        sum[m][0] = DotPair(sum[m][0], a + m * stride + 2 * k, columns + k * kBlock);
        sum[m][1] = DotPair(sum[m][1], a + m * stride + 2 * k, columns + 512 + k * kBlock);
      }
    }
  }
  LL_UNROLL for (int m = 0; m < kRows; ++m) {
    Store(c + m * ldc, sum[m][0]);
    Store(c + m * ldc + kWidth, sum[m][1]);
  }
  for (int64_t i = 0; i < terms; ++i) side();
}

// c[32][32] (+)= sum_i left_i right(i); side() is called kSideCalls * terms times in between.
template <class Right, class Side>
LL_INLINE void Product(const Left& left, const Right& right, int64_t terms, bool add, float* c,
                       int64_t ldc, Side& side) {
  for (int r = 0; r < kBlock; r += kRows) {
    const Bf16* const tile = r < kBlock / 2 ? left.high : left.low;
    ProductRows(tile + r % (kBlock / 2) * left.stride, left.chunk, left.stride, right, terms, add,
                c + r * ldc, ldc, side);
  }
}

}  // namespace
}  // namespace longlens

#include "bf16_kernels.inl"

namespace longlens {
const Bf16Kernels* Avx512Bf16Kernels() { return &kKernels; }
}  // namespace longlens
#else
namespace longlens {
const Bf16Kernels* Avx512Bf16Kernels() { return nullptr; }
}  // namespace longlens
#endif
