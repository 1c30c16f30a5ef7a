// Launches of kernels.
#ifndef LONGLENS_CUDA_LAUNCH_CUH_
#define LONGLENS_CUDA_LAUNCH_CUH_

#include "runtime.h"

namespace longlens {

// Queues kernel(arguments...) over `blocks` of `threads`, with `shared` bytes of dynamic shared memory each.
template <class... Parameters, class... Arguments>
void Launch([[maybe_unused]] const Call& call, const char* name, void (*kernel)(Parameters...),
            dim3 blocks, unsigned threads, size_t shared, Arguments... arguments) {
  constexpr size_t kSharedWithoutAsking = 48 * 1024;
  if (shared > kSharedWithoutAsking) {
    CheckCuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                   static_cast<int>(shared)),
              name);
  }
#ifdef LONGLENS_EMULATED
  emulated::Queue([=] {
    emulated::RunGrid(blocks, dim3(threads), shared, [&] { kernel(Parameters(arguments)...); });
  });
#else
  kernel<<<blocks, threads, shared, call.stream()>>>(Parameters(arguments)...);
#endif
  CheckCuda(cudaGetLastError(), name);
}

// Blocks of `size` that hold `count`.
inline int64_t Blocks(int64_t count, int64_t size) { return (count + size - 1) / size; }

}  // namespace longlens

#endif  // LONGLENS_CUDA_LAUNCH_CUH_
