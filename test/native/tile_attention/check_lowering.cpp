// Properties of the lowering of tile plans: every row sees exactly the keys of its plan, each once.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "../../../kernels/cuda/tile_lowering.h"

using namespace longlens;

namespace {

#define CHECK(x)                                                    \
  do {                                                              \
    if (!(x)) {                                                     \
      fprintf(stderr, "line %d: %s does not hold\n", __LINE__, #x); \
      exit(1);                                                      \
    }                                                               \
  } while (0)

struct Owned {
  std::vector<int32_t> row_ptr{0}, key_start, kind, col_ptr{0}, columns, masks;
  TilePlan plan{};
  const TilePlan& Plan(int32_t tile_q, int32_t tile_k, int32_t tiles) {
    plan = {tile_q,      tile_k,         tiles,          row_ptr.data(), key_start.data(),
            kind.data(), col_ptr.data(), columns.data(), masks.data()};
    return plan;
  }
};

using Seen = std::set<std::pair<int32_t, int32_t>>;  // row of the tile, key

Seen Wanted(const TilePlan& p, int32_t r, int32_t q_start, int32_t tokens, int32_t kv_len) {
  Seen seen;
  const int32_t first = r * p.tile_q, rows = std::min(p.tile_q, tokens - first);
  for (int32_t i = 0; i < rows; ++i) {
    for (int32_t x = p.row_ptr[r]; x < p.row_ptr[r + 1]; ++x) {
      for (int32_t c = 0; c < p.tile_k; ++c) {
        const int32_t key = p.key_start[x] + c;
        if (key >= kv_len) continue;
        bool sees = p.kind[x] == 0 || (p.kind[x] == 1 && key <= q_start + first + i);
        if (p.kind[x] >= 2) {
          sees = p.masks[((p.kind[x] - 2) * p.tile_q + i) * (p.tile_k / 32) + c / 32] >> c % 32 & 1;
        }
        if (sees) CHECK(seen.insert({i, key}).second);
      }
    }
    for (int32_t x = p.col_ptr[r]; x < p.col_ptr[r + 1]; ++x) {
      CHECK(seen.insert({i, p.columns[x]}).second);
    }
  }
  return seen;
}

void Collect(const TileLowering& l, const BlockList& list, int w, int32_t rows, Seen* seen) {
  int32_t segment = list.segments, at = 0;
  for (int32_t g = 0; g < list.blocks * kBlockGroups; ++g) {
    if (at == l.segments()[segment].count) {
      ++segment;
      at = 0;
    }
    const int32_t group = l.segments()[segment].group + at++;
    const int32_t masked = g - list.plain * kBlockGroups;
    const int32_t id = masked < 0 ? 255 : l.mask_ids()[list.masks[w] + masked];
    for (int32_t i = 0; i < rows; ++i) {
      for (int32_t c = 0; c < kGroupKeys; ++c) {
        if ((l.masks()[id].rows[i] >> c & 1) == 0) continue;
        int32_t key = group * kGroupKeys + c;
        if (group >= kColumnGroups) {
          key = l.columns().at((group - kColumnGroups - kPadGroups) * kGroupKeys + c);
        }
        CHECK(seen->insert({i, key}).second);
      }
    }
  }
}

void Property(std::mt19937& random) {
  const auto draw = [&](int32_t low, int32_t high) {
    return std::uniform_int_distribution<int32_t>(low, high)(random);
  };
  const int32_t tile_q = std::vector<int32_t>{1, 7, 16, 64}[draw(0, 3)], tile_k = 32 * draw(1, 2);
  const int32_t kv_len = draw(1, 500), tokens = draw(1, std::min(kv_len, 200));
  const int32_t q_start = draw(0, kv_len - tokens), tiles = (tokens + tile_q - 1) / tile_q;
  Owned o;
  const int mode = draw(0, 3);
  for (int32_t r = 0; r < tiles; ++r) {
    std::vector<std::pair<int32_t, int32_t>> list;
    const int32_t last = q_start + std::min(tokens, (r + 1) * tile_q) - 1;
    for (int32_t key = mode == 0 ? 0 : draw(0, tile_k); key <= last;) {
      const int kind = draw(0, 3);
      if (kind == 3) {
        const int32_t end = std::min(key + tile_k, kv_len);
        for (int32_t c = key; c < end; ++c) {
          if (draw(0, 3) > 0) o.columns.push_back(c);
        }
      } else if (kind == 2) {
        const int32_t m = o.masks.size() / (tile_q * tile_k / 32);
        const bool again = m > 0 && draw(0, 1);
        list.push_back({key, 2 + (again ? draw(0, m - 1) : m)});
        for (int32_t i = 0; !again && i < tile_q * tile_k / 32; ++i) o.masks.push_back(random());
      } else {
        list.push_back({key, kind});
      }
      key += tile_k + (mode == 2 && draw(0, 1) ? draw(0, 20) : 0);
    }
    if (draw(0, 4) == 0) std::shuffle(list.begin(), list.end(), random);
    for (const auto& [key, kind] : list) {
      o.key_start.push_back(key);
      o.kind.push_back(kind);
    }
    o.row_ptr.push_back(o.key_start.size());
    o.col_ptr.push_back(o.columns.size());
  }
  const TilePlan& plan = o.Plan(tile_q, tile_k, tiles);
  TileLowering l(q_start, tokens, kv_len);
  l.Begin(plan);
  TileLowering::Runs runs[2];
  for (int32_t r = 0; r < tiles; ++r) {
    const int32_t rows = std::min(tile_q, tokens - r * tile_q);
    l.LowerRows(r, &runs[0]);
    const TileList one = l.lists()[l.Add(runs[0])];
    for (int w = 0; w < 2; ++w) {
      Seen seen;
      Collect(l, one.both, w, rows, &seen);
      CHECK(seen == Wanted(plan, r, q_start, tokens, kv_len));
    }
    if (r + 1 == tiles) continue;
    l.LowerRows(r + 1, &runs[1]);
    const TileList two = l.lists()[l.Add(runs[0], runs[1])];
    for (int w = 0; w < 2; ++w) {
      Seen seen;
      const int32_t here = std::min(tile_q, tokens - (r + w) * tile_q);
      Collect(l, two.both, w, here, &seen);
      Collect(l, two.only[w], w, here, &seen);
      CHECK(seen == Wanted(plan, r + w, q_start, tokens, kv_len));
    }
  }
}

// Milliseconds of this thread.
double Now() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

// Lowers a plan of `tokens` rows; prints the time and what it costs.
void Measure(const char* name, const TilePlan& plan, int32_t tokens, bool pairs) {
  double best = 1e9;
  int64_t blocks = 0, bytes = 0;
  for (int turn = 0; turn < 5; ++turn) {
    const double start = Now();
    TileLowering l(0, tokens, tokens);
    l.Begin(plan);
    TileLowering::Runs runs[2];
    for (int32_t r = 0; r < plan.row_tiles; r += 2) {
      for (int w = 0; w < 2; ++w) l.LowerRows(r + w, &runs[w]);
      if (pairs) {
        l.Add(runs[0], runs[1]);
      } else {
        for (int w = 0; w < 2; ++w) l.Add(runs[w]);
      }
    }
    best = std::min(best, Now() - start);
    blocks = bytes = 0;
    for (const TileList& list : l.lists()) {
      blocks += 2 * list.both.blocks + list.only[0].blocks + list.only[1].blocks;
    }
    bytes = l.lists().size() * sizeof(TileList) + l.segments().size() * sizeof(Segment) +
            l.mask_ids().size() * 4 + l.masks().size() * sizeof(GroupMask);
  }
  printf("%s: %.2f ms, %lld block uses, %lld tiles, %.2f MB\n", name, best, (long long)blocks,
         (long long)plan.row_ptr[plan.row_tiles], bytes * 1e-6);
}

void MeasureDense(int32_t tokens) {
  Owned o;
  for (int32_t r = 0; r < tokens / 64; ++r) {
    for (int32_t k = 0; k <= r; ++k) {
      o.key_start.push_back(64 * k);
      o.kind.push_back(k == r);
    }
    o.row_ptr.push_back(o.key_start.size());
    o.col_ptr.push_back(0);
  }
  const TilePlan& plan = o.Plan(64, 64, tokens / 64);
  Measure("dense, heads share steps", plan, tokens, false);
  Measure("dense, row tiles share steps", plan, tokens, true);
}

// Slash bands of full tiles at any column, and columns between them.
void MeasureVerticalSlash(int32_t tokens, int bands, int width, int verticals) {
  std::mt19937 random(5);
  Owned o;
  std::vector<int32_t> distance, vertical;
  for (int b = 0; b < bands; ++b) distance.push_back(64 + int32_t(random() % (tokens / 2)));
  for (int v = 0; v < verticals; ++v) vertical.push_back(int32_t(random() % tokens));
  std::sort(distance.rbegin(), distance.rend());
  std::sort(vertical.begin(), vertical.end());
  vertical.erase(std::unique(vertical.begin(), vertical.end()), vertical.end());
  for (int32_t r = 0; r < tokens / 64; ++r) {
    std::vector<std::pair<int32_t, int32_t>> ranges;
    int32_t high = 0;
    for (const int32_t d : distance) {
      const int32_t low = std::max(high, 64 * r - d);
      const int32_t end = std::min(64 * r - d + width, 64 * r);
      for (int32_t k = low; k + 64 <= end; k += 64) {
        o.key_start.push_back(k);
        o.kind.push_back(0);
        ranges.push_back({k, k + 64});
        high = k + 64;
      }
    }
    o.key_start.push_back(64 * r);
    o.kind.push_back(1);
    size_t x = 0;
    for (const int32_t v : vertical) {
      while (x < ranges.size() && ranges[x].second <= v) ++x;
      if (v >= 64 * r) break;
      if (x < ranges.size() && v >= ranges[x].first) continue;
      o.columns.push_back(v);
    }
    o.row_ptr.push_back(o.key_start.size());
    o.col_ptr.push_back(o.columns.size());
  }
  Measure("vertical-slash, row tiles share steps", o.Plan(64, 64, tokens / 64), tokens, true);
  printf("  %.2f M columns\n", o.columns.size() * 1e-6);
}

}  // namespace

// With an argument: measures instead.
int main(int count, char**) {
  if (count > 1) {
    MeasureDense(131072);
    MeasureVerticalSlash(131072, 20, 512, 1000);
    MeasureVerticalSlash(131072, 100, 64, 3500);
    return 0;
  }
  std::mt19937 random(1);
  constexpr int kPlans = 100;
  for (int i = 0; i < kPlans; ++i) Property(random);
  printf("%d plans\n", kPlans);
}
