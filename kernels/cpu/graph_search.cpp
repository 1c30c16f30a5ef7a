#include "graph_search.h"

#include <algorithm>

#include "../common/graph_calls.h"
#include "dispatch.h"
#include "key_scores.h"
#include "kv.h"

namespace longlens {
namespace {

// q . k of keys in pages.
class PageScorer {
 public:
  PageScorer(const Kernels& kernels, const KvView& kv, int64_t kv_head, int64_t start,
             const float* q, Scratch* scratch)
      : kv_(kv), kv_head_(kv_head), start_(start), row_bytes_(kv.RowBytes()),
        scores_(kernels, kv, kv_head, 1, scratch) {
    scores_.SetQuery(0, q, 1.0f);
  }

  void Take(int32_t i, uint32_t node) {
    block_.keys[i] = static_cast<int32_t>(start_ + node);
    block_.rows[i] = kv_.Row(kv_head_, block_.keys[i], Part::kKeys);
    FetchRow(block_.rows[i], row_bytes_);
  }
  void Score(const uint32_t*, int32_t count, float* scores) {
    block_.count = count;
    std::fill_n(block_.rows + count, kRowsAhead, block_.rows[0]);
    scores_.Score(block_, scores, 0);
  }

 private:
  const KvView& kv_;
  int64_t kv_head_, start_, row_bytes_;
  KeyScores scores_;
  KeyBlock block_;
};

void SearchRow(const Call& call, const GraphSearchCall& c, const KvView& kv, int64_t row) {
  GraphSearch& search = GraphSearch::OfThread();
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(kv, 1));
  const auto& [q, rows, kv_head_of] = c.asking;
  PageScorer scorer(call.kernels(), kv, kv_head_of[row], c.start, q + row * kv.dim, &scratch);
  const int64_t graph = c.graph_of[row];
  const GraphView view{c.neighbours + graph * c.capacity * c.degree, c.nodes, c.degree};
  const auto* const entries = reinterpret_cast<const uint32_t*>(c.entries + graph * c.entry_count);
  search.Run(view, entries, c.entry_count, c.width, c.width, scorer, [&] { call.Poll(); });
  const BestNodes& best = search.best();
  WriteSorted(best.data(), best.count(), c.k, c.start, c.keys + row * c.k, c.scores + row * c.k);
  c.scanned[row] = search.scanned();
}

}  // namespace

GraphSearch& GraphSearch::OfThread() {
  thread_local GraphSearch search;
  return search;
}

}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_graph_search(ll_run* run, const float* q, int32_t rows,
                                   const int32_t* kv_head_of, const int32_t* graph_of, int32_t dim,
                                   void* const* pages, int32_t stride, int32_t kv_dtype,
                                   int32_t start, int32_t nodes, const uint32_t* neighbours,
                                   int32_t capacity, int32_t degree, const int32_t* entries,
                                   int32_t entry_count, int32_t width, int32_t k, int32_t* keys,
                                   float* scores, int32_t* scanned) {
  return Guard(run, [&] {
    const AskingRows asking{q, rows, kv_head_of};
    const KvView kv{pages, stride, KvHeadsOf(asking), dim, kv_dtype};
    const GraphSearchCall search{asking,   graph_of, kv,      start,       nodes, neighbours,
                                 capacity, degree,   entries, entry_count, width, k,
                                 keys,     scores,   scanned};
    if (!CheckGraphSearch(search)) return;
    const Call call(run);
    call.For(rows, [&](int64_t row) {
      SearchRow(call, search, kv, row);
      call.Progress(1);
    });
  });
}
