// Products of bf16 by cuBLASLt, which is loaded while the program runs, where it is there.
#ifndef LONGLENS_CUDA_CUBLAS_LT_H_
#define LONGLENS_CUDA_CUBLAS_LT_H_

#include "products.h"

namespace longlens {

// Queues the product, or returns false where cuBLASLt is not there or does not take it.
bool MultiplyWithCublas(const Call& call, const Bf16Product& product);

}  // namespace longlens

#endif  // LONGLENS_CUDA_CUBLAS_LT_H_
