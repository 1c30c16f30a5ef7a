#include "check_decode.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <thread>

#include "../../kernels/include/longlens.h"
#include "allocations.h"

namespace longlens_test {
namespace {

constexpr int32_t kHeads = 8, kKvHeads = 2, kDim = 64;
constexpr int32_t kPages = 20, kLength = kPages * LL_PAGE_TOKENS;
constexpr int32_t kBest = 30;

// Takes part in every step with the whole pool: the cache is long enough to be cut up.
class Decoder {
 public:
  explicit Decoder(int32_t dtype) : dtype_(dtype) {
    int64_t bytes = 0;
    failed_ = ll_page_bytes(kDim, dtype, &bytes) != LL_OK;
    for (int32_t i = 0; i < kKvHeads * kPages; ++i) {
      memory_.emplace_back(static_cast<char*>(aligned_alloc(64, (bytes + 63) / 64 * 64)), free);
      std::fill_n(memory_.back().get(), bytes, '\xFF');
      pages_.push_back(memory_.back().get());
    }
    for (int32_t h = 0; h <= kHeads; ++h) {
      range_ptr_.push_back(h);
      index_ptr_.push_back(8 * h);
      ranges_.insert(ranges_.end(), {0, kLength - 1000});
      for (int32_t i = 0; i < 8; ++i) indices_.push_back(kLength - 1 - 100 * i);
      chosen_.push_back(h);
    }
    for (int32_t t = 0; t < kLength; t += LL_PAGE_TOKENS) Append(t, LL_PAGE_TOKENS);
  }

  // Returns whether all calls came out right.
  bool Step() {
    Append(kLength - 1, 1);
    Note(ll_attend_keys(nullptr, q_.data(), 1, kHeads, kKvHeads, kDim, 0.125f, pages_.data(), kPages,
                        dtype_, kLength, range_ptr_.data(), ranges_.data(), index_ptr_.data(),
                        indices_.data(), out_.data(), lse_.data()));
    Note(ll_top_keys(nullptr, q_.data(), kHeads, kKvHeads, kDim, chosen_.data(), kHeads,
                     pages_.data(), kPages, dtype_, 4, kLength, kBest, found_.data(),
                     scores_.data()));
    failed_ = failed_ || !std::isfinite(out_.back()) || !std::isfinite(lse_.back());
    return !failed_;
  }

 private:
  void Append(int32_t start, int32_t tokens) {
    Note(ll_append(nullptr, pages_.data(), kPages, kKvHeads, kDim, dtype_, start, tokens,
                   rows_.data(), rows_.data(), positions_.data()));
  }
  void Note(int32_t status) { failed_ = failed_ || status != LL_OK; }

  int32_t dtype_;
  bool failed_ = false;
  std::vector<std::unique_ptr<char, void (*)(void*)>> memory_;
  std::vector<void*> pages_;
  std::vector<int32_t> range_ptr_, ranges_, index_ptr_, indices_, chosen_;
  std::vector<float> rows_ = std::vector<float>(LL_PAGE_TOKENS * kKvHeads * kDim, 0.5f);
  std::vector<float> positions_ = std::vector<float>(LL_PAGE_TOKENS);
  std::vector<float> q_ = std::vector<float>(kHeads * kDim, 0.1f);
  std::vector<float> out_ = std::vector<float>(kHeads * kDim);
  std::vector<float> lse_ = std::vector<float>(kHeads);
  std::vector<int32_t> found_ = std::vector<int32_t>(kHeads * kBest);
  std::vector<float> scores_ = std::vector<float>(kHeads * kBest);
};

// The least number of allocations in a round of steps. Rounds come until one has none: a thread of
// the pool makes room for itself when it first takes part, which may be late on a busy machine.
int64_t LeastAllocations(Decoder* decoder, bool* right) {
  constexpr int kRounds = 30, kSteps = 5;
  int64_t least = INT64_MAX;
  for (int round = 0; round < kRounds && least != 0; ++round) {
    const int64_t before = Allocations();
    for (int step = 0; step < kSteps; ++step) *right = decoder->Step() && *right;
    least = std::min(least, Allocations() - before);
  }
  return least;
}

double ProcessSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

std::vector<std::string> CheckDecode() {
  std::vector<std::string> problems;
  for (const int32_t dtype : {LL_F32, LL_BF16, LL_INT8}) {
    Decoder decoder(dtype);
    bool right = true;
    const int64_t least = LeastAllocations(&decoder, &right);
    const std::string name = "steps of decoding, dtype " + std::to_string(dtype);
    if (!right) problems.push_back(name + " come out right");
    if (least != 0) problems.push_back(name + " allocate nothing: " + std::to_string(least));
  }
  // Threads that wait by spinning would use most of this time, on a busy machine a share of it.
  const double before = ProcessSeconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  const double used = ProcessSeconds() - before;
  if (used > 0.015) problems.push_back("an idle library uses no time: " + std::to_string(used));
  return problems;
}

}  // namespace longlens_test
