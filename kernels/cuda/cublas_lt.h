// Products of bf16 by cuBLASLt, which is loaded while the program runs, where it is there.
#ifndef LONGLENS_CUDA_CUBLAS_LT_H_
#define LONGLENS_CUDA_CUBLAS_LT_H_

#include <string>

#include "products.h"

namespace longlens {

// Queues the product, or returns false where cuBLASLt is not there or does not take it.
bool MultiplyWithCublas(const Call& call, const Bf16Product& product);

// What computes products of bf16 of many rows: "cuBLASLt 13.1.0" and its file, or "own".
std::string DescribeProducts(const Call& call);

}  // namespace longlens

#endif  // LONGLENS_CUDA_CUBLAS_LT_H_
