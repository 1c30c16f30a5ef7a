// The k keys with the largest q . k of each listed query head: all scores, then a selection.
#include <algorithm>
#include <cmath>

#include "../common/head_groups.h"
#include "../common/key_calls.h"
#include "key_scores.h"
#include "page_table.h"
#include "top_select.h"

namespace longlens {
namespace {

// Scores that are held at a time, unless one group of heads has more.
constexpr int64_t kMostScores = int64_t{1} << 26;
constexpr int64_t kMostPlaces = 1 << 15;

// Groups of heads that are searched together.
struct Batch {
  std::vector<const HeadGroup*> groups;
  int64_t places = 0;
};

std::vector<Batch> MakeBatches(const std::vector<HeadGroup>& groups, int64_t keys) {
  std::vector<Batch> batches;
  for (const HeadGroup& group : groups) {
    const int64_t places = static_cast<int64_t>(group.places.size());
    const int64_t most = std::min(kMostPlaces, kMostScores / keys);
    if (batches.empty() || batches.back().places + places > most) batches.emplace_back();
    batches.back().groups.push_back(&group);
    batches.back().places += places;
  }
  return batches;
}

// Results of a batch on the host, row after row.
struct Found {
  std::vector<int32_t> places;  // rows of the call's result
  std::vector<int32_t> indices;
  std::vector<float> scores;
};

Found Search(const Call& call, const TopKeysCall& c, const DevicePages& pages, const Batch& batch) {
  const ScratchScope scope(call);
  const int32_t keys = c.end - c.start, kept = std::min(c.k, keys);
  const int32_t range[] = {c.start, c.end};
  const KeySet set{range, 1, nullptr, 0};
  const int64_t size = KeyPieces::SizeFor(static_cast<int64_t>(batch.groups.size()) * keys,
                                          call.device().multiprocessors());
  KeyPieces pieces;
  Found found;
  KeyScoring scoring{c.q, {}, {}, 1.0f, pages, call.Scratch<float>(batch.places * keys),
                     keys, c.start};
  for (const HeadGroup* const group : batch.groups) {
    const int32_t first = static_cast<int32_t>(scoring.heads.size());
    const int32_t heads = static_cast<int32_t>(group->heads.size());
    pieces.Add(c.table, {group->kv_head, 0, first, heads, set, keys}, size);
    for (int32_t h = 0; h < heads; ++h) {
      scoring.heads.push_back(group->heads[h]);
      scoring.places.push_back(first + h);
      found.places.push_back(group->places[h]);
    }
  }
  ScoreKeys(call, pieces, scoring);
  int32_t* const indices = call.Scratch<int32_t>(batch.places * kept);
  float* const scores = call.Scratch<float>(batch.places * kept);
  SelectTop(call, scoring.scores, batch.places, keys, c.start, kept, indices, scores);
  found.indices.resize(batch.places * kept);
  found.scores.resize(batch.places * kept);
  call.CopyOut(found.indices.data(), indices, batch.places * kept);
  call.CopyOut(found.scores.data(), scores, batch.places * kept);
  return found;
}

void Write(const TopKeysCall& c, int64_t place, const int32_t* indices, const float* scores,
           int64_t kept) {
  int32_t* const index_row = c.indices + place * c.k;
  float* const score_row = c.scores + place * c.k;
  std::copy_n(indices, kept, index_row);
  std::copy_n(scores, kept, score_row);
  std::fill_n(index_row + kept, c.k - kept, -1);
  std::fill_n(score_row + kept, c.k - kept, -INFINITY);
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_top_keys(ll_run* run, const float* q, int32_t heads, int32_t kv_heads,
                               int32_t dim, const int32_t* chosen, int32_t count,
                               void* const* pages, int32_t stride, int32_t kv_dtype, int32_t start,
                               int32_t end, int32_t k, int32_t* indices, float* scores) {
  return Guard(run, [&] {
    const TopKeysCall top{q,     heads, chosen, count, {pages, stride, kv_heads, dim, kv_dtype},
                          start, end,   k,      indices, scores};
    if (!CheckTopKeys(top)) return;
    const Call call(run);
    if (start == end) {
      for (int32_t place = 0; place < count; ++place) Write(top, place, nullptr, nullptr, 0);
      call.Progress(count);
      return;
    }
    const DevicePages device_pages = CopyPagesIn(call, top.table, 0, end);
    const int32_t kept = std::min(k, end - start);
    const std::vector<HeadGroup> groups = GroupHeads(chosen, count, heads, kv_heads, kMostHeads);
    for (const Batch& batch : MakeBatches(groups, int64_t{end} - start)) {
      const Found found = Search(call, top, device_pages, batch);
      for (size_t i = 0; i < found.places.size(); ++i) {
        Write(top, found.places[i], &found.indices[i * kept], &found.scores[i * kept], kept);
      }
      call.Progress(batch.places);
    }
  });
}
