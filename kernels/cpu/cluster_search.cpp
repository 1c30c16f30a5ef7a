// The keys with the largest q . k in the clusters whose centroids have the largest q . c.
//
// Centroids are read once for a group of rows of a KV head, and so are the keys of clusters that
// several of them open: a piece of the clusters is walked for all rows, and each row scores the
// keys of its own clusters, so that what it finds does not depend on the others. The pieces' bests
// are joined at the end.
#include <algorithm>
#include <vector>

#include "../common/cluster_calls.h"
#include "best_keys.h"
#include "dispatch.h"
#include "key_rows.h"
#include "key_scores.h"
#include "key_sets.h"
#include "scratch.h"

namespace longlens {
namespace {

// Clusters that are walked by one item; more where there are more than kMostPieces such pieces.
constexpr int64_t kPieceClusters = 256;
constexpr int64_t kMostPieces = 16;
// Rows that read clusters together.
constexpr int64_t kMostRows = 32;

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<RowGroup> groups;
  Buffer<float> scores;    // [rows][clusters]
  Buffer<uint8_t> opened;  // [rows][clusters]
  SpanBests found;         // of each row and piece
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

struct Search {
  const Call& call;
  const ClusterSearchCall& asked;
  const KvView& kv;
  Workspace& w;
  int64_t clusters, capacity, dim;
  int64_t piece_clusters, kept;

  uint8_t* Opened(int64_t row) const { return w.opened.data() + row * clusters; }
  const int32_t* MemberPtr(int64_t head) const { return asked.member_ptr + head * (capacity + 1); }
};

// Scores kPieceClusters centroids for a group.
void ScoreCentroids(const Search& s, const RowGroup& group, int64_t piece) {
  const int64_t first = piece * kPieceClusters;
  const int64_t count = std::min(kPieceClusters, s.clusters - first);
  const float* const centroids = s.asked.centroids + (group.kv_head * s.capacity + first) * s.dim;
  const void* rows[kPieceClusters + kRowsAhead];
  ListRows(centroids, count, s.dim, rows);
  s.call.kernels().score_rows(rows, LL_F32, count, s.dim, s.asked.asking.q + group.row * s.dim,
                              group.rows, s.w.scores.data() + group.row * s.clusters + first,
                              s.clusters);
}

// Opens clusters of a row, the best first, until they hold enough keys.
void Open(const Search& s, int64_t row) {
  thread_local Buffer<Candidate> room;
  const int64_t head = s.asked.asking.kv_head_of[row];
  const int32_t* const sizes = s.asked.sizes + head * s.capacity;
  const int32_t* const ptr = s.MemberPtr(head);
  Candidate* const heap = room.Reserve(s.clusters);
  Candidate* end = heap;
  for (int64_t c = 0; c < s.clusters; ++c) {
    if (sizes[c] == 0) continue;
    *end++ = CandidateOf(s.w.scores[row * s.clusters + c], static_cast<int32_t>(c));
  }
  std::make_heap(heap, end);
  std::fill_n(s.Opened(row), s.clusters, uint8_t{0});
  int64_t keys = 0;
  while (end > heap && keys < s.asked.budget) {
    std::pop_heap(heap, end);
    const int32_t c = KeyOf(*--end);
    Require(sizes[c] == ptr[c + 1] - ptr[c], "search clusters",
            "sizes must be the numbers of members, in cluster", c);
    s.Opened(row)[c] = 1;
    keys += sizes[c];
  }
  s.asked.scanned[row] = static_cast<int32_t>(s.clusters + keys);
}

// The keys of a piece's clusters that a row of the group has opened, and the cluster of each.
struct OpenedKeys {
  std::vector<int32_t> keys, cluster_of;

  void List(const Search& s, const RowGroup& group, int64_t first, int64_t end) {
    keys.clear();
    cluster_of.clear();
    for (int64_t c = first; c < end; ++c) {
      for (int64_t row = group.row; row < group.row + group.rows; ++row) {
        if (s.Opened(row)[c] == 0) continue;
        Add(s, group.kv_head, static_cast<int32_t>(c));
        break;
      }
    }
  }

 private:
  void Add(const Search& s, int64_t head, int32_t cluster) {
    const int32_t* const ptr = s.MemberPtr(head);
    const int32_t* const members = s.asked.members + head * s.asked.room.node_capacity;
    const int64_t most = s.kv.stride * LL_PAGE_TOKENS - s.asked.start;
    for (int32_t m = ptr[cluster]; m < ptr[cluster + 1]; ++m) {
      Require(members[m] >= 0 && members[m] < most, "search clusters",
              "members must be nodes whose keys are in the pages", members[m]);
      keys.push_back(s.asked.start + members[m]);
      cluster_of.push_back(cluster);
    }
  }
};

// The keys of a block whose clusters are opened.
void Pick(const KeyBlock& block, const int32_t* cluster_of, const uint8_t* opened,
          KeyBlock* picked) {
  int32_t count = 0;
  for (int32_t j = 0; j < block.count; ++j) {
    picked->keys[count] = block.keys[j];
    picked->rows[count] = block.rows[j];
    count += opened[cluster_of[j]];
  }
  std::copy_n(block.rows + block.count, kRowsAhead, picked->rows + count);
  picked->count = count;
}

void SearchPiece(const Search& s, const RowGroup& group, int64_t piece) {
  thread_local OpenedKeys listed;
  thread_local std::vector<BestKeys> best;
  const int64_t first = piece * s.piece_clusters;
  listed.List(s, group, first, std::min(s.clusters, first + s.piece_clusters));
  Scratch& scratch = ThreadScratch();
  scratch.Begin(group.rows * KeyScores::Floats(s.kv, 1) + kKeyBlock);
  thread_local std::vector<KeyScores> scores;
  scores.clear();
  best.clear();
  for (int64_t r = 0; r < group.rows; ++r) {
    scores.emplace_back(s.call.kernels(), s.kv, group.kv_head, 1, &scratch);
    scores[r].SetQuery(0, s.asked.asking.q + (group.row + r) * s.dim, 1.0f);
    best.push_back(s.w.found.Of(group.row + r, piece, s.kept));
  }
  float* const row_scores = scratch.Take(kKeyBlock);
  const KeySet set{nullptr, 0, listed.keys.data(), static_cast<int64_t>(listed.keys.size())};
  const int32_t* cluster_of = listed.cluster_of.data();
  for (KeyWalk walk(s.kv, group.kv_head, set, 0, set.index_count); walk.now().count > 0;
       walk.Advance()) {
    s.call.Poll();
    for (int64_t r = 0; r < group.rows; ++r) {
      KeyBlock picked;
      Pick(walk.now(), cluster_of, s.Opened(group.row + r), &picked);
      if (picked.count == 0) continue;
      scores[r].Score(picked, row_scores, kKeyBlock);
      for (int32_t j = 0; j < picked.count; ++j) best[r].PushAny(row_scores[j], picked.keys[j]);
    }
    cluster_of += walk.now().count;
  }
  for (int64_t r = 0; r < group.rows; ++r) s.w.found.Finish(group.row + r, piece, &best[r]);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_cluster_search(ll_run* run, const float* q, int32_t rows,
                                     const int32_t* kv_head_of, int32_t dim, void* const* pages,
                                     int32_t stride, int32_t kv_dtype, int32_t start,
                                     const float* centroids, const int32_t* sizes, int32_t capacity,
                                     int32_t clusters, const int32_t* member_ptr,
                                     const int32_t* members, int32_t node_capacity, int32_t budget,
                                     int32_t k, int32_t* keys, float* scores, int32_t* scanned) {
  return Guard(run, [&] {
    const AskingRows asking{q, rows, kv_head_of};
    const KvView kv{pages, stride, KvHeadsOf(asking), dim, kv_dtype};
    const ClusterSearchCall asked{asking,     kv,        {capacity, clusters, node_capacity},
                                  start,      centroids, sizes,
                                  member_ptr, members,   budget,
                                  k,          keys,      scores,
                                  scanned};
    if (!CheckClusterSearch(asked)) return;
    const Call call(run);
    Workspace& w = ThreadWorkspace();
    GroupRows(asking, kMostRows, &w.groups);
    const int64_t groups = w.groups.size();
    const int64_t score_pieces = (clusters + kPieceClusters - 1) / kPieceClusters;
    const int64_t piece = std::max(kPieceClusters, (clusters + kMostPieces - 1) / kMostPieces);
    const int64_t pieces = (clusters + piece - 1) / piece;
    w.scores.Reserve(int64_t{rows} * clusters);
    w.opened.Reserve(int64_t{rows} * clusters);
    const int64_t kept = std::min(k, node_capacity);
    w.found.Begin(rows, std::max<int64_t>(1, pieces), kept, kept);
    const Search search{call, asked, kv, w, clusters, capacity, dim, piece, kept};
    call.For(groups * score_pieces, [&](int64_t item) {
      ScoreCentroids(search, w.groups[item / score_pieces], item % score_pieces);
    });
    call.For(rows, [&](int64_t row) { Open(search, row); });
    call.For(groups * pieces,
             [&](int64_t item) { SearchPiece(search, w.groups[item / pieces], item % pieces); });
    call.For(rows, [&](int64_t row) {
      const int64_t found = pieces > 0 ? w.found.Join(row) : 0;
      WriteBest(w.found.Joined(row), found, k, keys + int64_t{row} * k, scores + int64_t{row} * k);
      call.Progress(1);
    });
  });
}
