#include "status.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace longlens {
namespace {

thread_local char last_error[sizeof(ll_run::error)] = "";

// Copies a zero-terminated text, cut before a UTF-8 continuation byte so that it stays valid.
void CopyText(char* target, const char* source) {
  size_t length = strlen(source);
  if (length >= sizeof(ll_run::error)) {
    length = sizeof(ll_run::error) - 1;
    while (length > 0 && (source[length] & 0xC0) == 0x80) --length;
  }
  memcpy(target, source, length);
  target[length] = 0;
}

}  // namespace

Error::Error(int32_t status, const char* format, ...) : status_(status) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text_, sizeof(text_), format, arguments);
  va_end(arguments);
}

void ThrowInvalid(const char* action, const char* rule, int64_t value) {
  throw Error(LL_INVALID_ARGUMENT, "Cannot %s as %s: current value is %lld", action, rule,
              static_cast<long long>(value));
}

void RequirePointer(const void* pointer, const char* action, const char* name) {
  if (pointer == nullptr) {
    throw Error(LL_INVALID_ARGUMENT, "Cannot %s as %s must be given: current value is null", action,
                name);
  }
}

void Poll(const ll_run* run) {
  if (run != nullptr && __atomic_load_n(&run->cancel, __ATOMIC_RELAXED) != 0) {
    throw Error(LL_CANCELLED, "Cancelled by the caller");
  }
}

void AddProgress(ll_run* run, int64_t units) {
  if (run != nullptr) __atomic_fetch_add(&run->progress, units, __ATOMIC_RELAXED);
}

int32_t Fail(ll_run* run, int32_t status, const char* text) noexcept {
  CopyText(last_error, text);
  if (run != nullptr) CopyText(run->error, text);
  return status;
}

const char* LastError() noexcept { return last_error; }

void ClearRunError(ll_run* run) noexcept {
  last_error[0] = 0;
  if (run != nullptr) run->error[0] = 0;
}

}  // namespace longlens

extern "C" const char* ll_last_error(void) { return longlens::LastError(); }
