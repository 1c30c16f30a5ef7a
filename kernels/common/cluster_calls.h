// Arguments of the calls of the ABI that work with clusters of keys, and what is checked of them.
// Each check throws LL_INVALID_ARGUMENT, or tells whether the call has anything to do.
#ifndef LONGLENS_COMMON_CLUSTER_CALLS_H_
#define LONGLENS_COMMON_CLUSTER_CALLS_H_

#include <cstdint>

#include "asking_rows.h"
#include "page_table.h"

namespace longlens {

struct ClusterKeysCall {
  PageTable table;  // of kv_head + 1 heads
  int32_t kv_head, start, end, count, iterations;
  float *centroids, *value_sums;
  int32_t *sizes, *cluster_of;

  int64_t Keys() const { return int64_t{end} - start; }
};
// Requires every page that is read, too.
void CheckClusterKeys(const ClusterKeysCall& call);

// How the arrays of all KV heads' clusters are cut.
struct ClusterRoom {
  int32_t capacity, clusters, node_capacity;
};

struct ClusterSearchCall {
  AskingRows asking;
  PageTable table;  // of the KV heads that are asked for
  ClusterRoom room;
  int32_t start;
  const float* centroids;
  const int32_t *sizes, *member_ptr, *members;
  int32_t budget, k;
  int32_t* keys;
  float* scores;
  int32_t* scanned;
};
bool CheckClusterSearch(const ClusterSearchCall& call);

struct ClusterTailCall {
  AskingRows asking;
  PageTable table;  // of the KV heads that are asked for
  ClusterRoom room;
  float scale;
  int32_t start, nodes;
  const float *centroids, *value_sums;
  const int32_t *sizes, *cluster_of, *ptr, *listed;
  float *out, *lse;
};
// Requires every listed key to be one of the nodes.
bool CheckClusterTail(const ClusterTailCall& call);

}  // namespace longlens

#endif  // LONGLENS_COMMON_CLUSTER_CALLS_H_
