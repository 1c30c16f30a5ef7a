// The operations of a layer outside attention. Formulas and shapes: longlens.h.
//
// Rows are processed in chunks, so that activations between two projections stay bounded
// (kChunkFloats).
#include <algorithm>
#include <cstring>

#include "../common/model_arguments.h"
#include "linear.h"
#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kChunkFloats = int64_t{1} << 24;
// Floats that one work item of an element-wise pass covers.
constexpr int64_t kPassFloats = 1 << 14;

// Rows of a chunk with `width` floats of scratch per row.
int64_t ChunkRows(int64_t rows, int64_t width) {
  return std::min(rows, std::clamp<int64_t>(kChunkFloats / width, 64, 1024));
}

// Calls body(row) for each row, `width` floats of work each.
template <class Body>
void ForRows(const Call& call, int64_t rows, int64_t width, const Body& body) {
  const int64_t grain = std::max<int64_t>(1, kPassFloats / width);
  call.For((rows + grain - 1) / grain, [&](int64_t item) {
    const int64_t end = std::min(rows, (item + 1) * grain);
    for (int64_t t = item * grain; t < end; ++t) body(t);
  });
}

void NormRows(const Call& call, const float* x, int64_t rows, int64_t hidden, const float* norm,
              float eps, float* out) {
  ForRows(call, rows, hidden, [&](int64_t t) {
    call.kernels().rms_norm(x + t * hidden, norm, hidden, eps, out + t * hidden);
  });
}

// A norm that what is added passes first, where `norm` is not null; room [rows][out].
struct PostNorm {
  const float* norm;
  float eps;
  float* room;
};

// y[t] += x[t] W^T, through the norm
void AddLinear(const Call& call, const float* x, int64_t rows, const Weights& w,
               const PostNorm& post, float* y) {
  if (post.norm == nullptr) return Linear(call, x, rows, w, y, true);
  Linear(call, x, rows, w, post.room, false);
  ForRows(call, rows, w.out, [&](int64_t t) {
    float* const added = post.room + t * w.out;
    call.kernels().rms_norm(added, post.norm, w.out, post.eps, added);
    for (int64_t i = 0; i < w.out; ++i) y[t * w.out + i] += added[i];
  });
}

// Biases, head norms and rotary embedding of q, k and v.
struct HeadPass {
  const float *bq, *bk, *bv, *q_norm, *k_norm;
  float eps;
  int64_t heads, kv_heads, dim, tokens, half;
  const float *cos, *sin;
  const int32_t* table_of_head;
  float *q, *k, *v;

  static void AddBias(float* x, const float* bias, int64_t count) {
    if (bias == nullptr) return;
    for (int64_t i = 0; i < count; ++i) x[i] += bias[i];
  }

  // Head number `n` counts query heads first.
  void Head(const Kernels& kernels, float* x, const float* norm, int64_t n, int64_t token) const {
    if (norm != nullptr) kernels.rms_norm(x, norm, dim, eps, x);
    if (half == 0) return;
    const int64_t table = table_of_head == nullptr ? 0 : table_of_head[n];
    const int64_t row = (table * tokens + token) * half;
    kernels.rotate(x, cos + row, sin + row, half);
  }

  void Token(const Kernels& kernels, int64_t t) const {
    float* const q_row = q + t * heads * dim;
    float* const k_row = k + t * kv_heads * dim;
    AddBias(q_row, bq, heads * dim);
    AddBias(k_row, bk, kv_heads * dim);
    AddBias(v + t * kv_heads * dim, bv, kv_heads * dim);
    for (int64_t h = 0; h < heads; ++h) Head(kernels, q_row + h * dim, q_norm, h, t);
    for (int64_t g = 0; g < kv_heads; ++g) Head(kernels, k_row + g * dim, k_norm, heads + g, t);
  }
};

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
    const Weights rows{table, table_dtype, vocab, hidden};
    ForRows(call, tokens, hidden, [&](int64_t t) {
      float* const target = out + t * hidden;
      WidenRow(call.kernels(), rows, ids[t], target);
      for (int32_t i = 0; i < hidden; ++i) target[i] *= scale;
    });
    call.Progress(tokens);
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
    if (!HasWork(a)) return;
    const Call call(run);
    const int64_t q_width = int64_t{heads} * dim, kv_width = int64_t{kv_heads} * dim;
    const HeadPass pass{bq,     bk,      bv,  q_norm, k_norm,        eps, heads, kv_heads, dim,
                        tokens, rot / 2, cos, sin,    table_of_head, q,   k,     v};
    const Weights weights_q{wq, weight_dtypes[0], q_width, hidden};
    const Weights weights_k{wk, weight_dtypes[1], kv_width, hidden};
    const Weights weights_v{wv, weight_dtypes[2], kv_width, hidden};
    const int64_t chunk = ChunkRows(tokens, hidden);
    const Buffer<float> h(chunk * hidden);
    for (int64_t t = 0; t < tokens; t += chunk) {
      const int64_t rows = std::min<int64_t>(chunk, tokens - t);
      NormRows(call, x + t * hidden, rows, hidden, norm, eps, h.data());
      LinearEach(call, h.data(), rows,
                 {{weights_q, q + t * q_width},
                  {weights_k, k + t * kv_width},
                  {weights_v, v + t * kv_width}});
      ForRows(call, rows, q_width, [&](int64_t row) { pass.Token(call.kernels(), t + row); });
      call.Progress(rows);
    }
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
    if (!HasWork(a)) return;
    const Call call(run);
    const Weights weights_o{wo, weight_dtypes[0], hidden, width};
    const Weights weights_gate{wgate, weight_dtypes[1], ffn, hidden};
    const Weights weights_up{wup, weight_dtypes[2], ffn, hidden};
    const Weights weights_down{wdown, weight_dtypes[3], hidden, ffn};
    const int64_t chunk = ChunkRows(tokens, hidden + 2 * int64_t{ffn});
    const Buffer<float> h(chunk * hidden), gate(chunk * ffn), up(chunk * ffn);
    for (int64_t t = 0; t < tokens; t += chunk) {
      const int64_t rows = std::min<int64_t>(chunk, tokens - t);
      float* const y = x + t * hidden;
      AddLinear(call, attention + t * width, rows, weights_o, {a_norm, eps, h.data()}, y);
      NormRows(call, y, rows, hidden, norm, eps, h.data());
      LinearEach(call, h.data(), rows, {{weights_gate, gate.data()}, {weights_up, up.data()}});
      ForRows(call, rows, ffn, [&](int64_t row) {
        call.kernels().gate(gate.data() + row * ffn, up.data() + row * ffn, ffn, activation);
      });
      AddLinear(call, gate.data(), rows, weights_down, {f_norm, eps, h.data()}, y);
      call.Progress(rows);
    }
  });
}

extern "C" int32_t ll_logits(ll_run* run, const float* x, int32_t rows, int32_t hidden,
                             const float* norm, float eps, const void* head, int32_t head_dtype,
                             int32_t vocab, float* out) {
  return Guard(run, [&] {
    if (!HasWork(LogitsArguments{x, rows, hidden, norm, eps, head, head_dtype, vocab, out})) return;
    const Call call(run);
    const int64_t chunk = ChunkRows(rows, hidden);
    const Buffer<float> h(chunk * hidden);
    for (int64_t t = 0; t < rows; t += chunk) {
      const int64_t now = std::min<int64_t>(chunk, rows - t);
      NormRows(call, x + t * hidden, now, hidden, norm, eps, h.data());
      Linear(call, h.data(), now, {head, head_dtype, vocab, hidden}, out + t * vocab, false);
      call.Progress(now);
    }
  });
}

extern "C" int32_t ll_log_probs(ll_run* run, const float* logits, int32_t rows, int32_t vocab,
                                const int32_t* targets, float* out) {
  return Guard(run, [&] {
    if (!HasWork(LogProbsArguments{logits, rows, vocab, targets, out})) return;
    const Call call(run);
    ForRows(call, rows, vocab, [&](int64_t r) {
      const float* const row = logits + r * vocab;
      out[r] = static_cast<float>(row[targets[r]] - call.kernels().log_sum_exp(row, vocab));
      call.Progress(1);
    });
  });
}
