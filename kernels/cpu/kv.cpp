#include "kv.h"

#include <algorithm>
#include <cstring>

#include "dispatch.h"

namespace longlens {

void CheckKv(const char* action, const KvView& kv, int64_t tokens) {
  Require(kv.dim > 0, action, "dim must be > 0", kv.dim);
  Require(kv.dtype == LL_F32 || kv.dtype == LL_BF16, action, "kv_dtype must be LL_F32 or LL_BF16",
          kv.dtype);
  Require(kv.kv_heads > 0, action, "kv_heads must be > 0", kv.kv_heads);
  Require(kv.stride >= 0, action, "stride must be >= 0", kv.stride);
  Require(tokens <= kv.stride * LL_PAGE_TOKENS, action, "the tokens must lie in stride pages",
          tokens);
  if (tokens > 0) RequirePointer(kv.pages, action, "pages");
}

namespace {

void WriteRow(const Kernels& kernels, int32_t dtype, const float* source, int64_t count,
              char* target) {
  if (dtype == LL_F32) {
    memcpy(target, source, count * 4);
  } else {
    kernels.narrow_bf16(source, reinterpret_cast<uint16_t*>(target), count);
  }
}

void ReadRow(const Kernels& kernels, int32_t dtype, const char* source, int64_t count,
             float* target) {
  if (dtype == LL_F32) {
    memcpy(target, source, count * 4);
  } else {
    kernels.widen_bf16(reinterpret_cast<const uint16_t*>(source), target, count);
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_page_bytes(int32_t dim, int32_t kv_dtype, int64_t* out) {
  return Guard(nullptr, [&] {
    RequirePointer(out, "size a page", "out");
    const KvView kv{nullptr, 0, 1, dim, kv_dtype};
    CheckKv("size a page", kv, 0);
    *out = LL_PAGE_TOKENS * (2 * kv.RowBytes() + int64_t{sizeof(float)});
  });
}

extern "C" int32_t ll_append(ll_run* run, void* const* pages, int32_t stride, int32_t kv_heads,
                             int32_t dim, int32_t kv_dtype, int32_t start, int32_t tokens,
                             const float* k, const float* v, const float* positions) {
  return Guard(run, [&] {
    const char* const action = "append tokens";
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    Require(start >= 0, action, "start must be >= 0", start);
    Require(tokens >= 0, action, "tokens must be >= 0", tokens);
    CheckKv(action, kv, int64_t{start} + tokens);
    if (tokens == 0) return;
    RequirePointer(k, action, "k");
    RequirePointer(v, action, "v");
    RequirePointer(positions, action, "positions");
    for (int64_t g = 0; g < kv_heads; ++g) {
      for (int64_t p = start / LL_PAGE_TOKENS; p * LL_PAGE_TOKENS < int64_t{start} + tokens; ++p) {
        kv.Page(g, p);  // before anything is written
      }
    }
    const Call call(run);
    constexpr int64_t kGrain = 64;
    const int64_t blocks = (tokens + kGrain - 1) / kGrain;
    call.ForIf(blocks > 1, blocks, [&](int64_t block) {
      const int64_t end = std::min<int64_t>(tokens, (block + 1) * kGrain);
      for (int64_t t = block * kGrain; t < end; ++t) {
        for (int64_t g = 0; g < kv_heads; ++g) {
          const int64_t from = (t * kv_heads + g) * dim;
          WriteRow(call.kernels(), kv_dtype, k + from, dim, kv.Row(g, start + t, Part::kKeys));
          WriteRow(call.kernels(), kv_dtype, v + from, dim, kv.Row(g, start + t, Part::kValues));
          *kv.Position(g, start + t) = positions[t];
        }
      }
      call.Progress(end - block * kGrain);
    });
  });
}

extern "C" int32_t ll_read_kv(void* const* pages, int32_t stride, int32_t kv_head, int32_t dim,
                              int32_t kv_dtype, int32_t start, int32_t tokens, float* k, float* v,
                              float* positions) {
  return Guard(nullptr, [&] {
    const char* const action = "read tokens";
    Require(kv_head >= 0, action, "kv_head must be >= 0", kv_head);
    Require(start >= 0, action, "start must be >= 0", start);
    Require(tokens >= 0, action, "tokens must be >= 0", tokens);
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    CheckKv(action, kv, int64_t{start} + tokens);
    const Call call(nullptr);
    for (int64_t t = 0; t < tokens; ++t) {
      const char* const key = kv.Row(kv_head, start + t, Part::kKeys);
      const char* const value = kv.Row(kv_head, start + t, Part::kValues);
      if (k != nullptr) ReadRow(call.kernels(), kv_dtype, key, dim, k + t * dim);
      if (v != nullptr) ReadRow(call.kernels(), kv_dtype, value, dim, v + t * dim);
      if (positions != nullptr) positions[t] = *kv.Position(kv_head, start + t);
    }
  });
}
