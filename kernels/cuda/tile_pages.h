// Keys and values as the kernels of bf16 products read them.
#ifndef LONGLENS_CUDA_TILE_PAGES_H_
#define LONGLENS_CUDA_TILE_PAGES_H_

#include <vector>

#include "../common/page_table.h"
#include "runtime.h"
#include "tile_work.cuh"

namespace longlens {

// The least dim of the kernels that holds `dim`; 0: none does.
int32_t KernelDim(int32_t dim);

// Pages of swizzled bf16 of KernelDim channels that hold tokens 0 .. kv_len - 1 of `table`, and
// zeros behind them and beyond its channels. Pages that are so already are used as they are.
DevicePages MakeSwizzledPages(const Call& call, const PageTable& table, int64_t kv_len);

// Columns of the plans of a KV head, to be packed one pack behind the other.
struct ColumnPack {
  int32_t kv_head, first_row, rows;
};

// Packs keys [all rows] (-1: zeros) as GroupSource reads them.
const char* PackColumns(const Call& call, const DevicePages& pages, const int32_t* keys,
                        const std::vector<ColumnPack>& packs);

}  // namespace longlens

#endif  // LONGLENS_CUDA_TILE_PAGES_H_
