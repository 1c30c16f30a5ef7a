// Reads and checks the packed tile plans of ll_attend_tiles; their layout is described there.
#ifndef LONGLENS_COMMON_TILE_PLANS_H_
#define LONGLENS_COMMON_TILE_PLANS_H_

#include <cstdint>
#include <vector>

namespace longlens {

constexpr int32_t kTileFull = 0;
constexpr int32_t kTileCausal = 1;
constexpr int32_t kTileMasked = 2;

struct TilePlan {
  int32_t tile_q, tile_k, row_tiles;
  const int32_t* row_ptr;    // [row_tiles + 1]
  const int32_t* key_start;  // [tiles]
  const int32_t* kind;       // [tiles]
  const int32_t* col_ptr;    // [row_tiles + 1]
  const int32_t* columns;
  const int32_t* masks;  // [masks][tile_q][tile_k / 32]

  int32_t MaskWords() const { return tile_k / 32; }
};

struct TilePlans {
  std::vector<TilePlan> plans;
  const int32_t* plan_of_head;  // [heads]
};

// Throws LL_INVALID_ARGUMENT unless every array lies inside the buffer and every key below kv_len.
TilePlans ReadTilePlans(const int32_t* words, int64_t count, int32_t heads, int32_t tokens,
                        int32_t kv_len);

}  // namespace longlens

#endif  // LONGLENS_COMMON_TILE_PLANS_H_
