// What ll_qkv does after its products.
#ifndef LONGLENS_CUDA_HEAD_PASS_H_
#define LONGLENS_CUDA_HEAD_PASS_H_

#include <cstdint>

#include "../common/model_arguments.h"
#include "runtime.h"

namespace longlens {

// Adds biases, normalises and turns heads of q and k, in place, for tokens first .. first + rows
// - 1. table_of_head: as the argument, but device memory.
void HeadPass(const Call& call, const QkvArguments& a, const int32_t* table_of_head, int64_t first,
              int64_t rows);

}  // namespace longlens

#endif  // LONGLENS_CUDA_HEAD_PASS_H_
