// Errors and the shared record of a run. Inside the library a failure is an Error; Guard turns it
// into a status at the ABI.
#ifndef LONGLENS_COMMON_STATUS_H_
#define LONGLENS_COMMON_STATUS_H_

#include <cstdint>
#include <exception>
#include <new>

#include "../include/longlens.h"

namespace longlens {

// A failed call: an ll_status and its sentence.
class Error : public std::exception {
 public:
  __attribute__((format(printf, 3, 4))) Error(int32_t status, const char* format, ...);
  const char* what() const noexcept override { return text_; }
  int32_t status() const { return status_; }

 private:
  int32_t status_;
  char text_[sizeof(ll_run::error)];
};

// Throws LL_INVALID_ARGUMENT: "Cannot <action> as <rule>: current value is <value>".
[[noreturn]] void ThrowInvalid(const char* action, const char* rule, int64_t value);
inline void Require(bool holds, const char* action, const char* rule, int64_t value) {
  if (!holds) ThrowInvalid(action, rule, value);
}
void RequirePointer(const void* pointer, const char* action, const char* name);

// Throws LL_CANCELLED once the caller has set run->cancel.
void Poll(const ll_run* run);
// Adds finished units to run->progress.
void AddProgress(ll_run* run, int64_t units);

// Records a failure for this thread and in the run; returns `status`.
int32_t Fail(ll_run* run, int32_t status, const char* text) noexcept;
const char* LastError() noexcept;
void ClearRunError(ll_run* run) noexcept;

// Runs `body` and returns its status; no exception leaves it.
template <class Body>
int32_t Guard(ll_run* run, const Body& body) noexcept {
  try {
    ClearRunError(run);
    body();
    return LL_OK;
  } catch (const Error& error) {
    return Fail(run, error.status(), error.what());
  } catch (const std::bad_alloc&) {
    return Fail(run, LL_OUT_OF_MEMORY, "Cannot finish the call as memory ran out");
  } catch (const std::exception& error) {
    return Fail(run, LL_INTERNAL_ERROR, error.what());
  } catch (...) {
    return Fail(run, LL_INTERNAL_ERROR, "Cannot finish the call: unknown failure");
  }
}

}  // namespace longlens

#endif  // LONGLENS_COMMON_STATUS_H_
