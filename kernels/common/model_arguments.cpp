#include "model_arguments.h"

#include <initializer_list>

#include "element_types.h"
#include "head_groups.h"
#include "status.h"

namespace longlens {
namespace {

struct Pointer {
  const void* value;
  const char* name;
};

void RequirePointers(const char* action, std::initializer_list<Pointer> pointers) {
  for (const Pointer& pointer : pointers) RequirePointer(pointer.value, action, pointer.name);
}

// Requires a type of weights, of which rows of `columns` elements are whole blocks.
void CheckWeightType(const char* action, const char* name, int32_t dtype, int32_t columns) {
  const int32_t block = ElementTypeOf(dtype).block_elements;
  if (block == 0) {
    throw Error(LL_INVALID_ARGUMENT,
                "Cannot %s as %s must be a type of weights: current value is %d", action, name,
                dtype);
  }
  if (columns % block == 0) return;
  throw Error(LL_INVALID_ARGUMENT,
              "Cannot %s as rows of the weights of %s must be whole blocks of %d: current value is "
              "%d",
              action, name, block, columns);
}

void CheckIds(const EmbedArguments& a) {
  for (int32_t t = 0; t < a.tokens; ++t) {
    const int32_t id = a.ids[t];
    if (id >= 0 && id < a.vocab) continue;
    throw Error(LL_INVALID_ARGUMENT, "Cannot embed as ids[%d] must be %s%d: current value is %d", t,
                id < 0 ? ">= " : "< ", id < 0 ? 0 : a.vocab, id);
  }
}

// Requires 0 <= values[i] < end.
void CheckRange(const char* action, const char* name, const int32_t* values, int64_t count,
                int32_t end) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= 0 && values[i] < end) continue;
    throw Error(LL_INVALID_ARGUMENT, "Cannot %s as %s[%d] must be in 0..%d: current value is %d",
                action, name, static_cast<int>(i), end - 1, values[i]);
  }
}

void CheckRotary(const char* action, const QkvArguments& a) {
  Require(a.rot >= 0 && a.rot <= a.dim && a.rot % 2 == 0, action, "rot must be even and in 0..dim",
          a.rot);
  if (a.rot == 0) return;
  RequirePointers(action, {{a.cos, "cos"}, {a.sin, "sin"}});
  Require(a.tables >= 1, action, "tables must be >= 1", a.tables);
  if (a.table_of_head == nullptr) return;
  CheckRange(action, "table_of_head", a.table_of_head, int64_t{a.heads} + a.kv_heads, a.tables);
}

}  // namespace

bool HasWork(const EmbedArguments& a) {
  const char* const action = "embed";
  Require(a.tokens >= 0, action, "tokens must be >= 0", a.tokens);
  Require(a.vocab > 0, action, "vocab must be > 0", a.vocab);
  Require(a.hidden > 0, action, "hidden must be > 0", a.hidden);
  CheckWeightType(action, "table_dtype", a.table_dtype, a.hidden);
  if (a.tokens == 0) return false;
  RequirePointers(action, {{a.ids, "ids"}, {a.table, "table"}, {a.out, "out"}});
  CheckIds(a);
  return true;
}

bool HasWork(const QkvArguments& a) {
  const char* const action = "compute q, k and v";
  Require(a.tokens >= 0, action, "tokens must be >= 0", a.tokens);
  Require(a.hidden > 0, action, "hidden must be > 0", a.hidden);
  Require(a.dim > 0, action, "dim must be > 0", a.dim);
  CheckHeads(action, a.heads, a.kv_heads);
  RequirePointer(a.weight_dtypes, action, "weight_dtypes");
  const char* const names[] = {"weight_dtypes[0]", "weight_dtypes[1]", "weight_dtypes[2]"};
  for (int i = 0; i < 3; ++i) CheckWeightType(action, names[i], a.weight_dtypes[i], a.hidden);
  CheckRotary(action, a);
  if (a.tokens == 0) return false;
  RequirePointers(action, {{a.x, "x"},
                           {a.norm, "norm"},
                           {a.wq, "wq"},
                           {a.wk, "wk"},
                           {a.wv, "wv"},
                           {a.q, "q"},
                           {a.k, "k"},
                           {a.v, "v"}});
  return true;
}

bool HasWork(const OutputArguments& a) {
  const char* const action = "compute the layer's output";
  Require(a.tokens >= 0, action, "tokens must be >= 0", a.tokens);
  Require(a.hidden > 0, action, "hidden must be > 0", a.hidden);
  Require(a.width > 0, action, "width must be > 0", a.width);
  Require(a.ffn > 0, action, "ffn must be > 0", a.ffn);
  RequirePointer(a.weight_dtypes, action, "weight_dtypes");
  CheckWeightType(action, "weight_dtypes[0]", a.weight_dtypes[0], a.width);
  CheckWeightType(action, "weight_dtypes[1]", a.weight_dtypes[1], a.hidden);
  CheckWeightType(action, "weight_dtypes[2]", a.weight_dtypes[2], a.hidden);
  CheckWeightType(action, "weight_dtypes[3]", a.weight_dtypes[3], a.ffn);
  Require(a.activation == LL_SILU || a.activation == LL_GELU_TANH, action,
          "activation must be LL_SILU or LL_GELU_TANH", a.activation);
  if (a.tokens == 0) return false;
  RequirePointers(action, {{a.x, "x"},
                           {a.attention, "attention"},
                           {a.wo, "wo"},
                           {a.norm, "norm"},
                           {a.wgate, "wgate"},
                           {a.wup, "wup"},
                           {a.wdown, "wdown"}});
  return true;
}

bool HasWork(const LogitsArguments& a) {
  const char* const action = "compute logits";
  Require(a.rows >= 0, action, "rows must be >= 0", a.rows);
  Require(a.hidden > 0, action, "hidden must be > 0", a.hidden);
  Require(a.vocab > 0, action, "vocab must be > 0", a.vocab);
  CheckWeightType(action, "head_dtype", a.head_dtype, a.hidden);
  if (a.rows == 0) return false;
  RequirePointers(action, {{a.x, "x"}, {a.norm, "norm"}, {a.head, "head"}, {a.out, "out"}});
  return true;
}

bool HasWork(const LogProbsArguments& a) {
  const char* const action = "compute log-probabilities";
  Require(a.rows >= 0, action, "rows must be >= 0", a.rows);
  Require(a.vocab > 0, action, "vocab must be > 0", a.vocab);
  if (a.rows == 0) return false;
  RequirePointers(action, {{a.logits, "logits"}, {a.targets, "targets"}, {a.out, "out"}});
  CheckRange(action, "targets", a.targets, a.rows, a.vocab);
  return true;
}

}  // namespace longlens
