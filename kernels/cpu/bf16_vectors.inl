// Vectors of bf16 for the units that multiply it, beside those of simd_vectors.inl (LL_WIDTH 16).
//
// A test build (LONGLENS_EMULATED) takes the instructions of bf16 units from emulated_bf16.h of the
// tests instead, so that all other code of the units runs on machines without them.
#include "bf16_kernels.h"
#include "simd_vectors.inl"

#if defined(LONGLENS_EMULATED)
#include "emulated_bf16.h"
#endif

namespace longlens {
namespace {

static_assert(kWidth == 16, "a block has two vectors in a row");

// The left operand of a product of blocks: two tiles of 16 rows for each chunk of terms.
struct Left {
  const Bf16 *high, *low;
  int64_t chunk;   // elements from a tile to that of the next chunk
  int64_t stride;  // elements from a row of a tile to the next
};

// a then b, rounded to nearest even; numbers too small for the exponent become 0.
LL_INLINE void StorePairs(Bf16* out, F a, F b) {
#if defined(LONGLENS_EMULATED)
  EmulatedNarrow(&a, &b, out);
#else
  const __m512i pairs = (__m512i)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
  _mm512_storeu_si512(out, pairs);
#endif
}

LL_INLINE float TreeLargest(F x) {
  F4 part[4];
  memcpy(part, &x, sizeof(x));
  const auto larger = [](F4 a, F4 b) { return a > b ? a : b; };
  const F4 m = larger(larger(part[0], part[1]), larger(part[2], part[3]));
  const float a = m[0] > m[1] ? m[0] : m[1], b = m[2] > m[3] ? m[2] : m[3];
  return a > b ? a : b;
}

}  // namespace
}  // namespace longlens
