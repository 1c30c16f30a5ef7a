// The AVX-512 unit, compiled with -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c;
// empty elsewhere. LL_TEST_WIDE builds the same 16-wide code for machines without AVX-512, so that
// it can be tested there.
#include "kernels.h"

#if defined(__x86_64__) && (defined(__AVX512F__) || defined(LL_TEST_WIDE))
#define LL_WIDTH 16
#define LL_ISA "avx512"
#include "simd_kernels.inl"

namespace longlens {
const Kernels* Avx512Kernels() { return &kKernels; }
}  // namespace longlens
#else
namespace longlens {
const Kernels* Avx512Kernels() { return nullptr; }
}  // namespace longlens
#endif
