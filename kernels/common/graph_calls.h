// Arguments of the calls of the ABI that make and search graphs over keys, or score keys exactly
// for them, and what is checked of them. Each check throws LL_INVALID_ARGUMENT, or tells whether
// the call has anything to do.
#ifndef LONGLENS_COMMON_GRAPH_CALLS_H_
#define LONGLENS_COMMON_GRAPH_CALLS_H_

#include <cstdint>

#include "asking_rows.h"
#include "page_table.h"

namespace longlens {

struct NearestKeysCall {
  const float* q;
  int32_t rows, kv_head;
  PageTable table;  // of kv_head + 1 heads
  int32_t start, end, k;
  int32_t* keys;
  float* scores;  // may be null
};
bool CheckNearestKeys(const NearestKeysCall& call);

struct ScoreKeysCall {
  AskingRows asking;
  PageTable table;
  int32_t kv_len;
  const int32_t *ptr, *keys;
  float* scores;
};
bool CheckScoreKeys(const ScoreKeysCall& call);

struct GraphExtendCall {
  int32_t kv_head;
  PageTable table;  // of kv_head + 1 heads
  int32_t start, built, nodes;
  const int32_t* lists;
  int32_t list_count, list_length, degree, width;
  uint32_t *neighbours, *parents;
  int32_t* entries;
  int32_t entry_count;
};
bool CheckGraphExtend(const GraphExtendCall& call);

struct GraphSearchCall {
  AskingRows asking;
  const int32_t* graph_of;
  PageTable table;
  int32_t start, nodes;
  const uint32_t* neighbours;
  int32_t capacity, degree;
  const int32_t* entries;
  int32_t entry_count, width, k;
  int32_t* keys;
  float* scores;
  int32_t* scanned;
};
bool CheckGraphSearch(const GraphSearchCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_GRAPH_CALLS_H_
