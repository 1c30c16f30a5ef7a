// CUDA, or its emulation on the host for tests.
#ifndef LONGLENS_CUDA_DEVICE_CUH_
#define LONGLENS_CUDA_DEVICE_CUH_

#ifdef LONGLENS_EMULATED
#include "emulated_cuda.h"
#else
#include <cuda_runtime.h>
#endif

#endif  // LONGLENS_CUDA_DEVICE_CUH_
