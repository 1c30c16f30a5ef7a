// Channelwise bounds of blocks of keys, and from them an upper bound of q . k for each block
// (Quest).
//
//   min[b][i] = min over the keys of block b of k[i];  max likewise
//   bound[b] = sum_i max(q[i] min[b][i], q[i] max[b][i])
//            = sum_i max(q[i], 0) max[b][i] + min(q[i], 0) min[b][i]
//
// By the second form a bound is two dot products, which the heads of a KV head share the rows of.
// They are computed with all rounding upwards, so that no sum is below the exact one, in any order.
#include <algorithm>
#include <cfenv>
#include <cmath>
#include <vector>

#include "../common/estimate_calls.h"
#include "../common/head_groups.h"
#include "dispatch.h"
#include "key_blocks.h"
#include "key_sets.h"

namespace longlens {
namespace {

// Blocks that one item bounds.
constexpr int64_t kItemBlocks = 1024;

// Both parts of the queries of a group, [heads][dim] each.
struct SignedQueries {
  std::vector<float> positive, negative;
};

SignedQueries SplitSigns(const float* q, const std::vector<int32_t>& heads, int64_t dim) {
  SignedQueries parts;
  for (const int32_t head : heads) {
    for (int64_t i = 0; i < dim; ++i) {
      const float x = q[head * dim + i];
      parts.positive.push_back(std::max(x, 0.0f));
      parts.negative.push_back(std::min(x, 0.0f));
    }
  }
  return parts;
}

// While it lives, this thread rounds upwards.
class RoundingUp {
 public:
  RoundingUp() : before_(fegetround()) {
    if (fesetround(FE_UPWARD) != 0) {
      throw Error(LL_INTERNAL_ERROR, "Cannot bound scores as rounding upwards is refused");
    }
  }
  ~RoundingUp() { fesetround(before_); }
  RoundingUp(const RoundingUp&) = delete;
  RoundingUp& operator=(const RoundingUp&) = delete;

 private:
  const int before_;
};

struct BoundCall {
  const Call& call;
  const float* q;
  int64_t kv_heads, dim, blocks;
  const float *min, *max;
  float* bounds;

  // Bounds of blocks first .. end-1 for each head of a group.
  void Run(const HeadGroup& group, int64_t first, int64_t end) const {
    const SignedQueries parts = SplitSigns(q, group.heads, dim);
    const int64_t heads = group.heads.size();
    std::vector<float> sums(heads * kKeyBlock);
    const RoundingUp rounding;
    for (int64_t b = first; b < end; b += kKeyBlock) {
      call.Poll();
      const int64_t count = std::min<int64_t>(kKeyBlock, end - b);
      Dot(max, group.kv_head, b, count, parts.positive, heads, false, sums.data());
      Dot(min, group.kv_head, b, count, parts.negative, heads, true, sums.data());
      for (int64_t h = 0; h < heads; ++h) {
        std::copy_n(&sums[h * kKeyBlock], count, bounds + group.places[h] * blocks + b);
      }
    }
  }

  void Dot(const float* channels, int64_t kv_head, int64_t first, int64_t count,
           const std::vector<float>& queries, int64_t heads, bool add, float* sums) const {
    const void* rows[kKeyBlock];
    for (int64_t b = 0; b < count; ++b) {
      rows[b] = channels + ((first + b) * kv_heads + kv_head) * dim;
    }
    call.kernels().dot_rows(rows, LL_F32, count, dim, queries.data(), dim, heads, sums, kKeyBlock,
                            add);
  }
};

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_key_bounds(ll_run* run, int32_t kv_heads, int32_t dim, void* const* pages,
                                 int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                                 int32_t block, float* min, float* max) {
  return Guard(run, [&] {
    const BlocksOfKeys blocks{{pages, stride, kv_heads, dim, kv_dtype}, start, end, block};
    if (!CheckKeyBounds(blocks, min, max)) return;
    ForKeyBlocks(
        Call(run), blocks,
        [&](int64_t target) {
          std::fill_n(min + target * dim, dim, INFINITY);
          std::fill_n(max + target * dim, dim, -INFINITY);
        },
        [&](int64_t target, const float* keys, int64_t count) {
          float *const low = min + target * dim, *const high = max + target * dim;
          for (int64_t j = 0; j < count; ++j) {
            for (int64_t i = 0; i < dim; ++i) {
              const float key = keys[j * dim + i];
              low[i] = key < low[i] ? key : low[i];
              high[i] = key > high[i] ? key : high[i];
            }
          }
        },
        [](int64_t, int64_t) {});
  });
}

extern "C" int32_t ll_bound_scores(ll_run* run, const float* q, int32_t heads, int32_t kv_heads,
                                   int32_t dim, const int32_t* chosen, int32_t count,
                                   const float* min, const float* max, int32_t blocks,
                                   float* bounds) {
  return Guard(run, [&] {
    const BoundScoresCall asked{q, heads, kv_heads, dim, chosen, count, min, max, blocks, bounds};
    if (!CheckBoundScores(asked)) return;
    const Call call(run);
    const std::vector<HeadGroup> groups = GroupHeads(chosen, count, heads, kv_heads);
    const BoundCall c{call, q, kv_heads, dim, blocks, min, max, bounds};
    const int64_t runs = (int64_t{blocks} + kItemBlocks - 1) / kItemBlocks;
    call.For(groups.size() * runs, [&](int64_t item) {
      const int64_t first = item % runs * kItemBlocks;
      const int64_t end = std::min<int64_t>(blocks, first + kItemBlocks);
      c.Run(groups[item / runs], first, end);
      call.Progress(end - first);
    });
  });
}
