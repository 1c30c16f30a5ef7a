// Writing and reading keys and values in pages.
//
// LL_INT8 pages, as longlens.h documents them and kernels/cpu/quantise.cpp writes them, to the bit:
//   element = integer -127 .. 127 times 2^(exponent - 127)
// A thread takes the tokens of one key channel one after the other, because each may need a larger
// scale than those before; a warp takes a value.
#include "page_table.h"

#include "../common/page_calls.h"
#include "launch.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 128;
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;
constexpr uint32_t kInfinity = 0x7F800000u;

// k, v [tokens][kv_heads][dim]; positions [tokens]; token 0 is token `start` of the pages.
struct NewTokens {
  const float *k, *v, *positions;
  int32_t start, tokens, kv_heads;
};

__device__ void Write(char* at, int32_t dtype, float x) {
  if (dtype == LL_F32) {
    *reinterpret_cast<float*>(at) = x;
  } else {
    *reinterpret_cast<uint16_t*>(at) = NarrowBf16(x);
  }
}

__device__ float* PositionAt(const DevicePages& pages, int32_t head, int32_t token) {
  char* const page = pages.Page(head, token / LL_PAGE_TOKENS);
  return reinterpret_cast<float*>(page + pages.layout.PositionsAt()) + token % LL_PAGE_TOKENS;
}

// A thread per element of k and the one of v.
__global__ void AppendKernel(DevicePages pages, NewTokens in) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int32_t dim = pages.layout.dim;
  const int64_t row = i / dim;
  if (row >= int64_t{in.tokens} * in.kv_heads) return;
  const int32_t t = row / in.kv_heads, head = row % in.kv_heads, channel = i % dim;
  const int32_t token = in.start + t;
  const int64_t at = pages.layout.ElementAt(token % LL_PAGE_TOKENS, channel);
  Write(pages.Base(head, token, Part::kKeys) + at, pages.layout.dtype, in.k[i]);
  Write(pages.Base(head, token, Part::kValues) + at, pages.layout.dtype, in.v[i]);
  if (channel == 0) *PositionAt(pages, head, token) = in.positions[t];
}

// ---- LL_INT8 ----

__device__ uint32_t Magnitude(float x) { return __float_as_uint(x) & 0x7FFFFFFFu; }

// Sets *found where an element is not finite.
__global__ void FindNonFiniteKernel(const float* k, const float* v, int64_t count, int* found) {
  const int64_t step = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step) {
    if (Magnitude(k[i]) >= kInfinity || Magnitude(v[i]) >= kInfinity) *found = 1;
  }
}

// Biased exponent of the scale of a number with these bits; 0 for 0. The addition carries where the
// mantissa is above that of 127.
__device__ int32_t ExponentOf(uint32_t magnitude) {
  if (magnitude == 0) return 0;
  const int32_t exponent = static_cast<int32_t>((magnitude + 0x1FFFFu) >> 23) - 6;
  return exponent < 1 ? 1 : exponent > 248 ? 248 : exponent;
}

__device__ float ScaleOf(int32_t exponent) {
  return __uint_as_float(static_cast<uint32_t>(exponent) << 23);
}

// 1 / scale; 0 where nothing but zeros came.
__device__ float InverseOf(int32_t exponent) {
  return exponent == 0 ? 0.0f : ScaleOf(254 - exponent);
}

// Rounds to nearest even. Adding 1.5 * 2^23 leaves the integer in the low byte.
__device__ int8_t Round(float x) {
  const float moved = fminf(fmaxf(x, -127.0f), 127.0f) + 12582912.0f;
  return static_cast<int8_t>(__float_as_uint(moved) & 0xFFu);
}

// A channel of the keys of a page.
struct KeyChannel {
  int8_t* first;  // of slot 0
  int32_t dim;

  __device__ int8_t& At(int32_t slot) const { return first[int64_t{slot} * dim]; }
  // Rounds the first keys to a larger scale.
  __device__ void Grow(int32_t slots, int32_t from, int32_t to) const {
    if (from == 0) return;  // zeros
    const float factor = to - from < 127 ? ScaleOf(127 - (to - from)) : 0.0f;
    for (int32_t slot = 0; slot < slots; ++slot) At(slot) = Round(At(slot) * factor);
  }
};

// Block (page, head): its keys.
__global__ void AppendInt8KeysKernel(DevicePages pages, NewTokens in) {
  const int32_t page = blockIdx.x, head = blockIdx.y, dim = pages.layout.dim;
  const int32_t from = max(in.start, page * LL_PAGE_TOKENS);
  const int32_t end = min(in.start + in.tokens, (page + 1) * LL_PAGE_TOKENS);
  char* const memory = pages.Page(head, page);
  for (int32_t i = threadIdx.x; i < dim; i += blockDim.x) {
    const KeyChannel channel{reinterpret_cast<int8_t*>(memory) + i, dim};
    char* const exponent_at = memory + pages.layout.KeyExponentsAt() + i;
    int32_t exponent = from % LL_PAGE_TOKENS == 0 ? 0 : static_cast<uint8_t>(*exponent_at);
    for (int32_t token = from; token < end; ++token) {
      const int64_t row = int64_t{token - in.start} * in.kv_heads + head;
      const float x = in.k[row * dim + i];
      const int32_t slot = token % LL_PAGE_TOKENS, needed = ExponentOf(Magnitude(x));
      if (needed > exponent) {
        channel.Grow(slot, exponent, needed);
        exponent = needed;
      }
      channel.At(slot) = Round(x * InverseOf(exponent));
    }
    *exponent_at = static_cast<char>(exponent);
  }
}

// A warp per token and head: its value and position.
__global__ void AppendInt8ValuesKernel(DevicePages pages, NewTokens in) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= int64_t{in.tokens} * in.kv_heads) return;
  const int32_t t = row / in.kv_heads, head = row % in.kv_heads, dim = pages.layout.dim;
  const int32_t token = in.start + t, slot = token % LL_PAGE_TOKENS, lane = threadIdx.x % kWarp;
  const float* const v = in.v + row * dim;
  uint32_t largest = 0;
  for (int32_t i = lane; i < dim; i += kWarp) largest = max(largest, Magnitude(v[i]));
  for (int bits = kWarp / 2; bits > 0; bits /= 2) {
    largest = max(largest, __shfl_xor_sync(kWholeWarp, largest, bits));
  }
  const int32_t exponent = ExponentOf(largest);
  const float inverse = InverseOf(exponent);
  char* const values = pages.Base(head, token, Part::kValues);
  for (int32_t i = lane; i < dim; i += kWarp) {
    values[pages.layout.ElementAt(slot, i)] = static_cast<char>(Round(v[i] * inverse));
  }
  if (lane != 0) return;
  char* const page = pages.Page(head, token / LL_PAGE_TOKENS);
  page[pages.layout.ValueExponentsAt() + slot] = static_cast<char>(exponent);
  *PositionAt(pages, head, token) = in.positions[t];
}

void RequireFinite(const Call& call, const NewTokens& in, int64_t elements, int32_t start) {
  constexpr int64_t kMostBlocks = 1024;
  int* const found = call.Scratch<int>(1);
  CheckCuda(cudaMemsetAsync(found, 0, sizeof(int), call.stream()), "append tokens");
  const unsigned blocks = std::min(Blocks(elements, kThreads), kMostBlocks);
  Launch(call, "append tokens", FindNonFiniteKernel, dim3(blocks), kThreads, 0, in.k, in.v, elements,
         found);
  int result = 0;
  call.CopyOut(&result, found, 1);
  Require(result == 0, "append tokens",
          "keys and values of LL_INT8 pages must be finite: a number is not, start", start);
}

void AppendInt8(const Call& call, const DevicePages& pages, const NewTokens& in) {
  const int64_t rows = int64_t{in.tokens} * in.kv_heads;
  const unsigned page_count = Blocks(int64_t{in.start} + in.tokens, LL_PAGE_TOKENS);
  Launch(call, "append keys", AppendInt8KeysKernel, dim3(page_count, in.kv_heads), kThreads, 0,
         pages, in);
  Launch(call, "append values", AppendInt8ValuesKernel, dim3(Blocks(rows, kWarps)), kThreads, 0,
         pages, in);
}

// ---- reading ----

// A thread per element: out[token][channel].
__global__ void ReadRowsKernel(DevicePages pages, Part part, int32_t start, int32_t tokens,
                               float* out) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t t = i / pages.layout.dim;
  if (t >= tokens) return;
  out[i] = pages.Element(0, start + static_cast<int32_t>(t), part, i % pages.layout.dim);
}

__global__ void ReadPositionsKernel(DevicePages pages, int32_t start, int32_t tokens, float* out) {
  const int32_t t = blockIdx.x * blockDim.x + threadIdx.x;
  if (t < tokens) out[t] = *PositionAt(pages, 0, start + t);
}

// Tokens of one KV head.
struct Reader {
  const Call& call;
  const DevicePages& pages;
  int32_t start, tokens;

  void Rows(Part part, float* host) const {
    if (host == nullptr) return;
    const int64_t count = int64_t{tokens} * pages.layout.dim;
    float* const rows = call.Scratch<float>(count);
    Launch(call, "read tokens", ReadRowsKernel, dim3(Blocks(count, kThreads)), kThreads, 0, pages,
           part, start, tokens, rows);
    call.CopyOut(host, rows, count);
  }
  void Positions(float* host) const {
    if (host == nullptr) return;
    float* const positions = call.Scratch<float>(tokens);
    Launch(call, "read positions", ReadPositionsKernel, dim3(Blocks(tokens, kThreads)), kThreads, 0,
           pages, start, tokens, positions);
    call.CopyOut(host, positions, tokens);
  }
};

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_page_bytes(int32_t dim, int32_t kv_dtype, int64_t* out) {
  return Guard(nullptr, [&] {
    RequirePointer(out, "size a page", "out");
    CheckPageTable("size a page", {nullptr, 0, 1, dim, kv_dtype}, 0);
    *out = PageLayout{dim, kv_dtype}.PageBytes();
  });
}

extern "C" int32_t ll_append(ll_run* run, void* const* pages, int32_t stride, int32_t kv_heads,
                             int32_t dim, int32_t kv_dtype, int32_t start, int32_t tokens,
                             const float* k, const float* v, const float* positions) {
  return Guard(run, [&] {
    const AppendCall append{
        {pages, stride, kv_heads, dim, kv_dtype}, start, tokens, k, v, positions};
    if (!CheckAppend(append)) return;
    const Call call(run);
    const int64_t elements = int64_t{tokens} * kv_heads * dim;
    const DevicePages device_pages = CopyPagesIn(call, append.table, start, append.End());
    const NewTokens in{k, v, call.CopyIn(positions, tokens), start % LL_PAGE_TOKENS, tokens,
                       kv_heads};
    if (kv_dtype == LL_INT8) {
      RequireFinite(call, in, elements, start);
      AppendInt8(call, device_pages, in);
    } else {
      Launch(call, "append tokens", AppendKernel, dim3(Blocks(elements, kThreads)), kThreads, 0,
             device_pages, in);
    }
    call.Progress(tokens);
  });
}

extern "C" int32_t ll_read_kv(void* const* pages, int32_t stride, int32_t kv_head, int32_t dim,
                              int32_t kv_dtype, int32_t start, int32_t tokens, float* k, float* v,
                              float* positions) {
  return Guard(nullptr, [&] {
    const ReadKvCall read{
        {pages, stride, int64_t{kv_head} + 1, dim, kv_dtype}, kv_head, start, tokens};
    if (!CheckReadKv(read)) return;
    const PageTable row{pages + int64_t{kv_head} * stride, stride, 1, dim, kv_dtype};
    const Call call(nullptr);
    const DevicePages device_pages = CopyPagesIn(call, row, start, read.End());
    const Reader reader{call, device_pages, start % LL_PAGE_TOKENS, tokens};
    reader.Rows(Part::kKeys, k);
    reader.Rows(Part::kValues, v);
    reader.Positions(positions);
  });
}
