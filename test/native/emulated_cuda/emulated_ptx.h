// The functions of kernels/cuda/ptx.cuh, emulated. What they compute is written down there.
#ifndef LONGLENS_TEST_EMULATED_PTX_H_
#define LONGLENS_TEST_EMULATED_PTX_H_

#include <stdint.h>
#include <string.h>

#include "emulated_cuda.h"

namespace emulated {

constexpr uint32_t kAllLanes = 0xFFFFFFFFu;

// An address in shared memory is its offset.
char* SharedAt(uint32_t address, size_t bytes);
// Copies of the running thread: one more, the end of a group, all but the last `left` groups.
void AddCopy(uint32_t shared, const void* global, bool valid);
void CommitCopies();
void WaitCopies(int left);
// mbarriers.
void InitMbarrier(uint32_t barrier, uint32_t count);
void ArriveMbarrier(uint32_t barrier, uint32_t bytes);
void WaitMbarrier(uint32_t barrier, uint32_t parity);
void AddBulkCopy(uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier);

inline uint16_t RoundBf16(float x) {
  const uint32_t bits = __float_as_uint(x);
  if (x != x) return uint16_t(bits >> 16 | 0x40);
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
inline float Widen(uint32_t half) { return __uint_as_float(half << 16); }

}  // namespace emulated

namespace longlens {

inline char* SharedMemory() { return emulated::SharedMemory(); }
inline uint32_t SharedAddress(const void* shared) {
  return uint32_t(static_cast<const char*>(shared) - emulated::SharedMemory());
}

inline uint32_t PackBf16(float low, float high) {
  return emulated::RoundBf16(low) | uint32_t{emulated::RoundBf16(high)} << 16;
}
inline float WidenF16(uint16_t half) {
  _Float16 x;
  memcpy(&x, &half, sizeof(x));
  return static_cast<float>(x);
}
inline uint16_t NarrowF16(float x) {
  const _Float16 rounded = static_cast<_Float16>(x);
  uint16_t half;
  memcpy(&half, &rounded, sizeof(half));
  return half;
}
inline float Exp2(float x) { return exp2f(x); }

inline void CpAsync16(uint32_t shared, const void* global, bool valid = true) {
  emulated::AddCopy(shared, global, valid);
}
inline void CpAsyncCommit() { emulated::CommitCopies(); }
template <int N>
void CpAsyncWait() {
  emulated::WaitCopies(N);
}

inline void LoadMatrices(uint32_t (&r)[4], uint32_t shared) {
  const char* const all = emulated::Exchange(emulated::kAllLanes, &shared, sizeof(shared));
  const int lane = emulated::Current().lane();
  for (int m = 0; m < 4; ++m) {
    uint32_t row;
    memcpy(&row, all + 64 * (8 * m + lane / 4), sizeof(row));
    memcpy(&r[m], emulated::SharedAt(row, 16) + 4 * (lane % 4), 4);
  }
}
inline void LoadTransposed(uint32_t (&r)[4], uint32_t shared) {
  const char* const all = emulated::Exchange(emulated::kAllLanes, &shared, sizeof(shared));
  const int lane = emulated::Current().lane();
  for (int m = 0; m < 4; ++m) {
    uint16_t pair[2];
    for (int i = 0; i < 2; ++i) {
      uint32_t row;
      memcpy(&row, all + 64 * (8 * m + 2 * (lane % 4) + i), sizeof(row));
      memcpy(&pair[i], emulated::SharedAt(row, 16) + 2 * (lane / 4), 2);
    }
    memcpy(&r[m], pair, 4);
  }
}

inline void MultiplyBf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t mine[6] = {a[0], a[1], a[2], a[3], b0, b1};
  const char* const all = emulated::Exchange(emulated::kAllLanes, mine, sizeof(mine));
  const int lane = emulated::Current().lane();
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4, lower = i / 2, column = 2 * (lane % 4) + i % 2;
    float sum = d[i];
    for (int k = 0; k < 16; k += 2) {
      uint32_t pa, pb;
      memcpy(&pa, all + 64 * (4 * row + k % 8 / 2) + 4 * (lower + 2 * (k / 8)), 4);
      memcpy(&pb, all + 64 * (4 * column + k % 8 / 2) + 4 * (4 + k / 8), 4);
      sum += emulated::Widen(pa & 0xFFFF) * emulated::Widen(pb & 0xFFFF);
      sum += emulated::Widen(pa >> 16) * emulated::Widen(pb >> 16);
    }
    d[i] = sum;
  }
}

inline void NamedBarrierSync(int id, int threads) { emulated::Barrier(id, threads); }
inline void NamedBarrierArrive(int id, int threads) { emulated::ArriveBarrier(id, threads); }

inline void MbarrierInit(uint32_t barrier, uint32_t count) {
  emulated::InitMbarrier(barrier, count);
}
inline void MbarrierInitFence() {}
inline void MbarrierArrive(uint32_t barrier) { emulated::ArriveMbarrier(barrier, 0); }
inline void MbarrierExpect(uint32_t barrier, uint32_t bytes) {
  emulated::ArriveMbarrier(barrier, bytes);
}
inline void MbarrierWait(uint32_t barrier, uint32_t parity) {
  emulated::WaitMbarrier(barrier, parity);
}
inline void BulkCopy(uint32_t shared, const void* global, uint32_t bytes, uint32_t barrier) {
  emulated::AddBulkCopy(shared, global, bytes, barrier);
}
inline void PrefetchBulk(const void* global, uint32_t bytes) {
  if (bytes % 16 != 0 || reinterpret_cast<uintptr_t>(global) % 16 != 0) {
    emulated::Fail("a prefetch that is not aligned to 16");
  }
}
inline void FenceAsyncProxy() {}

}  // namespace longlens

#endif  // LONGLENS_TEST_EMULATED_PTX_H_
