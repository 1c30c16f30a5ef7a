// Threads, repetitions and the C interface.
#include "ceilings.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace bench {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kLine = 4096;  // parts begin at pages
// A repetition takes at least this long, so that waiting for each other does not count.
constexpr double kLeastSeconds = 2e-3;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Worst first.
std::vector<const Unit*> Units() {
  std::vector<const Unit*> units = {&kPortable};
#if defined(__x86_64__)
  for (const Unit* unit : {&kAvx2, &kAvx512, &kAvx512Bf16, &kAmx}) {
    if (unit->runs_here()) units.push_back(unit);
  }
#endif
  return units;
}

// work(thread, rounds) on all threads at once, again and again.
using Work = std::function<double(int thread, int64_t rounds)>;

struct Best {
  double rounds_per_second;
  double check;
};

// When a thread began and ended its part of a repetition.
struct alignas(64) Lap {
  double start = 0;
  double end = 0;
  double check = 0;
};

// Repetitions that all threads begin together.
struct Race {
  Race(int threads, double seconds) : line(threads), laps(threads), end(Now() + seconds) {}
  std::barrier<> line;
  std::vector<Lap> laps;
  const double end;
  bool over = false;  // written by thread 0 while the others wait
  int64_t rounds = 1;
  double rounds_per_second = 0;
};

// From the first start to the last end: a thread that came late must not shorten the repetition.
double SecondsOf(const std::vector<Lap>& laps) {
  double start = laps[0].start, end = laps[0].end;
  for (const Lap& lap : laps) {
    start = std::min(start, lap.start);
    end = std::max(end, lap.end);
  }
  return end - start;
}

// After each repetition: longer ones until they are long enough, then the best of them.
void Judge(Race& race) {
  const double took = SecondsOf(race.laps);
  const bool is_over = Now() >= race.end;
  if (took >= kLeastSeconds || is_over) {
    const double rate = static_cast<double>(race.rounds) / took;
    race.rounds_per_second = std::max(race.rounds_per_second, rate);
    race.over = is_over;
  } else {
    race.rounds *= 2;
  }
}

void Run(Race& race, int thread, const Work& work) {
  Lap& lap = race.laps[thread];
  while (!race.over) {
    race.line.arrive_and_wait();
    lap.start = Now();
    lap.check += work(thread, race.rounds);
    lap.end = Now();
    race.line.arrive_and_wait();
    if (thread == 0) Judge(race);
    race.line.arrive_and_wait();
  }
}

Best BestOf(int threads, double seconds, const Work& work) {
  Race race(threads, seconds);
  std::vector<std::thread> others;
  others.reserve(threads);
  for (int thread = 1; thread < threads; ++thread) {
    others.emplace_back([&, thread] { Run(race, thread, work); });
  }
  Run(race, 0, work);
  for (std::thread& other : others) other.join();
  Best best{race.rounds_per_second, 0};
  for (const Lap& lap : race.laps) best.check += lap.check;
  return best;
}

uint8_t* Allocate(int64_t bytes) {
  constexpr int64_t kHuge = 2 << 20;
  const int64_t rounded = (bytes + kHuge - 1) / kHuge * kHuge;
  void* memory = aligned_alloc(kHuge, rounded);
  if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  return static_cast<uint8_t*>(memory);
}

// Random words: a generator of three instructions, as gigabytes are filled.
void Fill(uint8_t* part, int64_t bytes, uint64_t seed) {
  uint64_t* words = reinterpret_cast<uint64_t*>(part);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < bytes / 8; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    words[i] = state;
  }
}

void FillAll(uint8_t* memory, int64_t part, int threads) {
  std::vector<std::thread> others;
  others.reserve(threads);
  for (int thread = 1; thread < threads; ++thread) {
    others.emplace_back(Fill, memory + thread * part, part, thread + 1);
  }
  Fill(memory, part, 1);
  for (std::thread& other : others) other.join();
}

template <typename Body>
int32_t Guard(const Body& body) {
  try {
    return body();
  } catch (...) {
    return BENCH_FAILED;
  }
}

bool Valid(int32_t threads, double seconds) {
  return threads >= 1 && threads <= kMaxThreads && seconds > 0;
}

int32_t Make(int64_t bytes, int32_t threads, void** memory) {
  const int64_t part = bytes / std::max(threads, 1) / kLine * kLine;
  if (!Valid(threads, 1) || part < kLine) return BENCH_INVALID;
  uint8_t* made = Allocate(bytes);
  FillAll(made, part, threads);
  memory[0] = made;
  return 0;
}

int32_t Read(const uint8_t* memory, int64_t bytes, int32_t threads, double seconds, double* rate,
             double* check) {
  const int64_t part = bytes / std::max(threads, 1) / kLine * kLine;
  if (!Valid(threads, seconds) || part < kLine) return BENCH_INVALID;
  const auto read = Units().back()->read;
  const Best best = BestOf(threads, seconds, [&](int thread, int64_t rounds) {
    double sum = 0;
    for (int64_t i = 0; i < rounds; ++i) {
      sum += static_cast<double>(read(memory + thread * part, part) >> 11);
    }
    return sum;
  });
  rate[0] = best.rounds_per_second * static_cast<double>(part * threads);
  check[0] = best.check;
  return 0;
}

int32_t Peak(const char* name, int32_t threads, double seconds, double* rate, double* check) {
  if (!Valid(threads, seconds)) return BENCH_INVALID;
  for (const Unit* unit : Units()) {
    if (strcmp(unit->name, name) != 0) continue;
    const Best best = BestOf(threads, seconds, [&](int thread, int64_t rounds) {
      return unit->multiply(100 * rounds, thread + rounds);
    });
    rate[0] = best.rounds_per_second * 100 * static_cast<double>(unit->flops_per_step) * threads;
    check[0] = best.check;
    return 0;
  }
  return BENCH_UNKNOWN_UNIT;
}

}  // namespace
}  // namespace bench

int32_t bench_units(char* text, int32_t capacity) {
  return bench::Guard([&]() -> int32_t {
    std::string names;
    for (const bench::Unit* unit : bench::Units()) {
      if (!names.empty()) names += ',';
      names += unit->name;
    }
    if (static_cast<int64_t>(names.size()) >= capacity) return BENCH_INVALID;
    memcpy(text, names.c_str(), names.size() + 1);
    return 0;
  });
}

int32_t bench_allocate(int64_t bytes, int32_t threads, void** memory) {
  return bench::Guard([&] { return bench::Make(bytes, threads, memory); });
}

void bench_free(void* memory) { free(memory); }

int32_t bench_read(const void* memory, int64_t bytes, int32_t threads, double seconds, double* rate,
                   double* check) {
  return bench::Guard([&] {
    return bench::Read(static_cast<const uint8_t*>(memory), bytes, threads, seconds, rate, check);
  });
}

int32_t bench_peak(const char* unit, int32_t threads, double seconds, double* rate, double* check) {
  return bench::Guard([&] { return bench::Peak(unit, threads, seconds, rate, check); });
}
