// What tests need of the library beside its ABI (../include/longlens.h). It may change at any time.
#ifndef LONGLENS_CUDA_TESTING_H_
#define LONGLENS_CUDA_TESTING_H_

#include "../include/longlens.h"

#ifdef __cplusplus
extern "C" {
#endif

// The cudaStream_t on which the library queues all work, so that it can be captured.
LL_API int32_t ll_internal_stream(void** out);

#ifdef __cplusplus
}
#endif
#endif  // LONGLENS_CUDA_TESTING_H_
