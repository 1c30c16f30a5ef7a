// The unit that always compiles: vectors of 4 floats, whatever the machine makes of them.
#define LL_WIDTH 4
#include "simd_kernels.inl"

namespace longlens {
const Kernels* PortableKernels() { return &kKernels; }
}  // namespace longlens
