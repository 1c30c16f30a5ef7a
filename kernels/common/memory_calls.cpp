#include "memory_calls.h"

#include "element_types.h"
#include "status.h"

namespace longlens {

void CheckAlloc(int64_t bytes, int32_t tier, void** out) {
  const char* const action = "allocate memory";
  RequirePointer(out, action, "out");
  *out = nullptr;
  Require(bytes > 0, action, "bytes must be > 0", bytes);
  Require(tier == LL_FAST || tier == LL_SLOW, action, "tier must be LL_FAST or LL_SLOW", tier);
}

bool CheckCopy(const char* action, const void* target, const void* source, int64_t bytes) {
  Require(bytes >= 0, action, "bytes must be >= 0", bytes);
  if (bytes == 0) return false;
  RequirePointer(target, action, "the target");
  RequirePointer(source, action, "the source");
  return true;
}

bool CheckConvert(const void* source, int32_t source_dtype, const void* target,
                  int32_t target_dtype, int64_t count) {
  const char* const action = "convert elements";
  const ElementType from = ElementTypeOf(source_dtype), to = ElementTypeOf(target_dtype);
  Require(from.block_elements > 0, action, "source_dtype must be a type of weights", source_dtype);
  const bool quantises = target_dtype == LL_Q8_0 || target_dtype == LL_Q4_1;
  Require(target_dtype == LL_F32 || target_dtype == LL_BF16 || (quantises && !from.IsBlocks()),
          action, "target_dtype must be LL_F32, LL_BF16, or LL_Q8_0 or LL_Q4_1 of single elements",
          target_dtype);
  Require(count >= 0 && count <= INT64_MAX / 8, action, "count must be >= 0", count);
  Require(count % from.block_elements == 0 && count % to.block_elements == 0, action,
          "count must be whole blocks", count);
  return CheckCopy(action, target, source, count);
}

}  // namespace longlens
