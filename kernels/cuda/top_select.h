// The k largest of many scores, in falling order, equal ones by lower number.
#ifndef LONGLENS_CUDA_TOP_SELECT_H_
#define LONGLENS_CUDA_TOP_SELECT_H_

#include <cstdint>

#include "runtime.h"

namespace longlens {

// Of each of `places` rows of scores [places][n]: indices and values [places][k] of its k <= n
// largest, where index i is start + i. NaN counts as the smallest.
void SelectTop(const Call& call, const float* scores, int64_t places, int32_t n, int32_t start,
               int32_t k, int32_t* indices, float* values);

}  // namespace longlens

#endif  // LONGLENS_CUDA_TOP_SELECT_H_
