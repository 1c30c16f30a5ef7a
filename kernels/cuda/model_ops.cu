// The operations of a layer outside attention. Formulas and shapes: longlens.h.
//
// Rows are processed in chunks, so that activations between two projections stay bounded.
#include <algorithm>

#include "../common/model_arguments.h"
#include "activations.h"
#include "embed.h"
#include "head_pass.h"
#include "linear.h"

namespace longlens {
namespace {

void Qkv(const Call& call, const QkvArguments& a) {
  const int64_t hidden = a.hidden, dim = a.dim;
  const int64_t q_width = a.heads * dim, kv_width = a.kv_heads * dim;
  const int32_t* const dtypes = a.weight_dtypes;
  const Linear linear(call, a.tokens, {dtypes[0], dtypes[1], dtypes[2]});
  const Weights wq{a.wq, dtypes[0], q_width, hidden};
  const Weights wk{a.wk, dtypes[1], kv_width, hidden};
  const Weights wv{a.wv, dtypes[2], kv_width, hidden};
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

// A norm that what is added passes first, where `norm` is not null; room [rows][out].
struct PostNorm {
  const float* norm;
  float eps;
  float* room;
};

// y += x W^T, through the norm
void AddProduct(const Call& call, const Linear& linear, const Activations& x, int64_t rows,
                const Weights& w, const PostNorm& post, float* y) {
  if (post.norm == nullptr) return linear.Multiply(x, rows, {{w, y}}, true);
  linear.Multiply(x, rows, {{w, post.room}}, false);
  AddNormRows(call, post.room, rows, w.out, post.norm, post.eps, y);
}

void Output(const Call& call, const OutputArguments& a) {
  const int64_t hidden = a.hidden, width = a.width, ffn = a.ffn;
  const int32_t* const dtypes = a.weight_dtypes;
  const Linear linear(call, a.tokens, {dtypes[0], dtypes[1], dtypes[2], dtypes[3]});
  const Weights wo{a.wo, dtypes[0], hidden, width};
  const Weights wgate{a.wgate, dtypes[1], ffn, hidden};
  const Weights wup{a.wup, dtypes[2], ffn, hidden};
  const Weights wdown{a.wdown, dtypes[3], hidden, ffn};
  const bool rounds = linear.rounds();
  const int64_t chunk = linear.ChunkRows(2 * hidden + width + 3 * ffn);
  const Activations room = MakeActivations(call, rounds ? chunk : 0, width, rounds);
  const Activations h = MakeActivations(call, chunk, hidden, rounds);
  const Activations gated = MakeActivations(call, chunk, ffn, rounds);
  float* const halves =
      linear.NeedsRoom(wgate, wup) ? call.Scratch<float>(2 * chunk * ffn) : nullptr;
  float* const added =
      a.a_norm != nullptr || a.f_norm != nullptr ? call.Scratch<float>(chunk * hidden) : nullptr;
  for (int64_t t = 0; t < a.tokens; t += chunk) {
    const int64_t rows = std::min(chunk, a.tokens - t);
    float* const y = a.x + t * hidden;
    const Activations attention = Take(call, a.attention + t * width, rows, room);
    AddProduct(call, linear, attention, rows, wo, {a.a_norm, a.eps, added}, y);
    NormRows(call, y, rows, a.norm, a.eps, h);
    linear.MultiplyGated(h, rows, wgate, wup, a.activation, halves, gated);
    AddProduct(call, linear, gated, rows, wdown, {a.f_norm, a.eps, added}, y);
    call.Progress(rows);
  }
}

void Logits(const Call& call, const LogitsArguments& a) {
  const int64_t hidden = a.hidden, vocab = a.vocab;
  const Linear linear(call, a.rows, {a.head_dtype});
  const Weights head{a.head, a.head_dtype, vocab, hidden};
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
    if (HasWork(a)) Embed(Call(run), a);
  });
}

extern "C" int32_t ll_qkv(ll_run* run, const float* x, int32_t tokens, int32_t hidden,
                          const float* norm, float eps, const void* wq, const void* wk,
                          const void* wv, const int32_t* weight_dtypes, const float* bq,
                          const float* bk, const float* bv, const float* q_norm,
                          const float* k_norm, int32_t heads, int32_t kv_heads, int32_t dim,
                          const float* cos, const float* sin, int32_t tables, int32_t rot,
                          const int32_t* table_of_head, float* q, float* k, float* v) {
  return Guard(run, [&] {
    const QkvArguments a{
        x,      tokens, hidden,   norm, eps, wq,  wk,     wv,  weight_dtypes, bq, bk, bv, q_norm,
        k_norm, heads,  kv_heads, dim,  cos, sin, tables, rot, table_of_head, q,  k,  v};
    if (HasWork(a)) Qkv(Call(run), a);
  });
}

extern "C" int32_t ll_output(ll_run* run, float* x, int32_t tokens, int32_t hidden,
                             const float* attention, int32_t width, const void* wo,
                             const float* a_norm, const float* norm, float eps, const void* wgate,
                             const void* wup, const void* wdown, const int32_t* weight_dtypes,
                             const float* f_norm, int32_t ffn, int32_t activation) {
  return Guard(run, [&] {
    const OutputArguments a{x,     tokens, hidden, attention,     width,  wo,  a_norm,    norm, eps,
                            wgate, wup,    wdown,  weight_dtypes, f_norm, ffn, activation};
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
