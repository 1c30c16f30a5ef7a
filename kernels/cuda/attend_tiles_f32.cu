// Tile attention in f32: a block of threads works on one row block and 64, 128 or 256 channels of
// its results; wider heads have several such blocks, which all make the scores.
//
//   s[i][j] = q[i] . k[j];  p, keep: online softmax of s;  o[i][c] = o[i][c] keep[i] + sum_j
//   p[i][j] v[j][c]
// The sums of a step are made apart and added as one term, which keeps long rows exact. 16 x 16
// threads have 4 x 4 elements each of s, and of 64 channels of o.
#include "attend_tiles.h"
#include "launch.cuh"
#include "ptx.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;
constexpr int kKeys = 64;      // of a step
constexpr int kChannels = 32;  // of q and k at a time
constexpr int kWide = 64;      // of v at a time
constexpr int kPitch = 68;  // of rows in shared memory: keeps float4 aligned and spreads the banks
constexpr float kLn2 = 0.69314718055994531f;

struct Room {
  union {
    struct {
      float q[kChannels][kPitch], k[kChannels][kPitch];
    };
    float v[kKeys][kPitch];
  };
  float p[kKeys][kPitch];  // [key][row]
  float keep[kUnitRows], most[kUnitRows], sum[kUnitRows];
  int32_t keys[kKeys];  // tokens; -1: none
};

// acc[i][j] += a[i] b[j]
__device__ __forceinline__ void AddProducts(const float* a, const float* b, float (&acc)[4][4]) {
  const float4 x = *reinterpret_cast<const float4*>(a), y = *reinterpret_cast<const float4*>(b);
  const float rows[4] = {x.x, x.y, x.z, x.w}, columns[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) acc[i][j] = fmaf(rows[i], columns[j], acc[i][j]);
  }
}

// kParts: 64 channels each of the results.
template <int kParts>
class RowWork {
 public:
  __device__ RowWork(const TileWork& work, const TileUnit& unit, int w, int32_t first_channel)
      : work_(work),
        unit_(unit),
        block_(unit.blocks[w]),
        w_(w),
        first_channel_(first_channel),
        room_(*reinterpret_cast<Room*>(SharedMemory())) {}

  __device__ void Run() {
    if (threadIdx.x < kUnitRows) {
      room_.most[threadIdx.x] = -INFINITY;
      room_.sum[threadIdx.x] = 0;
    }
    const TileList& list = work_.lists[unit_.list];
    AttendList(list.both);
    AttendList(list.only[w_]);
    __syncthreads();
    Finish();
  }

 private:
  __device__ void AttendList(const BlockList& list) {
    GroupCursor cursor(work_.segments + list.segments);
    const int32_t steps = list.blocks * StepOrder<kKeys>::kPerBlock;
    for (int32_t i = 0; i < steps; ++i) {
      __syncthreads();
      FindKeys(&cursor);
      float s[4][4] = {};
      Scores(s);
      WriteScores(s, StepMasks<kKeys>(work_, list, i, w_));
      __syncthreads();
      Softmax();
      Values();
    }
  }

  // Tokens of the step's keys, by one thread a group.
  __device__ void FindKeys(GroupCursor* cursor) {
    constexpr int32_t kGroups = kKeys / kGroupKeys;
    const int32_t mine = threadIdx.x < kGroups ? threadIdx.x : 0;
    cursor->Skip(mine);
    const int32_t group = cursor->Group();
    cursor->Skip(kGroups - mine);
    if (threadIdx.x >= kGroups) return;
    for (int32_t c = 0; c < kGroupKeys; ++c) {
      int32_t key = group * kGroupKeys + c;
      if (group >= kColumnGroups) {
        key = work_.column_keys[unit_.column_row + (group - kColumnGroups) * kGroupKeys + c];
      }
      // What lies behind the last key may be no numbers, which a probability of 0 does not hide.
      room_.keys[mine * kGroupKeys + c] = key < work_.kv_len ? key : -1;
    }
  }

  __device__ void Scores(float (&s)[4][4]) {
    for (int32_t channel = 0; channel < work_.dim; channel += kChannels) {
      __syncthreads();
      for (int32_t x = threadIdx.x; x < kUnitRows * kChannels; x += kThreads) {
        const int32_t row = x / kChannels, c = x % kChannels;
        room_.q[c][row] = Query(row, channel + c);
        room_.k[c][row] = Element(row, channel + c, Part::kKeys);
      }
      __syncthreads();
      const int32_t channels = min(kChannels, work_.dim - channel);
      for (int32_t c = 0; c < channels; ++c) {
        AddProducts(&room_.q[c][Rows()], &room_.k[c][Columns()], s);
      }
    }
  }

  // First of the thread's rows, and of its keys or channels.
  static __device__ int32_t Rows() { return threadIdx.x / 16 * 4; }
  static __device__ int32_t Columns() { return threadIdx.x % 16 * 4; }

  __device__ float Query(int32_t row, int32_t channel) const {
    const Lane lane(work_, block_, row);
    if (!lane.is_used || channel >= work_.dim) return 0;
    return work_.q[lane.index * work_.dim + channel];
  }
  // Of key `x` of the step.
  __device__ float Element(int32_t x, int32_t channel, Part part) const {
    const int32_t token = room_.keys[x];
    if (token < 0 || channel >= work_.dim) return 0;
    return work_.pages.Element(unit_.kv_head, token, part, channel);
  }

  __device__ void WriteScores(const float (&s)[4][4], const int32_t* masks) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int32_t row = Rows() + i, mask_row = Lane(work_, block_, row).mask_row;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int32_t key = Columns() + j;
        const bool sees = masks == nullptr || Sees(masks[key / kGroupKeys], mask_row, key);
        room_.p[key][row] = sees ? s[i][j] * (work_.factor * work_.sign) : -INFINITY;
      }
    }
  }
  __device__ bool Sees(int32_t mask, int32_t mask_row, int32_t key) const {
    return (work_.masks[mask].rows[mask_row] >> key % kGroupKeys & 1) != 0;
  }

  // Four threads a row.
  __device__ void Softmax() {
    constexpr int kEach = kKeys / 4;
    const int32_t row = threadIdx.x / 4, first = threadIdx.x % 4;
    const float before = room_.most[row];
    float most = before;
    for (int x = 0; x < kEach; ++x) most = fmaxf(most, room_.p[first + 4 * x][row]);
    for (int bits = 1; bits < 4; bits *= 2) {
      most = fmaxf(most, __shfl_xor_sync(kWholeWarp, most, bits));
    }
    const float base = most == -INFINITY ? 0.0f : most;
    float sum = 0;
    for (int x = 0; x < kEach; ++x) {
      float& p = room_.p[first + 4 * x][row];
      p = Exp2(p - base);
      sum += p;
    }
    for (int bits = 1; bits < 4; bits *= 2) sum += __shfl_xor_sync(kWholeWarp, sum, bits);
    if (first != 0) return;
    const float keep = most == before ? 1.0f : Exp2(before - most);
    room_.keep[row] = keep;
    room_.most[row] = most;
    room_.sum[row] = room_.sum[row] * keep + sum;
  }

  __device__ void Values() {
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      __syncthreads();
      for (int32_t x = threadIdx.x; x < kKeys * kWide; x += kThreads) {
        const int32_t key = x / kWide, c = x % kWide;
        room_.v[key][c] = Element(key, first_channel_ + part * kWide + c, Part::kValues);
      }
      __syncthreads();
      float sums[4][4] = {};
      for (int key = 0; key < kKeys; ++key) {
        AddProducts(&room_.p[key][Rows()], &room_.v[key][Columns()], sums);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float keep = room_.keep[Rows() + i];
#pragma unroll
        for (int j = 0; j < 4; ++j) o_[part][i][j] = fmaf(o_[part][i][j], keep, sums[i][j]);
      }
    }
  }

  __device__ void Finish() const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int32_t row = Rows() + i;
      const Lane lane(work_, block_, row);
      if (!lane.is_used) continue;
      const float sum = room_.sum[row], inverse = sum == 0 ? 0 : 1 / sum;
      if (Columns() == 0 && first_channel_ == 0) {
        work_.lse[lane.index] = sum == 0 ? -INFINITY : (room_.most[row] + log2f(sum)) * kLn2;
      }
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int32_t channel = first_channel_ + part * kWide + Columns() + j;
          if (channel >= work_.dim) continue;
          work_.out[lane.index * work_.dim + channel] = o_[part][i][j] * inverse;
        }
      }
    }
  }

  const TileWork& work_;
  const TileUnit& unit_;
  const RowBlock& block_;
  const int w_;
  const int32_t first_channel_;
  Room& room_;
  float o_[kParts][4][4] = {};
};

template <int kParts>
__global__ void __launch_bounds__(kThreads, 1)
    AttendF32(const __grid_constant__ TileWork work, UnitRange range) {
  const TileUnit& unit = work.units[range.first + int32_t(blockIdx.x) * range.step];
  const int w = blockIdx.y % 2;
  if (unit.blocks[w].head_count == 0) return;
  RowWork<kParts>(work, unit, w, blockIdx.y / 2 * (kParts * kWide)).Run();
}

template <int kParts>
void Run(const Call& call, const TileWork& work, const UnitRange& range) {
  const int64_t parts = Blocks(work.dim, kParts * kWide);
  Launch(call, "attend tiles", AttendF32<kParts>, dim3(range.count, 2 * parts), kThreads,
         sizeof(Room), work, range);
}

}  // namespace

void AttendTilesF32(const Call& call, const TileWork& work, const UnitRange& range) {
  if (work.dim <= 64) return Run<1>(call, work, range);
  if (work.dim <= 128) return Run<2>(call, work, range);
  Run<4>(call, work, range);
}

}  // namespace longlens
