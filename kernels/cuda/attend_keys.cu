// Decode attention over key sets: pieces of the sets by one warp each, then their joining.
//
// The host cuts the sets so that all multiprocessors have several pieces for each of their warps;
// everything that the kernels read of host memory is copied in by two copies, and nothing is waited
// for.
#include <algorithm>
#include <cstring>

#include "../common/key_calls.h"
#include "../common/key_units.h"
#include "key_attention.cuh"
#include "launch.cuh"
#include "packed_arrays.h"
#include "page_table.h"

namespace longlens {
namespace {

// Pieces of a launch: some milliseconds of work at most.
constexpr int64_t kLaunchPieces = 1 << 14;

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates no host memory once its first call has made room.
struct Workspace {
  std::vector<KeyUnit> units;
  KeyPieces pieces;
  std::vector<int32_t> slot_ptr, slots;
  PackedArrays arrays;
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

// Lists the slots of each row and head, class after class, in the order of the pieces.
void ListSlots(const AttendKeysCall& c, Workspace* w) {
  w->slot_ptr.assign(c.Sets() + 2, 0);
  w->slots.resize(w->pieces.slots());
  const auto for_each = [&](const auto& use) {
    for (int number = 0; number < kHeadClasses; ++number) {
      for (const KeyPiece& piece : w->pieces.pieces(number)) {
        const int64_t x = int64_t{piece.row} * c.heads + piece.head;
        for (int32_t h = 0; h < piece.heads; ++h) {
          use(x + h, static_cast<int32_t>(piece.slot) + h);
        }
      }
    }
  };
  for_each([&](int64_t x, int32_t) { ++w->slot_ptr[x + 2]; });
  for (int64_t x = 2; x <= c.Sets() + 1; ++x) w->slot_ptr[x] += w->slot_ptr[x - 1];
  // slot_ptr[x + 1] walks from the start of x to its end, where x + 1 starts.
  for_each([&](int64_t x, int32_t slot) { w->slots[w->slot_ptr[x + 1]++] = slot; });
}

// Queues the pieces of a class.
void AttendClass(const Call& call, const PieceCall& c, int number, const KeyPiece* pieces,
                 int32_t count) {
  const int32_t dim = c.pages.layout.dim;
  if (!HasWideRows(c.pages.layout)) {
    const dim3 blocks(count, kClassHeads[number]);
    const size_t shared = (dim + kAnyKeys) * sizeof(float);
    Launch(call, "attend keys", AttendAnyPieces, blocks, kPieceThreads, shared, c, pieces);
    return;
  }
  ForLanes(c.pages.layout, [&](auto dtype, auto lanes) {
    ForHeads(number, [&](auto heads) {
      constexpr size_t kShared = kPieceWarps * KeyPipeline<dtype(), lanes(), true>::kBytes;
      Launch(call, "attend keys", AttendPieces<dtype(), lanes(), heads()>,
             dim3(Blocks(count, kPieceWarps)), kPieceThreads, kShared, c, pieces, count);
    });
  });
}

void Attend(const Call& call, const AttendKeysCall& c, Workspace* w) {
  const int64_t list_at = w->arrays.Add(w->pieces.list());
  const int64_t slot_ptr_at = w->arrays.Add(w->slot_ptr), slots_at = w->arrays.Add(w->slots);
  int64_t pieces_at[kHeadClasses];
  for (int i = 0; i < kHeadClasses; ++i) pieces_at[i] = w->arrays.Add(w->pieces.pieces(i));
  const char* const packed = w->arrays.CopyIn(call);

  const int32_t dim = static_cast<int32_t>(c.table.dim);
  const int64_t slots = w->pieces.slots();
  const PieceResults results{call.Scratch<float>(slots * dim), call.Scratch<float>(slots),
                             call.Scratch<float>(slots)};
  const PieceCall piece_call{c.q,
                             c.heads,
                             static_cast<float>(c.scale * kLog2E),
                             CopyPagesIn(call, c.table, 0, c.kv_len),
                             ArrayAt<int32_t>(packed, list_at),
                             results};
  int64_t queued = 0;
  for (int i = 0; i < kHeadClasses; ++i) {
    const KeyPiece* const pieces = ArrayAt<KeyPiece>(packed, pieces_at[i]);
    const int64_t count = static_cast<int64_t>(w->pieces.pieces(i).size());
    for (int64_t first = 0; first < count; first += kLaunchPieces) {
      // A call of one launch, as decoding is, must not wait for events.
      if (queued++ > 0) call.Pace();
      const int64_t now = std::min(kLaunchPieces, count - first);
      AttendClass(call, piece_call, i, pieces + first, static_cast<int32_t>(now));
    }
  }
  const SlotLists lists{ArrayAt<int32_t>(packed, slot_ptr_at), ArrayAt<int32_t>(packed, slots_at)};
  constexpr size_t kShared = kJoinWarps * kJoinChannels * sizeof(float);
  Launch(call, "join pieces of keys", JoinPieces, dim3(c.Sets()), kJoinThreads, kShared, results,
         lists, dim, c.out, c.lse);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_attend_keys(ll_run* run, const float* q, int32_t rows, int32_t heads,
                                  int32_t kv_heads, int32_t dim, float scale, void* const* pages,
                                  int32_t stride, int32_t kv_dtype, int32_t kv_len,
                                  const int32_t* range_ptr, const int32_t* ranges,
                                  const int32_t* index_ptr, const int32_t* indices, float* out,
                                  float* lse) {
  return Guard(run, [&] {
    const AttendKeysCall keys_call{
        q,         rows,   heads,     scale,   {pages, stride, kv_heads, dim, kv_dtype}, kv_len,
        range_ptr, ranges, index_ptr, indices, out,                                      lse};
    if (!CheckAttendKeys(keys_call)) return;
    const Call call(run);
    Workspace& w = ThreadWorkspace();
    w.pieces.Clear();
    w.arrays.Clear();
    ListKeyUnits(keys_call, kMostHeads, &w.units);
    int64_t keys = 0;
    for (const KeyUnit& unit : w.units) keys += unit.keys;
    const int64_t size = KeyPieces::SizeFor(keys, call.device().multiprocessors());
    for (const KeyUnit& unit : w.units) w.pieces.Add(keys_call.table, unit, size);
    ListSlots(keys_call, &w);
    Attend(call, keys_call, &w);
    call.Progress(rows);
  });
}
