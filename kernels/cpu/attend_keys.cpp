// Decode attention over key sets, the merge of partial attentions, and one attention row.
//
// A unit is one row, some heads of a KV head and a key set that they share: the whole group where
// its heads hold the same ranges (or the same single keys), so that each key is fetched once; else
// one head. Units are cut into parts where there are fewer of them than threads need; the parts of
// a head are merged in their order, so that results depend on the number of threads but not on
// timing. Per part: online softmax over blocks of kKeyBlock keys, as in attend_tiles.cpp.
// Values of LL_INT8 pages are summed as integers, with their scales in the probabilities.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../common/key_calls.h"
#include "../common/key_units.h"
#include "dispatch.h"
#include "key_scores.h"
#include "key_sets.h"
#include "query_panels.h"
#include "scratch.h"

namespace longlens {
namespace {

// A part holds at least this many keys.
constexpr int64_t kPartKeys = 512;
// Multiplications of scores below which waking other threads costs more than it saves.
constexpr int64_t kSmallWork = 1 << 17;

struct Piece {
  int32_t unit;
  int64_t first, count;
  int64_t slot;  // of its first head among the partial results
};

// Partial results: o[slot][dim] not divided by the sum, maximum (base 2) and sum of each slot.
struct Partials {
  float *out, *maximum, *sum;
};

// Cuts units into parts and gives each head of a part a slot. Returns the number of slots.
int64_t MakeParts(const std::vector<KeyUnit>& units, int threads, std::vector<Piece>* parts) {
  int64_t total = 0;
  for (const KeyUnit& unit : units) total += unit.keys;
  // About four parts for each thread if everything is cut; none is cut when the units are many.
  const int64_t share = total / (4 * threads) + 1;
  const int64_t size = (std::max(share, kPartKeys) + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
  int64_t slots = 0;
  parts->clear();
  for (size_t u = 0; u < units.size(); ++u) {
    for (int64_t first = 0; first < units[u].keys; first += size) {
      const int64_t count = std::min(size, units[u].keys - first);
      parts->push_back({static_cast<int32_t>(u), first, count, slots});
      slots += units[u].heads;
    }
  }
  return slots;
}

// p[h][j] *= scale of value j
void ScaleProbs(const KvView& kv, int64_t kv_head, const KeyBlock& block, int64_t heads, float* p) {
  float scales[kKeyBlock];
  for (int32_t j = 0; j < block.count;) {
    const int32_t key = block.keys[j];
    const uint8_t* const exponents =
        kv.ValueExponents(kv_head, key / LL_PAGE_TOKENS) + key % LL_PAGE_TOKENS;
    const int32_t run = RunOfKeys(block.keys + j, block.count - j);
    for (int32_t i = 0; i < run; ++i) scales[j + i] = ScaleOf(exponents[i]);
    j += run;
  }
  for (int64_t h = 0; h < heads; ++h) {
    for (int32_t j = 0; j < block.count; ++j) p[h * kKeyBlock + j] *= scales[j];
  }
}

void AttendPart(const Call& call, const Queries& queries, const KvView& kv, const KeyUnit& unit,
                const Piece& part, const Partials& partials) {
  const Kernels& kernels = call.kernels();
  const int64_t dim = queries.dim, heads = unit.heads;
  Scratch& scratch = ThreadScratch();
  scratch.Begin(KeyScores::Floats(kv, heads) + Scratch::RoundUp(heads * dim) +
                Scratch::RoundUp(heads * kKeyBlock) + Scratch::RoundUp(heads));
  KeyScores scores(kernels, kv, unit.kv_head, heads, &scratch);
  float* const out = scratch.Take(heads * dim);
  float* const s = scratch.Take(heads * kKeyBlock);
  float* const keep = scratch.Take(heads);
  float* const maximum = partials.maximum + part.slot;
  float* const sum = partials.sum + part.slot;
  const float factor = static_cast<float>(queries.scale * kLog2E);
  for (int64_t h = 0; h < heads; ++h) {
    scores.SetQuery(h, queries.Row(unit.row, unit.head + h), factor);
  }
  std::fill_n(out, heads * dim, 0.0f);
  std::fill_n(maximum, heads, -INFINITY);
  std::fill_n(sum, heads, 0.0f);
  for (KeyWalk walk(kv, unit.kv_head, unit.set, part.first, part.count);
       walk.now().count > 0; walk.Advance()) {
    call.Poll();
    const KeyBlock& block = walk.now();
    const void* values[kKeyBlock + kRowsAhead];
    walk.Values(values);
    scores.Score(block, s, kKeyBlock);
    for (int64_t h = 0; h < heads; ++h) {
      keep[h] = kernels.softmax_row(s + h * kKeyBlock, block.count, maximum + h, sum + h);
    }
    if (kv.dtype == LL_INT8) ScaleProbs(kv, unit.kv_head, block, heads, s);
    kernels.weigh_rows(values, kv.dtype, block.count, dim, s, kKeyBlock, heads, keep, out);
  }
  for (int64_t h = 0; h < heads; ++h) {
    kernels.order_row(out + h * dim, kv.dtype, dim, true, partials.out + (part.slot + h) * dim);
  }
}

// out = sum_x 2^(m_x - m) o_x / sum_x 2^(m_x - m) l_x over the slots of one row and head.
void CombineSlots(const Partials& partials, const int64_t* slots, int64_t count, int64_t dim,
                  float* out, float* lse) {
  float maximum = -INFINITY;
  for (int64_t x = 0; x < count; ++x) maximum = std::max(maximum, partials.maximum[slots[x]]);
  double sum = 0;
  std::fill_n(out, dim, 0.0f);
  for (int64_t x = 0; x < count; ++x) {
    const int64_t slot = slots[x];
    if (partials.sum[slot] == 0) continue;
    const float weight = std::exp2(partials.maximum[slot] - maximum);
    sum += double{weight} * partials.sum[slot];
    for (int64_t i = 0; i < dim; ++i) out[i] += weight * partials.out[slot * dim + i];
  }
  const float inverse = sum == 0 ? 0 : static_cast<float>(1 / sum);
  for (int64_t i = 0; i < dim; ++i) out[i] *= inverse;
  *lse = sum == 0 ? -INFINITY : static_cast<float>((maximum + std::log2(sum)) * kLn2);
}

// Everything a call makes for itself. It belongs to the calling thread, so that a step of decoding
// allocates nothing once its first call has made room.
struct Workspace {
  std::vector<KeyUnit> units;
  std::vector<Piece> parts;
  // Slots of row and head x: slots[slot_ptr[x] .. slot_ptr[x + 1] - 1].
  std::vector<int64_t> slot_ptr, slots;
  Buffer<float> out, maximum, sum;
};

Workspace& ThreadWorkspace() {
  thread_local Workspace workspace;
  return workspace;
}

// Lists the slots of each row and head, in the order of the parts.
void ListSlots(Workspace* w, int64_t sets, int32_t heads, int64_t slots) {
  w->slot_ptr.assign(sets + 2, 0);
  w->slots.resize(slots);
  const auto for_each = [&](const auto& use) {
    for (const Piece& part : w->parts) {
      const KeyUnit& unit = w->units[part.unit];
      for (int32_t h = 0; h < unit.heads; ++h) {
        use(int64_t{unit.row} * heads + unit.head + h, part.slot + h);
      }
    }
  };
  for_each([&](int64_t x, int64_t) { ++w->slot_ptr[x + 2]; });
  for (int64_t x = 2; x <= sets + 1; ++x) w->slot_ptr[x] += w->slot_ptr[x - 1];
  // slot_ptr[x + 1] walks from the start of x to its end, where x + 1 starts.
  for_each([&](int64_t x, int64_t slot) { w->slots[w->slot_ptr[x + 1]++] = slot; });
}

// One row of ll_merge; the outputs may be the inputs.
void MergeRow(int64_t dim, const float* out_a, float lse_a, const float* out_b, float lse_b,
              float* out, float* lse) {
  const double largest = std::max(lse_a, lse_b);
  if (largest == -INFINITY) {
    std::fill_n(out, dim, 0.0f);
    *lse = -INFINITY;
    return;
  }
  const double a = std::exp(lse_a - largest), b = std::exp(lse_b - largest);
  const float weight_a = static_cast<float>(a / (a + b)),
              weight_b = static_cast<float>(b / (a + b));
  for (int64_t i = 0; i < dim; ++i) out[i] = weight_a * out_a[i] + weight_b * out_b[i];
  *lse = static_cast<float>(largest + std::log(a + b));
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_attend_keys(ll_run* run, const float* q, int32_t rows, int32_t heads,
                                  int32_t kv_heads, int32_t dim, float scale, void* const* pages,
                                  int32_t stride, int32_t kv_dtype, int32_t kv_len,
                                  const int32_t* range_ptr, const int32_t* ranges,
                                  const int32_t* index_ptr, const int32_t* indices, float* out,
                                  float* lse) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, kv_heads, dim, kv_dtype};
    const AttendKeysCall keys_call{q,         rows,   heads,     scale,   kv,  kv_len,
                                   range_ptr, ranges, index_ptr, indices, out, lse};
    if (!CheckAttendKeys(keys_call)) return;
    const int64_t sets = keys_call.Sets();
    Workspace& w = ThreadWorkspace();
    ListKeyUnits(keys_call, keys_call.Group(), &w.units);
    const Call call(run);
    const int64_t slots = MakeParts(w.units, call.threads(), &w.parts);
    const Partials partials{w.out.Reserve(slots * dim + 1), w.maximum.Reserve(slots + 1),
                            w.sum.Reserve(slots + 1)};
    const Queries queries{q, heads, dim, scale};
    int64_t work = 0;
    for (const KeyUnit& unit : w.units) work += unit.keys * unit.heads * dim;
    call.ForIf(work >= kSmallWork, w.parts.size(), [&](int64_t i) {
      AttendPart(call, queries, kv, w.units[w.parts[i].unit], w.parts[i], partials);
    });
    ListSlots(&w, sets, heads, slots);
    for (int64_t x = 0; x < sets; ++x) {
      CombineSlots(partials, w.slots.data() + w.slot_ptr[x], w.slot_ptr[x + 1] - w.slot_ptr[x], dim,
                   out + x * dim, lse + x);
    }
    call.Progress(rows);
  });
}

extern "C" int32_t ll_merge(ll_run* run, int32_t rows, int32_t dim, const float* out_a,
                            const float* lse_a, const float* out_b, const float* lse_b, float* out,
                            float* lse) {
  return Guard(run, [&] {
    if (!CheckMerge({rows, dim, out_a, lse_a, out_b, lse_b, out, lse})) return;
    const Call call(run);
    constexpr int64_t kGrain = 256;
    const int64_t blocks = (rows + kGrain - 1) / kGrain;
    call.For(blocks, [&](int64_t block) {
      const int64_t end = std::min<int64_t>(rows, (block + 1) * kGrain);
      for (int64_t r = block * kGrain; r < end; ++r) {
        MergeRow(dim, out_a + r * dim, lse_a[r], out_b + r * dim, lse_b[r], out + r * dim, lse + r);
      }
      call.Progress(end - block * kGrain);
    });
  });
}

extern "C" int32_t ll_attention_row(ll_run* run, const float* q, int32_t kv_head, int32_t dim,
                                    float scale, void* const* pages, int32_t stride,
                                    int32_t kv_dtype, int32_t kv_len, const int32_t* ranges,
                                    int32_t range_count, const int32_t* indices,
                                    int32_t index_count, float* probs, float* lse) {
  return Guard(run, [&] {
    const KeySet set{ranges, range_count, indices, index_count};
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    if (!CheckAttentionRow({q, kv_head, scale, kv, kv_len, set, probs, lse})) return;
    const Call call(run);
    const Kernels& kernels = call.kernels();
    const int64_t total = set.Keys();
    const Buffer<float> s(total + 1);
    constexpr int64_t kPiece = 16 * kKeyBlock;
    call.ForIf(total * dim >= 1 << 16, (total + kPiece - 1) / kPiece, [&](int64_t piece) {
      const int64_t first = piece * kPiece, end = std::min(total, first + kPiece);
      Scratch& scratch = ThreadScratch();
      scratch.Begin(KeyScores::Floats(kv, 1));
      KeyScores scores(kernels, kv, kv_head, 1, &scratch);
      scores.SetQuery(0, q, static_cast<float>(scale * kLog2E));
      int64_t done = first;
      for (KeyWalk walk(kv, kv_head, set, first, end - first); walk.now().count > 0;
           walk.Advance()) {
        scores.Score(walk.now(), s.data() + done, 0);
        done += walk.now().count;
      }
    });
    // With the maximum known in advance the blocks' sums are plain terms.
    float maximum = -INFINITY, sum = 0;
    for (int64_t i = 0; i < total; ++i) maximum = s[i] > maximum ? s[i] : maximum;
    double whole = 0;
    for (int64_t i = 0; i < total; i += kPiece) {
      sum = 0;
      kernels.softmax_row(s.data() + i, std::min(kPiece, total - i), &maximum, &sum);
      whole += sum;
    }
    std::fill_n(probs, kv_len, 0.0f);
    *lse = whole == 0 ? -INFINITY : static_cast<float>((maximum + std::log2(whole)) * kLn2);
    const float inverse = whole == 0 ? 0 : static_cast<float>(1 / whole);
    KeyCursor cursor(set, 0);
    for (int64_t done = 0; done < total;) {
      int32_t keys[kKeyBlock];
      const int32_t count = cursor.Next(keys, kKeyBlock);
      for (int32_t j = 0; j < count; ++j) probs[keys[j]] = s[done + j] * inverse;
      done += count;
    }
    call.Progress(1);
  });
}
