// Tile attention with mma.sync, as in FlashAttention-2: a block of threads works on one unit, four
// warps on each of its row blocks, 16 rows each. All share the keys and values of a step, which are
// copied to shared memory while the step before is worked on.
#include "attend_tiles.h"
#include "launch.cuh"
#include "ptx.cuh"
#include "tile_softmax.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;

template <int kDim>
struct Shape {
  static constexpr int kKeys = kDim <= 128 ? 64 : 32;
  static constexpr int kSlices = kDim / 64;
  static constexpr int kQueryBytes = kUnitRows * kDim * 2;  // of a row block
  static constexpr int kPartBytes = kKeys * kDim * 2;       // keys or values of a step
  static constexpr int kStages = 2;
  static constexpr int kBytes = 2 * kQueryBytes + kStages * 2 * kPartBytes;
};

// Address of chunk `chunk` (8 channels) of row `row` of swizzled slices of kRows rows.
template <int kRows>
__device__ __forceinline__ uint32_t ChunkAt(uint32_t base, int row, int chunk) {
  return base + chunk / 8 * (kRows * 128) + row * 128 + (chunk % 8 ^ row % 8) * 16;
}

// Copies the keys and values of steps. A thread copies the same place of some groups.
template <int kDim>
class StepLoader {
 public:
  __device__ StepLoader(const TileWork& work, const TileUnit& unit, const TileList& list)
      : work_(work),
        unit_(unit),
        order_(list),
        list_(list),
        first_(work.segments + list.both.segments),
        second_(work.segments + list.only[1].segments) {}

  // Queues the copies of step i; steps come in order.
  __device__ void Load(int32_t i, uint32_t stage) {
    const auto step = order_.At(i);
    if (step.list == 2) {
      Copy(&second_, stage);
    } else {
      if (step.list == 1 && step.index == 0) {
        first_ = GroupCursor(work_.segments + list_.only[0].segments);
      }
      Copy(&first_, stage);
    }
  }

 private:
  using S = Shape<kDim>;
  static constexpr int32_t kRowsAtOnce = kThreads / 8;
  static constexpr int32_t kGroupsAtOnce = kRowsAtOnce / kGroupKeys;

  __device__ void Copy(GroupCursor* cursor, uint32_t stage) {
    const int32_t mine = threadIdx.x / 8 / kGroupKeys;
    cursor->Skip(mine);
#pragma unroll
    for (int32_t row = 0; row < S::kKeys; row += kRowsAtOnce) {
      CopyRow(GroupSource(work_, unit_, {cursor->Group(), 1}), row + threadIdx.x / 8, stage);
      const bool is_last = row + kRowsAtOnce >= S::kKeys;
      cursor->Skip(is_last ? kGroupsAtOnce - mine : kGroupsAtOnce);
    }
  }

  __device__ void CopyRow(const GroupSource& source, int32_t row, uint32_t stage) {
    const int32_t place = threadIdx.x % 64 * 16;  // in the group
    const uint32_t target = stage + row / kGroupKeys * (kGroupKeys * 128) + place;
#pragma unroll
    for (int slice = 0; slice < S::kSlices; ++slice) {
      const char* const from = source.keys + slice * source.slice_bytes + place;
      CpAsync16(target + slice * (S::kKeys * 128), from);
      CpAsync16(target + slice * (S::kKeys * 128) + S::kPartBytes, from + source.values);
    }
  }

  const TileWork& work_;
  const TileUnit& unit_;
  StepOrder<S::kKeys> order_;
  const TileList& list_;
  GroupCursor first_, second_;
};

// Queries of a warp's 16 rows: in registers where there is room.
template <int kDim>
class WarpQueries {
 public:
  __device__ WarpQueries(uint32_t shared, int first_row) {
    const int lane = threadIdx.x % 32;
    row_ = first_row + lane % 16;
    chunk_ = lane / 16;
    shared_ = shared;
    if constexpr (kKept) {
#pragma unroll
      for (int k = 0; k < kDim / 16; ++k) Read(k, kept_[k]);
    }
  }
  __device__ void Get(int k, uint32_t (&a)[4]) const {
    if constexpr (kKept) {
#pragma unroll
      for (int i = 0; i < 4; ++i) a[i] = kept_[k][i];
    } else {
      Read(k, a);
    }
  }

 private:
  static constexpr bool kKept = kDim <= 128;

  __device__ void Read(int k, uint32_t (&a)[4]) const {
    LoadMatrices(a, ChunkAt<kUnitRows>(shared_, row_, 2 * k + chunk_));
  }

  uint32_t shared_, kept_[kKept ? kDim / 16 : 1][4];
  int row_, chunk_;
};

// s[16][keys] = q k^T
template <int kDim>
__device__ __forceinline__ void Scores(const WarpQueries<kDim>& queries, uint32_t keys,
                                       float (&s)[Shape<kDim>::kKeys / 2]) {
  constexpr int kKeys = Shape<kDim>::kKeys;
  const int matrix = threadIdx.x % 32 / 8, row = threadIdx.x % 8;
  float (&tiles)[kKeys / 8][4] = reinterpret_cast<float (&)[kKeys / 8][4]>(s);
#pragma unroll
  for (float& x : s) x = 0;
#pragma unroll
  for (int k = 0; k < kDim / 16; ++k) {
    uint32_t a[4];
    queries.Get(k, a);
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n) {
      uint32_t b[4];
      LoadMatrices(b, ChunkAt<kKeys>(keys, 16 * n + matrix / 2 * 8 + row, 2 * k + matrix % 2));
      MultiplyBf16(tiles[2 * n], a, b[0], b[1]);
      MultiplyBf16(tiles[2 * n + 1], a, b[2], b[3]);
    }
  }
}

// o[16][dim] += p v
template <int kDim>
__device__ __forceinline__ void Values(const float (&p)[Shape<kDim>::kKeys / 2], uint32_t values,
                                       float (&o)[kDim / 2]) {
  constexpr int kKeys = Shape<kDim>::kKeys;
  const int matrix = threadIdx.x % 32 / 8, row = threadIdx.x % 8;
  float (&tiles)[kDim / 8][4] = reinterpret_cast<float (&)[kDim / 8][4]>(o);
#pragma unroll
  for (int k = 0; k < kKeys / 16; ++k) {
    uint32_t a[4];
    PackProbs(p, k, a);
#pragma unroll
    for (int n = 0; n < kDim / 16; ++n) {
      uint32_t b[4];
      LoadTransposed(b, ChunkAt<kKeys>(values, 16 * k + matrix % 2 * 8 + row, 2 * n + matrix / 2));
      MultiplyBf16(tiles[2 * n], a, b[0], b[1]);
      MultiplyBf16(tiles[2 * n + 1], a, b[2], b[3]);
    }
  }
}

template <int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    AttendSm80(const __grid_constant__ TileWork work, UnitRange range) {
  using S = Shape<kDim>;
  const TileUnit& unit = work.units[range.first + int32_t(blockIdx.x) * range.step];
  const TileList& list = work.lists[unit.list];
  const int w = threadIdx.x / 128, thread = threadIdx.x % 128;
  const RowBlock& block = unit.blocks[w];
  char* const shared = SharedMemory();
  LoadQueries<kDim>(work, block, shared + w * S::kQueryBytes, thread);
  const uint32_t stages = SharedAddress(shared) + 2 * S::kQueryBytes;
  const StepOrder<S::kKeys> order(list);
  StepLoader<kDim> loader(work, unit, list);
  if (order.count() > 0) loader.Load(0, stages);
  CpAsyncCommit();
  __syncthreads();

  const int first_row = thread / 32 * 16;
  const WarpQueries<kDim> queries(SharedAddress(shared) + w * S::kQueryBytes, first_row);
  RowPair rows(work, block, first_row + thread % 32 / 4);
  float o[kDim / 2];
#pragma unroll
  for (float& x : o) x = 0;
  for (int32_t i = 0; i < order.count(); ++i) {
    const uint32_t stage = stages + i % S::kStages * (2 * S::kPartBytes);
    if (i + 1 < order.count())
      loader.Load(i + 1, stages + (i + 1) % S::kStages * (2 * S::kPartBytes));
    CpAsyncCommit();
    CpAsyncWait<1>();
    __syncthreads();
    const auto step = order.At(i);
    if (step.IsOf(w) && block.head_count > 0) {
      float s[S::kKeys / 2], keep[2];
      Scores<kDim>(queries, stage, s);
      const int32_t* const masks =
          StepMasks<S::kKeys>(work, ListOf(list, step.list), step.index, w);
      if (masks != nullptr) rows.Hide(work, masks, s);
      if (rows.Step(s, keep)) MultiplyRows(keep, o);
      Values<kDim>(s, stage + S::kPartBytes, o);
    }
    __syncthreads();
  }
  rows.Finish(work, o);
}

template <int kDim>
void Run(const Call& call, const TileWork& work, const UnitRange& range) {
  Launch(call, "attend tiles", AttendSm80<kDim>, dim3(range.count), kThreads, Shape<kDim>::kBytes,
         work, range);
}

}  // namespace

int64_t AttendTilesSm80Bytes(int32_t dim) {
  return dim == 64 ? Shape<64>::kBytes : dim == 128 ? Shape<128>::kBytes : Shape<256>::kBytes;
}

void AttendTilesSm80(const Call& call, const TileWork& work, const UnitRange& range) {
  const int32_t dim = work.pages.layout.dim;
  if (dim == 64) return Run<64>(call, work, range);
  if (dim == 128) return Run<128>(call, work, range);
  Run<256>(call, work, range);
}

}  // namespace longlens
