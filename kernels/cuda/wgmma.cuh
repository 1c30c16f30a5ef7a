// Products of a warpgroup (wgmma, sm_90a), and the descriptors of their operands in shared memory.
//
// d[64][n] += a[64][16] b[16][n] of bf16, n = 2 * (elements of d). Thread t of the warpgroup holds,
// with row g = 16 (t / 32) + t % 32 / 4 and c = 2 (t % 4): d[4 j ..]: (g, 8 j + c), (g, 8 j + c +
// 1), (g + 8, 8 j + c), (g + 8, 8 j + c + 1); a in registers as in MultiplyBf16.
//
// Operands in shared memory lie in slices of 128 bytes (64 elements) by rows, chunk c of row r at
// place c ^ (r % 8); slices start at multiples of 1024 bytes. Descriptors (PTX ISA, "Matrix
// Descriptor Format"): bits 0-13 address / 16, 16-29 leading offset / 16, 32-45 stride offset / 16,
// 62-63 = 1: 128-byte swizzle.
//   along k (q, k of q k^T): rows are rows of the matrix; 8 rows further is the stride offset; 16
//     elements further in k are 32 bytes of address.
//   across k (v of p v): rows are k; 8 of them further is the stride offset, 64 columns further the
//     leading offset; 16 of k further are 2048 bytes of address.
#ifndef LONGLENS_CUDA_WGMMA_CUH_
#define LONGLENS_CUDA_WGMMA_CUH_

#include <cstdint>

#include "device.cuh"
#include "ptx.cuh"

namespace longlens {

constexpr uint32_t kSwizzleRow = 128;
constexpr uint32_t kSwizzleAtom = 8 * kSwizzleRow;

// `leading`: bytes from one slice to the next; operands along k do not use it and have kNoLeading.
constexpr uint32_t kNoLeading = 16;
__device__ __forceinline__ uint64_t WgmmaDescriptor(uint32_t shared, uint32_t leading) {
  return uint64_t{1} << 62 | uint64_t{kSwizzleAtom >> 4} << 32 | uint64_t{leading >> 4} << 16 |
         (shared & 0x3FFFF) >> 4;
}

}  // namespace longlens

#ifdef LONGLENS_EMULATED
#include "emulated_wgmma.h"
#else

namespace longlens {

// Before the first product, and where registers of a or d were written since the last.
__device__ __forceinline__ void WgmmaFence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
// Ends a group of products.
__device__ __forceinline__ void WgmmaCommit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits until at most N groups are under way.
template <int N>
__device__ __forceinline__ void WgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}
// Keeps the compiler from using registers of products under way before or after this.
template <int kCount>
__device__ __forceinline__ void WgmmaHold(float (&d)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
template <int kCount>
__device__ __forceinline__ void WgmmaHold(uint32_t (&a)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) asm volatile("" : "+r"(a[i])::"memory");
}

// Registers of a thread from here on; all threads of a warpgroup together.
template <int kCount>
__device__ __forceinline__ void KeepRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kCount));
}
template <int kCount>
__device__ __forceinline__ void TakeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kCount));
}

// Names of the registers of d.
#define LL_NAMES_0_31                                                           \
  "%0, %1, %2, %3, %4, %5, %6, %7, "                                            \
  "%8, %9, %10, %11, %12, %13, %14, %15, "                                      \
  "%16, %17, %18, %19, %20, %21, %22, %23, "                                    \
  "%24, %25, %26, %27, %28, %29, %30, %31"
#define LL_NAMES_32_63                                                          \
  "%32, %33, %34, %35, %36, %37, %38, %39, "                                    \
  "%40, %41, %42, %43, %44, %45, %46, %47, "                                    \
  "%48, %49, %50, %51, %52, %53, %54, %55, "                                    \
  "%56, %57, %58, %59, %60, %61, %62, %63"
#define LL_NAMES_64_95                                                          \
  "%64, %65, %66, %67, %68, %69, %70, %71, "                                    \
  "%72, %73, %74, %75, %76, %77, %78, %79, "                                    \
  "%80, %81, %82, %83, %84, %85, %86, %87, "                                    \
  "%88, %89, %90, %91, %92, %93, %94, %95"
#define LL_NAMES_96_127                                                         \
  "%96, %97, %98, %99, %100, %101, %102, %103, "                                \
  "%104, %105, %106, %107, %108, %109, %110, %111, "                            \
  "%112, %113, %114, %115, %116, %117, %118, %119, "                            \
  "%120, %121, %122, %123, %124, %125, %126, %127"
#define LL_D8(i)                                                                              \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define LL_D32(i) LL_D8(i), LL_D8(i + 8), LL_D8(i + 16), LL_D8(i + 24)

// a and b along k; `adds` = 0: d is overwritten.
__device__ __forceinline__ void WgmmaAlong(float (&d)[32], uint64_t a, uint64_t b, int adds) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{" LL_NAMES_0_31 "}, "
      "%32, %33, p, 1, 1, 0, 0;\n}\n"
      : LL_D32(0)
      : "l"(a), "l"(b), "r"(adds));
}

// a and b along k; `adds` = 0: d is overwritten.
__device__ __forceinline__ void WgmmaAlong(float (&d)[64], uint64_t a, uint64_t b, int adds) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{" LL_NAMES_0_31 ", " LL_NAMES_32_63 "}, "
      "%64, %65, p, 1, 1, 0, 0;\n}\n"
      : LL_D32(0), LL_D32(32)
      : "l"(a), "l"(b), "r"(adds));
}

// a in registers, b across k; `adds` = 0: d is overwritten.
__device__ __forceinline__ void WgmmaAcross(float (&d)[32], const uint32_t (&a)[4], uint64_t b,
                                            int adds) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{" LL_NAMES_0_31 "}, "
      "{%32, %33, %34, %35}, %36, p, 1, 1, 1;\n}\n"
      : LL_D32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));
}

// a in registers, b across k; `adds` = 0: d is overwritten.
__device__ __forceinline__ void WgmmaAcross(float (&d)[64], const uint32_t (&a)[4], uint64_t b,
                                            int adds) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{" LL_NAMES_0_31 ", " LL_NAMES_32_63 "}, "
      "{%64, %65, %66, %67}, %68, p, 1, 1, 1;\n}\n"
      : LL_D32(0), LL_D32(32)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));
}

// a in registers, b across k; `adds` = 0: d is overwritten.
__device__ __forceinline__ void WgmmaAcross(float (&d)[128], const uint32_t (&a)[4], uint64_t b,
                                            int adds) {
  asm volatile(
      "{\n.reg .pred p;\nsetp.ne.b32 p, %133, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
      "{" LL_NAMES_0_31 ", " LL_NAMES_32_63 ", " LL_NAMES_64_95 ", " LL_NAMES_96_127 "}, "
      "{%128, %129, %130, %131}, %132, p, 1, 1, 1;\n}\n"
      : LL_D32(0), LL_D32(32), LL_D32(64), LL_D32(96)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));
}

#undef LL_D32
#undef LL_D8
#undef LL_NAMES_0_31
#undef LL_NAMES_32_63
#undef LL_NAMES_64_95
#undef LL_NAMES_96_127

}  // namespace longlens

#endif  // LONGLENS_EMULATED

#endif  // LONGLENS_CUDA_WGMMA_CUH_
