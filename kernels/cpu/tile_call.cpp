#include "tile_call.h"

#include <algorithm>

namespace longlens {

std::vector<Bundle> MakeBundles(const TileCall& tile_call, const TilePlans& plans,
                                int64_t item_rows) {
  const int64_t kv_heads = tile_call.kv.kv_heads;
  const int32_t group = static_cast<int32_t>(tile_call.queries.heads / kv_heads);
  std::vector<Bundle> bundles;
  for (int32_t g = 0; g < kv_heads; ++g) {
    const size_t first = bundles.size();
    for (int32_t h = g * group; h < (g + 1) * group; ++h) {
      const TilePlan* const plan = &plans.plans[plans.plan_of_head[h]];
      // Few row tiles need single heads to occupy the threads.
      const bool is_few = plan->row_tiles * kv_heads < 2 * tile_call.call.threads();
      const int64_t rows = is_few ? plan->tile_q : item_rows;
      const int64_t most = std::max<int64_t>(1, rows / plan->tile_q);
      size_t b = first;
      while (b < bundles.size() &&
             (bundles[b].plan != plan || int64_t(bundles[b].heads.size()) >= most))
        ++b;
      if (b == bundles.size()) bundles.push_back({plan, g, {}});
      bundles[b].heads.push_back(h);
    }
  }
  return bundles;
}

}  // namespace longlens
