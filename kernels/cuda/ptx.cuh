// The instructions of CUDA devices that C++ has no words for. Kernels use these functions, so that
// they run emulated, too.
#ifndef LONGLENS_CUDA_PTX_CUH_
#define LONGLENS_CUDA_PTX_CUH_

#include <cstdint>

#include "device.cuh"

namespace longlens {

// All lanes of a warp, where an instruction takes a mask of them.
constexpr uint32_t kWholeWarp = 0xFFFFFFFFu;

}  // namespace longlens

#ifdef LONGLENS_EMULATED
#include "emulated_ptx.h"
#else

namespace longlens {

// Dynamic shared memory of the block, aligned to 1024.
__device__ __forceinline__ char* SharedMemory() {
  extern __shared__ __align__(1024) char shared_memory[];
  return shared_memory;
}

// Address of shared memory as instructions take it.
__device__ __forceinline__ uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Two numbers rounded to nearest even; `low` in the lower half.
__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
}

// Numbers of f16 by their bits; rounding is to nearest even.
__device__ __forceinline__ float WidenF16(uint16_t half) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
  return x;
}
__device__ __forceinline__ uint16_t NarrowF16(float x) {
  uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(x));
  return half;
}

// 2^x, about 2 ulp; flushes denormal numbers to 0.
__device__ __forceinline__ float Exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// ---- copies to shared memory that go on while the thread does (sm_80) ----

// 16 bytes, or zeros where !valid. Both addresses are aligned to 16.
__device__ __forceinline__ void CpAsync16(uint32_t shared, const void* global, bool valid = true) {
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global),
               "r"(bytes)
               : "memory");
}
// Ends a group of this thread's copies.
__device__ __forceinline__ void CpAsyncCommit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
// Waits until at most N of this thread's groups are under way.
template <int N>
__device__ __forceinline__ void CpAsyncWait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// ---- products of a warp (sm_80) ----

// Four 8x8 matrices of 16-bit elements: lane 8 m + r gives the address of row r of matrix m; lane l
// gets elements 2 (l % 4) and one more of row l / 4 of each matrix.
__device__ __forceinline__ void LoadMatrices(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}
// Likewise, of the transposed matrices.
__device__ __forceinline__ void LoadTransposed(uint32_t (&r)[4], uint32_t shared) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared)
               : "memory");
}

// d[16][8] += a[16][16] b[16][8] of bf16. With g = lane / 4, c = 2 (lane % 4), each register a pair:
//   a: (g, c), (g + 8, c), (g, c + 8), (g + 8, c + 8);  b: (c, g), (c + 8, g) down its columns;
//   d: (g, c), (g, c + 1), (g + 8, c), (g + 8, c + 1).
__device__ __forceinline__ void MultiplyBf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// ---- barriers ----

// Barriers 1 .. 15 of `threads` threads (a multiple of 32); 0 belongs to __syncthreads.
__device__ __forceinline__ void NamedBarrierSync(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void NamedBarrierArrive(int id, int threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// ---- sm_90: barriers in shared memory, bulk copies ----

// An mbarrier is 8 bytes of shared memory; a phase ends after `count` arrivals and all announced bytes.
__device__ __forceinline__ void MbarrierInit(uint32_t barrier, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}
// After MbarrierInit, before other threads or copies use the barriers.
__device__ __forceinline__ void MbarrierInitFence() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void MbarrierArrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrives and announces bytes of bulk copies.
__device__ __forceinline__ void MbarrierExpect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}
// Waits for the end of the phase of this parity: 0 for the first, then 1, then 0.
__device__ __forceinline__ void MbarrierWait(uint32_t barrier, uint32_t parity) {
  asm volatile(
      "{\n"
      ".reg .pred over;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
      "@!over bra again;\n"
      "}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
// Copies bytes (a multiple of 16, both addresses aligned to 16) and tells `barrier`.
__device__ __forceinline__ void BulkCopy(uint32_t shared, const void* global, uint32_t bytes,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared),
      "l"(global), "r"(bytes), "r"(barrier)
      : "memory");
}
// Brings bytes (a multiple of 16, aligned to 16) to the second-level cache.
__device__ __forceinline__ void PrefetchBulk(const void* global, uint32_t bytes) {
  asm volatile("cp.async.bulk.prefetch.L2.global [%0], %1;" ::"l"(global), "r"(bytes) : "memory");
}
// Orders this thread's writes to shared memory before reads of it by bulk copies and wgmma.
__device__ __forceinline__ void FenceAsyncProxy() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace longlens

#endif  // LONGLENS_EMULATED

namespace longlens {

// The halves of a pair of bf16, or f16.
__device__ __forceinline__ float LowBf16(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float HighBf16(uint32_t pair) {
  return __uint_as_float(pair & 0xFFFF0000u);
}
__device__ __forceinline__ float LowF16(uint32_t pair) {
  return WidenF16(static_cast<uint16_t>(pair));
}
__device__ __forceinline__ float HighF16(uint32_t pair) {
  return WidenF16(static_cast<uint16_t>(pair >> 16));
}
__device__ __forceinline__ float WidenBf16(uint16_t half) {
  return __uint_as_float(uint32_t{half} << 16);
}
__device__ __forceinline__ uint16_t NarrowBf16(float x) {
  return static_cast<uint16_t>(PackBf16(x, 0.0f));
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_PTX_CUH_
