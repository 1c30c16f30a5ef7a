// An index of keys in 4 bits: ../common/flat4_layout.h.
//
//   s4[r][j] = q[r] . low + sum_i q[r][i] step[i] level[j][i]      of every key
//   lse[r] = log sum_j exp(scale s[r][j]),   s exact for the candidates, s4 for all others
// Records are scored in spans, on several threads, for all rows of a KV head; a span keeps the best
// candidates of each row. Joined candidates are scored exactly by rising key. So nothing depends on
// how records were cut.
//
// A long span begins with a sample of its records, whose best tell the least score that one of its
// best candidates will have. Were it guessed too high, too few would pass, and all is scored again.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "../common/asking_rows.h"
#include "../common/flat4_calls.h"
#include "../common/flat4_layout.h"
#include "best_keys.h"
#include "dispatch.h"
#include "key_rows.h"
#include "kv.h"
#include "score_listed_keys.h"
#include "scratch.h"

namespace longlens {
namespace {

// Records of a span at least.
constexpr int64_t kSpanRecords = 16;
// Every kStride-th record of a span is its sample, from this many records on.
constexpr int64_t kStride = 16, kSampled = 8 * kStride;
// Rows, and their keys, whose exponents are kept at a time.
constexpr int64_t kMostRows = 64, kExponents = 1 << 23;

// ---- encoding ----

void EncodeRecord(const Call& call, const KvView& kv, int64_t head, int64_t start, int64_t count,
                  uint8_t* record) {
  Scratch& scratch = ThreadScratch();
  scratch.Begin(Scratch::RoundUp(LL_FLAT4_KEYS * kv.dim));
  float* const keys = scratch.Take(count * kv.dim);
  TileRows(call.kernels(), kv, head, start, count, Part::kKeys, keys);
  const bool is_finite = call.kernels().encode_flat4(keys, count, kv.dim, record);
  Require(is_finite, "encode keys", "keys must be finite: a number is not, key", start);
  call.Progress(1);
}

// ---- scores in 4 bits ----

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<RowGroup> groups;
  SpanBests bests;          // of each row of a batch, in 4 bits
  Buffer<float> exponents;  // [row of a batch][nodes] scale * s
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

// What a thread makes of a span.
struct SpanRows {
  Buffer<Flat4Row> rows;
  Buffer<int8_t> integers;
  std::vector<BestKeys> best;
};

SpanRows& ThreadSpanRows() {
  thread_local SpanRows rows;
  return rows;
}

// Neighbouring groups whose rows' workspaces exist together.
struct Batch {
  const RowGroup* groups;
  int64_t count, row, rows;
};

struct SearchCall {
  const Call& call;
  const Flat4SearchCall& args;
  const KvView& kv;
  Workspace& w;
  Batch batch;
  int64_t records, span;  // a span's records

  int64_t Spans() const { return (records + span - 1) / span; }
  int64_t Candidates() const { return std::min<int64_t>(args.candidates, args.nodes); }
  const float* Query(int64_t row) const { return args.asking.q + row * kv.dim; }
  // Number of a row within the batch.
  int64_t Place(int64_t row) const { return row - batch.row; }
  float* Exponents(int64_t row) const { return w.exponents.data() + Place(row) * args.nodes; }
};

// A sum that is too small for a score above `lowest`, whatever f32 rounds.
int32_t LeastSum(const Flat4Row& row, float lowest) {
  const double base = row.base, slack = 0x1p-22 * (std::fabs(base) + std::fabs(double{lowest}));
  const double sum = std::floor((lowest - base - slack) / row.scale) - 1;
  return static_cast<int32_t>(sum > -32768 ? std::min(sum, 32767.0) : -32768.0);
}

void KeepBest(const Kernels& kernels, const Flat4Row& row, int32_t first_key, int32_t count,
              BestKeys* best) {
  int32_t above[LL_FLAT4_KEYS];
  const int32_t found = kernels.find_above(row.sums, count, LeastSum(row, best->lowest()), above);
  for (int32_t x = 0; x < found; ++x) {
    best->PushAny(row.base + row.scale * row.sums[above[x]], first_key + above[x]);
  }
}

void BeginRows(const SearchCall& c, const RowGroup& group, int64_t s, int64_t k, SpanRows* span) {
  const int64_t dim = c.kv.dim;
  span->rows.Reserve(group.rows);
  span->integers.Reserve(group.rows * dim);
  span->best.clear();
  for (int64_t r = 0; r < group.rows; ++r) {
    span->rows[r].q = c.Query(group.row + r);
    span->rows[r].integers = span->integers.data() + r * dim;
    span->best.push_back(c.w.bests.Of(c.Place(group.row + r), s, k));
  }
}

// Scores a record for a group; keeps the best of each row.
void ScanRecord(const SearchCall& c, const RowGroup& group, int64_t x, SpanRows* span) {
  const Kernels& kernels = c.call.kernels();
  c.call.Poll();
  const int64_t node = x * LL_FLAT4_KEYS;
  const int32_t count = std::min<int64_t>(LL_FLAT4_KEYS, c.args.nodes - node);
  kernels.score_flat4(c.args.Record(group.kv_head, x), c.kv.dim, span->rows.data(), group.rows);
  for (int64_t r = 0; r < group.rows; ++r) {
    const Flat4Row& row = span->rows[r];
    KeepBest(kernels, row, c.args.start + node, count, &span->best[r]);
    if (c.args.lse == nullptr) continue;
    kernels.scale_sums(row.sums, count, c.args.scale * row.scale, c.args.scale * row.base,
                       c.Exponents(group.row + r) + node);
  }
}

void ScanAll(const SearchCall& c, const RowGroup& group, int64_t s, SpanRows* span) {
  BeginRows(c, group, s, c.Candidates(), span);
  const int64_t first = s * c.span, end = std::min(c.records, first + c.span);
  for (int64_t x = first; x < end; ++x) ScanRecord(c, group, x, span);
}

// So many of a sample's keys that, but for one in 30000 spans of keys in no order, the best k of
// the span are not worse: n with n - 4 sqrt(n) = k / kStride.
int64_t SampledKeys(int64_t k) {
  const double root = 2 + std::sqrt(4 + static_cast<double>(k) / kStride);
  return static_cast<int64_t>(std::ceil(root * root));
}

// Whether it found all that it had to.
bool ScanBySample(const SearchCall& c, const RowGroup& group, int64_t s, SpanRows* span) {
  BeginRows(c, group, s, SampledKeys(c.Candidates()), span);
  const int64_t first = s * c.span, end = std::min(c.records, first + c.span);
  for (int64_t x = first; x < end; x += kStride) ScanRecord(c, group, x, span);
  for (BestKeys& best : span->best) best.Widen(c.Candidates());
  for (int64_t x = first; x < end; ++x) {
    if ((x - first) % kStride != 0) ScanRecord(c, group, x, span);
  }
  return std::none_of(span->best.begin(), span->best.end(),
                      [](const BestKeys& best) { return best.IsShort(); });
}

void ScanSpan(const SearchCall& c, const RowGroup& group, int64_t s) {
  SpanRows& span = ThreadSpanRows();
  const int64_t records = std::min(c.records - s * c.span, c.span);
  const bool is_long = records >= kSampled && c.Candidates() * kStride < records * LL_FLAT4_KEYS;
  if (!is_long || !ScanBySample(c, group, s, &span)) ScanAll(c, group, s, &span);
  for (int64_t r = 0; r < group.rows; ++r) {
    c.w.bests.Finish(c.Place(group.row + r), s, &span.best[r]);
  }
}

// ---- exact scores ----

float LogSum(const SearchCall& c, int64_t row, const int32_t* keys, const float* exact,
             int64_t count) {
  float* const exponents = c.Exponents(row);
  for (int64_t x = 0; x < count; ++x) exponents[keys[x] - c.args.start] = c.args.scale * exact[x];
  return c.call.kernels().log_sum_exp(exponents, c.args.nodes);
}

// Scores a row's candidates and writes its results.
void FinishRow(const SearchCall& c, int64_t row) {
  const int64_t joined = c.w.bests.Join(c.Place(row)), count = std::min(joined, c.Candidates());
  Candidate* const best = c.w.bests.Joined(c.Place(row));
  std::nth_element(best, best + count, best + joined, std::greater<>());
  thread_local Buffer<int32_t> listed;
  thread_local Buffer<float> scores;
  int32_t* const keys = listed.Reserve(count);
  float* const exact = scores.Reserve(count);
  for (int64_t x = 0; x < count; ++x) keys[x] = KeyOf(best[x]);
  std::sort(keys, keys + count);
  const int64_t head = c.args.asking.kv_head_of[row];
  ScoreListedKeys(c.call, c.kv, c.Query(row), {head, keys, count}, exact);
  for (int64_t x = 0; x < count; ++x) best[x] = CandidateOf(exact[x], keys[x]);
  WriteBest(best, count, c.args.k, c.args.keys + row * c.args.k, c.args.scores + row * c.args.k);
  c.args.scanned[row] = count;
  if (c.args.lse != nullptr) c.args.lse[row] = LogSum(c, row, keys, exact, count);
  c.call.Progress(1);
}

void SearchBatch(const SearchCall& c) {
  c.w.bests.Begin(c.batch.rows, c.Spans(), c.Candidates(), c.span * LL_FLAT4_KEYS);
  if (c.args.lse != nullptr) c.w.exponents.Reserve(c.batch.rows * c.args.nodes);
  c.call.For(c.Spans() * c.batch.count, [&](int64_t item) {
    ScanSpan(c, c.batch.groups[item % c.batch.count], item / c.batch.count);
  });
  c.call.For(c.batch.rows, [&](int64_t place) { FinishRow(c, c.batch.row + place); });
}

// The groups from number `first` on that have at most `most` rows, and the first in any case.
Batch BatchFrom(const std::vector<RowGroup>& groups, size_t first, int64_t most) {
  Batch batch{&groups[first], 1, groups[first].row, groups[first].rows};
  for (size_t g = first + 1; g < groups.size() && batch.rows + groups[g].rows <= most; ++g) {
    ++batch.count;
    batch.rows += groups[g].rows;
  }
  return batch;
}

// Records of a span: all of them on one thread, else spans enough for all threads.
int64_t SpanOf(int64_t records, int64_t groups, int64_t threads) {
  const int64_t spans = threads == 1 ? 1 : (4 * threads + groups - 1) / groups;
  return std::max(kSpanRecords, (records + spans - 1) / spans);
}

void Search(const Call& call, const Flat4SearchCall& args, const KvView& kv) {
  Workspace& w = ThreadWorkspace();
  const int64_t records = Flat4Records(args.nodes);
  const int64_t most = std::clamp<int64_t>(kExponents / std::max(1, args.nodes), 1, kMostRows);
  GroupRows(args.asking, most, &w.groups);
  for (size_t g = 0; g < w.groups.size();) {
    const Batch batch = BatchFrom(w.groups, g, most);
    SearchBatch({call, args, kv, w, batch, records, SpanOf(records, batch.count, call.threads())});
    g += batch.count;
  }
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_flat4_encode(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                                   int32_t stride, int32_t kv_dtype, int32_t start, int32_t first,
                                   int32_t nodes, uint8_t* records) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    if (!CheckFlat4Encode({kv, kv_head, start, first, nodes, records})) return;
    const Call call(run);
    const int64_t before = Flat4Records(first), count = Flat4Records(nodes) - before;
    call.ForIf(count > 1, count, [&](int64_t x) {
      const int64_t node = (before + x) * LL_FLAT4_KEYS;
      const int64_t keys = std::min<int64_t>(LL_FLAT4_KEYS, nodes - node);
      uint8_t* const record = records + (before + x) * Flat4RecordBytes(dim);
      EncodeRecord(call, kv, kv_head, start + node, keys, record);
    });
  });
}

extern "C" int32_t ll_flat4_search(ll_run* run, const float* q, int32_t rows,
                                   const int32_t* kv_head_of, int32_t dim, void* const* pages,
                                   int32_t stride, int32_t kv_dtype, int32_t start, int32_t nodes,
                                   const uint8_t* records, int64_t record_bytes,
                                   int32_t candidates, int32_t k, float scale, int32_t* keys,
                                   float* scores, int32_t* scanned, float* lse) {
  return Guard(run, [&] {
    const AskingRows asking{q, rows, kv_head_of};
    const KvView kv{pages, stride, KvHeadsOf(asking), dim, kv_dtype};
    const Flat4SearchCall args{asking, kv,    start, nodes,  records, record_bytes, candidates,
                               k,      scale, keys,  scores, scanned, lse};
    if (!CheckFlat4Search(args)) return;
    const Call call(run);
    Search(call, args, kv);
  });
}
