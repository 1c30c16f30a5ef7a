#include "key_scores.h"

#include <algorithm>

#include "key_lanes.cuh"
#include "launch.cuh"
#include "packed_arrays.h"

namespace longlens {
namespace {

constexpr int kScoreThreads = 128;
constexpr int kScoreWarps = kScoreThreads / 32;
// Pieces of a launch: some milliseconds of work at most.
constexpr int64_t kLaunchPieces = 1 << 14;

// KeyScoring as kernels take it.
struct ScoreCall {
  const float* q;
  const int32_t *heads, *places;
  float factor;
  DevicePages pages;
  const int32_t* list;
  float* scores;
  int64_t stride;
  int32_t start;

  __device__ const float* Query(const KeyPiece& piece, int h) const {
    return q + int64_t{heads[piece.head + h]} * pages.layout.dim;
  }
  __device__ void Write(const KeyPiece& piece, int h, int32_t number, float score) const {
    const int32_t place = piece.first + number;
    const int32_t key = piece.listed != 0 ? list[place] : place;
    scores[places[piece.head + h] * stride + (key - start)] = score;
  }
};

// A warp per piece.
template <int32_t kDtype, int kLanes, int kHeads>
__global__ void __launch_bounds__(kScoreThreads)
    ScorePieces(ScoreCall c, const KeyPiece* pieces, int32_t count) {
  using Pipeline = KeyPipeline<kDtype, kLanes, false>;
  constexpr int kHeadLanes = kLanes / kHeads;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % kLanes;
  const int32_t number = static_cast<int32_t>(blockIdx.x) * kScoreWarps + warp;
  if (number >= count) return;
  const KeyPiece piece = pieces[number];
  Pipeline keys(c.pages, piece, c.list, SharedMemory() + warp * Pipeline::kBytes);
  float q[kHeads][kLaneChannels];
  LoadQueries<kDtype, kLanes>(c, piece, lane, q);
  const int head = lane / kHeadLanes;
  const bool writes = lane % kHeadLanes == 0 && head < piece.heads;
  for (int32_t first = 0; first < piece.count; first += Pipeline::kStageKeys) {
    keys.Next();
#pragma unroll
    for (int step = 0; step < Pipeline::kSteps; ++step) {
      float k[kLaneChannels];
      keys.Keys(step, k);
      const float score = ScoreOfHead<kHeads, kLanes>(q, k, lane);
      if (writes && keys.IsThere(step)) c.Write(piece, head, keys.Number(step), score);
    }
  }
}

// The same for pages of any dim: a block per piece and head, a warp per key.
__global__ void __launch_bounds__(kScoreThreads)
    ScoreAnyPieces(ScoreCall c, const KeyPiece* pieces) {
  const KeyPiece piece = pieces[blockIdx.x];
  const int h = blockIdx.y, lane = threadIdx.x % 32;
  if (h >= piece.heads) return;
  const float* const q = c.Query(piece, h);
  for (int32_t j = threadIdx.x / 32; j < piece.count; j += kScoreWarps) {
    const int32_t key = piece.listed != 0 ? c.list[piece.first + j] : piece.first + j;
    float s = 0.0f;
    for (int32_t i = lane; i < c.pages.layout.dim; i += 32) {
      s = fmaf(q[i] * c.factor, c.pages.Element(piece.kv_head, key, Part::kKeys, i), s);
    }
    s = ReduceWarp(s, Plus());
    if (lane == 0) c.Write(piece, h, j, s);
  }
}

// Queues the scores of `count` pieces of a class.
void LaunchScores(const Call& call, const ScoreCall& c, int number, const KeyPiece* pieces,
                         int32_t count) {
  if (!HasWideRows(c.pages.layout)) {
    Launch(call, "score keys", ScoreAnyPieces, dim3(count, kClassHeads[number]), kScoreThreads, 0,
           c, pieces);
    return;
  }
  ForLanes(c.pages.layout, [&](auto dtype, auto lanes) {
    ForHeads(number, [&](auto heads) {
      constexpr size_t kShared = kScoreWarps * KeyPipeline<dtype(), lanes(), false>::kBytes;
      Launch(call, "score keys", ScorePieces<dtype(), lanes(), heads()>,
             dim3(Blocks(count, kScoreWarps)), kScoreThreads, kShared, c, pieces, count);
    });
  });
}

}  // namespace

void ScoreKeys(const Call& call, const KeyPieces& pieces, const KeyScoring& scoring) {
  PackedArrays arrays;
  const int64_t heads_at = arrays.Add(scoring.heads), places_at = arrays.Add(scoring.places);
  const int64_t list_at = arrays.Add(pieces.list());
  int64_t pieces_at[kHeadClasses];
  for (int i = 0; i < kHeadClasses; ++i) pieces_at[i] = arrays.Add(pieces.pieces(i));
  const char* const packed = arrays.CopyIn(call);
  const ScoreCall c{scoring.q,
                    ArrayAt<int32_t>(packed, heads_at),
                    ArrayAt<int32_t>(packed, places_at),
                    scoring.factor,
                    scoring.pages,
                    ArrayAt<int32_t>(packed, list_at),
                    scoring.scores,
                    scoring.stride,
                    scoring.start};
  for (int i = 0; i < kHeadClasses; ++i) {
    const int64_t count = static_cast<int64_t>(pieces.pieces(i).size());
    for (int64_t first = 0; first < count; first += kLaunchPieces) {
      const int64_t now = std::min(kLaunchPieces, count - first);
      LaunchScores(call, c, i, ArrayAt<KeyPiece>(packed, pieces_at[i]) + first,
                   static_cast<int32_t>(now));
      call.Pace();
    }
  }
}

}  // namespace longlens
