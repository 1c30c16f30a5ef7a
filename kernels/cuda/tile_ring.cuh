// The ring of stages through which attend_tiles_sm90.cu gets keys and values, and who fills it.
#ifndef LONGLENS_CUDA_TILE_RING_CUH_
#define LONGLENS_CUDA_TILE_RING_CUH_

#include "attend_tiles.h"
#include "ptx.cuh"
#include "tile_work.cuh"

namespace longlens {

constexpr int kGroupThreads = 128;
constexpr int kConsumers = 2;
constexpr int kConsumerWarps = kConsumers * kGroupThreads / 32;
// Units that are taken ahead.
constexpr int kSlots = 2;

template <int kDim>
struct RingShape {
  static constexpr int kKeys = kDim <= 128 ? 128 : 64;
  static constexpr int kStages = kDim == 64 ? 4 : kDim == 128 ? 3 : 2;
  static constexpr int kSlices = kDim / 64;
  static constexpr int kQueryBytes = kUnitRows * kDim * 2;  // of a row block
  static constexpr int kPartBytes = kKeys * kDim * 2;       // keys or values of a step
  static constexpr int kSliceBytes = kKeys * 128;
  static constexpr int kKeysAt = kConsumers * kQueryBytes;
  static constexpr int kValuesAt = kKeysAt + kStages * kPartBytes;
  static constexpr int kBarriersAt = kValuesAt + kStages * kPartBytes;
  // Barriers: keys and values full and empty, slots full and empty.
  static constexpr int kBarriers = 4 * kStages + 2 * kSlots;
  static constexpr int kSlotsAt = kBarriersAt + 8 * kBarriers;
  static constexpr int kBytes = kSlotsAt + 4 * kSlots;
};

// The shared memory of a block.
template <int kDim>
struct RingRoom {
  using S = RingShape<kDim>;
  uint32_t base;

  __device__ uint32_t Queries(int w) const { return base + w * S::kQueryBytes; }
  __device__ uint32_t Keys(int stage) const { return base + S::kKeysAt + stage * S::kPartBytes; }
  __device__ uint32_t Values(int stage) const {
    return base + S::kValuesAt + stage * S::kPartBytes;
  }
  __device__ uint32_t KeysFull(int stage) const { return Barrier(stage); }
  __device__ uint32_t KeysEmpty(int stage) const { return Barrier(S::kStages + stage); }
  __device__ uint32_t ValuesFull(int stage) const { return Barrier(2 * S::kStages + stage); }
  __device__ uint32_t ValuesEmpty(int stage) const { return Barrier(3 * S::kStages + stage); }
  __device__ uint32_t SlotFull(int slot) const { return Barrier(4 * S::kStages + slot); }
  __device__ uint32_t SlotEmpty(int slot) const { return Barrier(4 * S::kStages + kSlots + slot); }
  static __device__ volatile int32_t* Slot(int slot) {
    return reinterpret_cast<int32_t*>(SharedMemory() + S::kSlotsAt) + slot;
  }

  __device__ void InitBarriers() const {
    for (int i = 0; i < S::kStages; ++i) {
      MbarrierInit(KeysFull(i), 1);
      MbarrierInit(ValuesFull(i), 1);
      MbarrierInit(KeysEmpty(i), kConsumerWarps);
      MbarrierInit(ValuesEmpty(i), kConsumerWarps);
    }
    for (int i = 0; i < kSlots; ++i) {
      MbarrierInit(SlotFull(i), 1);
      MbarrierInit(SlotEmpty(i), kConsumerWarps + 1);  // and the prefetcher
    }
    MbarrierInitFence();
  }

 private:
  __device__ uint32_t Barrier(int i) const { return base + S::kBarriersAt + 8 * i; }
};

// Tells the compiler that all lanes have the same x.
__device__ __forceinline__ int32_t Uniform(int32_t x) { return __shfl_sync(kWholeWarp, x, 0); }

// A place in a ring, and the parity of its present use.
template <int kPlaces>
struct RingPlace {
  int index = 0;
  uint32_t parity = 0;

  __device__ void Advance() {
    if (++index == kPlaces) {
      index = 0;
      parity ^= 1;
    }
  }
};

// ---- the producer: one thread ----

template <int kDim>
class TileProducer {
 public:
  __device__ TileProducer(const TileWork& work, const RingRoom<kDim>& room)
      : work_(work), room_(room) {}

  __device__ void Run(const UnitRange& range, int32_t* counter) {
    for (RingPlace<kSlots> slot;; slot.Advance()) {
      const int32_t taken = atomicAdd(counter, 1);
      const int32_t number = taken < range.count ? range.first + taken * range.step : -1;
      MbarrierWait(room_.SlotEmpty(slot.index), slot.parity ^ 1);
      *room_.Slot(slot.index) = number;
      MbarrierArrive(room_.SlotFull(slot.index));
      if (number < 0) return;
      CopyUnit(work_.units[number]);
    }
  }

 private:
  using S = RingShape<kDim>;

  __device__ void CopyUnit(const TileUnit& unit) {
    const TileList& list = work_.lists[unit.list];
    const StepOrder<S::kKeys> order(list);
    GroupCursor first(work_.segments + list.both.segments);
    GroupCursor second(work_.segments + list.only[1].segments);
    for (int32_t i = 0; i < order.count(); ++i) {
      const auto step = order.At(i);
      if (step.list == 1 && step.index == 0) {
        first = GroupCursor(work_.segments + list.only[0].segments);
      }
      if (step.list == 2) {
        CopyStep(unit, &second);
      } else {
        CopyStep(unit, &first);
      }
    }
  }

  __device__ void CopyStep(const TileUnit& unit, GroupCursor* cursor) {
    GroupCursor again = *cursor;
    const int stage = place_.index;
    MbarrierWait(room_.KeysEmpty(stage), place_.parity ^ 1);
    MbarrierExpect(room_.KeysFull(stage), S::kPartBytes);
    CopyPart(unit, cursor, false, room_.Keys(stage), room_.KeysFull(stage));
    MbarrierWait(room_.ValuesEmpty(stage), place_.parity ^ 1);
    MbarrierExpect(room_.ValuesFull(stage), S::kPartBytes);
    CopyPart(unit, &again, true, room_.Values(stage), room_.ValuesFull(stage));
    place_.Advance();
  }

  __device__ void CopyPart(const TileUnit& unit, GroupCursor* cursor, bool is_values,
                           uint32_t target, uint32_t barrier) {
    constexpr int32_t kGroups = S::kKeys / kGroupKeys, kGroupBytes = kGroupKeys * 128;
    for (int32_t left = kGroups; left > 0;) {
      Segment run = cursor->Take(left);
      left -= run.count;
      while (run.count > 0) {
        const GroupSource source(work_, unit, run);
        const char* const from = source.keys + (is_values ? source.values : 0);
        const uint32_t bytes = source.count * kGroupBytes;
        for (int slice = 0; slice < S::kSlices; ++slice) {
          BulkCopy(target + slice * S::kSliceBytes, from + slice * source.slice_bytes, bytes,
                   barrier);
        }
        target += bytes;
        run.group += source.count;
        run.count -= source.count;
      }
    }
  }

  const TileWork& work_;
  const RingRoom<kDim>& room_;
  RingPlace<S::kStages> place_;
};

// ---- the prefetcher: one warp ----

// Brings the queries of units that are taken ahead near the device.
template <int kDim>
__device__ void PrefetchQueries(const TileWork& work, const RingRoom<kDim>& room) {
  const int lane = threadIdx.x % 32;
  for (RingPlace<kSlots> slot;; slot.Advance()) {
    MbarrierWait(room.SlotFull(slot.index), slot.parity);
    const int32_t number = Uniform(*room.Slot(slot.index));
    if (lane == 0) MbarrierArrive(room.SlotEmpty(slot.index));
    if (number < 0) return;
    if (work.dim != kDim) continue;  // rows may not be aligned to 16 bytes
    for (const RowBlock& block : work.units[number].blocks) {
      for (int32_t n = lane; n < block.rows * block.head_count; n += 32) {
        PrefetchBulk(work.q + Lane(work, block, n).index * kDim, kDim * sizeof(float));
      }
    }
  }
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_RING_CUH_
