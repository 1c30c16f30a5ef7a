// Attention of a few query rows over pieces of key sets, and the joining of the pieces' results.
//
//   of a piece and head: m = max_j s_j,  l = sum_j 2^(s_j - m),  o[i] = sum_j 2^(s_j - m) v[j][i]
//   of a row and head:   out[i] = sum_x 2^(m_x - m) o_x[i] / l,  l = sum_x 2^(m_x - m) l_x
// with s_j = scale log2(e) q . k_j and the pieces x of the head in their order.
#ifndef LONGLENS_CUDA_KEY_ATTENTION_CUH_
#define LONGLENS_CUDA_KEY_ATTENTION_CUH_

#include "key_lanes.cuh"
#include "softmax.cuh"

namespace longlens {

constexpr int kPieceThreads = 128;
constexpr int kPieceWarps = kPieceThreads / 32;

// Results of the pieces: out [slots][dim], maximum (base 2) and sum [slots].
struct PieceResults {
  float *out, *maximum, *sum;
};

struct PieceCall {
  const float* q;  // [rows][heads][dim]
  int32_t heads;
  float factor;  // scale log2(e)
  DevicePages pages;
  const int32_t* list;
  PieceResults results;

  __device__ const float* Query(const KeyPiece& piece, int h) const {
    return q + (int64_t{piece.row} * heads + piece.head + h) * pages.layout.dim;
  }
};

// A warp per piece.
template <int32_t kDtype, int kLanes, int kHeads>
__global__ void __launch_bounds__(kPieceThreads)
    AttendPieces(PieceCall c, const KeyPiece* pieces, int32_t count) {
  using Pipeline = KeyPipeline<kDtype, kLanes, true>;
  constexpr int kHeadLanes = kLanes / kHeads;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % kLanes;
  const int32_t number = static_cast<int32_t>(blockIdx.x) * kPieceWarps + warp;
  if (number >= count) return;
  const KeyPiece piece = pieces[number];
  const int32_t dim = c.pages.layout.dim;
  Pipeline keys(c.pages, piece, c.list, SharedMemory() + warp * Pipeline::kBytes);

  float q[kHeads][kLaneChannels], out[kHeads][kLaneChannels];
  LoadQueries<kDtype, kLanes>(c, piece, lane, q);
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; ++i) out[h][i] = 0.0f;
  }

  RunningSoftmax softmax;  // of head lane / kHeadLanes
  for (int32_t first = 0; first < piece.count; first += Pipeline::kStageKeys) {
    keys.Next();
    float scores[Pipeline::kSteps];
    float top = softmax.maximum;
#pragma unroll
    for (int step = 0; step < Pipeline::kSteps; ++step) {
      float k[kLaneChannels];
      keys.Keys(step, k);
      const float score = ScoreOfHead<kHeads, kLanes>(q, k, lane);
      scores[step] = keys.IsThere(step) ? score : -INFINITY;
      top = scores[step] > top ? scores[step] : top;
    }
#pragma unroll
    for (int bit = kLanes; bit < 32; bit *= 2) {
      top = fmaxf(top, __shfl_xor_sync(kWholeWarp, top, bit));
    }
    if (__any_sync(kWholeWarp, top > softmax.maximum)) {
      const float keep = softmax.Raise(top);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float of_head = __shfl_sync(kWholeWarp, keep, h * kHeadLanes, kLanes);
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) out[h][i] *= of_head;
      }
    }
#pragma unroll
    for (int step = 0; step < Pipeline::kSteps; ++step) {
      const float prob = Exp2(scores[step] - softmax.Base());
      softmax.sum += prob;
      const float weight = prob * keys.ValueScale(step);
      float v[kLaneChannels];
      keys.Values(step, v);
#pragma unroll
      for (int h = 0; h < kHeads; ++h) {
        const float of_head = __shfl_sync(kWholeWarp, weight, h * kHeadLanes, kLanes);
#pragma unroll
        for (int i = 0; i < kLaneChannels; ++i) out[h][i] = fmaf(of_head, v[i], out[h][i]);
      }
    }
  }

#pragma unroll
  for (int bit = kLanes; bit < 32; bit *= 2) {
    softmax.sum += __shfl_xor_sync(kWholeWarp, softmax.sum, bit);
#pragma unroll
    for (int h = 0; h < kHeads; ++h) {
#pragma unroll
      for (int i = 0; i < kLaneChannels; ++i) {
        out[h][i] += __shfl_xor_sync(kWholeWarp, out[h][i], bit);
      }
    }
  }
  if (threadIdx.x % 32 >= kLanes) return;
#pragma unroll
  for (int h = 0; h < kHeads; ++h) {
#pragma unroll
    for (int i = 0; i < kLaneChannels; i += 4) {
      const int32_t channel = ChannelOf<kDtype, kLanes>(lane, i);
      if (h >= piece.heads || channel >= dim) continue;
      float* const target = c.results.out + (piece.slot + h) * dim + channel;
      *reinterpret_cast<float4*>(target) =
          make_float4(out[h][i], out[h][i + 1], out[h][i + 2], out[h][i + 3]);
    }
  }
  const int head = lane / kHeadLanes;
  if (lane % kHeadLanes == 0 && head < piece.heads) {
    c.results.maximum[piece.slot + head] = softmax.maximum;
    c.results.sum[piece.slot + head] = softmax.sum;
  }
}

// Keys that AttendAnyPieces scores before it weighs their values.
constexpr int kAnyKeys = 64;

// The same for pages of any dim. A block per piece and head; [dim] floats of shared memory, then
// [kAnyKeys].
__global__ void __launch_bounds__(kPieceThreads)
    AttendAnyPieces(PieceCall c, const KeyPiece* pieces) {
  const KeyPiece piece = pieces[blockIdx.x];
  const int h = blockIdx.y, warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (h >= piece.heads) return;
  const int32_t dim = c.pages.layout.dim;
  float* const out = reinterpret_cast<float*>(SharedMemory());
  float* const scores = out + dim;
  const float* const q = c.Query(piece, h);
  for (int32_t i = threadIdx.x; i < dim; i += kPieceThreads) out[i] = 0.0f;

  const auto key_of = [&](int32_t j) {
    return piece.listed != 0 ? c.list[piece.first + j] : piece.first + j;
  };
  RunningSoftmax softmax;
  for (int32_t first = 0; first < piece.count; first += kAnyKeys) {
    const int32_t keys = min(kAnyKeys, piece.count - first);
    for (int32_t j = warp; j < keys; j += kPieceWarps) {
      float s = 0.0f;
      for (int32_t i = lane; i < dim; i += 32) {
        s += q[i] * c.factor * c.pages.Element(piece.kv_head, key_of(first + j), Part::kKeys, i);
      }
      s = ReduceWarp(s, Plus());
      if (lane == 0) scores[j] = s;
    }
    __syncthreads();
    float top = softmax.maximum;
    for (int32_t j = 0; j < keys; ++j) top = scores[j] > top ? scores[j] : top;
    const float keep = softmax.Raise(top), base = softmax.Base();
    for (int32_t j = 0; j < keys; ++j) softmax.sum += Exp2(scores[j] - base);
    for (int32_t i = threadIdx.x; i < dim; i += kPieceThreads) {
      float sum = out[i] * keep;
      for (int32_t j = 0; j < keys; ++j) {
        sum += Exp2(scores[j] - base) *
               c.pages.Element(piece.kv_head, key_of(first + j), Part::kValues, i);
      }
      out[i] = sum;
    }
    __syncthreads();
  }
  for (int32_t i = threadIdx.x; i < dim; i += kPieceThreads) {
    c.results.out[(piece.slot + h) * dim + i] = out[i];
  }
  if (threadIdx.x == 0) {
    c.results.maximum[piece.slot + h] = softmax.maximum;
    c.results.sum[piece.slot + h] = softmax.sum;
  }
}

constexpr int kJoinThreads = 1024;
constexpr int kJoinWarps = kJoinThreads / 32;
constexpr int kJoinChannels = 128;

// Slots of row and head x: slots[slot_ptr[x] .. slot_ptr[x + 1] - 1].
struct SlotLists {
  const int32_t *slot_ptr, *slots;
};

// A block per row and head. Warp w adds up the slots w, w + kJoinWarps, .. of the list, and the
// warps' sums are added in their order.
__global__ void __launch_bounds__(kJoinThreads)
    JoinPieces(PieceResults results, SlotLists lists, int32_t dim, float* out, float* lse) {
  float* const shared = reinterpret_cast<float*>(SharedMemory());  // [kJoinWarps][kJoinChannels]
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t x = blockIdx.x;
  const int32_t first = lists.slot_ptr[x], end = lists.slot_ptr[x + 1];

  float maximum = -INFINITY;
  for (int32_t s = first + threadIdx.x; s < end; s += kJoinThreads) {
    maximum = fmaxf(maximum, results.maximum[lists.slots[s]]);
  }
  maximum = ReduceWarp(maximum, Larger());
  if (lane == 0) shared[warp] = maximum;
  __syncthreads();
  for (int w = 0; w < kJoinWarps; ++w) maximum = fmaxf(maximum, shared[w]);
  __syncthreads();
  const float base = maximum == -INFINITY ? 0.0f : maximum;

  float sum = 0.0f;
  for (int32_t s = first + warp; s < end; s += kJoinWarps) {
    const int32_t slot = lists.slots[s];
    sum += Exp2(results.maximum[slot] - base) * results.sum[slot];
  }
  if (lane == 0) shared[warp] = sum;
  __syncthreads();
  sum = 0.0f;
  for (int w = 0; w < kJoinWarps; ++w) sum += shared[w];
  const float inverse = sum == 0.0f ? 0.0f : 1.0f / sum;

  for (int32_t start = 0; start < dim; start += kJoinChannels) {
    float some[kJoinChannels / 32] = {};
#pragma unroll 4
    for (int32_t s = first + warp; s < end; s += kJoinWarps) {
      const int32_t slot = lists.slots[s];
      const float weight = Exp2(results.maximum[slot] - base);
      const float* const row = results.out + int64_t{slot} * dim + start;
#pragma unroll
      for (int i = 0; i < kJoinChannels / 32; ++i) {
        const int32_t channel = lane + 32 * i;
        if (start + channel < dim) some[i] = fmaf(weight, row[channel], some[i]);
      }
    }
    __syncthreads();  // what lies in shared memory has been read
#pragma unroll
    for (int i = 0; i < kJoinChannels / 32; ++i) {
      shared[warp * kJoinChannels + lane + 32 * i] = some[i];
    }
    __syncthreads();
    const int32_t channel = threadIdx.x;
    if (channel < kJoinChannels && start + channel < dim) {
      float whole = 0.0f;
      for (int w = 0; w < kJoinWarps; ++w) whole += shared[w * kJoinChannels + channel];
      out[x * dim + start + channel] = whole * inverse;
    }
  }
  if (threadIdx.x == 0) {
    lse[x] = sum == 0.0f ? -INFINITY : (maximum + log2f(sum)) * static_cast<float>(kLn2);
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_KEY_ATTENTION_CUH_
