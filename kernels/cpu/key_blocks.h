// Runs of equally many keys, numbered from a first key on: block b of a KV head holds keys
// start + b * block .. start + (b + 1) * block - 1, the last one fewer where `end` comes before.
#ifndef LONGLENS_CPU_KEY_BLOCKS_H_
#define LONGLENS_CPU_KEY_BLOCKS_H_

#include <algorithm>

#include "../common/estimate_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "kv.h"
#include "scratch.h"

namespace longlens {

// Calls begin(target), then use(target, keys [count][dim], count) for tiles of its keys, then
// finish(target, keys in all) for each block of each KV head; target = b * kv_heads + g.
template <class Begin, class Use, class Finish>
void ForKeyBlocks(const Call& call, const BlocksOfKeys& blocks, const Begin& begin, const Use& use,
                  const Finish& finish) {
  constexpr int64_t kItemKeys = 1024;
  const KvView kv{blocks.table};
  const int64_t each = std::max<int64_t>(1, kItemKeys / blocks.block);
  const int64_t runs = (blocks.Count() + each - 1) / each;
  call.For(kv.kv_heads * runs, [&](int64_t item) {
    const int64_t head = item / runs, first = item % runs * each;
    const int64_t last = std::min(blocks.Count(), first + each);
    Scratch& scratch = ThreadScratch();
    scratch.Begin(kMaxTileKeys * kv.dim);
    float* const keys = scratch.Take(kMaxTileKeys * kv.dim);
    for (int64_t b = first; b < last; ++b) {
      const int64_t target = b * kv.kv_heads + head, from = blocks.start + b * blocks.block;
      const int64_t to = std::min<int64_t>(blocks.end, from + blocks.block);
      begin(target);
      for (int64_t key = from; key < to; key += kMaxTileKeys) {
        call.Poll();
        const int64_t count = std::min<int64_t>(kMaxTileKeys, to - key);
        TileRows(call.kernels(), kv, head, key, count, Part::kKeys, keys);
        use(target, keys, count);
      }
      finish(target, to - from);
    }
    call.Progress(last - first);
  });
}

}  // namespace longlens

#endif  // LONGLENS_CPU_KEY_BLOCKS_H_
