// Quantising rows of weights: what ll_convert documents of LL_Q8_0 and LL_Q4_1.
#ifndef LONGLENS_CPU_ENCODE_BLOCKS_H_
#define LONGLENS_CPU_ENCODE_BLOCKS_H_

#include <cstdint>

namespace longlens {

// Makes `count` numbers, whole blocks, blocks of dtype, LL_Q8_0 or LL_Q4_1. False, and `target` is
// undefined, where a number is not finite.
bool EncodeBlocks(const float* x, int32_t dtype, int64_t count, uint8_t* target);

}  // namespace longlens

#endif  // LONGLENS_CPU_ENCODE_BLOCKS_H_
