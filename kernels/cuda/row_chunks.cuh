// Runs of 16 channels of a row of queries or keys as f32, read by one thread.
#ifndef LONGLENS_CUDA_ROW_CHUNKS_CUH_
#define LONGLENS_CUDA_ROW_CHUNKS_CUH_

#include "pages.cuh"
#include "widen.cuh"

namespace longlens {

constexpr int kRunChannels = 16;
using ChannelRun = float[kRunChannels];

__device__ __forceinline__ void ClearRun(ChannelRun& x) {
#pragma unroll
  for (int i = 0; i < kRunChannels; ++i) x[i] = 0.0f;
}

// x[i] = row[channel + i], 0 from dim on. is_wide: rows are aligned to 16 bytes.
__device__ __forceinline__ void ReadFloats(const float* row, int32_t dim, int32_t channel,
                                           bool is_wide, ChannelRun& x) {
#pragma unroll
  for (int j = 0; j < kRunChannels; j += 4) {
    float4 four = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    const float* const at = row + channel + j;
    const int32_t left = dim - channel - j;
    if (is_wide && left > 0) {
      four = *reinterpret_cast<const float4*>(at);
    } else if (left > 0) {
      four.x = at[0];
      if (left > 1) four.y = at[1];
      if (left > 2) four.z = at[2];
      if (left > 3) four.w = at[3];
    }
    x[j] = four.x, x[j + 1] = four.y, x[j + 2] = four.z, x[j + 3] = four.w;
  }
}

// Keys of LL_BF16 pages whose rows are multiples of 16 bytes.
__device__ __forceinline__ void ReadBf16Keys(const char* keys, const PageLayout& layout,
                                             int32_t slot, int32_t channel, ChannelRun& x) {
#pragma unroll
  for (int j = 0; j < kRunChannels; j += 8) {
    uint4 eight = make_uint4(0, 0, 0, 0);
    if (channel + j < layout.dim) {
      eight = *reinterpret_cast<const uint4*>(keys + layout.ElementAt(slot, channel + j));
    }
    WidenBf16s(eight, x + j);
  }
}

// Keys of LL_INT8 pages whose rows are multiples of 16 bytes.
__device__ __forceinline__ void ReadInt8Keys(const char* page, const PageLayout& layout,
                                             int32_t slot, int32_t channel, ChannelRun& x) {
  if (channel >= layout.dim) return ClearRun(x);
  const char* const row = page + int64_t{slot} * layout.dim;
  const uint4 numbers = *reinterpret_cast<const uint4*>(row + channel);
  const uint4 exponents =
      *reinterpret_cast<const uint4*>(page + layout.KeyExponentsAt() + channel);
  const uint32_t words[] = {numbers.x, numbers.y, numbers.z, numbers.w};
  const uint32_t scales[] = {exponents.x, exponents.y, exponents.z, exponents.w};
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    WidenInt8(words[j], x + 4 * j);
#pragma unroll
    for (int i = 0; i < 4; ++i) x[4 * j + i] *= ScaleOfExponent(scales[j] >> 8 * i & 0xFFu);
  }
}

// x[i] = k[token][channel + i], 0 from dim on; channel is a multiple of 16.
__device__ __forceinline__ void ReadKeys(const DevicePages& pages, int32_t kv_head, int32_t token,
                                         int32_t channel, ChannelRun& x) {
  const PageLayout& layout = pages.layout;
  const char* const page = pages.Page(kv_head, token / LL_PAGE_TOKENS);
  const int32_t slot = token % LL_PAGE_TOKENS;
  const bool is_wide = layout.dim * layout.ElementBytes() % 16 == 0;
  if (layout.dtype == LL_F32) {
    const float* const row = reinterpret_cast<const float*>(page) + int64_t{slot} * layout.dim;
    ReadFloats(row, layout.dim, channel, is_wide, x);
  } else if (is_wide && layout.dtype == LL_BF16) {
    ReadBf16Keys(page, layout, slot, channel, x);
  } else if (is_wide) {
    ReadInt8Keys(page, layout, slot, channel, x);
  } else {
#pragma unroll
    for (int i = 0; i < kRunChannels; ++i) {
      const bool is_there = channel + i < layout.dim;
      x[i] = is_there ? pages.Element(kv_head, token, Part::kKeys, channel + i) : 0.0f;
    }
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_ROW_CHUNKS_CUH_
