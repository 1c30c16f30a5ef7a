// The kernels of ll_attend_tiles, each in a file of its own.
#ifndef LONGLENS_CUDA_ATTEND_TILES_H_
#define LONGLENS_CUDA_ATTEND_TILES_H_

#include "runtime.h"
#include "tile_work.cuh"

namespace longlens {

// Units first, first + step, ..., `count` of them.
struct UnitRange {
  int32_t first, step, count;
};

// f32 products, pages of any type and dim: 64 x 64 keys at a time on plain arithmetic.
void AttendTilesF32(const Call& call, const TileWork& work, const UnitRange& range);
// bf16 products; pages and packed columns of swizzled bf16, whose dim is 64, 128 or 256 and at
// least that of the queries. The first has mma.sync, the second wgmma.
void AttendTilesSm80(const Call& call, const TileWork& work, const UnitRange& range);
void AttendTilesSm90(const Call& call, const TileWork& work, const UnitRange& range);
// Bytes of shared memory that AttendTilesSm80 needs.
int64_t AttendTilesSm80Bytes(int32_t dim);

}  // namespace longlens

#endif  // LONGLENS_CUDA_ATTEND_TILES_H_
