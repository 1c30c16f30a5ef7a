// What the units are written with: vectors of LL_WIDTH floats by the compiler's vector extensions.
//
// Everything here is in an anonymous namespace and free of library templates: were a function of an
// AVX unit shared, the linker could pick it for every unit.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../include/longlens.h"
#include "kernels.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

// Passing wide vectors between static functions is no ABI matter.
#pragma GCC diagnostic ignored "-Wpsabi"

#define LL_INLINE inline __attribute__((always_inline))
#if defined(__clang__) || __GNUC__ >= 12
#define LL_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define LL_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, I4{i, j, k, l})
#endif
#if defined(__clang__)
#define LL_UNROLL _Pragma("clang loop unroll(full)")
#define LL_UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define LL_UNROLL _Pragma("GCC unroll 16")
#define LL_UNROLL_4 _Pragma("GCC unroll 4")
#endif

namespace longlens {
namespace {

constexpr int kWidth = LL_WIDTH;
constexpr int kPanel = 2 * LL_WIDTH;
constexpr int kRowBlock = LL_WIDTH == 16 ? 12 : 6;

typedef float F __attribute__((vector_size(LL_WIDTH * 4)));
typedef int32_t I __attribute__((vector_size(LL_WIDTH * 4)));
typedef uint32_t U __attribute__((vector_size(LL_WIDTH * 4)));
typedef uint16_t H __attribute__((vector_size(LL_WIDTH * 2)));
typedef float F4 __attribute__((vector_size(16)));
typedef int32_t I4 __attribute__((vector_size(16)));
typedef uint32_t U4 __attribute__((vector_size(16)));
typedef uint16_t H4 __attribute__((vector_size(8)));
// The same at any address of an element.
typedef float Fu __attribute__((vector_size(LL_WIDTH * 4), aligned(4), may_alias));
typedef int32_t Iu __attribute__((vector_size(LL_WIDTH * 4), aligned(4), may_alias));
typedef uint32_t Uu __attribute__((vector_size(LL_WIDTH * 4), aligned(4), may_alias));
typedef uint16_t Hu __attribute__((vector_size(LL_WIDTH * 2), aligned(2), may_alias));
typedef uint8_t UBu __attribute__((vector_size(LL_WIDTH), aligned(1), may_alias));
typedef int8_t Bu __attribute__((vector_size(LL_WIDTH), aligned(1), may_alias));
typedef float F4u __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint16_t H4u __attribute__((vector_size(8), aligned(2), may_alias));

typedef uint16_t Bf16;
// An element of f16.
struct Half {
  uint16_t bits;
};

// ---- vectors ----

LL_INLINE F Splat(float x) { return x - F{}; }
// GCC 12 makes five instructions of this conversion where AVX has one.
LL_INLINE F Widen(H x) {
#if LL_WIDTH == 8 && defined(__AVX2__)
  return (F)((U)_mm256_cvtepu16_epi32((__m128i)x) << 16);
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  return (F)((U)_mm512_maskz_cvtepu16_epi32(0xFFFF, (__m256i)x) << 16);
#else
  return (F)(__builtin_convertvector(x, U) << 16);
#endif
}
LL_INLINE F Load(const float* p) { return *(const Fu*)p; }
LL_INLINE F Load(const Bf16* p) { return Widen((H) * (const Hu*)p); }
// The exponent is moved by a multiplication, which is exact for subnormal numbers too.
template <class R, class W, class S>
LL_INLINE R WidenHalves(const S& halves) {
  const W half = __builtin_convertvector(halves, W), magnitude = (half & 0x7FFFu) << 13;
  const W finite = (W)((R)magnitude * 0x1p112f);
  const W bits = magnitude >= 0x0F800000u ? magnitude | 0x7F800000u : finite;  // infinity, NaN
  return (R)(bits | (half & 0x8000u) << 16);
}
LL_INLINE F Load(const Half* p) {
#if LL_WIDTH == 8 && defined(__F16C__)
  return (F)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  const __m256i halves = _mm256_loadu_si256((const __m256i*)p);
  return (F)_mm512_maskz_cvtph_ps(0xFFFF, halves);
#else
  return WidenHalves<F, U>((H) * (const Hu*)p);
#endif
}
LL_INLINE F Load(const int8_t* p) {
#if LL_WIDTH == 8 && defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  const __m512i x = _mm512_maskz_cvtepi8_epi32(0xFFFF, _mm_loadu_si128((const __m128i*)p));
  return _mm512_maskz_cvtepi32_ps(0xFFFF, x);
#else
  return __builtin_convertvector(*(const Bu*)p, F);
#endif
}
LL_INLINE void Store(float* p, F x) { *(Fu*)p = x; }
LL_INLINE F4 Load4(const float* p) { return *(const F4u*)p; }
LL_INLINE F4 Load4(const Bf16* p) {
  const H4 x = *(const H4u*)p;
  return (F4)(__builtin_convertvector(x, U4) << 16);
}
LL_INLINE F4 Load4(const Half* p) {
#if defined(__F16C__)
  return (F4)_mm_cvtph_ps(_mm_loadl_epi64((const __m128i*)p));
#else
  return WidenHalves<F4, U4>((H4) * (const H4u*)p);
#endif
}
LL_INLINE float Load1(const float* p) { return *p; }
LL_INLINE float Load1(const Half* p) {
#if defined(__F16C__)
  return _cvtsh_ss(p->bits);
#else
  return WidenHalves<F4, U4>(H4{p->bits})[0];
#endif
}
LL_INLINE float Load1(const int8_t* p) { return (float)*p; }
LL_INLINE float Load1(const Bf16* p) {
  const uint32_t bits = (uint32_t)*p << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}
LL_INLINE F Max(F a, F b) { return a > b ? a : b; }

LL_INLINE F4 Fold(F x) {
#if LL_WIDTH == 4
  return x;
#else
  F4 part[LL_WIDTH / 4];
  memcpy(part, &x, sizeof(x));
#if LL_WIDTH == 8
  return part[0] + part[1];
#else
  return (part[0] + part[1]) + (part[2] + part[3]);
#endif
#endif
}
LL_INLINE float Sum(F x) {
  const F4 s = Fold(x);
  return (s[0] + s[1]) + (s[2] + s[3]);
}
LL_INLINE float Largest(F x) {
  float m = x[0];
  for (int i = 1; i < kWidth; ++i) m = x[i] > m ? x[i] : m;
  return m;
}
LL_INLINE void Transpose4(F4& a, F4& b, F4& c, F4& d) {
  const F4 ab = LL_SHUFFLE(a, b, 0, 4, 1, 5), cd = LL_SHUFFLE(c, d, 0, 4, 1, 5);
  const F4 ab2 = LL_SHUFFLE(a, b, 2, 6, 3, 7), cd2 = LL_SHUFFLE(c, d, 2, 6, 3, 7);
  a = LL_SHUFFLE(ab, cd, 0, 1, 4, 5);
  b = LL_SHUFFLE(ab, cd, 2, 3, 6, 7);
  c = LL_SHUFFLE(ab2, cd2, 0, 1, 4, 5);
  d = LL_SHUFFLE(ab2, cd2, 2, 3, 6, 7);
}

// 2^x for x <= 0 or NaN, 0 below -125.9. x = n + r, |r| <= 1/2; 2^r by Cephes' polynomial (1 ulp).
// Adding 1.5 * 2^23 leaves n in the low bits; the constant's own bits leave by the shift.
LL_INLINE F Exp2(F x) {
  const float magic = 12582912.0f;
  const F t = x + magic;
  const F r = x - (t - magic);
  F p = r * 1.535336188319500e-4f + 1.339887440266574e-3f;
  p = p * r + 9.618437357674640e-3f;
  p = p * r + 5.550332471162809e-2f;
  p = p * r + 2.402264791363012e-1f;
  p = p * r + 6.931472028550421e-1f;
  p = p * r + 1.0f;
  const F y = (F)((U)p + ((U)t << 23));
  return x < -125.9f ? F{} : y;
}

// e^x, 0 below -87.3 and infinite above 88.72283, the logarithm of the largest f32.
LL_INLINE F Exp(F x) {
  const float magic = 12582912.0f;
  const F t = x * 1.44269504088896341f + magic;
  const F n = t - magic;
  const F r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  F y = (F)((U)p + ((U)t << 23));
  y = x > 88.72283f ? Splat(INFINITY) : y;
  return x < -87.3f ? F{} : y;
}

}  // namespace
}  // namespace longlens
