// Levels: what the elements of blocks of weights are decoded to, for all types (block_weights.cuh).
//
// A warp takes kStepColumns of a row at a time and a lane kOfLane of them: two runs of kRun
// neighbours, which is where the low and the high halves of its bytes belong.
//
//   number = scale * (level - kBase) + shift
//
// Products are exact in f32, so that the only rounding is that of the sum, as in ggml's d * q + m
// and (d * s) * q - dmin * m. A level of b bits is 1 + q / 2^b: q becomes the upper bits of a
// mantissa by one instruction. Levels of Q8_0 are its integers.
#ifndef LONGLENS_CUDA_BLOCK_LEVELS_CUH_
#define LONGLENS_CUDA_BLOCK_LEVELS_CUH_

#include <cstdint>

#include "../common/element_types.h"
#include "ptx.cuh"

namespace longlens {

constexpr int kRun = 8;
constexpr int kOfLane = 2 * kRun;
constexpr int64_t kStepColumns = 32 * kOfLane;

// A lane's elements. `scale` and `shift` of each run.
struct Levels {
  float level[2][kRun];
  float scale[2], shift[2];
};

// The largest power of two, at most 16, that divides both.
constexpr int CommonAlign(int a, int b) {
  const int both = (a | b | 16);
  return both & -both;
}

// Alignment that blocks of a type must have as a whole to be read.
constexpr int AlignOfBlocks(int32_t dtype) {
  return CommonAlign(ElementTypeOf(dtype).block_bytes, 0);
}

// Words at an address that is a multiple of kAlign. Of 2-byte alignment: no word is touched that
// holds none of the bytes.
template <int kAlign, int kCount>
__device__ __forceinline__ void LoadWords(const uint8_t* at, uint32_t (&words)[kCount]) {
  if constexpr (kAlign >= 8 && kCount == 2) {
    const uint2 all = __ldg(reinterpret_cast<const uint2*>(at));
    words[0] = all.x, words[1] = all.y;
  } else if constexpr (kAlign >= 4) {
    const uint32_t* const from = reinterpret_cast<const uint32_t*>(at);
#pragma unroll
    for (int i = 0; i < kCount; ++i) words[i] = __ldg(from + i);
  } else {
    const uintptr_t address = reinterpret_cast<uintptr_t>(at);
    const uint32_t* const from = reinterpret_cast<const uint32_t*>(address & ~uintptr_t{3});
    const bool is_between = (address & 2) != 0;
    uint32_t all[kCount + 1];
#pragma unroll
    for (int i = 0; i < kCount; ++i) all[i] = __ldg(from + i);
    all[kCount] = is_between ? __ldg(from + kCount) : 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      words[i] = __funnelshift_r(all[i], all[i + 1], is_between ? 16 : 0);
    }
  }
}

__device__ __forceinline__ uint32_t LoadHalf(const uint8_t* at) {
  return __ldg(reinterpret_cast<const uint16_t*>(at));
}

// Levels of four elements of kBits: four bits are the low or high halves of the bytes of `halves`,
// the others are in `upper` where they belong, below each byte's first bit.
template <int kBits, bool kHigh>
__device__ __forceinline__ void ToLevels(uint32_t halves, uint32_t upper, float* level) {
  constexpr int kUp = 7 - kBits;
  const uint32_t moved = kHigh ? halves >> (4 - kUp) : halves << kUp;
  const uint32_t bytes = (moved & (0x0F0F0F0Fu << kUp)) | upper | 0x80808080u;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    level[i] = __uint_as_float(__byte_perm(bytes, 0x3F000000u, 0x7044u + (i << 8)));
  }
}

// Those of both runs.
template <int kBits>
__device__ __forceinline__ void ToRuns(const uint32_t (&halves)[2], const uint32_t (&low)[2],
                                       const uint32_t (&high)[2], Levels& levels) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    ToLevels<kBits, false>(halves[i], low[i], levels.level[0] + 4 * i);
    ToLevels<kBits, true>(halves[i], high[i], levels.level[1] + 4 * i);
  }
}

// What types have in common. kLanes: lanes whose runs are neighbours.
template <int32_t kDtype, int kLanes, int kNumberOfScales>
struct BlockType {
  static constexpr int kElements = ElementTypeOf(kDtype).block_elements;
  static constexpr int kBytes = ElementTypeOf(kDtype).block_bytes;
  static constexpr int kAlign = AlignOfBlocks(kDtype);
  static constexpr int kApart = kLanes * kRun;
  static constexpr int kScales = kNumberOfScales;

  // The lane's first column of a step.
  static __device__ __forceinline__ int Column(int lane) {
    return lane / kLanes * (2 * kApart) + lane % kLanes * kRun;
  }
  // Its number within the block.
  static __device__ __forceinline__ int Place(int lane) { return lane % (kElements / kOfLane); }
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_BLOCK_LEVELS_CUH_
