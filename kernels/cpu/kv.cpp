#include "kv.h"

#include <algorithm>
#include <cstring>

#include "../common/page_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "quantise.h"

namespace longlens {
namespace {

void WriteRow(const Kernels& kernels, int32_t dtype, const float* source, int64_t count,
              char* target) {
  if (dtype == LL_F32) {
    memcpy(target, source, count * 4);
  } else {
    kernels.narrow_bf16(source, reinterpret_cast<uint16_t*>(target), count);
  }
}

void WriteTokens(const Call& call, const KvView& kv, int64_t start, int64_t tokens, const float* k,
                 const float* v, const float* positions) {
  constexpr int64_t kGrain = 64;
  const int64_t blocks = (tokens + kGrain - 1) / kGrain;
  call.ForIf(blocks > 1, blocks, [&](int64_t block) {
    const int64_t end = std::min<int64_t>(tokens, (block + 1) * kGrain);
    for (int64_t t = block * kGrain; t < end; ++t) {
      for (int64_t g = 0; g < kv.kv_heads; ++g) {
        const int64_t from = (t * kv.kv_heads + g) * kv.dim;
        WriteRow(call.kernels(), kv.dtype, k + from, kv.dim, kv.Row(g, start + t, Part::kKeys));
        WriteRow(call.kernels(), kv.dtype, v + from, kv.dim, kv.Row(g, start + t, Part::kValues));
        *kv.Position(g, start + t) = positions[t];
      }
    }
    call.Progress(end - block * kGrain);
  });
}

// A page of a head is an item: its tokens depend on each other.
void WriteInt8Tokens(const Call& call, const KvView& kv, int64_t start, int64_t tokens,
                     const float* k, const float* v, const float* positions) {
  const int64_t first_page = start / LL_PAGE_TOKENS;
  const int64_t pages = (start + tokens - 1) / LL_PAGE_TOKENS + 1 - first_page;
  call.ForIf(tokens > 16, pages * kv.kv_heads, [&](int64_t item) {
    const int64_t head = item % kv.kv_heads, page = first_page + item / kv.kv_heads;
    const int64_t from = std::max(start, page * LL_PAGE_TOKENS);
    const int64_t count = std::min(start + tokens, (page + 1) * LL_PAGE_TOKENS) - from;
    const int64_t t = from - start, step = kv.kv_heads * kv.dim;
    const int64_t source = t * step + head * kv.dim;
    AppendInt8(kv, {head, from, count, k + source, v + source, step, positions + t});
    if (head == 0) call.Progress(count);
  });
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_page_bytes(int32_t dim, int32_t kv_dtype, int64_t* out) {
  return Guard(nullptr, [&] {
    RequirePointer(out, "size a page", "out");
    const KvView kv{nullptr, 0, 1, dim, kv_dtype};
    CheckPageTable("size a page", kv, 0);
    *out = kv.PageBytes();
  });
}

extern "C" int32_t ll_append(ll_run* run, void* const* pages, int32_t stride, int32_t kv_heads,
                             int32_t dim, int32_t kv_dtype, int32_t start, int32_t tokens,
                             const float* k, const float* v, const float* positions) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    if (!CheckAppend({kv, start, tokens, k, v, positions})) return;
    const Call call(run);
    if (kv_dtype == LL_INT8) {
      const int64_t elements = int64_t{tokens} * kv_heads * dim;
      Require(AllFinite(k, elements) && AllFinite(v, elements), "append tokens",
              "keys and values of LL_INT8 pages must be finite: a number is not, start", start);
      WriteInt8Tokens(call, kv, start, tokens, k, v, positions);
    } else {
      WriteTokens(call, kv, start, tokens, k, v, positions);
    }
  });
}

extern "C" int32_t ll_read_kv(void* const* pages, int32_t stride, int32_t kv_head, int32_t dim,
                              int32_t kv_dtype, int32_t start, int32_t tokens, float* k, float* v,
                              float* positions) {
  return Guard(nullptr, [&] {
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    if (!CheckReadKv({kv, kv_head, start, tokens})) return;
    const Call call(nullptr);
    for (int64_t t = 0; t < tokens; ++t) {
      const auto read = [&](Part part, float* rows) {
        if (rows == nullptr) return;
        WidenRows(call.kernels(), kv, kv_head, start + t, 1, part, rows + t * dim);
      };
      read(Part::kKeys, k);
      read(Part::kValues, v);
      if (positions != nullptr) positions[t] = *kv.Position(kv_head, start + t);
    }
  });
}
