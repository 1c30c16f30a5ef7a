// Pages of keys and values, seen through a page table.
//
// A page: K [256][dim], V [256][dim] of dtype, positions [256] f32; LL_INT8 adds exponents of V
// [256] and of K [dim]. Token t of KV head g lies in pages[g * stride + t / 256], slot t % 256.
#ifndef LONGLENS_CPU_KV_H_
#define LONGLENS_CPU_KV_H_

#include <cstring>

#include "../common/page_table.h"
#include "../include/longlens.h"

namespace longlens {

enum class Part { kKeys = 0, kValues = 1 };

struct KvView : PageTable {
  int64_t RowBytes() const { return dim * (dtype == LL_F32 ? 4 : dtype == LL_BF16 ? 2 : 1); }
  int64_t PageBytes() const {
    const int64_t exponents = dtype == LL_INT8 ? LL_PAGE_TOKENS + dim : 0;
    return LL_PAGE_TOKENS * (2 * RowBytes() + int64_t{sizeof(float)}) + exponents;
  }

  char* Row(int64_t head, int64_t token, Part part) const {
    const int64_t slot = token % LL_PAGE_TOKENS + static_cast<int>(part) * LL_PAGE_TOKENS;
    return Page(head, token / LL_PAGE_TOKENS) + slot * RowBytes();
  }
  float* Position(int64_t head, int64_t token) const {
    char* const positions = Page(head, token / LL_PAGE_TOKENS) + 2 * LL_PAGE_TOKENS * RowBytes();
    return reinterpret_cast<float*>(positions) + token % LL_PAGE_TOKENS;
  }
  // Of LL_INT8 pages: the exponents of a page's values, by slot, and of its keys, by channel.
  uint8_t* ValueExponents(int64_t head, int64_t page) const {
    return reinterpret_cast<uint8_t*>(Page(head, page)) +
           LL_PAGE_TOKENS * (2 * RowBytes() + int64_t{sizeof(float)});
  }
  uint8_t* KeyExponents(int64_t head, int64_t page) const {
    return ValueExponents(head, page) + LL_PAGE_TOKENS;
  }
};

// 2^(exponent - 127), or 0 for exponent 0.
inline float ScaleOf(uint8_t exponent) {
  const uint32_t bits = uint32_t{exponent} << 23;
  float scale;
  memcpy(&scale, &bits, sizeof(scale));
  return scale;
}

}  // namespace longlens

#endif  // LONGLENS_CPU_KV_H_
