// Spherical k-means of the keys of a KV head.
//
//   x[j] = k[j] - mean of all k;  u[c] = sum of x of cluster c, of length 1
//   key j joins the cluster c with the largest x[j] . u[c], equal ones: the lowest c
// The first centres are evenly spaced keys. A cluster without keys, or whose keys add up to zero,
// keeps its centre, so that it may win keys in a later pass.
//
// Joining is a matrix product: centres in panels, keys as rows, a tile of which stays near the
// core; each lane of the panels keeps its best. Sums are taken in double, by cluster in the order
// of the keys, so that results do not depend on the number of threads.
#include <algorithm>
#include <cmath>
#include <vector>

#include "../common/cluster_calls.h"
#include "dispatch.h"
#include "key_rows.h"
#include "kv.h"
#include "quantise.h"
#include "scratch.h"

namespace longlens {
namespace {

// A multiple of row_block of every unit.
constexpr int64_t kTileKeys = 48;
// Keys that are read, or join, by one item.
constexpr int64_t kReadKeys = 512;
constexpr int64_t kJoinKeys = 4 * kTileKeys;

// By itself, as inlined its loop does not become vectors.
[[gnu::noinline]] void AddRow(const float* row, int64_t dim, double* sum) {
  for (int64_t i = 0; i < dim; ++i) sum[i] += row[i];
}

// best[x] = max(best[x], s[x]); from[x] is the panel that it came from, the first of equal ones.
// Written so that the loop becomes vectors.
[[gnu::noinline]] void KeepBest(const float* __restrict s, int64_t count, int32_t panel,
                                float* __restrict best, int32_t* __restrict from) {
  for (int64_t x = 0; x < count; ++x) {
    const int32_t better = -static_cast<int32_t>(s[x] > best[x]);
    from[x] = (panel & better) | (from[x] & ~better);
    best[x] = s[x] > best[x] ? s[x] : best[x];
  }
}

class Clustering {
 public:
  Clustering(const Call& call, const KvView& kv, const ClusterKeysCall& asked)
      : call_(call),
        asked_(asked),
        kv_(kv),
        kernels_(call.kernels()),
        dim_(kv.dim),
        keys_(asked.Keys()),
        panels_((asked.count + kernels_.panel - 1) / kernels_.panel),
        x_(keys_ * dim_),
        centres_(asked.count * dim_),
        packed_(panels_ * kernels_.panel * dim_),
        members_(keys_),
        first_(asked.count + 1) {}

  void Run() {
    if (keys_ == 0) {
      ListMembers();
      return Finish();
    }
    Centre();
    for (int64_t c = 0; c < asked_.count; ++c) {
      const float* const key = x_.data() + c * keys_ / asked_.count * dim_;
      const std::vector<double> first(key, key + dim_);
      std::fill_n(centres_.data() + c * dim_, dim_, 0.0f);
      Place(c, first.data());
    }
    for (int32_t pass = 0; pass < asked_.iterations; ++pass) {
      Join();
      Move();
      call_.Progress(1);
    }
    Join();
    Finish();
  }

 private:
  int64_t Blocks() const { return (keys_ + kReadKeys - 1) / kReadKeys; }

  // Calls use(block, first key, number of keys) for blocks of keys.
  template <class Use>
  void ForBlocks(const Use& use) const {
    call_.For(Blocks(), [&](int64_t block) {
      const int64_t first = block * kReadKeys;
      use(block, first, std::min(kReadKeys, keys_ - first));
    });
  }

  // Reads the keys and subtracts their mean.
  void Centre() {
    std::vector<double> sums(Blocks() * dim_), mean(dim_);
    ForBlocks([&](int64_t block, int64_t first, int64_t count) {
      Read(first, count);
      for (int64_t j = first; j < first + count; ++j) {
        AddRow(x_.data() + j * dim_, dim_, sums.data() + block * dim_);
      }
    });
    for (int64_t block = 0; block < Blocks(); ++block) {
      for (int64_t i = 0; i < dim_; ++i) mean[i] += sums[block * dim_ + i];
    }
    for (double& element : mean) element /= static_cast<double>(keys_);
    ForBlocks([&](int64_t, int64_t first, int64_t count) {
      for (int64_t j = first; j < first + count; ++j) {
        float* const row = x_.data() + j * dim_;
        for (int64_t i = 0; i < dim_; ++i) row[i] = static_cast<float>(row[i] - mean[i]);
      }
    });
  }

  void Read(int64_t first, int64_t count) {
    for (int64_t j = first; j < first + count;) {
      const int64_t now = std::min<int64_t>(LL_PAGE_TOKENS, first + count - j);
      float* const rows = x_.data() + j * dim_;
      TileRows(kernels_, kv_, asked_.kv_head, asked_.start + j, now, Part::kKeys, rows);
      for (int64_t i = 0; i < now; ++i) {
        Require(AllFinite(rows + i * dim_, dim_), "cluster keys",
                "keys must be finite, which this one is not", asked_.start + j + i);
      }
      j += now;
    }
  }

  // Makes the direction of `sum` the centre of cluster c.
  void Place(int64_t c, const double* sum) {
    double square = 0;
    for (int64_t i = 0; i < dim_; ++i) square += sum[i] * sum[i];
    if (square == 0) return;
    const double factor = 1 / std::sqrt(square);
    float* const centre = centres_.data() + c * dim_;
    for (int64_t i = 0; i < dim_; ++i) centre[i] = static_cast<float>(sum[i] * factor);
  }

  // Lets each key join the nearest centre, and lists the members of each cluster.
  void Join() {
    Pack();
    call_.For((keys_ + kJoinKeys - 1) / kJoinKeys, [&](int64_t item) {
      const int64_t end = std::min(keys_, (item + 1) * kJoinKeys);
      for (int64_t first = item * kJoinKeys; first < end; first += kTileKeys) {
        call_.Poll();
        JoinTile(first, std::min(kTileKeys, end - first));
      }
    });
    ListMembers();
  }

  // Lanes behind the last centre repeat the first one, which wins all ties with them.
  void Pack() {
    const int64_t width = kernels_.panel;
    for (int64_t p = 0; p < panels_; ++p) {
      const void* rows[kMaxPanel];
      for (int64_t r = 0; r < width; ++r) {
        const int64_t c = p * width + r;
        rows[r] = centres_.data() + (c < asked_.count ? c : 0) * dim_;
      }
      kernels_.pack_panel(rows, LL_F32, static_cast<int32_t>(width), dim_, 1.0f,
                          packed_.data() + p * width * dim_);
    }
  }

  void JoinTile(int64_t first, int64_t count) {
    const int64_t width = kernels_.panel;
    alignas(64) float s[kTileKeys * kMaxPanel], best[kTileKeys * kMaxPanel];
    alignas(64) int32_t from[kTileKeys * kMaxPanel];
    std::fill_n(best, count * width, -INFINITY);
    std::fill_n(from, count * width, 0);
    for (int64_t p = 0; p < panels_; ++p) {
      kernels_.panel_scores(packed_.data() + p * width * dim_, x_.data() + first * dim_,
                            static_cast<int32_t>(count), dim_, s);
      KeepBest(s, count * width, static_cast<int32_t>(p), best, from);
    }
    for (int64_t j = 0; j < count; ++j) {
      asked_.cluster_of[first + j] = BestLane(best + j * width, from + j * width);
    }
  }

  int32_t BestLane(const float* best, const int32_t* from) const {
    int32_t chosen = from[0] * kernels_.panel;
    float score = best[0];
    for (int32_t r = 1; r < kernels_.panel; ++r) {
      const int32_t c = from[r] * kernels_.panel + r;
      if (best[r] > score || (best[r] == score && c < chosen)) {
        score = best[r];
        chosen = c;
      }
    }
    return chosen;
  }

  // Members of cluster c, in the order of the keys: members_[first_[c] .. first_[c + 1] - 1].
  void ListMembers() {
    int32_t* const sizes = asked_.sizes;
    std::fill_n(sizes, asked_.count, 0);
    for (int64_t j = 0; j < keys_; ++j) ++sizes[asked_.cluster_of[j]];
    first_[0] = 0;
    for (int64_t c = 0; c < asked_.count; ++c) first_[c + 1] = first_[c] + sizes[c];
    next_.assign(first_.begin(), first_.end() - 1);
    for (int64_t j = 0; j < keys_; ++j) {
      members_[next_[asked_.cluster_of[j]]++] = static_cast<int32_t>(j);
    }
  }

  void Move() {
    call_.For(asked_.count, [&](int64_t c) {
      thread_local std::vector<double> sum;
      sum.assign(dim_, 0.0);
      for (int64_t m = first_[c]; m < first_[c + 1]; ++m) {
        call_.Poll();
        AddRow(x_.data() + int64_t{members_[m]} * dim_, dim_, sum.data());
      }
      Place(c, sum.data());
    });
  }

  void Finish() {
    call_.For(asked_.count, [&](int64_t c) {
      const double size = std::max<int64_t>(1, first_[c + 1] - first_[c]);
      SumRows(c, Part::kKeys, 1 / size, asked_.centroids + c * dim_);
      SumRows(c, Part::kValues, 1, asked_.value_sums + c * dim_);
    });
    call_.Progress(1);
  }

  // target = factor * sum of rows of the members of cluster c.
  void SumRows(int64_t c, Part part, double factor, float* target) {
    thread_local std::vector<double> sum;
    sum.assign(dim_, 0.0);
    Scratch& scratch = ThreadScratch();
    scratch.Begin(dim_);
    float* const row = scratch.Take(dim_);
    for (int64_t m = first_[c]; m < first_[c + 1]; ++m) {
      call_.Poll();
      const int64_t key = int64_t{asked_.start} + members_[m];
      WidenRows(kernels_, kv_, asked_.kv_head, key, 1, part, row);
      AddRow(row, dim_, sum.data());
    }
    for (int64_t i = 0; i < dim_; ++i) target[i] = static_cast<float>(sum[i] * factor);
  }

  const Call& call_;
  const ClusterKeysCall& asked_;
  const KvView& kv_;
  const Kernels& kernels_;
  const int64_t dim_, keys_, panels_;
  Buffer<float> x_, centres_, packed_;  // [keys][dim], [count][dim], [panels][dim][panel]
  Buffer<int32_t> members_;             // [keys]
  std::vector<int64_t> first_, next_;   // [count + 1]
};

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_cluster_keys(ll_run* run, int32_t kv_head, int32_t dim, void* const* pages,
                                   int32_t stride, int32_t kv_dtype, int32_t start, int32_t end,
                                   int32_t count, int32_t iterations, float* centroids,
                                   float* value_sums, int32_t* sizes, int32_t* cluster_of) {
  return Guard(run, [&] {
    const KvView kv{pages, stride, int64_t{kv_head} + 1, dim, kv_dtype};
    const ClusterKeysCall asked{kv,         kv_head,   start,      end,   count,
                                iterations, centroids, value_sums, sizes, cluster_of};
    CheckClusterKeys(asked);
    const Call call(run);
    Clustering(call, kv, asked).Run();
  });
}
