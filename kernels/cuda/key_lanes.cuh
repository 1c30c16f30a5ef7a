// How the lanes of a warp share keys and values: kLanes of them hold a row, 8 channels each, so
// that a warp reads 32 / kLanes rows in one step. Pages whose rows are multiples of 16 bytes and
// hold at most 256 channels; channels from dim on are zeros.
//
// Steps are copied to shared memory ahead of their use, several stages of kSteps steps at a time,
// which keeps the bytes under way that the memory's latency asks for without registers. Each warp
// has stages of its own, so that no warp waits for another.
#ifndef LONGLENS_CUDA_KEY_LANES_CUH_
#define LONGLENS_CUDA_KEY_LANES_CUH_

#include <type_traits>

#include "key_pieces.h"
#include "pages.cuh"
#include "softmax.cuh"
#include "widen.cuh"

namespace longlens {

constexpr int kLaneChannels = 8;
constexpr int32_t kMostLaneDim = 32 * kLaneChannels;

// Whether the kernels of this file can read the pages.
__host__ __device__ inline bool HasWideRows(const PageLayout& layout) {
  return layout.dim <= kMostLaneDim && layout.dim * layout.ElementBytes() % 16 == 0;
}

// Channels of lane `lane` of a row: channel i of 8. f32 ones are two chunks of 4, kLanes chunks
// apart, so that each copy of a row's lanes reads consecutive bytes.
template <int32_t kDtype, int kLanes>
__device__ __forceinline__ int32_t ChannelOf(int lane, int i) {
  if (kDtype == LL_F32) return 4 * (lane + i / 4 * kLanes) + i % 4;
  return kLaneChannels * lane + i;
}

// Sum over the kLanes lanes of a row of s[h]; lane l gets that of head l / (kLanes / kHeads). Each
// step halves the heads that a lane still holds.
template <int kHeads, int kLanes>
__device__ __forceinline__ float SumOfHead(float (&s)[kHeads], int lane) {
  int bit = kLanes / 2;
#pragma unroll
  for (int heads = kHeads / 2; heads >= 1; heads /= 2, bit /= 2) {
    const bool upper = (lane & bit) != 0;
#pragma unroll
    for (int h = 0; h < heads; ++h) {
      const float give = upper ? s[h] : s[h + heads];
      s[h] = (upper ? s[h + heads] : s[h]) + __shfl_xor_sync(kWholeWarp, give, bit);
    }
  }
#pragma unroll
  for (; bit >= 1; bit /= 2) s[0] += __shfl_xor_sync(kWholeWarp, s[0], bit);
  return s[0];
}

// The lane's channels of a piece's queries times the call's factor; zeros where there are none.
template <int32_t kDtype, int kLanes, class KeyCall, int kHeads>
__device__ __forceinline__ void LoadQueries(const KeyCall& c, const KeyPiece& piece, int lane,
                                            float (&q)[kHeads][kLaneChannels]) {
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      const int32_t channel = ChannelOf<kDtype, kLanes>(lane, i);
      const bool is_there = h < piece.heads && channel < c.pages.layout.dim;
      q[h][i] = is_there ? c.Query(piece, h)[channel] * c.factor : 0.0f;
    }
  }
}

// q . k of the head that SumOfHead gives the lane.
template <int kHeads, int kLanes>
__device__ __forceinline__ float ScoreOfHead(const float (&q)[kHeads][kLaneChannels],
                                             const float (&k)[kLaneChannels], int lane) {
  float s[kHeads];
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
    s[h] = 0.0f;
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) s[h] = fmaf(q[h][i], k[i], s[h]);
  }
  return SumOfHead<kHeads, kLanes>(s, lane);
}

// Where the first chunk of 16 bytes of a lane lies in K, the same for all layouts of pages:
// swizzled rows are 128 bytes, of slices one after the other.
template <int32_t kDtype>
struct LaneRows {
  int32_t first_channel, dim;
  int32_t slice, chunk, row_bytes, swizzle;
  int32_t part;  // bytes of K

  __device__ __forceinline__ LaneRows(const PageLayout& layout, int lane)
      : first_channel((kDtype == LL_F32 ? 4 : kLaneChannels) * lane), dim(layout.dim) {
    const bool is_swizzled = kDtype == LL_BF16 && layout.is_swizzled();
    const int32_t number = kDtype == LL_INT8 ? lane / 2 : lane;  // of the chunk in its row
    slice = is_swizzled ? number / 8 * static_cast<int32_t>(PageLayout::kSliceBytes) : 0;
    chunk = is_swizzled ? number % 8 : number;
    row_bytes = static_cast<int32_t>(is_swizzled ? 128 : layout.dim * layout.ElementBytes());
    swizzle = is_swizzled ? 7 : 0;
    part = static_cast<int32_t>(layout.PartBytes());
  }
  __device__ __forceinline__ int32_t ChunkAt(int32_t slot) const {
    return slice + slot * row_bytes + 16 * (chunk ^ (slot & swizzle));
  }
  // Whether a row has the lane's first channel, or one behind it.
  __device__ __forceinline__ bool HasChannel(int32_t behind) const {
    return first_channel + behind < dim;
  }
};

// The keys of a piece, and their values where kValues.
template <int32_t kDtype, int kLanes, bool kValues>
class KeyPipeline {
 public:
  static constexpr int kSteps = 4;
  static constexpr int kStepKeys = 32 / kLanes;
  static constexpr int kStageKeys = kSteps * kStepKeys;
  static constexpr int kElementBytes = kDtype == LL_F32 ? 4 : kDtype == LL_BF16 ? 2 : 1;
  static constexpr int kStages = kDtype == LL_F32 ? 3 : 4;
  static constexpr int kStepBytes = 32 * kLaneChannels * kElementBytes;
  static constexpr int kPartBytes = kSteps * kStepBytes;
  static constexpr int kStageBytes = (kValues ? 2 : 1) * kPartBytes;
  // Shared memory of a warp.
  static constexpr int kBytes = kStages * kStageBytes;

  __device__ KeyPipeline(const DevicePages& pages, const KeyPiece& piece, const int32_t* list,
                         char* shared)
      : pages_(pages),
        piece_(piece),
        list_(list),
        shared_(shared),
        lane_(threadIdx.x % kLanes),
        rows_(pages.layout, lane_) {
    for (int stage = 0; stage < kStages - 1; ++stage) Copy(stage);
  }

  // Goes on to the next stage; the first call begins with the first.
  __device__ __forceinline__ void Next() {
    __syncwarp();  // all lanes have read the stage before, which is filled again
    ++now_;
    Copy(now_ + kStages - 1);
    CpAsyncWait<kStages - 1>();
    __syncwarp();
  }
  // Number in the piece of this lane's key of a step, and whether the piece has it.
  __device__ __forceinline__ int32_t Number(int step) const { return NumberIn(now_, step); }
  __device__ __forceinline__ bool IsThere(int step) const { return Number(step) < piece_.count; }

  __device__ __forceinline__ void Keys(int step, float (&x)[kLaneChannels]) {
    Read(step, 0, x);
    if (kDtype != LL_INT8) return;
    TakeScales(pages_.Page(piece_.kv_head, KeyOf(now_, step) / LL_PAGE_TOKENS));
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) x[i] *= scales_[i];
  }
  // Without the values' scales.
  __device__ __forceinline__ void Values(int step, float (&x)[kLaneChannels]) const {
    Read(step, kPartBytes, x);
  }
  // What the value of this lane's key is to be multiplied by.
  __device__ __forceinline__ float ValueScale(int step) const {
    if (kDtype != LL_INT8) return 1.0f;
    const int32_t key = KeyOf(now_, step);
    const char* const page = pages_.Page(piece_.kv_head, key / LL_PAGE_TOKENS);
    const int64_t at = pages_.layout.ValueExponentsAt() + key % LL_PAGE_TOKENS;
    return ScaleOfExponent(static_cast<uint8_t>(page[at]));
  }

 private:
  __device__ __forceinline__ int32_t NumberIn(int stage, int step) const {
    return stage * kStageKeys + step * kStepKeys + static_cast<int>(threadIdx.x % 32) / kLanes;
  }
  // The key itself; behind the end the piece's first one, which does no harm.
  __device__ __forceinline__ int32_t KeyOf(int stage, int step) const {
    const int32_t number = NumberIn(stage, step);
    const int32_t place = piece_.first + (number < piece_.count ? number : 0);
    return piece_.listed != 0 ? list_[place] : place;
  }
  __device__ __forceinline__ char* StageAt(int stage) const {
    return shared_ + stage % kStages * kStageBytes;
  }

  __device__ __forceinline__ void Copy(int stage) const {
    if (stage * kStageKeys < piece_.count) {
      const char* page[kSteps];
      int32_t slot[kSteps];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        const int32_t key = KeyOf(stage, step);
        page[step] = pages_.Page(piece_.kv_head, key / LL_PAGE_TOKENS);
        slot[step] = key % LL_PAGE_TOKENS;
      }
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        char* const target = StageAt(stage) + step * kStepBytes;
        CopyRow(page[step], slot[step], NumberIn(stage, step) < piece_.count, target);
      }
    }
    CpAsyncCommit();  // an empty group, too, as waits count groups
  }

  // This lane's part of a row; zeros where it is not there.
  __device__ __forceinline__ void CopyRow(const char* page, int32_t slot, bool is_there,
                                          char* target) const {
    const int lane = threadIdx.x % 32;
    const char* const source = page + rows_.ChunkAt(slot);
    if (kDtype == LL_F32) {
      CopyChunk(source, is_there && rows_.HasChannel(0), target + 16 * lane);
      CopyChunk(source + 16 * kLanes, is_there && rows_.HasChannel(4 * kLanes),
                target + 512 + 16 * lane);
    } else if (kDtype == LL_BF16) {
      CopyChunk(source, is_there && rows_.HasChannel(0), target + 16 * lane);
    } else if (lane_ % 2 == 0) {
      CopyChunk(source, is_there && rows_.HasChannel(0), target + 8 * lane);
    }
  }

  __device__ __forceinline__ void CopyChunk(const char* source, bool is_valid, char* target) const {
    CpAsync16(SharedAddress(target), source, is_valid);
    if (kValues) CpAsync16(SharedAddress(target + kPartBytes), source + rows_.part, is_valid);
  }

  // The scales of this lane's channels of the keys of a page of LL_INT8, kept for its next key.
  __device__ __forceinline__ void TakeScales(const char* page) {
    if (page == scales_page_ || !rows_.HasChannel(0)) return;
    scales_page_ = page;
    const char* const at = page + pages_.layout.KeyExponentsAt() + rows_.first_channel;
    const uint2 exponents = *reinterpret_cast<const uint2*>(at);
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) {
      const uint32_t four = i < 4 ? exponents.x : exponents.y;
      scales_[i] = ScaleOfExponent(four >> 8 * (i % 4) & 0xFFu);
    }
  }

  __device__ __forceinline__ void Read(int step, int part, float (&x)[kLaneChannels]) const {
    const char* const at = StageAt(now_) + part + step * kStepBytes;
    const int lane = threadIdx.x % 32;
    if (kDtype == LL_F32) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const float4 four = *reinterpret_cast<const float4*>(at + 512 * j + 16 * lane);
        x[4 * j] = four.x, x[4 * j + 1] = four.y, x[4 * j + 2] = four.z, x[4 * j + 3] = four.w;
      }
    } else if (kDtype == LL_BF16) {
      WidenBf16s(*reinterpret_cast<const uint4*>(at + 16 * lane), x);
    } else {
      const uint2 eight = *reinterpret_cast<const uint2*>(at + 8 * lane);
      WidenInt8(eight.x, x);
      WidenInt8(eight.y, x + 4);
    }
  }

  const DevicePages& pages_;
  const KeyPiece& piece_;
  const int32_t* list_;
  char* shared_;
  int lane_;  // of the row
  LaneRows<kDtype> rows_;
  int now_ = -1;  // stage
  const char* scales_page_ = nullptr;
  float scales_[kLaneChannels] = {};
};

// Calls launch(std::integral_constant dtype, lanes) for the pages' kernels.
template <class Launch>
void ForLanes(const PageLayout& layout, const Launch& launch) {
  const auto with_lanes = [&](auto dtype) {
    if (layout.dim <= 64) return launch(dtype, std::integral_constant<int, 8>());
    if (layout.dim <= 128) return launch(dtype, std::integral_constant<int, 16>());
    launch(dtype, std::integral_constant<int, 32>());
  };
  if (layout.dtype == LL_F32) return with_lanes(std::integral_constant<int32_t, LL_F32>());
  if (layout.dtype == LL_BF16) return with_lanes(std::integral_constant<int32_t, LL_BF16>());
  with_lanes(std::integral_constant<int32_t, LL_INT8>());
}

// Calls launch(std::integral_constant heads) for a class of pieces.
template <class Launch>
void ForHeads(int number, const Launch& launch) {
  if (number == 0) launch(std::integral_constant<int, kClassHeads[0]>());
  if (number == 1) launch(std::integral_constant<int, kClassHeads[1]>());
  if (number == 2) launch(std::integral_constant<int, kClassHeads[2]>());
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_KEY_LANES_CUH_
