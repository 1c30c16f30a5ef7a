// Attention over tile plans with the products of a bf16 unit.
#ifndef LONGLENS_CPU_BF16_ATTENTION_H_
#define LONGLENS_CPU_BF16_ATTENTION_H_

#include "tile_call.h"

namespace longlens {

// The unit of the call must have bf16 products.
void AttendTilesBf16(const TileCall& tile_call, const TilePlans& plans);

}  // namespace longlens

#endif  // LONGLENS_CPU_BF16_ATTENTION_H_
