// The AVX-512 unit, compiled with -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma -mf16c;
// empty elsewhere. A test build (LONGLENS_EMULATED) has the same 16-wide code for machines without
// AVX-512.
#include "kernels.h"

#if defined(__x86_64__) && (defined(__AVX512F__) || defined(LONGLENS_EMULATED))
#define LL_WIDTH 16
#include "simd_kernels.inl"

namespace longlens {
namespace {

#if defined(__AVX512BW__)
// Known when it is compiled: what ran while the library is loaded would need AVX-512 everywhere.
constexpr Kernels WithVnni() {
  Kernels kernels = kKernels;
  kernels.score_flat4 = ScoreFlat4<QuadSums>;
  return kernels;
}
constexpr Kernels kVnniKernels = WithVnni();
#else
constexpr const Kernels& kVnniKernels = kKernels;
#endif

}  // namespace

const Kernels* Avx512Kernels() { return &kKernels; }
const Kernels* Avx512VnniKernels() { return &kVnniKernels; }
}  // namespace longlens
#else
namespace longlens {
const Kernels* Avx512Kernels() { return nullptr; }
const Kernels* Avx512VnniKernels() { return nullptr; }
}  // namespace longlens
#endif
