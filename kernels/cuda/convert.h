// Elements of one type made elements of another.
#ifndef LONGLENS_CUDA_CONVERT_H_
#define LONGLENS_CUDA_CONVERT_H_

#include "products.h"

namespace longlens {

// target[r][i] = w[r][i], then zeros.  target [w.out][stride], LL_F32 or LL_BF16, aligned to its
// element. w may be unaligned; rows of blocks have no padding.
void DecodeRows(const Call& call, const Weights& w, void* target, int32_t target_dtype,
                int64_t stride);

// Makes `count` single elements, whole blocks, blocks of target_dtype, LL_Q8_0 or LL_Q4_1. Waits,
// and throws LL_INVALID_ARGUMENT where an element is not finite. Both may be unaligned.
void EncodeBlocks(const Call& call, const void* source, int32_t source_dtype, void* target,
                  int32_t target_dtype, int64_t count);

// `count` elements in blocks where they are as aligned as kernels read them, else a copy.
const uint8_t* AlignedBlocks(const Call& call, const void* blocks, int32_t dtype, int64_t count);
// Numbers aligned to 16, or a copy.
const float* AlignedNumbers(const Call& call, const float* numbers, int64_t count);

}  // namespace longlens

#endif  // LONGLENS_CUDA_CONVERT_H_
