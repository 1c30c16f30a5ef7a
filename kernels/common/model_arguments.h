// The arguments of the operations of a layer outside attention, as the ABI takes them, and their
// checks. Formulas and shapes: longlens.h.
#ifndef LONGLENS_COMMON_MODEL_ARGUMENTS_H_
#define LONGLENS_COMMON_MODEL_ARGUMENTS_H_

#include <cstdint>

namespace longlens {

struct EmbedArguments {
  const int32_t* ids;
  int32_t tokens;
  const void* table;
  int32_t table_dtype, vocab, hidden;
  float scale;
  float* out;
};

struct QkvArguments {
  const float* x;
  int32_t tokens, hidden;
  const float* norm;
  float eps;
  const void *wq, *wk, *wv;
  const int32_t* weight_dtypes;
  const float *bq, *bk, *bv, *q_norm, *k_norm;
  int32_t heads, kv_heads, dim;
  const float *cos, *sin;
  int32_t tables, rot;
  const int32_t* table_of_head;
  float *q, *k, *v;
};

struct OutputArguments {
  float* x;
  int32_t tokens, hidden;
  const float* attention;
  int32_t width;
  const void* wo;
  const float *a_norm, *norm;
  float eps;
  const void *wgate, *wup, *wdown;
  const int32_t* weight_dtypes;
  const float* f_norm;
  int32_t ffn, activation;
};

struct LogitsArguments {
  const float* x;
  int32_t rows, hidden;
  const float* norm;
  float eps;
  const void* head;
  int32_t head_dtype, vocab;
  float* out;
};

struct LogProbsArguments {
  const float* logits;
  int32_t rows, vocab;
  const int32_t* targets;
  float* out;
};

// Each throws LL_INVALID_ARGUMENT, or returns whether there are rows to work on; pointers are
// required only then.
bool HasWork(const EmbedArguments& a);
bool HasWork(const QkvArguments& a);
bool HasWork(const OutputArguments& a);
bool HasWork(const LogitsArguments& a);
bool HasWork(const LogProbsArguments& a);

}  // namespace longlens

#endif  // LONGLENS_COMMON_MODEL_ARGUMENTS_H_
