// Products of pairs of bf16 in vectors: acc[k] += a0 b0 + a1 b1, kChains independent chains.
#include "ceilings.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

namespace bench {
namespace {

constexpr int kChains = 12;
constexpr int kLanes = 16;
constexpr int kRounds = 64;

bool RunsHere() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  const bool has_products = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 5 & 1) != 0;
  return has_products && kAvx512.runs_here();
}

uint64_t Read(const void* data, int64_t bytes) { return kAvx512.read(data, bytes); }

// Each number twice, or beside its negative: what is added is zero, so that the chains neither grow nor vanish.
__m512bh Pairs(uint64_t seed, bool opposite) {
  alignas(64) uint16_t values[2 * kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    const float value = static_cast<float>(0.5 + RandomShare(seed, lane));
    values[2 * lane] = Bf16(value);
    values[2 * lane + 1] = Bf16(opposite ? -value : value);
  }
  return reinterpret_cast<__m512bh>(_mm512_load_si512(values));
}

double Multiply(int64_t steps, uint64_t seed) {
  __m512 chains[kChains];
  for (int k = 0; k < kChains; ++k) {
    chains[k] = _mm512_set1_ps(static_cast<float>(RandomShare(seed, k)));
  }
  const __m512bh a = Pairs(seed, false);
  __m512bh b = Pairs(seed + 1, true);
  for (int64_t step = 0; step < steps; ++step) {
    for (int round = 0; round < kRounds; ++round) {
      for (int k = 0; k < kChains; ++k) chains[k] = _mm512_dpbf16_ps(chains[k], a, b);
      // Opaque, so that no round is left out as known.
      asm volatile("" : "+v"(b));
    }
  }
  double total = 0;
  for (const __m512& chain : chains) total += _mm512_reduce_add_ps(chain);
  return total;
}

}  // namespace

const Unit kAvx512Bf16 = {"avx512bf16", RunsHere, Read, Multiply,
                          int64_t{4} * kRounds * kChains * kLanes};

}  // namespace bench
#endif
