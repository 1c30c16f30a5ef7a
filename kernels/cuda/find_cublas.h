// Where a file of cuBLASLt may lie.
#ifndef LONGLENS_CUDA_FIND_CUBLAS_H_
#define LONGLENS_CUDA_FIND_CUBLAS_H_

#include <string>
#include <vector>

namespace longlens {

// Names for dlopen, the best first. The environment's LONGLENS_CUBLAS is the only one where it is
// set, and stands for none where it is "off". Otherwise: the loader's path, CUDA toolkits, and the
// package nvidia-cublas of the environment's Python.
std::vector<std::string> CublasFiles();

}  // namespace longlens

#endif  // LONGLENS_CUDA_FIND_CUBLAS_H_
