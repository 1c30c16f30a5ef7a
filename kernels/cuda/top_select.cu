// A candidate is one integer, the order-preserving bits of the score above the inverted index, so
// that "falling score, ties to the lower index" is a plain comparison and no two are equal.
//
//   radix select: from the highest digit on, count the digits of those candidates that agree with
//     what is known of the k-th largest, and choose its digit; it is known once all candidates of
//     the digit are taken
//   collect: the candidates from the k-th largest on, in any order
//   sort: bitonic, in shared memory up to kTile of them
#include "top_select.h"

#include <algorithm>

#include "launch.cuh"
#include "ptx.cuh"

namespace longlens {
namespace {

using Candidate = uint64_t;

constexpr int kDigitBits = 11;
constexpr int kBins = 1 << kDigitBits;
constexpr int kThreads = 256;
constexpr int kChooseThreads = kBins / 2;
constexpr int64_t kMostBlocks = 512;
constexpr int32_t kTile = 2048;

__device__ Candidate Encode(float score, int32_t index) {
  uint32_t bits = 0;
  if (score == score) {
    bits = __float_as_uint(score + 0.0f);  // -0 and 0 tie
    bits = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  }
  return Candidate{bits} << 32 | static_cast<uint32_t>(~index);
}

__device__ float ScoreOf(Candidate candidate) {
  const uint32_t bits = static_cast<uint32_t>(candidate >> 32);
  if (bits == 0) return NAN;
  return __uint_as_float((bits & 0x80000000u) != 0 ? bits & 0x7FFFFFFFu : ~bits);
}

// What is known of the k-th largest candidate of a row.
struct Selection {
  Candidate known;  // its digits so far, then zeros
  int32_t left;     // how many of those that agree are to be taken
  int32_t is_done;  // all of those are
};

struct Rows {
  const float* scores;
  int32_t n, start;

  __device__ Candidate At(int64_t place, int32_t i) const {
    return Encode(scores[place * n + i], start + i);
  }
};

__global__ void __launch_bounds__(kThreads)
    BeginSelection(Selection* selections, uint32_t* counts, uint32_t* taken, int32_t k) {
  const int64_t place = blockIdx.x;
  for (int i = threadIdx.x; i < kBins; i += kThreads) counts[place * kBins + i] = 0;
  if (threadIdx.x != 0) return;
  selections[place] = {0, k, 0};
  taken[place] = 0;
}

// counts[place][digit] += candidates that agree above bit `high` and have the digit at `shift`.
__global__ void __launch_bounds__(kThreads)
    CountDigits(Rows rows, const Selection* selections, uint32_t* counts, int shift, int high) {
  const int64_t place = blockIdx.y;
  const Selection selection = selections[place];
  if (selection.is_done != 0) return;
  uint32_t* const shared = reinterpret_cast<uint32_t*>(SharedMemory());  // [kBins]
  for (int i = threadIdx.x; i < kBins; i += kThreads) shared[i] = 0;
  __syncthreads();
  const Candidate mask = high == 64 ? 0 : ~Candidate{0} << high;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < rows.n;
       i += int64_t{gridDim.x} * kThreads) {
    const Candidate candidate = rows.At(place, static_cast<int32_t>(i));
    if (((candidate ^ selection.known) & mask) != 0) continue;
    const uint32_t digit = static_cast<uint32_t>(candidate >> shift) & ((1u << (high - shift)) - 1);
    atomicAdd(&shared[digit], 1u);
  }
  __syncthreads();
  for (int i = threadIdx.x; i < kBins; i += kThreads) {
    if (shared[i] != 0) atomicAdd(&counts[place * kBins + i], shared[i]);
  }
}

// The digit of the k-th largest, from the counts, which are zeros afterwards. Thread t has digits
// kBins - 1 - 2 t and the one below.
__global__ void __launch_bounds__(kChooseThreads)
    ChooseDigit(Selection* selections, uint32_t* counts, int shift) {
  const int64_t place = blockIdx.x;
  if (selections[place].is_done != 0) return;
  uint32_t* const shared = reinterpret_cast<uint32_t*>(SharedMemory());  // [kChooseThreads]
  uint32_t* const mine = counts + (place + 1) * kBins - 2 - 2 * threadIdx.x;
  const uint32_t upper = mine[1], lower = mine[0];
  mine[0] = mine[1] = 0;
  const uint32_t left = selections[place].left;
  uint32_t above = upper + lower;  // with this thread's digits
  for (unsigned step = 1; step < kChooseThreads; step *= 2) {
    shared[threadIdx.x] = above;
    __syncthreads();
    const uint32_t more = threadIdx.x >= step ? shared[threadIdx.x - step] : 0;
    __syncthreads();
    above += more;
  }
  const uint32_t before = above - upper - lower;
  if (before >= left || above < left) return;
  const bool is_upper = before + upper >= left;
  const uint32_t digit = kBins - 1 - 2 * threadIdx.x - (is_upper ? 0 : 1);
  const uint32_t remaining = left - before - (is_upper ? 0 : upper);
  selections[place] = {selections[place].known | Candidate{digit} << shift,
                       static_cast<int32_t>(remaining), remaining == (is_upper ? upper : lower)};
}

// candidates[place][..] = those from the k-th largest on.
__global__ void __launch_bounds__(kThreads)
    CollectTop(Rows rows, const Selection* selections, uint32_t* taken, Candidate* candidates,
               int32_t room) {
  const int64_t place = blockIdx.y;
  const Candidate least = selections[place].known;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < rows.n;
       i += int64_t{gridDim.x} * kThreads) {
    const Candidate candidate = rows.At(place, static_cast<int32_t>(i));
    if (candidate < least) continue;
    candidates[place * room + atomicAdd(&taken[place], 1u)] = candidate;
  }
}

// 0 is below every candidate.
__global__ void __launch_bounds__(kThreads)
    FillRest(Candidate* candidates, int32_t k, int32_t room) {
  const int64_t place = blockIdx.y;
  const int64_t i = k + int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i < room) candidates[place * room + i] = 0;
}

// Puts candidate i and the one `stride` behind it in the order of blocks of `size`: falling, then
// rising, and so on.
__device__ void Exchange(Candidate* base, int64_t i, int64_t stride, bool is_rising) {
  const Candidate a = base[i], b = base[i + stride];
  if ((a < b) == is_rising) return;
  base[i] = b;
  base[i + stride] = a;
}

// The lower one of pair number t, `stride` apart.
__device__ int64_t PairAt(int64_t t, int64_t stride) {
  return t / stride * 2 * stride + t % stride;
}

// Steps of the sort within tiles of `tile` candidates: those of sizes first .. last.
__global__ void __launch_bounds__(kTile / 2)
    SortTiles(Candidate* candidates, int32_t room, int32_t tile, int32_t first, int32_t last) {
  Candidate* const shared = reinterpret_cast<Candidate*>(SharedMemory());  // [tile]
  const int64_t offset = int64_t{blockIdx.x} * tile;
  Candidate* const global = candidates + blockIdx.y * int64_t{room} + offset;
  for (int32_t i = threadIdx.x; i < tile; i += blockDim.x) shared[i] = global[i];
  __syncthreads();
  for (int64_t size = first; size <= last; size *= 2) {
    for (int64_t stride = min(size, int64_t{tile}) / 2; stride >= 1; stride /= 2) {
      const int64_t i = PairAt(threadIdx.x, stride);
      if (static_cast<int32_t>(threadIdx.x) < tile / 2) {
        Exchange(shared, i, stride, ((offset + i) & size) != 0);
      }
      __syncthreads();
    }
  }
  for (int32_t i = threadIdx.x; i < tile; i += blockDim.x) global[i] = shared[i];
}

// One step across tiles.
__global__ void __launch_bounds__(kThreads)
    SortStep(Candidate* candidates, int32_t room, int32_t size, int32_t stride) {
  const int64_t t = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= room / 2) return;
  const int64_t i = PairAt(t, stride);
  Exchange(candidates + blockIdx.y * int64_t{room}, i, stride, (i & size) != 0);
}

__global__ void __launch_bounds__(kThreads)
    Decode(const Candidate* candidates, int32_t room, int32_t k, int32_t* indices, float* values) {
  const int64_t place = blockIdx.y, i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (i >= k) return;
  const Candidate candidate = candidates[place * room + i];
  indices[place * k + i] = static_cast<int32_t>(~static_cast<uint32_t>(candidate));
  values[place * k + i] = ScoreOf(candidate);
}

// Falling order; `room` is a power of two.
void Sort(const Call& call, Candidate* candidates, unsigned places, int32_t room) {
  const char* const name = "sort candidates";
  const int32_t tile = std::min(room, kTile);
  const unsigned threads = std::max(32, tile / 2), tiles = room / tile;
  const size_t shared = tile * sizeof(Candidate);
  Launch(call, name, SortTiles, dim3(tiles, places), threads, shared, candidates, room, tile, 2,
         tile);
  for (int64_t size = 2 * int64_t{tile}; size <= room; size *= 2) {
    for (int64_t stride = size / 2; stride >= tile; stride /= 2) {
      Launch(call, name, SortStep, dim3(Blocks(room / 2, kThreads), places), kThreads, 0,
             candidates, room, static_cast<int32_t>(size), static_cast<int32_t>(stride));
    }
    Launch(call, name, SortTiles, dim3(tiles, places), threads, shared, candidates, room, tile,
           static_cast<int32_t>(size), static_cast<int32_t>(size));
  }
}

}  // namespace

void SelectTop(const Call& call, const float* scores, int64_t places, int32_t n, int32_t start,
               int32_t k, int32_t* indices, float* values) {
  const char* const name = "select the top keys";
  const unsigned rows_count = static_cast<unsigned>(places);
  const Rows rows{scores, n, start};
  Selection* const selections = call.Scratch<Selection>(places);
  uint32_t* const counts = call.Scratch<uint32_t>(places * kBins);
  uint32_t* const taken = call.Scratch<uint32_t>(places);
  int32_t room = 2;
  while (room < k) room *= 2;
  Candidate* const candidates = call.Scratch<Candidate>(places * room);
  const unsigned blocks = std::min(Blocks(n, kThreads), kMostBlocks);

  Launch(call, name, BeginSelection, dim3(rows_count), kThreads, 0, selections, counts, taken, k);
  for (int high = 64; high > 0 && k < n; high = std::max(0, high - kDigitBits)) {
    const int shift = std::max(0, high - kDigitBits);
    Launch(call, name, CountDigits, dim3(blocks, rows_count), kThreads, kBins * sizeof(uint32_t),
           rows, selections, counts, shift, high);
    Launch(call, name, ChooseDigit, dim3(rows_count), kChooseThreads,
           kChooseThreads * sizeof(uint32_t), selections, counts, shift);
  }
  Launch(call, name, CollectTop, dim3(blocks, rows_count), kThreads, 0, rows, selections, taken,
         candidates, room);
  if (k < room) {
    Launch(call, name, FillRest, dim3(Blocks(room - k, kThreads), rows_count), kThreads, 0,
           candidates, k, room);
  }
  Sort(call, candidates, rows_count, room);
  Launch(call, name, Decode, dim3(Blocks(k, kThreads), rows_count), kThreads, 0, candidates, room,
         k, indices, values);
}

}  // namespace longlens
