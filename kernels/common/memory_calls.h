// What is checked of the calls of the ABI that allocate, copy and convert memory. Each check throws
// LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_MEMORY_CALLS_H_
#define LONGLENS_COMMON_MEMORY_CALLS_H_

#include <cstdint>

namespace longlens {

// Sets *out to null, too.
void CheckAlloc(int64_t bytes, int32_t tier, void** out);

bool CheckCopy(const char* action, const void* target, const void* source, int64_t bytes);

bool CheckConvert(const void* source, int32_t source_dtype, const void* target,
                  int32_t target_dtype, int64_t count);

}  // namespace longlens

#endif  // LONGLENS_COMMON_MEMORY_CALLS_H_
