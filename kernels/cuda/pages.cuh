// Pages of keys and values on the device.
//
// A page holds what ll_append documents: K [256][dim], V [256][dim], positions [256] f32, for LL_INT8
// the exponents of V [256] and of K [dim]. K and V of LL_BF16 pages whose dim is a multiple of 64 lie
// in the order in which matrix instructions read shared memory, so that any 8 aligned rows can be
// copied as they are:
//   [dim / 64][256 rows][8 chunks of 8 elements], chunk c of row r at place c ^ (r % 8)
// (the 128-byte swizzle of wgmma's and TMA's descriptors). The others lie row after row.
#ifndef LONGLENS_CUDA_PAGES_CUH_
#define LONGLENS_CUDA_PAGES_CUH_

#include <cstdint>

#include "../include/longlens.h"
#include "device.cuh"
#include "ptx.cuh"

namespace longlens {

enum class Part { kKeys = 0, kValues = 1 };

struct PageLayout {
  int32_t dim;
  int32_t dtype;

  static constexpr int32_t kSliceChannels = 64;
  static constexpr int32_t kChunkChannels = 8;
  static constexpr int64_t kSliceBytes = int64_t{LL_PAGE_TOKENS} * kSliceChannels * 2;

  __host__ __device__ bool is_swizzled() const {
    return dtype == LL_BF16 && dim % kSliceChannels == 0;
  }
  __host__ __device__ int64_t ElementBytes() const {
    return dtype == LL_F32 ? 4 : dtype == LL_BF16 ? 2 : 1;
  }
  // Of K or of V.
  __host__ __device__ int64_t PartBytes() const { return LL_PAGE_TOKENS * dim * ElementBytes(); }
  __host__ __device__ int64_t PositionsAt() const { return 2 * PartBytes(); }
  __host__ __device__ int64_t ValueExponentsAt() const {
    return PositionsAt() + LL_PAGE_TOKENS * int64_t{sizeof(float)};
  }
  __host__ __device__ int64_t KeyExponentsAt() const { return ValueExponentsAt() + LL_PAGE_TOKENS; }
  __host__ __device__ int64_t PageBytes() const {
    return ValueExponentsAt() + (dtype == LL_INT8 ? LL_PAGE_TOKENS + dim : 0);
  }
  // Byte of an element in K or V.
  __host__ __device__ int64_t ElementAt(int32_t slot, int32_t channel) const {
    if (!is_swizzled()) return (int64_t{slot} * dim + channel) * ElementBytes();
    const int32_t chunk = channel % kSliceChannels / kChunkChannels ^ slot % 8;
    return channel / kSliceChannels * kSliceBytes +
           (slot * kSliceChannels + chunk * kChunkChannels + channel % kChunkChannels) * 2;
  }
};

// A page table whose entries have been copied to the device: [kv_heads][stride].
struct DevicePages {
  char* const* pages;
  int64_t stride;
  PageLayout layout;

  __device__ char* Page(int32_t head, int32_t page) const { return pages[head * stride + page]; }
  __device__ char* Base(int32_t head, int32_t token, Part part) const {
    return Page(head, token / LL_PAGE_TOKENS) + static_cast<int>(part) * layout.PartBytes();
  }
  // One element as f32. For kernels that need no speed.
  __device__ float Element(int32_t head, int32_t token, Part part, int32_t channel) const {
    const char* const page = Page(head, token / LL_PAGE_TOKENS);
    const int32_t slot = token % LL_PAGE_TOKENS;
    const char* const at =
        page + static_cast<int>(part) * layout.PartBytes() + layout.ElementAt(slot, channel);
    if (layout.dtype == LL_F32) return *reinterpret_cast<const float*>(at);
    if (layout.dtype == LL_BF16) return WidenBf16(*reinterpret_cast<const uint16_t*>(at));
    const int64_t exponent = part == Part::kValues ? layout.ValueExponentsAt() + slot
                                                   : layout.KeyExponentsAt() + channel;
    const uint32_t bits = uint32_t{static_cast<uint8_t>(page[exponent])} << 23;
    return *reinterpret_cast<const int8_t*>(at) * __uint_as_float(bits);
  }
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_PAGES_CUH_
