// Tile attention with wgmma, as in FlashAttention-3: persistent blocks of three warpgroups. One
// thread of the first takes units and copies keys and values in bulk to a ring of stages; each of
// the others works on one row block of the unit. A consumer issues the products q k of a step
// together with p v of the step before, so that the tensor cores have work during its softmax; the
// two consumers take turns in issuing, so that the softmax of one falls into the products of the
// other.
#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#pragma nv_diag_suppress 177  // the kernel is empty for other devices, and nothing here is used
#endif

#include "attend_tiles.h"
#include "launch.cuh"
#include "ptx.cuh"
#include "tile_ring.cuh"
#include "tile_softmax.cuh"
#include "wgmma.cuh"

namespace longlens {
namespace {

constexpr int kThreads = (1 + kConsumers) * kGroupThreads;
constexpr int kProducerRegisters = 56, kConsumerRegisters = 224;
// Named barriers: the turn of consumer w, and the threads of consumer w.
constexpr int kTurn = 1, kOwn = 3;

// s[64][keys] = q k^T
template <int kDim>
__device__ __forceinline__ void Scores(uint32_t queries, uint32_t keys,
                                       float (&s)[RingShape<kDim>::kKeys / 2]) {
  const uint64_t q = WgmmaDescriptor(queries, kNoLeading), k = WgmmaDescriptor(keys, kNoLeading);
#pragma unroll
  for (int i = 0; i < kDim / 16; ++i) {
    constexpr int kStep = 32;  // bytes
    const int q_at = i / 4 * (kUnitRows * 128) + i % 4 * kStep;
    const int k_at = i / 4 * RingShape<kDim>::kSliceBytes + i % 4 * kStep;
    WgmmaAlong(s, q + (q_at >> 4), k + (k_at >> 4), i > 0);
  }
}

// o[64][dim] += p v
template <int kDim>
__device__ __forceinline__ void Values(const uint32_t (&p)[RingShape<kDim>::kKeys / 16][4],
                                       uint32_t values, float (&o)[kDim / 2]) {
  const uint64_t v = WgmmaDescriptor(values, RingShape<kDim>::kSliceBytes);
#pragma unroll
  for (int i = 0; i < RingShape<kDim>::kKeys / 16; ++i) {
    constexpr int kStep = 16 * 128;  // bytes
    WgmmaAcross(o, p[i], v + (i * kStep >> 4), 1);
  }
}

template <int kDim>
class Consumer {
 public:
  __device__ Consumer(const TileWork& work, const RingRoom<kDim>& room, int w)
      : work_(work), room_(room), w_(w), thread_(threadIdx.x % kGroupThreads) {}

  __device__ __forceinline__ void Run() {
    if (w_ == 1) PassTurn();  // the first turn is that of consumer 0
    for (RingPlace<kSlots> slot;; slot.Advance()) {
      MbarrierWait(room_.SlotFull(slot.index), slot.parity);
      const int32_t number = Uniform(*room_.Slot(slot.index));
      Arrive(room_.SlotEmpty(slot.index));
      if (number < 0) return;
      RunUnit(work_.units[number]);
    }
  }

 private:
  using S = RingShape<kDim>;

  __device__ __forceinline__ void RunUnit(const TileUnit& unit) {
    const TileList& list = work_.lists[unit.list];
    const RowBlock& block = unit.blocks[w_];
    const bool is_used = block.head_count > 0;
    const StepOrder<S::kKeys> order(list);
    if (is_used) TakeQueries(block);
    RowPair rows(work_, block, thread_ / 32 * 16 + thread_ % 32 / 4);
#pragma unroll
    for (float& x : o_) x = 0;
    bool is_pending = false;  // p v of the last step
    const int32_t count = order.count();
    for (int32_t i = 0; i < count; ++i) {
      const auto step = order.At(i);
      if (!is_used || !step.IsOf(w_)) {
        if (is_pending) Flush();
        is_pending = false;
        LeaveOut();
        continue;
      }
      const int32_t* const masks =
          StepMasks<S::kKeys>(work_, ListOf(list, step.list), step.index, w_);
      if (is_pending) {
        NextStep(&rows, masks);
      } else {
        FirstStep(&rows, masks);
      }
      is_pending = true;
    }
    if (is_pending) Flush();
    if (is_used) rows.Finish(work_, o_);
  }

  // All warps have read the queries before.
  __device__ __forceinline__ void TakeQueries(const RowBlock& block) {
    NamedBarrierSync(kOwn + w_, kGroupThreads);
    LoadQueries<kDim>(work_, block, SharedMemory() + w_ * S::kQueryBytes, thread_);
    FenceAsyncProxy();
    NamedBarrierSync(kOwn + w_, kGroupThreads);
  }

  __device__ __forceinline__ void FirstStep(RowPair* rows, const int32_t* masks) {
    MbarrierWait(room_.KeysFull(place_.index), place_.parity);
    WaitTurn();
    WgmmaHold(s_);
    WgmmaFence();
    Scores<kDim>(room_.Queries(w_), room_.Keys(place_.index), s_);
    WgmmaCommit();
    PassTurn();
    WgmmaWait<0>();
    WgmmaHold(s_);
    Arrive(room_.KeysEmpty(place_.index));
    if (masks != nullptr) rows->Hide(work_, masks, s_);
    float keep[2];
    if (rows->Step(s_, keep)) MultiplyRows(keep, o_);
    Pack();
    pending_ = place_;
    place_.Advance();
  }

  // Like FirstStep, beside p v of the step before.
  __device__ __forceinline__ void NextStep(RowPair* rows, const int32_t* masks) {
    MbarrierWait(room_.KeysFull(place_.index), place_.parity);
    WaitTurn();
    WgmmaHold(s_);
    HoldOutputs();
    WgmmaFence();
    Scores<kDim>(room_.Queries(w_), room_.Keys(place_.index), s_);
    WgmmaCommit();
    MbarrierWait(room_.ValuesFull(pending_.index), pending_.parity);
    Values<kDim>(p_, room_.Values(pending_.index), o_);
    WgmmaCommit();
    PassTurn();
    WgmmaWait<1>();
    WgmmaHold(s_);
    Arrive(room_.KeysEmpty(place_.index));
    if (masks != nullptr) rows->Hide(work_, masks, s_);
    float keep[2];
    const bool grows = rows->Step(s_, keep);
    // The compiler would move the exponentials behind the wait for p v; it moves nothing over a
    // wait for a barrier, which is long over.
    WgmmaHold(s_);
    MbarrierWait(room_.ValuesFull(pending_.index), pending_.parity);
    WgmmaWait<0>();
    HoldOutputs();
    Arrive(room_.ValuesEmpty(pending_.index));
    if (grows) MultiplyRows(keep, o_);
    Pack();
    pending_ = place_;
    place_.Advance();
  }

  __device__ __forceinline__ void Flush() {
    MbarrierWait(room_.ValuesFull(pending_.index), pending_.parity);
    HoldOutputs();
    WgmmaFence();
    Values<kDim>(p_, room_.Values(pending_.index), o_);
    WgmmaCommit();
    WgmmaWait<0>();
    HoldOutputs();
    Arrive(room_.ValuesEmpty(pending_.index));
  }

  // A step of the other consumer.
  __device__ __forceinline__ void LeaveOut() {
    WaitTurn();
    PassTurn();
    MbarrierWait(room_.KeysFull(place_.index), place_.parity);
    Arrive(room_.KeysEmpty(place_.index));
    MbarrierWait(room_.ValuesFull(place_.index), place_.parity);
    Arrive(room_.ValuesEmpty(place_.index));
    place_.Advance();
  }

  __device__ void WaitTurn() const { NamedBarrierSync(kTurn + w_, kConsumers * kGroupThreads); }
  __device__ void PassTurn() const {
    NamedBarrierArrive(kTurn + 1 - w_, kConsumers * kGroupThreads);
  }
  // Once a warp.
  __device__ void Arrive(uint32_t barrier) const {
    __syncwarp();
    if (thread_ % 32 == 0) MbarrierArrive(barrier);
  }
  __device__ __forceinline__ void Pack() {
#pragma unroll
    for (int k = 0; k < S::kKeys / 16; ++k) PackProbs(s_, k, p_[k]);
  }
  __device__ __forceinline__ void HoldOutputs() {
    WgmmaHold(o_);
#pragma unroll
    for (auto& p : p_) WgmmaHold(p);
  }

  const TileWork& work_;
  const RingRoom<kDim>& room_;
  const int w_, thread_;
  RingPlace<S::kStages> place_, pending_;
  float o_[kDim / 2], s_[S::kKeys / 2];
  uint32_t p_[S::kKeys / 16][4];
};

template <int kDim>
__global__ void __launch_bounds__(kThreads, 1)
    AttendSm90([[maybe_unused]] const __grid_constant__ TileWork work,
               [[maybe_unused]] UnitRange range, [[maybe_unused]] int32_t* counter) {
#if defined(LONGLENS_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  const RingRoom<kDim> room{SharedAddress(SharedMemory())};
  if (threadIdx.x == 0) room.InitBarriers();
  __syncthreads();
  const int group = Uniform(threadIdx.x / kGroupThreads);
  if (group == 0) {
    KeepRegisters<kProducerRegisters>();
    if (threadIdx.x == 0) TileProducer<kDim>(work, room).Run(range, counter);
    if (threadIdx.x / 32 == 1) PrefetchQueries<kDim>(work, room);
  } else {
    TakeRegisters<kConsumerRegisters>();
    Consumer<kDim>(work, room, group - 1).Run();
  }
#endif
}

template <int kDim>
void Run(const Call& call, const TileWork& work, const UnitRange& range) {
  int32_t* const counter = call.Scratch<int32_t>(1);
  CheckCuda(cudaMemsetAsync(counter, 0, sizeof(int32_t), call.stream()), "attend tiles");
  const int32_t blocks = std::min(range.count, call.device().multiprocessors());
  Launch(call, "attend tiles", AttendSm90<kDim>, dim3(blocks), kThreads, RingShape<kDim>::kBytes,
         work, range, counter);
}

}  // namespace

void AttendTilesSm90(const Call& call, const TileWork& work, const UnitRange& range) {
  const int32_t dim = work.pages.layout.dim;
  if (dim == 64) return Run<64>(call, work, range);
  if (dim == 128) return Run<128>(call, work, range);
  Run<256>(call, work, range);
}

}  // namespace longlens
