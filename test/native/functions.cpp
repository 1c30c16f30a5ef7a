#include "functions.h"

#include <map>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "../../kernels/include/longlens.h"

namespace longlens_test {
namespace {

using Caller = int32_t (*)(const std::vector<Value>& values);

template <class T>
T As(const Value& value) {
  if constexpr (std::is_pointer_v<T>) {
    return static_cast<T>(value.pointer);
  } else if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(value.number);
  } else {
    return static_cast<T>(value.integer);
  }
}

template <class... T, size_t... I>
int32_t Apply(int32_t (*function)(T...), const std::vector<Value>& values,
              std::index_sequence<I...>) {
  if (values.size() != sizeof...(T)) throw std::runtime_error("it takes other arguments");
  return function(As<T>(values[I])...);
}

template <class... T>
constexpr std::index_sequence_for<T...> IndicesOf(int32_t (*)(T...)) {
  return {};
}

template <auto function>
int32_t CallWith(const std::vector<Value>& values) {
  return Apply(function, values, IndicesOf(function));
}

#define LL_FUNCTION(name) \
  { #name, CallWith < name> }
const std::map<std::string, Caller>& Callers() {
  static const std::map<std::string, Caller> callers{
      LL_FUNCTION(ll_copy_in),      LL_FUNCTION(ll_copy_out), LL_FUNCTION(ll_copy),
      LL_FUNCTION(ll_convert),      LL_FUNCTION(ll_embed),    LL_FUNCTION(ll_qkv),
      LL_FUNCTION(ll_output),       LL_FUNCTION(ll_logits),   LL_FUNCTION(ll_log_probs),
      LL_FUNCTION(ll_page_bytes),   LL_FUNCTION(ll_append),   LL_FUNCTION(ll_read_kv),
      LL_FUNCTION(ll_attend_tiles), LL_FUNCTION(ll_merge),    LL_FUNCTION(ll_attend_keys),
      LL_FUNCTION(ll_pool_map),     LL_FUNCTION(ll_top_keys), LL_FUNCTION(ll_attention_row),
      LL_FUNCTION(ll_pool_keys),    LL_FUNCTION(ll_pool_queries), LL_FUNCTION(ll_block_scores),
      LL_FUNCTION(ll_key_bounds),   LL_FUNCTION(ll_bound_scores), LL_FUNCTION(ll_vertical_slash),
      LL_FUNCTION(ll_antidiagonal_scores),
      LL_FUNCTION(ll_nearest_keys), LL_FUNCTION(ll_score_keys), LL_FUNCTION(ll_graph_extend),
      LL_FUNCTION(ll_graph_search), LL_FUNCTION(ll_flat4_encode), LL_FUNCTION(ll_flat4_search),
      LL_FUNCTION(ll_cluster_keys), LL_FUNCTION(ll_cluster_search), LL_FUNCTION(ll_cluster_tail),
  };
  return callers;
}

}  // namespace

int32_t CallFunction(const std::string& function, const std::vector<Value>& values) {
  const auto found = Callers().find(function);
  if (found == Callers().end()) throw std::runtime_error("there is no " + function);
  return found->second(values);
}

}  // namespace longlens_test
