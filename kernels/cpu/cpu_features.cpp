#include "cpu_features.h"

#include <cstdint>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace longlens {

#if defined(__x86_64__)
namespace {

struct Registers {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

Registers Leaf7(uint32_t part) {
  Registers r;
  __get_cpuid_count(7, part, &r.a, &r.b, &r.c, &r.d);
  return r;
}

// XCR0: the register states that the system saves.
uint64_t SavedStates() {
  Registers r;
  if (__get_cpuid(1, &r.a, &r.b, &r.c, &r.d) == 0 || (r.c >> 27 & 1) == 0) return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

bool AskForTiles() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool FindAmx() {
  constexpr uint64_t kTileStates = uint64_t{3} << 17;
  constexpr uint32_t kTiles = 1u << 24, kBf16Tiles = 1u << 22;
  const uint32_t bits = Leaf7(0).d;
  return (bits & kTiles) != 0 && (bits & kBf16Tiles) != 0 &&
         (SavedStates() & kTileStates) == kTileStates && AskForTiles();
}

}  // namespace

bool HasAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool HasAvx512Bf16() {
  const bool has_vnni = __builtin_cpu_supports("avx512vnni");  // no processor lacks only that
  return HasAvx512() && has_vnni && (Leaf7(1).a >> 5 & 1) != 0;
}

bool HasAmx() {
  if (!HasAvx512Bf16()) return false;
  static const bool found = FindAmx();
  return found;
}
#else
bool HasAvx2() { return false; }
bool HasAvx512() { return false; }
bool HasAvx512Bf16() { return false; }
bool HasAmx() { return false; }
#endif

}  // namespace longlens
