// CUDA on the host, for tests on machines without a device: the sources of kernels/cuda compile as
// C++ against this header, and their kernels run thread by thread.
//
// The threads of a block are fibers that change places only where they wait for each other (a
// barrier, a warp's exchange, an mbarrier), so a run is deterministic. What the hardware leaves
// undefined is made to fail: shared memory starts as NaN, an asynchronous copy arrives no earlier
// than its wait (cp.async) or the next change of fibers (bulk), and threads that wait for ever end
// the program. Blocks run one after the other. Races between threads are not found.
#ifndef LONGLENS_TEST_EMULATED_CUDA_H_
#define LONGLENS_TEST_EMULATED_CUDA_H_

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <functional>

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))

// ---- types ----

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
};
typedef dim3 uint3;

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// ---- threads ----

namespace emulated {

constexpr int kWarp = 32;

// The running thread.
struct Thread {
  dim3 thread, block, block_dim, grid_dim;
  int lane() const { return number() % kWarp; }
  int warp() const { return number() / kWarp; }
  int number() const { return (thread.z * block_dim.y + thread.y) * block_dim.x + thread.x; }
};
const Thread& Current();
// Dynamic shared memory of the running block, aligned to 1024.
char* SharedMemory();

// Runs `body` for every thread of every block.
void RunGrid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body);

// Work of the stream: done at once, or kept for the graph that is being captured.
void Queue(const std::function<void()>& work);

// Lets other threads of the block run; ends the program where no thread can go on.
void Yield();
// Something happened that a waiting thread may wait for.
void Happened();

// Waits for `count` threads at barrier `id`; 0: for all threads that have not ended.
void Barrier(int id, int count);
// Arrives at barrier `id` without waiting.
void ArriveBarrier(int id, int count);

// Every lane of `mask` gives `bytes` <= 64 bytes; returns those of all 32 lanes, 64 bytes apart,
// valid until the lane's next exchange but one.
const char* Exchange(uint32_t mask, const void* mine, size_t bytes);
template <class T>
T FromLane(uint32_t mask, const T& mine, int lane) {
  T other;
  memcpy(&other, Exchange(mask, &mine, sizeof(T)) + 64 * (lane & (kWarp - 1)), sizeof(T));
  return other;
}
// Likewise for the 128 threads of the running thread's warpgroup.
const char* ExchangeGroup(const void* mine, size_t bytes);

[[noreturn]] void Fail(const char* text);

}  // namespace emulated

#define threadIdx (emulated::Current().thread)
#define blockIdx (emulated::Current().block)
#define blockDim (emulated::Current().block_dim)
#define gridDim (emulated::Current().grid_dim)

inline void __syncthreads() { emulated::Barrier(0, 0); }
inline void __syncwarp(uint32_t mask = 0xFFFFFFFFu) {
  const char nothing = 0;
  emulated::Exchange(mask, &nothing, 1);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
T __shfl_sync(uint32_t mask, T value, int lane, int width = 32) {
  const int first = emulated::Current().lane() & ~(width - 1);
  return emulated::FromLane(mask, value, first + (lane & (width - 1)));
}
template <class T>
T __shfl_xor_sync(uint32_t mask, T value, int bits, int width = 32) {
  const int lane = emulated::Current().lane(), other = lane ^ bits;
  return emulated::FromLane(mask, value, (other & ~(width - 1)) == (lane & ~(width - 1)) ? other : lane);
}
template <class T>
T __shfl_up_sync(uint32_t mask, T value, unsigned by, int width = 32) {
  const int lane = emulated::Current().lane(), first = lane & ~(width - 1);
  return emulated::FromLane(mask, value, lane - int(by) >= first ? lane - int(by) : lane);
}
template <class T>
T __shfl_down_sync(uint32_t mask, T value, unsigned by, int width = 32) {
  const int lane = emulated::Current().lane(), last = lane | (width - 1);
  return emulated::FromLane(mask, value, lane + int(by) <= last ? lane + int(by) : lane);
}
inline unsigned __ballot_sync(uint32_t mask, int predicate) {
  const int mine = predicate != 0;
  const char* const all = emulated::Exchange(mask, &mine, sizeof(mine));
  unsigned bits = 0;
  for (int lane = 0; lane < emulated::kWarp; ++lane) {
    int set = 0;
    memcpy(&set, all + 64 * lane, sizeof(set));
    if ((mask >> lane & 1) != 0 && set != 0) bits |= 1u << lane;
  }
  return bits;
}
inline int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

// ---- arithmetic ----

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(x); }
inline float __uint_as_float(unsigned x) {
  float y;
  memcpy(&y, &x, 4);
  return y;
}
inline unsigned __float_as_uint(float x) {
  unsigned y;
  memcpy(&y, &x, 4);
  return y;
}
inline float __int_as_float(int x) { return __uint_as_float(unsigned(x)); }
inline int __float_as_int(float x) { return int(__float_as_uint(x)); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
// Bytes of x (0 .. 3) and y (4 .. 7) by the four lower digits of the selector.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const uint64_t both = uint64_t{y} << 32 | x;
  unsigned bytes = 0;
  for (int i = 0; i < 4; ++i) {
    bytes |= unsigned(both >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
  }
  return bytes;
}
// The upper, respectively lower, word of high : low after a shift.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned by) {
  return unsigned((uint64_t{high} << 32 | low) << (by & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned by) {
  return unsigned((uint64_t{high} << 32 | low) >> (by & 31));
}
// Never joined to one rounding.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
// Rounded upwards. A sum of doubles and what it lost are the exact sum.
inline float emulated_sum_ru(double a, double b) {
  const double sum = a + b, part = sum - a, lost = (a - (sum - part)) + (b - part);
  const float near = float(sum);
  return near < sum || (near == sum && lost > 0) ? nextafterf(near, INFINITY) : near;
}
inline float __fadd_ru(float a, float b) { return emulated_sum_ru(a, b); }
inline float __fmaf_ru(float a, float b, float c) { return emulated_sum_ru(double(a) * b, c); }
template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class A, class B>
auto min(A a, B b) -> decltype(a + b) {
  return b < a ? b : a;
}
template <class A, class B>
auto max(A a, B b) -> decltype(a + b) {
  return a < b ? b : a;
}

template <class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
T atomicMax(T* address, T value) {
  const T before = *address;
  if (before < value) *address = value;
  return before;
}
template <class T>
T atomicMin(T* address, T value) {
  const T before = *address;
  if (value < before) *address = value;
  return before;
}
template <class T>
T atomicExch(T* address, T value) {
  const T before = *address;
  *address = value;
  return before;
}
template <class T>
T atomicCAS(T* address, T expected, T value) {
  const T before = *address;
  if (before == expected) *address = value;
  return before;
}

#include "emulated_runtime.h"

#endif  // LONGLENS_TEST_EMULATED_CUDA_H_
