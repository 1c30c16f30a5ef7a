// Attention over keys as if each were the mean of its cluster, without some listed keys.
//
//   w[c] = exp(scale q . centroid[c]),  n[c] = size[c] - listed keys of c
//   lse = log sum_c n[c] w[c];  out = (sum_c w[c] value_sums[c] - sum_j w[cluster of j] v[j]) /
//   exp(lse)
// over the clusters with n[c] > 0 and their listed keys j. A cluster that is used up has no weight,
// so that nothing of the two sums, which rounding tells apart, remains of it.
//
// Centroids and value sums are read once for a group of rows, in pieces of kPieceClusters with a
// softmax of their own; the pieces of a row are added in their order, so that results do not depend
// on the number of threads. Listed values are subtracted last, with the weights of their pieces.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../common/cluster_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "query_panels.h"
#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kPieceClusters = 256;
// Rows that read clusters together.
constexpr int64_t kMostRows = 32;
// Listed values that are subtracted at once.
constexpr int64_t kListedBlock = 32;
// Multiplications below which waking other threads costs more than it saves.
constexpr int64_t kSmallWork = 1 << 17;

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<RowGroup> groups;
  Buffer<float> q;            // [rows][dim], times the factor of base 2
  Buffer<int32_t> left;       // [rows][clusters]: n
  Buffer<int32_t> listed_of;  // [listed]: clusters of the listed keys
  Buffer<float> weights;      // [rows][clusters]: w / 2^maximum of the piece
  // Of each piece and row: sum of w value_sums and of n w, both / 2^maximum.
  Buffer<float> out;  // [pieces][rows][dim]
  Buffer<float> maximum;
  Buffer<double> sum;
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

struct Tail {
  const Call& call;
  const ClusterTailCall& asked;
  const KvView& kv;
  const Workspace& w;
  int64_t dim, rows, clusters, capacity, pieces;
};

// Counts the keys of each cluster that a row has not listed, and scales its query.
void BeginRow(const Tail& t, int64_t row) {
  const ClusterTailCall& asked = t.asked;
  const int64_t head = asked.asking.kv_head_of[row];
  int32_t* const left = t.w.left.data() + row * t.clusters;
  std::copy_n(asked.sizes + head * t.capacity, t.clusters, left);
  const int32_t* const cluster_of = asked.cluster_of + head * asked.room.node_capacity;
  for (int64_t x = asked.ptr[row]; x < asked.ptr[row + 1]; ++x) {
    const int32_t c = cluster_of[asked.listed[x] - asked.start];
    Require(c >= 0 && c < t.clusters, "estimate a tail", "cluster_of must be in 0..clusters-1", c);
    Require(left[c] > 0, "estimate a tail",
            "sizes must hold the listed keys, each listed once, key", asked.listed[x]);
    --left[c];
    t.w.listed_of[x - asked.ptr[0]] = c;
  }
  const float factor = static_cast<float>(asked.scale * kLog2E);
  for (int64_t i = row * t.dim; i < (row + 1) * t.dim; ++i) t.w.q[i] = asked.asking.q[i] * factor;
}

// The weights of one row's clusters in a piece, and the sum of n w.
void WeighPiece(const Kernels& kernels, const int32_t* left, int64_t count, float* weights,
                float* maximum, double* sum) {
  for (int64_t j = 0; j < count; ++j) {
    if (left[j] == 0) weights[j] = -INFINITY;
  }
  float plain_sum = 0;
  *maximum = -INFINITY;
  kernels.softmax_row(weights, count, maximum, &plain_sum);
  *sum = 0;
  for (int64_t j = 0; j < count; ++j) *sum += double{weights[j]} * left[j];
}

void TakePiece(const Tail& t, const RowGroup& group, int64_t piece) {
  const Kernels& kernels = t.call.kernels();
  const int64_t first = piece * kPieceClusters;
  const int64_t count = std::min(kPieceClusters, t.clusters - first);
  const int64_t skipped = (group.kv_head * t.capacity + first) * t.dim;
  const int64_t slot = piece * t.rows + group.row;
  float* const weights = t.w.weights.data() + group.row * t.clusters + first;
  float* const out = t.w.out.data() + slot * t.dim;
  const void* rows[kPieceClusters + kRowsAhead];
  ListRows(t.asked.centroids + skipped, count, t.dim, rows);
  kernels.score_rows(rows, LL_F32, count, t.dim, t.w.q.data() + group.row * t.dim, group.rows,
                     weights, t.clusters);
  for (int64_t r = 0; r < group.rows; ++r) {
    const int64_t skip = r * t.clusters;
    WeighPiece(kernels, t.w.left.data() + group.row * t.clusters + first + skip, count,
               weights + skip, t.w.maximum.data() + slot + r, t.w.sum.data() + slot + r);
  }
  ListRows(t.asked.value_sums + skipped, count, t.dim, rows);
  const float keep[kMostRows] = {};
  std::fill_n(out, group.rows * t.dim, 0.0f);
  kernels.weigh_rows(rows, LL_F32, count, t.dim, weights, t.clusters, group.rows, keep, out);
}

// out -= sum of 2^(maximum of the piece - maximum) w v over the listed keys.
void SubtractListed(const Tail& t, int64_t row, float maximum, float* out) {
  const ClusterTailCall& asked = t.asked;
  const int64_t head = asked.asking.kv_head_of[row], end = asked.ptr[row + 1];
  Scratch& scratch = ThreadScratch();
  scratch.Begin(kListedBlock * t.dim);
  float* const values = scratch.Take(kListedBlock * t.dim);
  const void* rows[kListedBlock + kRowsAhead];
  ListRows(values, kListedBlock, t.dim, rows);
  const float keep = 1;
  for (int64_t x = asked.ptr[row]; x < end; x += kListedBlock) {
    const int64_t count = std::min(kListedBlock, end - x);
    float weights[kListedBlock];
    for (int64_t j = 0; j < count; ++j) {
      const int64_t c = t.w.listed_of[x - asked.ptr[0] + j];
      const float piece = t.w.maximum[c / kPieceClusters * t.rows + row];
      const float weight = t.w.weights[row * t.clusters + c];
      weights[j] = weight == 0 ? 0 : -weight * std::exp2(piece - maximum);
    }
    ColumnRows(t.call.kernels(), t.kv, head, asked.listed + x, count, Part::kValues, values);
    t.call.kernels().weigh_rows(rows, LL_F32, count, t.dim, weights, 0, 1, &keep, out);
  }
}

void FinishRow(const Tail& t, int64_t row) {
  float* const out = t.asked.out + row * t.dim;
  float maximum = -INFINITY;
  for (int64_t p = 0; p < t.pieces; ++p) {
    maximum = std::max(maximum, t.w.maximum[p * t.rows + row]);
  }
  double sum = 0;
  std::fill_n(out, t.dim, 0.0f);
  for (int64_t p = 0; p < t.pieces; ++p) {
    const int64_t slot = p * t.rows + row;
    if (t.w.sum[slot] == 0) continue;
    const float weight = std::exp2(t.w.maximum[slot] - maximum);
    sum += weight * t.w.sum[slot];
    for (int64_t i = 0; i < t.dim; ++i) out[i] += weight * t.w.out[slot * t.dim + i];
  }
  if (sum == 0) {
    t.asked.lse[row] = -INFINITY;
    return;
  }
  SubtractListed(t, row, maximum, out);
  const float inverse = static_cast<float>(1 / sum);
  for (int64_t i = 0; i < t.dim; ++i) out[i] *= inverse;
  t.asked.lse[row] = static_cast<float>((maximum + std::log2(sum)) * kLn2);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_cluster_tail(ll_run* run, const float* q, int32_t rows,
                                   const int32_t* kv_head_of, float scale, int32_t dim,
                                   void* const* pages, int32_t stride, int32_t kv_dtype,
                                   int32_t start, int32_t nodes, const float* centroids,
                                   const float* value_sums, const int32_t* sizes, int32_t capacity,
                                   int32_t clusters, const int32_t* cluster_of,
                                   int32_t node_capacity, const int32_t* ptr, const int32_t* listed,
                                   float* out, float* lse) {
  return Guard(run, [&] {
    const AskingRows asking{q, rows, kv_head_of};
    const KvView kv{pages, stride, KvHeadsOf(asking), dim, kv_dtype};
    const ClusterTailCall asked{asking,     kv,         {capacity, clusters, node_capacity},
                                scale,      start,      nodes,
                                centroids,  value_sums, sizes,
                                cluster_of, ptr,        listed,
                                out,        lse};
    if (!CheckClusterTail(asked)) return;
    const Call call(run);
    const int64_t pieces = (clusters + kPieceClusters - 1) / kPieceClusters;
    const int64_t all = int64_t{rows} * clusters;
    Workspace& w = ThreadWorkspace();
    GroupRows(asking, kMostRows, &w.groups);
    w.q.Reserve(int64_t{rows} * dim);
    w.left.Reserve(all);
    w.listed_of.Reserve(ptr[rows] - ptr[0]);
    w.weights.Reserve(all);
    w.out.Reserve(pieces * rows * dim);
    w.maximum.Reserve(pieces * rows);
    w.sum.Reserve(pieces * rows);
    const Tail tail{call, asked, kv, w, dim, rows, clusters, capacity, pieces};
    const bool parallel = all * dim >= kSmallWork;
    call.ForIf(parallel, rows, [&](int64_t row) { BeginRow(tail, row); });
    const int64_t groups = w.groups.size();
    call.ForIf(parallel, groups * pieces,
               [&](int64_t item) { TakePiece(tail, w.groups[item / pieces], item % pieces); });
    call.ForIf(parallel, rows, [&](int64_t row) {
      FinishRow(tail, row);
      call.Progress(1);
    });
  });
}
