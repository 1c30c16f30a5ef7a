// Replays a file of recorded cases (case_file.h) through the C ABI, then runs the checks of
// checks.h:
//
//   driver FILE [threads] [callers] [isa]
//   driver
//
// Without a file it prints what ll_info tells. threads: of the library's pool, 2 unless given.
// callers: threads, 16 at the most, that replay cases at the same time; 0 replays them one after
// the other and leaves out the checks. isa: as in ll_init. Prints each failure by its case and, at
// the end, how many there were; the exit status is 0 only if there was none.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "../../kernels/include/longlens.h"
#include "case_file.h"
#include "checks.h"
#include "replay.h"

// Of the sanitizers; null without one.
extern "C" void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

namespace longlens_test {
namespace {

constexpr int32_t kMaxCallers = 16;

// Name of the case that each caller replays.
std::atomic<const char*> running[kMaxCallers];

void PrintRunning() {
  for (const auto& name : running) {
    if (name != nullptr) fprintf(stderr, "FAILED while replaying %s\n", name.load());
  }
}

struct Options {
  std::string file;
  int32_t threads = 2;
  int32_t callers = 0;
  std::string isa;
};

Options ReadOptions(int count, char** arguments) {
  Options options;
  if (count > 1) options.file = arguments[1];
  if (count > 2) options.threads = std::stoi(arguments[2]);
  if (count > 3) options.callers = std::min(std::stoi(arguments[3]), kMaxCallers);
  if (count > 4) options.isa = arguments[4];
  return options;
}

std::string ReplayNow(const Case& recorded) {
  try {
    return Replay(recorded);
  } catch (const std::exception& error) {
    return error.what();
  }
}

// Replays all cases and returns how many failed.
int ReplayAll(const std::vector<Case>& cases, int32_t callers) {
  std::atomic<size_t> next = 0;
  std::atomic<int> failed = 0;
  const auto work = [&](int32_t caller) {
    for (size_t i = next++; i < cases.size(); i = next++) {
      running[caller] = cases[i].name.c_str();
      const std::string problem = ReplayNow(cases[i]);
      if (problem.empty()) continue;
      ++failed;
      printf("FAILED %s: %s\n", cases[i].name.c_str(), problem.c_str());
    }
    running[caller] = nullptr;
  };
  std::vector<std::thread> threads;
  for (int32_t i = 1; i < callers; ++i) threads.emplace_back(work, i);
  work(0);
  for (std::thread& thread : threads) thread.join();
  return failed;
}

int PrintInfo() {
  char json[1024];
  if (ll_info(json, sizeof(json)) != LL_OK) return 1;
  puts(json);
  return 0;
}

int Main(const Options& options) {
  if (options.file.empty()) return PrintInfo();
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(PrintRunning);
  if (ll_init(options.threads, options.isa.c_str()) != LL_OK) {
    printf("FAILED to start: %s\n", ll_last_error());
    return 1;
  }
  const std::vector<Case> cases = ReadCases(options.file);
  int failed = ReplayAll(cases, options.callers);
  if (options.callers > 0) {
    for (const std::string& problem : RunChecks(options.file, options.threads, options.isa)) {
      ++failed;
      printf("FAILED check: %s\n", problem.c_str());
    }
  }
  printf("%zu cases, %d failures\n", cases.size(), failed);
  return failed == 0 && !cases.empty() ? 0 : 1;
}

}  // namespace
}  // namespace longlens_test

int main(int count, char** arguments) {
  try {
    return longlens_test::Main(longlens_test::ReadOptions(count, arguments));
  } catch (const std::exception& error) {
    printf("FAILED to start: %s\n", error.what());
    return 1;
  }
}
