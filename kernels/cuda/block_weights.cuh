// Numbers of blocks of quantised weights. Formats: kernels/reference/blocks.ts.
//
// Each type loads a lane's bits of a block, all of them before any is decoded, and makes them
// levels (block_levels.cuh).
#ifndef LONGLENS_CUDA_BLOCK_WEIGHTS_CUH_
#define LONGLENS_CUDA_BLOCK_WEIGHTS_CUH_

#include "block_levels.cuh"
#include "widen.cuh"

namespace longlens {

// Q4_0, Q4_1, Q5_0, Q5_1: d, m where numbers are shifted, the fifth bits, the halves.
template <int32_t kDtype, int kBits, bool kIsShifted>
struct Block32 : BlockType<kDtype, 2, 1> {
  using Type = BlockType<kDtype, 2, 1>;
  static constexpr bool kShifted = kIsShifted;
  static constexpr float kBase = kIsShifted ? 1.0f : 1.5f;
  static constexpr int kFifthAt = kIsShifted ? 4 : 2;
  static constexpr int kHalvesAt = kFifthAt + (kBits == 5 ? 4 : 0);
  static constexpr int kAlignOfFifth = CommonAlign(Type::kAlign, kFifthAt);
  static constexpr int kAlignOfHalves = CommonAlign(Type::kAlign, kHalvesAt | 8);

  struct Bits {
    uint32_t head[1], fifth[1], halves[2];
  };

  static __device__ __forceinline__ Bits Load(const uint8_t* block, int place) {
    Bits bits;
    if constexpr (kIsShifted) {
      LoadWords<4>(block, bits.head);
    } else {
      bits.head[0] = LoadHalf(block);
    }
    bits.fifth[0] = 0;
    if constexpr (kBits == 5) {
      LoadWords<kAlignOfFifth>(block + kFifthAt, bits.fifth);
    }
    LoadWords<kAlignOfHalves>(block + kHalvesAt + 8 * place, bits.halves);
    return bits;
  }

  static __device__ __forceinline__ Levels Decode(const Bits& bits, int place) {
    Levels levels;
    uint32_t low[2] = {}, high[2] = {};
    if constexpr (kBits == 5) {
      const uint32_t mine = bits.fifth[0] >> (8 * place);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        low[i] = Spread(mine >> (4 * i));
        high[i] = Spread(mine >> (16 + 4 * i));
      }
    }
    ToRuns<kBits>(bits.halves, low, high, levels);
    levels.scale[0] = levels.scale[1] = static_cast<float>(1 << kBits) * LowF16(bits.head[0]);
    levels.shift[0] = levels.shift[1] = kIsShifted ? HighF16(bits.head[0]) : 0.0f;
    return levels;
  }

 private:
  // Four bits to the places of fifth bits of four elements.
  static __device__ __forceinline__ uint32_t Spread(uint32_t bits) {
    return ((bits & 15u) * 0x08102040u) & 0x40404040u;
  }
};

struct Q8_0 : BlockType<LL_Q8_0, 1, 1> {
  static constexpr bool kShifted = false;
  static constexpr float kBase = 0;

  struct Bits {
    uint32_t head, bytes[4];
  };

  static __device__ __forceinline__ Bits Load(const uint8_t* block, int place) {
    Bits bits;
    bits.head = LoadHalf(block);
    LoadWords<2>(block + 2 + kOfLane * place, bits.bytes);
    return bits;
  }

  static __device__ __forceinline__ Levels Decode(const Bits& bits, int) {
    Levels levels;
#pragma unroll
    for (int i = 0; i < 4; ++i) WidenInt8(bits.bytes[i], levels.level[i / 2] + i % 2 * 4);
    levels.scale[0] = levels.scale[1] = LowF16(bits.head);
    levels.shift[0] = levels.shift[1] = 0;
    return levels;
  }
};

// Q4_K, Q5_K: d, dmin, 12 bytes of scales and mins of 6 bits, the fifth bits, the halves. The runs
// of a lane belong to groups 2 p and 2 p + 1 of 32 elements.
template <int32_t kDtype, int kBits>
struct BlockK : BlockType<kDtype, 4, 2> {
  static constexpr bool kShifted = true;
  static constexpr float kBase = 1;
  static constexpr int kHeadBytes = 16;
  static constexpr int kHalvesAt = kHeadBytes + (kBits == 5 ? 32 : 0);

  struct Bits {
    uint4 head;
    uint32_t fifth[2], halves[2];
  };

  static __device__ __forceinline__ Bits Load(const uint8_t* block, int place) {
    Bits bits;
    bits.head = __ldg(reinterpret_cast<const uint4*>(block));
    bits.fifth[0] = bits.fifth[1] = 0;
    if constexpr (kBits == 5) LoadWords<8>(block + kHeadBytes + 8 * (place % 4), bits.fifth);
    LoadWords<8>(block + kHalvesAt + 8 * place, bits.halves);
    return bits;
  }

  static __device__ __forceinline__ Levels Decode(const Bits& bits, int place) {
    Levels levels;
    uint32_t low[2] = {}, high[2] = {};
    const int p = place / 4;
    if constexpr (kBits == 5) {
      // From bit 2 p, respectively 2 p + 1, of each byte to bit 6.
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        low[i] = __funnelshift_l(bits.fifth[i], bits.fifth[i], 6 - 2 * p) & 0x40404040u;
        high[i] = __funnelshift_l(bits.fifth[i], bits.fifth[i], 5 - 2 * p) & 0x40404040u;
      }
    }
    ToRuns<kBits>(bits.halves, low, high, levels);
    SetScales(bits.head, p, levels);
    return levels;
  }

 private:
  // Bytes of the last four groups lie in halves: four bits in the third word, two above the first
  // four groups' scale, respectively min.
  static __device__ __forceinline__ void SetScales(const uint4& head, int p, Levels& levels) {
    const int by = p % 2 * 16;
    const uint32_t first = head.y >> by, second = head.z >> by, third = head.w >> by;
    const bool is_late = p >= 2;
    const uint32_t scales = is_late ? (third & 0x0F0Fu) | (first >> 2 & 0x3030u) : first & 0x3F3Fu;
    const uint32_t mins =
        is_late ? (third >> 4 & 0x0F0Fu) | (second >> 2 & 0x3030u) : second & 0x3F3Fu;
    const float d = static_cast<float>(1 << kBits) * LowF16(head.x), dmin = -HighF16(head.x);
    levels.scale[0] = d * static_cast<float>(scales & 0xFFu);
    levels.scale[1] = d * static_cast<float>(scales >> 8);
    levels.shift[0] = dmin * static_cast<float>(mins & 0xFFu);
    levels.shift[1] = dmin * static_cast<float>(mins >> 8);
  }
};

// Halves of 128 elements, twice; two upper bits of 128 elements, twice; 16 scales; d.
struct Q6_K : BlockType<LL_Q6_K, 8, 2> {
  static constexpr bool kShifted = false;
  static constexpr float kBase = 1.5f;
  static constexpr int kUpperAt = 128, kScalesAt = 192, kFactorAt = 208;

  struct Bits {
    uint32_t halves[2], upper[2];
    int32_t scale[2];
    uint32_t factor;
  };

  static __device__ __forceinline__ Bits Load(const uint8_t* block, int place) {
    Bits bits;
    const int part = place / 8, eight = place % 8;
    LoadWords<2>(block + 8 * place, bits.halves);
    LoadWords<2>(block + kUpperAt + 32 * part + 8 * (eight % 4), bits.upper);
    const int8_t* const scales =
        reinterpret_cast<const int8_t*>(block + kScalesAt + 8 * part + eight / 2);
    bits.scale[0] = __ldg(scales);
    bits.scale[1] = __ldg(scales + 4);
    bits.factor = LoadHalf(block + kFactorAt);
    return bits;
  }

  static __device__ __forceinline__ Levels Decode(const Bits& bits, int place) {
    Levels levels;
    uint32_t low[2], high[2];
    const int by = place % 8 / 4 * 2;  // where the low run's bits begin; the high run's 4 above
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      low[i] = __funnelshift_l(bits.upper[i], bits.upper[i], 5 - by) & 0x60606060u;
      high[i] = __funnelshift_l(bits.upper[i], bits.upper[i], 1 - by) & 0x60606060u;
    }
    ToRuns<6>(bits.halves, low, high, levels);
    const float d = 64.0f * LowF16(bits.factor);
#pragma unroll
    for (int run = 0; run < 2; ++run) {
      levels.scale[run] = d * static_cast<float>(bits.scale[run]);
      levels.shift[run] = 0;
    }
    return levels;
  }
};

// The numbers that levels stand for.
template <class T>
__device__ __forceinline__ void ToNumbers(const Levels& levels, float (&x)[2][kRun]) {
#pragma unroll
  for (int run = 0; run < 2; ++run) {
#pragma unroll
    for (int i = 0; i < kRun; ++i) {
      const float level = levels.level[run][i] - T::kBase;
      // A shift by 0 would lose the sign of 0.
      x[run][i] = T::kShifted ? fmaf(levels.scale[run], level, levels.shift[run])
                              : levels.scale[run] * level;
    }
  }
}

// Those of a lane whose first column this is.
template <class T>
__device__ __forceinline__ void LoadNumbers(const uint8_t* row, int64_t column,
                                            float (&x)[2][kRun]) {
  const int place = T::Place(threadIdx.x % 32);
  ToNumbers<T>(T::Decode(T::Load(row + column / T::kElements * T::kBytes, place), place), x);
}

// Calls body(T()) with the type of dtype, which is one of blocks.
template <class Body>
void ForBlockType(int32_t dtype, const Body& body) {
  switch (dtype) {
    case LL_Q4_0:
      return body(Block32<LL_Q4_0, 4, false>());
    case LL_Q4_1:
      return body(Block32<LL_Q4_1, 4, true>());
    case LL_Q5_0:
      return body(Block32<LL_Q5_0, 5, false>());
    case LL_Q5_1:
      return body(Block32<LL_Q5_1, 5, true>());
    case LL_Q8_0:
      return body(Q8_0());
    case LL_Q4_K:
      return body(BlockK<LL_Q4_K, 4>());
    case LL_Q5_K:
      return body(BlockK<LL_Q5_K, 5>());
    default:
      return body(Q6_K());
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_BLOCK_WEIGHTS_CUH_
