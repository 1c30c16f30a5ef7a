// Rows of keys or values as contiguous f32, which is what the panel kernels take.
#ifndef LONGLENS_CPU_KEY_ROWS_H_
#define LONGLENS_CPU_KEY_ROWS_H_

#include <algorithm>
#include <cstring>

#include "kernels.h"
#include "kv.h"

namespace longlens {

// Copies or widens `count` consecutive rows of one page.
inline void WidenRows(const Kernels& kernels, const KvView& kv, int64_t head, int64_t start,
                      int64_t count, Part part, float* target) {
  const char* const source = kv.Row(head, start, part);
  if (kv.dtype == LL_F32) {
    memcpy(target, source, count * kv.dim * sizeof(float));
  } else if (kv.dtype == LL_BF16) {
    kernels.widen_bf16(reinterpret_cast<const uint16_t*>(source), target, count * kv.dim);
  } else {
    const int8_t* const rows = reinterpret_cast<const int8_t*>(source);
    const int64_t page = start / LL_PAGE_TOKENS;
    if (part == Part::kKeys) {
      kernels.widen_int8_keys(rows, kv.KeyExponents(head, page), count, kv.dim, target);
    } else {
      const uint8_t* const exponents = kv.ValueExponents(head, page) + start % LL_PAGE_TOKENS;
      kernels.widen_int8_values(rows, exponents, count, kv.dim, target);
    }
  }
}

// Fills `room` [count][dim] with rows start .. start+count-1, f32 ones too: read from near the
// core, columns of values are worth the copy (1.2 times the speed at one head per item).
inline void TileRows(const Kernels& kernels, const KvView& kv, int64_t head, int64_t start,
                     int64_t count, Part part, float* room) {
  const int64_t in_page = std::min(count, LL_PAGE_TOKENS - start % LL_PAGE_TOKENS);
  WidenRows(kernels, kv, head, start, in_page, part, room);
  if (in_page < count) {
    WidenRows(kernels, kv, head, start + in_page, count - in_page, part, room + in_page * kv.dim);
  }
}

// Fills `room` [count][dim] with single rows.
inline void ColumnRows(const Kernels& kernels, const KvView& kv, int64_t head, const int32_t* keys,
                       int64_t count, Part part, float* room) {
  for (int64_t j = 0; j < count; ++j) {
    WidenRows(kernels, kv, head, keys[j], 1, part, room + j * kv.dim);
  }
}

// Contiguous f32 rows as score_rows and weigh_rows take them: `rows` has room for kRowsAhead more.
inline void ListRows(const float* first, int64_t count, int64_t dim, const void** rows) {
  for (int64_t j = 0; j < count; ++j) rows[j] = first + j * dim;
  std::fill_n(rows + count, kRowsAhead, first);
}

}  // namespace longlens

#endif  // LONGLENS_CPU_KEY_ROWS_H_
