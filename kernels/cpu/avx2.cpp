// The AVX2 unit, compiled with -mavx2 -mfma -mf16c; empty elsewhere.
#include "kernels.h"

#if defined(__x86_64__) && defined(__AVX2__) && defined(__FMA__)
#define LL_WIDTH 8
#include "simd_kernels.inl"

namespace longlens {
const Kernels* Avx2Kernels() { return &kKernels; }
}  // namespace longlens
#else
namespace longlens {
const Kernels* Avx2Kernels() { return nullptr; }
}  // namespace longlens
#endif
