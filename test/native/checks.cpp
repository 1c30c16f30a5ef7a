#include "checks.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include "../../kernels/include/longlens.h"
#include "check_decode.h"

namespace longlens_test {
namespace {

class Checks {
 public:
  void That(bool holds, const char* criterion) {
    if (!holds) problems_.push_back(criterion);
  }
  std::vector<std::string> problems() const { return problems_; }

 private:
  std::vector<std::string> problems_;
};

void CheckInfo(Checks& checks, int32_t threads, const std::string& isa) {
  char json[1024];
  checks.That(ll_abi_version() == LL_ABI_VERSION, "ll_abi_version() is the header's");
  checks.That(ll_info(json, sizeof(json)) == LL_OK, "ll_info() describes the library");
  const std::string text = json;
  const std::string running = "\"threads\":" + std::to_string(threads) + ",";
  checks.That(text.find(running) != std::string::npos, "ll_info() names the threads of ll_init()");
  if (!isa.empty()) {
    const bool named = text.find("\"isa\":\"" + isa + "\"") != std::string::npos;
    checks.That(named, "ll_info() names the isa of ll_init()");
  }
  checks.That(ll_info(json, text.size()) == LL_INVALID_ARGUMENT,
              "ll_info() refuses a buffer that lacks one byte");
  checks.That(ll_init(threads, "abacus") == LL_INVALID_ARGUMENT, "ll_init() refuses unknown isas");
  checks.That(strlen(ll_last_error()) > 0, "ll_last_error() has the message of a failed call");
}

void CheckMemory(Checks& checks) {
  void* memory = nullptr;
  const std::vector<char> zeros(1000), sevens(1000, 7);
  std::vector<char> copy(1000, 1);
  for (const int32_t tier : {LL_FAST, LL_SLOW}) {
    checks.That(ll_alloc(1000, tier, &memory) == LL_OK, "ll_alloc() gives memory");
    checks.That(reinterpret_cast<uintptr_t>(memory) % 64 == 0, "ll_alloc() aligns to 64");
    checks.That(ll_copy_out(copy.data(), memory, 1000) == LL_OK && copy == zeros,
                "ll_alloc() gives zeros");
    ll_copy_in(memory, sevens.data(), 1000);
    ll_copy_out(copy.data(), memory, 1000);
    checks.That(copy == sevens, "ll_copy_out() reads what ll_copy_in() wrote");
    checks.That(ll_free(memory) == LL_OK && ll_free(nullptr) == LL_OK, "ll_free() takes null, too");
    checks.That(ll_alloc(0, tier, &memory) == LL_INVALID_ARGUMENT, "ll_alloc() refuses 0 bytes");
    checks.That(ll_alloc(INT64_MAX, tier, &memory) == LL_OUT_OF_MEMORY,
                "ll_alloc() says that memory ran out");
  }
  checks.That(ll_alloc(1000, 2, &memory) == LL_INVALID_ARGUMENT, "ll_alloc() refuses other tiers");
  checks.That(ll_copy(nullptr, sevens.data(), 1) == LL_INVALID_ARGUMENT, "ll_copy() refuses null");
}

void CheckFiles(Checks& checks, const std::string& file) {
  void* address = nullptr;
  int64_t bytes = 0;
  checks.That(ll_map_file(file.c_str(), &address, &bytes) == LL_OK, "ll_map_file() maps a file");
  std::ifstream stream(file, std::ios::binary | std::ios::ate);
  checks.That(bytes == stream.tellg(), "ll_map_file() gives the size of the file");
  std::vector<char> content(bytes);
  stream.seekg(0);
  stream.read(content.data(), bytes);
  const bool same = address != nullptr && memcmp(address, content.data(), bytes) == 0;
  checks.That(same, "ll_map_file() maps the bytes of the file");
  checks.That(ll_unmap_file(address, bytes) == LL_OK, "ll_unmap_file() ends a mapping");
  checks.That(ll_map_file((file + ".not").c_str(), &address, &bytes) == LL_IO_ERROR,
              "ll_map_file() refuses a file that is not there");
}

bool IsFilled(const char* memory, int64_t bytes, char value) {
  return memory != nullptr &&
         std::all_of(memory, memory + bytes, [value](char byte) { return byte == value; });
}

void CheckPageFiles(Checks& checks, const std::string& path) {
  constexpr int64_t kBytes = 1 << 17;
  int32_t file = -1;
  checks.That(ll_create_file(path.c_str(), &file) == LL_OK, "ll_create_file() creates a file");
  checks.That(!std::ifstream(path), "ll_create_file() takes away the file's name");
  void* parts[2] = {};
  for (void*& part : parts) {
    checks.That(ll_extend_file(file, kBytes, &part) == LL_OK, "ll_extend_file() gives memory");
    checks.That(IsFilled(static_cast<char*>(part), kBytes, 0), "ll_extend_file() gives zeros");
    if (part != nullptr) memset(part, part == parts[0] ? 1 : 2, kBytes);
  }
  void* none = nullptr;
  checks.That(ll_extend_file(file, kBytes + 1, &none) == LL_INVALID_ARGUMENT,
              "ll_extend_file() refuses other bytes than multiples of 65536");
  checks.That(ll_extend_file(file, int64_t{1} << 50, &none) == LL_OUT_OF_MEMORY,
              "ll_extend_file() says that the disk is full");
  checks.That(ll_close_file(file) == LL_OK, "ll_close_file() closes a file");
  checks.That(ll_extend_file(file, kBytes, &none) == LL_IO_ERROR,
              "ll_extend_file() refuses a file that is closed");
  checks.That(IsFilled(static_cast<char*>(parts[0]), kBytes, 1) &&
                  IsFilled(static_cast<char*>(parts[1]), kBytes, 2),
              "ll_close_file() leaves what is mapped");
  for (void* part : parts) {
    checks.That(ll_unmap_file(part, kBytes) == LL_OK, "ll_unmap_file() ends a mapping of pages");
  }
  std::ofstream(path) << "something";
  checks.That(ll_create_file(path.c_str(), &file) == LL_IO_ERROR,
              "ll_create_file() refuses a file that is there");
  std::ifstream kept(path);
  std::string word;
  checks.That(kept >> word && word == "something", "ll_create_file() leaves a file that is there");
  remove(path.c_str());
}

constexpr int32_t kDim = 8;
constexpr int32_t kKeys = 3;

// A page with keys 0, 1, 2 in all dimensions.
std::vector<float> SmallPage(Checks& checks) {
  int64_t bytes = 0;
  checks.That(ll_page_bytes(kDim, LL_F32, &bytes) == LL_OK, "ll_page_bytes() gives a size");
  std::vector<float> page(bytes / sizeof(float), NAN);
  void* const pages[] = {page.data()};
  std::vector<float> rows(kKeys * kDim);
  for (int32_t i = 0; i < kKeys * kDim; ++i) rows[i] = static_cast<float>(i / kDim);
  const float positions[kKeys] = {0, 1, 2};
  checks.That(ll_append(nullptr, pages, 1, 1, kDim, LL_F32, 0, kKeys, rows.data(), rows.data(),
                        positions) == LL_OK,
              "ll_append() takes a null run");
  return page;
}

void CheckShortSearch(Checks& checks) {
  std::vector<float> page = SmallPage(checks);
  void* const pages[] = {page.data()};
  const std::vector<float> q(kDim, 1);
  const int32_t chosen[] = {0};
  int32_t indices[kKeys + 2];
  float scores[kKeys + 2];
  ll_run run{};
  const int32_t status = ll_top_keys(&run, q.data(), 1, 1, kDim, chosen, 1, pages, 1, LL_F32, 0,
                                     kKeys, kKeys + 2, indices, scores);
  const int32_t wanted[] = {2, 1, 0, -1, -1};
  checks.That(status == LL_OK && memcmp(indices, wanted, sizeof(wanted)) == 0 &&
                  scores[0] == 2 * kDim && scores[kKeys + 1] == -INFINITY,
              "ll_top_keys() fills up with -1 and -INFINITY where keys are fewer than k");
}

void CheckRunRecord(Checks& checks) {
  ll_run run{};
  float numbers[kDim] = {};
  float lse[1] = {};
  run.cancel = 1;
  checks.That(ll_merge(&run, 1, kDim, numbers, lse, numbers, lse, numbers, lse) == LL_CANCELLED,
              "a call that is cancelled before it starts returns LL_CANCELLED");
  run.cancel = 0;
  checks.That(
      ll_merge(&run, 1, 0, numbers, lse, numbers, lse, numbers, lse) == LL_INVALID_ARGUMENT &&
          strlen(run.error) > 0,
      "ll_merge() refuses dim 0 and says so in the run");
  checks.That(ll_merge(&run, 1, kDim, numbers, lse, numbers, lse, numbers, lse) == LL_OK &&
                  strlen(run.error) == 0 && run.progress > 0,
              "a later call clears the message and counts progress");
}

// Calls of several threads while another changes the library's threads.
void CheckRestarts(Checks& checks, int32_t threads, const std::string& isa) {
  constexpr int kCallers = 3, kCalls = 20, kRows = 3000;
  std::vector<int> failures(kCallers);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&failures, caller] {
      const std::vector<float> a(kRows * kDim, 1), b(kRows * kDim, 3), lse(kRows, 0.5f);
      std::vector<float> out(kRows * kDim), out_lse(kRows);
      for (int i = 0; i < kCalls; ++i) {
        const int32_t status = ll_merge(nullptr, kRows, kDim, a.data(), lse.data(), b.data(),
                                        lse.data(), out.data(), out_lse.data());
        const bool right = std::abs(out.front() - 2) < 1e-6 && std::abs(out.back() - 2) < 1e-6;
        if (status != LL_OK || !right) ++failures[caller];
      }
    });
  }
  for (int32_t count = 1; count <= 6; ++count) ll_init(count, "portable");
  for (std::thread& caller : callers) caller.join();
  for (int failed : failures)
    checks.That(failed == 0, "calls come out right while ll_init() restarts");
  checks.That(ll_init(threads, isa.c_str()) == LL_OK, "ll_init() goes back to what it ran on");
}

}  // namespace

std::vector<std::string> RunChecks(const std::string& file, int32_t threads,
                                   const std::string& isa) {
  Checks checks;
  CheckInfo(checks, threads, isa);
  CheckMemory(checks);
  CheckFiles(checks, file);
  CheckPageFiles(checks, file + ".pages");
  CheckShortSearch(checks);
  CheckRunRecord(checks);
  CheckRestarts(checks, threads, isa);
  std::vector<std::string> problems = checks.problems();
  for (const std::string& problem : CheckDecode()) problems.push_back(problem);
  return problems;
}

}  // namespace longlens_test
