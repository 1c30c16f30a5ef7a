// Loops over vectors of one width, compiled once for each instruction set: BENCH_UNIT is the constant
// to define, BENCH_NAME its name, BENCH_BYTES the size of a vector.
//
// read:     sum[k] += data[8 i + k], eight independent sums
// multiply: acc[k] = acc[k] * factor + term, kChains independent chains: latency times units of any CPU known
#include <cstring>

#include "ceilings.h"

namespace bench {
namespace {

typedef float Floats __attribute__((vector_size(BENCH_BYTES)));
typedef uint64_t Words __attribute__((vector_size(BENCH_BYTES)));

constexpr int kSums = 8;
constexpr int kChains = 12;
constexpr int kLanes = BENCH_BYTES / 4;
constexpr int kRounds = 64;

bool RunsHere() {
#if defined(__x86_64__)
  __builtin_cpu_init();
#endif
  return BENCH_TEST;
}

uint64_t Read(const void* data, int64_t bytes) {
  const Words* in = static_cast<const Words*>(data);
  const int64_t count = bytes / BENCH_BYTES;
  Words sums[kSums] = {};
  for (int64_t i = 0; i + kSums <= count; i += kSums) {
    for (int k = 0; k < kSums; ++k) sums[k] += in[i + k];
  }
  uint64_t total = 0;
  for (const Words& sum : sums) {
    for (int lane = 0; lane < BENCH_BYTES / 8; ++lane) total += sum[lane];
  }
  return total;
}

double Multiply(int64_t steps, uint64_t seed) {
  Floats chains[kChains];
  for (int k = 0; k < kChains; ++k) {
    for (int lane = 0; lane < kLanes; ++lane) {
      chains[k][lane] = static_cast<float>(RandomShare(seed, k * kLanes + lane));
    }
  }
  // The chains tend to term / (1 - factor), about 1: never subnormal, never large.
  const float factor = static_cast<float>(0.9 + 0.05 * RandomShare(seed, 1000));
  const float term = 1 - factor;
  for (int64_t step = 0; step < steps; ++step) {
    for (int round = 0; round < kRounds; ++round) {
      for (int k = 0; k < kChains; ++k) chains[k] = chains[k] * factor + term;
    }
  }
  double total = 0;
  for (const Floats& chain : chains) {
    for (int lane = 0; lane < kLanes; ++lane) total += chain[lane];
  }
  return total;
}

}  // namespace

const Unit BENCH_UNIT = {BENCH_NAME, RunsHere, Read, Multiply,
                         int64_t{2} * kRounds * kChains * kLanes};

}  // namespace bench
