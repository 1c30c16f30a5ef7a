// What a call of ll_attend_tiles is given, and what every library checks of it.
#ifndef LONGLENS_COMMON_TILE_CALLS_H_
#define LONGLENS_COMMON_TILE_CALLS_H_

#include "page_table.h"
#include "tile_plans.h"

namespace longlens {

struct AttendTilesCall {
  const float* q;
  int32_t q_start, tokens, heads;
  float scale;
  PageTable table;
  int32_t kv_len;
  const int32_t* plans;
  int64_t plan_words;
  float *out, *lse;
};

// Throws LL_INVALID_ARGUMENT, or reads the plans. Returns whether there is work.
bool CheckAttendTiles(const AttendTilesCall& c, TilePlans* plans);

}  // namespace longlens

#endif  // LONGLENS_COMMON_TILE_CALLS_H_
