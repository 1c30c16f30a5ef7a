// What this machine can do at most: bytes read and multiply-adds a second. No part of the product's library.
#pragma once

#include <cstdint>
#include <cstring>

#define BENCH_API extern "C" __attribute__((visibility("default")))

// Status of every function: 0, or one of these.
enum { BENCH_FAILED = 1, BENCH_UNKNOWN_UNIT = 2, BENCH_INVALID = 3 };

// Names of the units that run here, divided by commas, worst first, into text[capacity].
BENCH_API int32_t bench_units(char* text, int32_t capacity);

// Memory of `bytes`, filled with random data by `threads`; bench_free takes it back.
BENCH_API int32_t bench_allocate(int64_t bytes, int32_t threads, void** memory);
BENCH_API void bench_free(void* memory);

// Reads the first `bytes` of memory, each of `threads` a part of its own again and again, for about `seconds`.
// rate[0] = bytes a second in the best of the repetitions; check[0] depends on everything that was read.
BENCH_API int32_t bench_read(const void* memory, int64_t bytes, int32_t threads, double seconds,
                             double* rate, double* check);

// Multiplies and adds in registers (amx: in tiles that are loaded from the first-level cache) on `threads`.
// rate[0] = floating-point operations a second in the best repetition; check[0] depends on all results.
BENCH_API int32_t bench_peak(const char* unit, int32_t threads, double seconds, double* rate,
                             double* check);

namespace bench {

// The loops of one instruction set.
struct Unit {
  const char* name;
  bool (*runs_here)();
  // Sum of the 64-bit words at `data`; null where the unit has no reading of its own.
  uint64_t (*read)(const void* data, int64_t bytes);
  // Runs about `steps` short loops on data drawn from `seed` and returns what depends on all results.
  double (*multiply)(int64_t steps, uint64_t seed);
  // Floating-point operations of one step.
  int64_t flops_per_step;
};

// The upper half of an f32.
inline uint16_t Bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return static_cast<uint16_t>(bits >> 16);
}

// A number of 0..1 that differs with seed and index (splitmix64).
inline double RandomShare(uint64_t seed, uint64_t index) {
  uint64_t x = seed + (index + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
}

extern const Unit kPortable;
#if defined(__x86_64__)
extern const Unit kAvx2;
extern const Unit kAvx512;
extern const Unit kAvx512Bf16;
extern const Unit kAmx;
#endif

}  // namespace bench
