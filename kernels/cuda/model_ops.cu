// The operations of a layer outside attention. Formulas and shapes: longlens.h.
//
// Rows are processed in chunks, so that activations between two projections stay bounded.
#include <algorithm>

#include "../common/model_arguments.h"
#include "activations.h"
#include "head_pass.h"
#include "launch.cuh"
#include "linear.h"
#include "ptx.cuh"

namespace longlens {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ float Widen(float x) { return x; }
__device__ __forceinline__ float Widen(uint16_t x) { return WidenBf16(x); }

// out[t][i] = scale table[ids[t]][i]
template <class T>
__global__ void __launch_bounds__(kThreads)
    EmbedKernel(const int32_t* ids, const T* table, int64_t hidden, float scale, float* out) {
  const T* const row = table + ids[blockIdx.x] * hidden;
  float* const target = out + blockIdx.x * hidden;
  for (int64_t i = threadIdx.x; i < hidden; i += kThreads) target[i] = Widen(row[i]) * scale;
}

template <class T>
void Embed(const Call& call, const EmbedArguments& a) {
  const int32_t* const ids = call.CopyIn(a.ids, a.tokens);
  Launch(call, "embed", EmbedKernel<T>, dim3(a.tokens), kThreads, 0, ids,
         static_cast<const T*>(a.table), int64_t{a.hidden}, a.scale, a.out);
  call.Progress(a.tokens);
}

void Qkv(const Call& call, const QkvArguments& a) {
  const int64_t hidden = a.hidden, dim = a.dim;
  const int64_t q_width = a.heads * dim, kv_width = a.kv_heads * dim;
  const Linear linear(call, a.tokens, a.weight_dtype);
  const Weights wq = linear.Prepare({a.wq, a.weight_dtype, q_width, hidden});
  const Weights wk = linear.Prepare({a.wk, a.weight_dtype, kv_width, hidden});
  const Weights wv = linear.Prepare({a.wv, a.weight_dtype, kv_width, hidden});
  const bool has_tables = a.rot > 0 && a.table_of_head != nullptr;
  const int32_t* const table_of_head =
      has_tables ? call.CopyIn(a.table_of_head, int64_t{a.heads} + a.kv_heads) : nullptr;
  const int64_t chunk = linear.ChunkRows(hidden);
  const Activations h = MakeActivations(call, chunk, hidden, linear.rounds());
  for (int64_t t = 0; t < a.tokens; t += chunk) {
    const int64_t rows = std::min(chunk, a.tokens - t);
    NormRows(call, a.x + t * hidden, rows, a.norm, a.eps, h);
    linear.Multiply(h, rows,
                    {{wq, a.q + t * q_width}, {wk, a.k + t * kv_width}, {wv, a.v + t * kv_width}},
                    false);
    HeadPass(call, a, table_of_head, t, rows);
    call.Progress(rows);
  }
}

// Rows of `attention` as the products take them; `room` is for rounded ones.
Activations Take(const Call& call, const float* attention, int64_t rows, const Activations& room) {
  if (!room.rounded) return {const_cast<float*>(attention), room.width, false};
  RoundRows(call, attention, rows, room);
  return room;
}

void Output(const Call& call, const OutputArguments& a) {
  const int64_t hidden = a.hidden, width = a.width, ffn = a.ffn;
  const Linear linear(call, a.tokens, a.weight_dtype);
  const Weights wo = linear.Prepare({a.wo, a.weight_dtype, hidden, width});
  const Weights wgate = linear.Prepare({a.wgate, a.weight_dtype, ffn, hidden});
  const Weights wup = linear.Prepare({a.wup, a.weight_dtype, ffn, hidden});
  const Weights wdown = linear.Prepare({a.wdown, a.weight_dtype, hidden, ffn});
  const bool rounds = linear.rounds();
  const int64_t chunk = linear.ChunkRows(hidden + width + 3 * ffn);
  const Activations room = MakeActivations(call, rounds ? chunk : 0, width, rounds);
  const Activations h = MakeActivations(call, chunk, hidden, rounds);
  const Activations gated = MakeActivations(call, chunk, ffn, rounds);
  float* const halves = linear.NeedsRoom() ? call.Scratch<float>(2 * chunk * ffn) : nullptr;
  for (int64_t t = 0; t < a.tokens; t += chunk) {
    const int64_t rows = std::min(chunk, a.tokens - t);
    float* const y = a.x + t * hidden;
    const Activations attention = Take(call, a.attention + t * width, rows, room);
    linear.Multiply(attention, rows, {{wo, y}}, true);
    NormRows(call, y, rows, a.norm, a.eps, h);
    linear.MultiplyGated(h, rows, wgate, wup, a.activation, halves, gated);
    linear.Multiply(gated, rows, {{wdown, y}}, true);
    call.Progress(rows);
  }
}

void Logits(const Call& call, const LogitsArguments& a) {
  const int64_t hidden = a.hidden, vocab = a.vocab;
  const Linear linear(call, a.rows, a.head_dtype);
  const Weights head = linear.Prepare({a.head, a.head_dtype, vocab, hidden});
  const int64_t chunk = linear.ChunkRows(hidden);
  const Activations h = MakeActivations(call, chunk, hidden, linear.rounds());
  for (int64_t t = 0; t < a.rows; t += chunk) {
    const int64_t rows = std::min(chunk, a.rows - t);
    NormRows(call, a.x + t * hidden, rows, a.norm, a.eps, h);
    linear.Multiply(h, rows, {{head, a.out + t * vocab}}, false);
    call.Progress(rows);
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_embed(ll_run* run, const int32_t* ids, int32_t tokens, const void* table,
                            int32_t table_dtype, int32_t vocab, int32_t hidden, float scale,
                            float* out) {
  return Guard(run, [&] {
    const EmbedArguments a{ids, tokens, table, table_dtype, vocab, hidden, scale, out};
    if (!HasWork(a)) return;
    const Call call(run);
    if (table_dtype == LL_F32) return Embed<float>(call, a);
    Embed<uint16_t>(call, a);
  });
}

extern "C" int32_t ll_qkv(ll_run* run, const float* x, int32_t tokens, int32_t hidden,
                          const float* norm, float eps, const void* wq, const void* wk,
                          const void* wv, int32_t weight_dtype, const float* bq, const float* bk,
                          const float* bv, const float* q_norm, const float* k_norm, int32_t heads,
                          int32_t kv_heads, int32_t dim, const float* cos, const float* sin,
                          int32_t tables, int32_t rot, const int32_t* table_of_head, float* q,
                          float* k, float* v) {
  return Guard(run, [&] {
    const QkvArguments a{
        x,      tokens, hidden,   norm, eps, wq,  wk,     wv,  weight_dtype,  bq, bk, bv, q_norm,
        k_norm, heads,  kv_heads, dim,  cos, sin, tables, rot, table_of_head, q,  k,  v};
    if (HasWork(a)) Qkv(Call(run), a);
  });
}

extern "C" int32_t ll_output(ll_run* run, float* x, int32_t tokens, int32_t hidden,
                             const float* attention, int32_t width, const void* wo,
                             const float* norm, float eps, const void* wgate, const void* wup,
                             const void* wdown, int32_t weight_dtype, int32_t ffn,
                             int32_t activation) {
  return Guard(run, [&] {
    const OutputArguments a{x,   tokens, hidden, attention, width,        wo,  norm,
                            eps, wgate,  wup,    wdown,     weight_dtype, ffn, activation};
    if (HasWork(a)) Output(Call(run), a);
  });
}

extern "C" int32_t ll_logits(ll_run* run, const float* x, int32_t rows, int32_t hidden,
                             const float* norm, float eps, const void* head, int32_t head_dtype,
                             int32_t vocab, float* out) {
  return Guard(run, [&] {
    const LogitsArguments a{x, rows, hidden, norm, eps, head, head_dtype, vocab, out};
    if (HasWork(a)) Logits(Call(run), a);
  });
}
