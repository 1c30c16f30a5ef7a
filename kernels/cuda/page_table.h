// Page tables on the device.
#ifndef LONGLENS_CUDA_PAGE_TABLE_H_
#define LONGLENS_CUDA_PAGE_TABLE_H_

#include "../common/page_table.h"
#include "pages.cuh"
#include "runtime.h"

namespace longlens {

// Copies the addresses of the pages of tokens start .. end - 1 of each head, entered or not. Token
// start / 256 * 256 is token 0 of the result.
DevicePages CopyPagesIn(const Call& call, const PageTable& table, int64_t start, int64_t end);

}  // namespace longlens

#endif  // LONGLENS_CUDA_PAGE_TABLE_H_
