// Prefill attention over tile plans: plans are lowered on the host, keys and values made ready, and
// the units of work dealt to launches of some milliseconds each.
#include <algorithm>
#include <cmath>

#include "../common/tile_calls.h"
#include "attend_tiles.h"
#include "page_table.h"
#include "tile_pages.h"
#include "tile_units.h"

namespace longlens {
namespace {

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLaunchSeconds = 6e-3;

using Attend = void (*)(const Call&, const TileWork&, const UnitRange&);

// The kernel of a call, and what it computes in a second on one multiprocessor, roughly.
struct Choice {
  Attend attend;
  bool is_bf16;
  double flops;
};

Choice Choose(const Call& call, int32_t dim) {
  const int32_t kernel_dim = KernelDim(dim);
  if (call.multiplies_bf16() && kernel_dim > 0) {
    if (call.unit() == Unit::kSm90) return {AttendTilesSm90, true, 4e12};
    const size_t room = call.device().properties.sharedMemPerBlockOptin;
    if (AttendTilesSm80Bytes(kernel_dim) <= static_cast<int64_t>(room)) {
      return {AttendTilesSm80, true, 1.3e12};
    }
  }
  return {AttendTilesF32, false, 1e11};
}

template <class T>
const T* CopyIn(const Call& call, const std::vector<T>& array) {
  return call.CopyIn(array.data(), static_cast<int64_t>(array.size()));
}

TileWork MakeWork(const Call& call, const AttendTilesCall& c, const TileUnits& units,
                  bool is_bf16) {
  TileWork work{};
  work.units = CopyIn(call, units.units());
  work.lists = CopyIn(call, units.lowering().lists());
  work.segments = CopyIn(call, units.lowering().segments());
  work.mask_ids = CopyIn(call, units.lowering().mask_ids());
  work.masks = CopyIn(call, units.lowering().masks());
  work.heads = CopyIn(call, units.heads());
  work.column_keys = CopyIn(call, units.column_keys());
  if (is_bf16) {
    work.pages = MakeSwizzledPages(call, c.table, c.kv_len);
    work.columns = PackColumns(call, work.pages, work.column_keys, units.packs());
  } else {
    work.pages = CopyPagesIn(call, c.table, 0, c.kv_len);
  }
  work.q = c.q;
  work.out = c.out;
  work.lse = c.lse;
  work.total_heads = c.heads;
  work.dim = static_cast<int32_t>(c.table.dim);
  work.kv_len = c.kv_len;
  work.factor = c.scale == 0 ? 1.0f : static_cast<float>(std::abs(c.scale) * kLog2E);
  work.sign = c.scale == 0 ? 0.0f : c.scale < 0 ? -1.0f : 1.0f;
  return work;
}

// Launches that share the units evenly: long enough to occupy the device, short enough to stop
// between.
int32_t Launches(const Call& call, const TileUnits& units, int32_t dim, double flops) {
  const int multiprocessors = call.device().multiprocessors();
  const double work = 4.0 * kUnitRows * kBlockKeys * dim * static_cast<double>(units.cost());
  const double seconds = work / (flops * multiprocessors);
  const int64_t most = static_cast<int64_t>(units.units().size()) / (2 * multiprocessors);
  const int64_t wanted = static_cast<int64_t>(seconds / kLaunchSeconds) + 1;
  return static_cast<int32_t>(std::max<int64_t>(1, std::min(wanted, most)));
}

// Launch i has units i, i + launches, ...: each has long ones first and ends with short ones.
void Queue(const Call& call, const TileUnits& units, const TileWork& work, const Choice& choice) {
  const int32_t launches = Launches(call, units, work.dim, choice.flops);
  const int32_t count = static_cast<int32_t>(units.units().size());
  for (int32_t i = 0; i < launches; ++i) {
    if (i > 0) call.Pace();
    choice.attend(call, work, {i, launches, (count - i + launches - 1) / launches});
    int64_t row_tiles = 0;
    for (int32_t x = i; x < count; x += launches) {
      for (const RowBlock& block : units.units()[x].blocks) row_tiles += block.head_count;
    }
    call.Progress(row_tiles);
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_attend_tiles(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                   int32_t heads, int32_t kv_heads, int32_t dim, float scale,
                                   void* const* pages, int32_t stride, int32_t kv_dtype,
                                   int32_t kv_len, const int32_t* plans, int64_t plan_words,
                                   float* out, float* lse) {
  return Guard(run, [&] {
    const AttendTilesCall c{
        q,      q_start, tokens,     heads, scale, {pages, stride, kv_heads, dim, kv_dtype},
        kv_len, plans,   plan_words, out,   lse};
    TilePlans read{};
    if (!CheckAttendTiles(c, &read)) return;
    Poll(run);
    const TileUnits units = TileUnits::Of(c, read);
    const Call call(run);
    const Choice choice = Choose(call, dim);
    const TileWork work = MakeWork(call, c, units, choice.is_bf16);
    Queue(call, units, work, choice);
  });
}
