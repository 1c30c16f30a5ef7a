// How elements of weights are stored: one by one, or in blocks along a row as GGUF files hold them.
#ifndef LONGLENS_COMMON_ELEMENT_TYPES_H_
#define LONGLENS_COMMON_ELEMENT_TYPES_H_

#include <cstdint>

#include "../include/longlens.h"

namespace longlens {

struct ElementType {
  int32_t block_elements, block_bytes;

  bool IsBlocks() const { return block_elements > 1; }
  // Bytes of `count` elements, which are whole blocks.
  int64_t Bytes(int64_t count) const { return count / block_elements * block_bytes; }
};

// The type LL_..., or one of 0 elements where it is none of weights.
constexpr ElementType ElementTypeOf(int32_t dtype) {
  switch (dtype) {
    case LL_F32:
      return {1, 4};
    case LL_BF16:
    case LL_F16:
      return {1, 2};
    case LL_Q4_0:
      return {32, 18};
    case LL_Q4_1:
      return {32, 20};
    case LL_Q5_0:
      return {32, 22};
    case LL_Q5_1:
      return {32, 24};
    case LL_Q8_0:
      return {32, 34};
    case LL_Q4_K:
      return {256, 144};
    case LL_Q5_K:
      return {256, 176};
    case LL_Q6_K:
      return {256, 210};
    default:
      return {0, 0};
  }
}

}  // namespace longlens

#endif  // LONGLENS_COMMON_ELEMENT_TYPES_H_
