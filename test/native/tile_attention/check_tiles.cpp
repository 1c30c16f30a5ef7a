// ll_attend_tiles of the emulated CUDA library against a plain float64 one.
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "../../../kernels/include/longlens.h"

#define OK(call)                                           \
  do {                                                     \
    if ((call) != LL_OK) {                                 \
      fprintf(stderr, "%s: %s\n", #call, ll_last_error()); \
      exit(1);                                             \
    }                                                      \
  } while (0)

namespace {

float Round(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
  memcpy(&x, &bits, 4);
  return x;
}

struct Plan {
  int32_t tile_q, tile_k, row_tiles;
  std::vector<int32_t> row_ptr{0}, key_start, kind, col_ptr{0}, columns, masks;

  bool Sees(int32_t r, int32_t i, int32_t position, int32_t key) const {
    for (int32_t x = row_ptr[r]; x < row_ptr[r + 1]; ++x) {
      const int32_t c = key - key_start[x];
      if (c < 0 || c >= tile_k) continue;
      if (kind[x] == 0) return true;
      if (kind[x] == 1) return key <= position;
      return masks[((kind[x] - 2) * tile_q + i) * (tile_k / 32) + c / 32] >> c % 32 & 1;
    }
    return std::binary_search(columns.begin() + col_ptr[r], columns.begin() + col_ptr[r + 1], key);
  }
};

// Slash bands at any column that move with the rows, columns, a causal end, sometimes masked tiles.
Plan MakePlan(std::mt19937& random, int32_t q_start, int32_t tokens, bool dense) {
  const auto draw = [&](int32_t low, int32_t high) {
    return std::uniform_int_distribution<int32_t>(low, high)(random);
  };
  Plan p{64, 64, (tokens + 63) / 64};
  std::vector<std::pair<int32_t, int32_t>> bands;  // distance, tiles
  for (int b = draw(0, 3); b > 0; --b) bands.push_back({draw(100, q_start + tokens), draw(1, 5)});
  std::sort(bands.rbegin(), bands.rend());
  std::vector<int32_t> vertical;
  for (int v = draw(0, 40); v > 0; --v) vertical.push_back(draw(0, q_start + tokens - 1));
  std::sort(vertical.begin(), vertical.end());
  vertical.erase(std::unique(vertical.begin(), vertical.end()), vertical.end());
  for (int32_t r = 0; r < p.row_tiles; ++r) {
    const int32_t first = q_start + 64 * r, last = q_start + std::min(tokens, 64 * r + 64) - 1;
    int32_t high = 0;
    if (dense) {
      for (; high <= last; high += 64) {
        p.key_start.push_back(high);
        p.kind.push_back(high + 63 <= first ? 0 : 1);
      }
    } else {
      for (const auto& [distance, tiles] : bands) {
        for (int32_t t = 0; t < tiles; ++t) {
          const int32_t key = first - distance + 64 * t;
          if (key < high || key + 64 > first) continue;
          p.key_start.push_back(key);
          const int32_t m = p.masks.size() / 128;
          const bool masked = draw(0, 4) == 0;
          p.kind.push_back(!masked ? 0 : m > 0 && draw(0, 1) ? 2 + draw(0, m - 1) : 2 + m);
          if (p.kind.back() == 2 + m) {
            for (int i = 0; i < 128; ++i) p.masks.push_back(random());
          }
          high = key + 64;
        }
      }
      const int32_t start = std::max(high, first - draw(0, 9));
      for (int32_t key = start; key <= last; key += 64) {
        p.key_start.push_back(key);
        p.kind.push_back(1);
      }
      for (const int32_t v : vertical) {
        bool held = v >= start;
        for (int32_t x = p.row_ptr.back(); x < int32_t(p.key_start.size()); ++x) {
          held |= v >= p.key_start[x] && v < p.key_start[x] + 64;
        }
        if (!held) p.columns.push_back(v);
      }
    }
    p.row_ptr.push_back(p.key_start.size());
    p.col_ptr.push_back(p.columns.size());
  }
  return p;
}

std::vector<int32_t> Pack(const std::vector<Plan>& plans, int32_t heads) {
  std::vector<int32_t> words{int32_t(plans.size())};
  for (int32_t h = 0; h < heads; ++h) words.push_back(h * plans.size() / heads);
  const size_t records = words.size();
  words.resize(records + 9 * plans.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    const Plan& p = plans[i];
    int32_t record[9] = {p.tile_q, p.tile_k, p.row_tiles};
    int at = 3;
    for (const auto* list : {&p.row_ptr, &p.key_start, &p.kind, &p.col_ptr, &p.columns, &p.masks}) {
      record[at++] = words.size();
      words.insert(words.end(), list->begin(), list->end());
    }
    memcpy(&words[records + 9 * i], record, sizeof(record));
  }
  return words;
}

void Case(std::mt19937& random, int32_t dim, int32_t heads, int32_t kv_heads, int32_t q_start,
          int32_t tokens, int distinct, bool dense, int32_t compute, int32_t dtype) {
  const int32_t kv_len = q_start + tokens, count = (kv_len + 255) / 256;
  std::normal_distribution<float> normal;
  std::vector<float> q(int64_t{tokens} * heads * dim), k(int64_t{kv_len} * kv_heads * dim), v(k);
  for (auto* x : {&q, &k, &v}) {
    for (float& y : *x) y = Round(normal(random));
  }
  int64_t page_bytes;
  OK(ll_page_bytes(dim, dtype, &page_bytes));
  std::vector<void*> pages(kv_heads * count);
  for (void*& page : pages) OK(ll_alloc(page_bytes, LL_FAST, &page));
  void *dq, *dk, *dv, *out, *lse;
  const auto upload = [](const std::vector<float>& x, void** device) {
    OK(ll_alloc(x.size() * 4, LL_FAST, device));
    OK(ll_copy_in(*device, x.data(), x.size() * 4));
  };
  upload(q, &dq);
  upload(k, &dk);
  upload(v, &dv);
  OK(ll_alloc(q.size() * 4, LL_FAST, &out));
  OK(ll_alloc(int64_t{tokens} * heads * 4, LL_FAST, &lse));
  std::vector<float> positions(kv_len);
  OK(ll_append(nullptr, pages.data(), count, kv_heads, dim, dtype, 0, kv_len, (float*)dk,
               (float*)dv, positions.data()));
  std::vector<Plan> plans;
  for (int i = 0; i < distinct; ++i) plans.push_back(MakePlan(random, q_start, tokens, dense));
  const std::vector<int32_t> words = Pack(plans, heads);
  ll_run run{};
  run.compute = compute;
  const float scale = 1 / std::sqrt(float(dim));
  OK(ll_attend_tiles(&run, (float*)dq, q_start, tokens, heads, kv_heads, dim, scale, pages.data(),
                     count, dtype, kv_len, words.data(), words.size(), (float*)out, (float*)lse));
  std::vector<float> got(q.size()), got_lse(int64_t{tokens} * heads);
  OK(ll_copy_out(got.data(), out, got.size() * 4));
  OK(ll_copy_out(got_lse.data(), lse, got_lse.size() * 4));
  int64_t row_tiles = 0;
  for (int32_t h = 0; h < heads; ++h) row_tiles += plans[h * plans.size() / heads].row_tiles;
  if (run.progress != row_tiles) {
    fprintf(stderr, "progress is %lld of %lld\n", (long long)run.progress, (long long)row_tiles);
    exit(1);
  }
  double worst = 0, worst_lse = 0;
  std::vector<double> o(dim), p(kv_len);
  for (int32_t t = 0; t < tokens; ++t) {
    for (int32_t h = 0; h < heads; ++h) {
      const Plan& plan = plans[h * plans.size() / heads];
      const int32_t g = h / (heads / kv_heads);
      const float* const row = &q[(int64_t{t} * heads + h) * dim];
      double most = -INFINITY, sum = 0, size = 0, error = 0;
      for (int32_t j = 0; j < kv_len; ++j) {
        p[j] = -INFINITY;
        if (!plan.Sees(t / 64, t % 64, q_start + t, j)) continue;
        double s = 0;
        for (int32_t c = 0; c < dim; ++c)
          s += double{row[c]} * k[(int64_t{j} * kv_heads + g) * dim + c];
        most = std::max(most, p[j] = s * scale);
      }
      std::fill(o.begin(), o.end(), 0);
      for (int32_t j = 0; j < kv_len && most > -INFINITY; ++j) {
        const double e = std::exp(p[j] - most);
        sum += e;
        for (int32_t c = 0; c < dim && e > 0; ++c)
          o[c] += e * v[(int64_t{j} * kv_heads + g) * dim + c];
      }
      const int64_t index = int64_t{t} * heads + h;
      for (int32_t c = 0; c < dim; ++c) {
        const double wanted = sum == 0 ? 0 : o[c] / sum;
        size = std::max(size, std::abs(wanted));
        const double off = std::abs(got[index * dim + c] - wanted);
        error = std::max(error, off <= 1e30 ? off : 1e30);
      }
      worst = std::max(worst, error / std::max(size, 1e-9));
      const double wanted = sum == 0 ? -INFINITY : most + std::log(sum);
      if (sum > 0) worst_lse = std::max(worst_lse, std::abs(got_lse[index] - wanted));
      if (sum == 0 && got_lse[index] != -INFINITY) worst_lse = 1e30;
    }
  }
  const double limit = compute == LL_BF16 ? 1e-2 : 1e-5;
  printf("dim %d heads %d/%d rows %d.. + %d plans %d%s pages %d: out %.1e lse %.1e\n", dim, heads,
         kv_heads, q_start, tokens, distinct, dense ? " dense" : "", dtype, worst, worst_lse);
  if (!(worst < limit && worst_lse < limit)) exit(1);
  for (void* page : pages) ll_free(page);
  for (void* x : {dq, dk, dv, out, lse}) ll_free(x);
}

}  // namespace

// Arguments: the isa, which computes in bf16 where it can.
int main(int count, char** arguments) {
  std::mt19937 random(1);
  const char* const isa = count > 1 ? arguments[1] : "";
  OK(ll_init(0, isa));
  const int32_t compute = strcmp(isa, "simt") == 0 ? LL_F32 : LL_BF16;
  for (const int32_t dim : {64, 128, 256}) {
    Case(random, dim, 2, 2, 1100, 130, 2, true, compute, LL_BF16);
    Case(random, dim, 3, 1, 1003, 190, 3, false, compute, LL_BF16);
  }
  Case(random, 96, 3, 1, 500, 150, 1, false, compute, LL_F32);
  if (compute == LL_F32) Case(random, 300, 2, 1, 200, 70, 1, false, compute, LL_F32);
}
