// What a call works with: the run, the chosen unit and the pool. Making a Call starts the
// library when ll_init was not called, and keeps ll_init from changing it while the call runs.
#ifndef LONGLENS_CPU_DISPATCH_H_
#define LONGLENS_CPU_DISPATCH_H_

#include <shared_mutex>

#include "bf16_kernels.h"
#include "kernels.h"
#include "pool.h"
#include "../common/status.h"

namespace longlens {

// An instruction set.
struct InstructionSet {
  const char* isa;
  const Kernels* kernels;
  const Bf16Kernels* bf16;  // null where it has none
};

class Call {
 public:
  explicit Call(ll_run* run);

  const Kernels& kernels() const { return *unit_->kernels; }
  // Null unless the run asks for products of bf16 and the unit has them.
  const Bf16Kernels* bf16() const {
    return is_bf16_ ? unit_->bf16 : nullptr;
  }
  const InstructionSet& unit() const { return *unit_; }
  int threads() const { return pool_->threads(); }
  void Poll() const { longlens::Poll(run_); }
  void Progress(int64_t units) const { AddProgress(run_, units); }

  // Calls body(i) for 0 <= i < count on the pool, polling before each.
  template <class Body>
  void For(int64_t count, const Body& body) const {
    pool_->For(count, [&](int64_t i) {
      Poll();
      body(i);
    });
  }
  // The same on this thread only, for work too small to wake another.
  template <class Body>
  void ForIf(bool parallel, int64_t count, const Body& body) const {
    if (parallel) return For(count, body);
    for (int64_t i = 0; i < count; ++i) {
      Poll();
      body(i);
    }
  }

 private:
  ll_run* run_;
  bool is_bf16_ = false;
  std::shared_lock<std::shared_mutex> lock_;
  const InstructionSet* unit_;
  Pool* pool_;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_DISPATCH_H_
