#include "replay.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <thread>

#include "../../kernels/include/longlens.h"
#include "functions.h"

namespace longlens_test {
namespace {

// Not a number as f32 and as bf16, so that whatever reads what was never written shows it.
constexpr int kRubbish = 0xFF;
constexpr size_t kDeviceAlignment = 64;
// Host arrays are aligned to their elements and to no more.
constexpr size_t kHostShift = 8;
// Times that a call is made at most that is to be cancelled.
constexpr int kCancels = 20;

// Memory that ends where the block ends, so that a sanitizer sees the first byte behind it.
class Memory {
 public:
  explicit Memory(const Block& block) {
    const bool device = block.kind == BlockKind::kDevice;
    const size_t shift = device ? 0 : kHostShift;
    void* raw = nullptr;
    if (posix_memalign(&raw, kDeviceAlignment, block.bytes + shift) != 0) throw std::bad_alloc();
    raw_.reset(static_cast<char*>(raw));
    data_ = raw_.get() + shift;
    memset(data_, kRubbish, block.bytes);
    if (!block.content.empty()) memcpy(data_, block.content.data(), block.content.size());
  }
  char* data() const { return data_; }

 private:
  struct Free {
    void operator()(char* raw) const { free(raw); }
  };
  std::unique_ptr<char, Free> raw_;
  char* data_;
};

class Memories {
 public:
  explicit Memories(const std::vector<Block>& blocks) {
    for (const Block& block : blocks) memories_.emplace_back(block);
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (blocks[i].kind == BlockKind::kAddresses) Relocate(memories_[i].data(), blocks[i].bytes);
    }
  }

  char* At(int64_t address) const {
    if (address == 0) return nullptr;
    return memories_.at((address >> 32) - 1).data() + (address & 0xFFFFFFFF);
  }

 private:
  void Relocate(char* addresses, int64_t bytes) const {
    for (int64_t at = 0; at < bytes; at += sizeof(int64_t)) {
      int64_t address;
      memcpy(&address, addresses + at, sizeof(address));
      char* const pointer = At(address);
      memcpy(addresses + at, &pointer, sizeof(pointer));
    }
  }

  std::vector<Memory> memories_;
};

// Cancels the run once it has counted progress, or soon, where it counts only at the end.
void CancelSoon(ll_run* run, const std::atomic<bool>& returned) {
  using std::chrono::steady_clock;
  const auto latest = steady_clock::now() + std::chrono::milliseconds(2);
  while (std::atomic_ref(run->progress).load() == 0 && steady_clock::now() < latest && !returned) {
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  std::atomic_ref(run->cancel).store(1);
}

int32_t RunCancelled(const FunctionCall& call, const std::vector<Value>& values, ll_run* run) {
  run->cancel = 0;
  std::atomic<bool> returned = false;
  std::thread canceller([&] { CancelSoon(run, returned); });
  const int32_t status = CallFunction(call.function, values);
  returned = true;
  canceller.join();
  return status;
}

int32_t Run(const FunctionCall& call, const std::vector<Value>& values, ll_run* run) {
  if (!call.cancel) return CallFunction(call.function, values);
  // On a busy machine a call may end before the canceller gets a processor.
  int32_t status = LL_OK;
  for (int i = 0; i < kCancels && status == LL_OK; ++i) status = RunCancelled(call, values, run);
  return status;
}

std::string RunCall(const FunctionCall& call, const Memories& memories) {
  ll_run run{};
  run.compute = call.compute;
  std::vector<Value> values;
  for (const Argument& argument : call.arguments) {
    Value value{argument.integer, argument.number, nullptr};
    if (argument.kind == ArgumentKind::kRun) value.pointer = &run;
    if (argument.kind == ArgumentKind::kAddress) value.pointer = memories.At(argument.integer);
    values.push_back(value);
  }
  const int32_t status = Run(call, values, &run);
  if (status == call.status) return "";
  return call.function + " returned " + std::to_string(status) + " instead of " +
         std::to_string(call.status) + ": " + run.error;
}

double Element(const char* elements, int64_t index, ElementKind kind) {
  float number;
  int32_t integer;
  memcpy(&number, elements + 4 * index, sizeof(number));
  memcpy(&integer, elements + 4 * index, sizeof(integer));
  return kind == ElementKind::kFloat ? double{number} : double(integer);
}

// How far a row is off, and the size that the error is compared with.
struct RowError {
  double error = 0, size = 0;
};

RowError CompareRow(const Expectation& e, const char* actual, int64_t first) {
  RowError row{0, e.floor};
  for (int64_t i = first; i < first + e.width; ++i) {
    const double wanted = Element(e.values.data(), i, e.kind);
    const double got = Element(actual, i, e.kind);
    if (std::isfinite(wanted)) row.size = std::max(row.size, std::abs(wanted));
    if (got == wanted || (std::isnan(got) && std::isnan(wanted))) continue;
    const double error = std::abs(got - wanted);
    row.error = std::isnan(error) ? INFINITY : std::max(row.error, error);
  }
  return row;
}

std::string Check(const Expectation& e, const Memories& memories) {
  const int64_t count = e.values.size() / 4;
  for (int64_t first = 0; first < count; first += e.width) {
    const RowError row = CompareRow(e, memories.At(e.address), first);
    if (row.error <= e.tolerance * row.size) continue;
    char text[160];
    snprintf(text, sizeof(text), ", row %lld: error %g of %g is above %g",
             static_cast<long long>(first / e.width), row.error, row.size, e.tolerance);
    return e.name + text;
  }
  return "";
}

}  // namespace

std::string Replay(const Case& recorded) {
  const Memories memories(recorded.blocks);
  for (const Step& step : recorded.steps) {
    const auto* const call = std::get_if<FunctionCall>(&step);
    const std::string problem =
        call ? RunCall(*call, memories) : Check(std::get<Expectation>(step), memories);
    if (!problem.empty()) return problem;
  }
  return "";
}

}  // namespace longlens_test
