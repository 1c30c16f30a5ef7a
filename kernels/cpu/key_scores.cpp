#include "key_scores.h"

#include <algorithm>

namespace longlens {
namespace {

// From this many keys of a page on, folding its scales into the queries is worth it.
constexpr int32_t kFoldKeys = 8;

int64_t PageOf(int32_t key) { return key / LL_PAGE_TOKENS; }

// Keys of the block from `first` on that lie in one page.
int32_t SamePage(const KeyBlock& block, int32_t first) {
  const int64_t page = PageOf(block.keys[first]);
  int32_t end = first;
  do {
    end += RunOfKeys(block.keys + end, block.count - end);
  } while (end < block.count && PageOf(block.keys[end]) == page);
  return end - first;
}

}  // namespace

KeyScores::KeyScores(const Kernels& kernels, const KvView& kv, int64_t kv_head, int64_t heads,
                     Scratch* scratch)
    : kernels_(kernels),
      kv_(kv),
      kv_head_(kv_head),
      heads_(heads),
      q_(scratch->Take(heads * kv.dim)) {
  if (kv.dtype != LL_INT8) return;
  folded_ = scratch->Take(heads * kv.dim);
  wide_ = scratch->Take(kKeyBlock * kv.dim);
}

int64_t KeyScores::Floats(const KvView& kv, int64_t heads) {
  const int64_t q = Scratch::RoundUp(heads * kv.dim);
  return kv.dtype == LL_INT8 ? 2 * q + Scratch::RoundUp(kKeyBlock * kv.dim) : q;
}

void KeyScores::SetQuery(int64_t h, const float* q, float factor) {
  float* const row = q_ + h * kv_.dim;
  kernels_.order_row(q, kv_.dtype, kv_.dim, false, row);
  for (int64_t i = 0; i < kv_.dim; ++i) row[i] *= factor;
}

void KeyScores::Score(const KeyBlock& block, float* s, int64_t lds) {
  if (kv_.dtype == LL_INT8) return ScoreInt8(block, s, lds);
  kernels_.score_rows(block.rows, kv_.dtype, block.count, kv_.dim, q_, heads_, s, lds);
}

void KeyScores::ScoreInt8(const KeyBlock& block, float* s, int64_t lds) {
  for (int32_t j = 0; j < block.count;) {
    int32_t count = SamePage(block, j);
    if (count >= kFoldKeys) {
      Fold(PageOf(block.keys[j]));
      kernels_.score_rows(block.rows + j, LL_INT8, count, kv_.dim, folded_, heads_, s + j, lds);
    } else {
      while (j + count < block.count) {
        const int32_t next = SamePage(block, j + count);
        if (next >= kFoldKeys) break;
        count += next;
      }
      const void* rows[kKeyBlock + kRowsAhead];
      Widen(block, j, count, rows);
      kernels_.score_rows(rows, LL_F32, count, kv_.dim, q_, heads_, s + j, lds);
    }
    j += count;
  }
}

void KeyScores::Fold(int64_t page) {
  if (page == folded_page_) return;
  const uint8_t* const exponents = kv_.KeyExponents(kv_head_, page);
  for (int64_t h = 0; h < heads_; ++h) {
    kernels_.scale_channels(q_ + h * kv_.dim, exponents, kv_.dim, folded_ + h * kv_.dim);
  }
  folded_page_ = page;
}

void KeyScores::Widen(const KeyBlock& block, int32_t first, int32_t count, const void** rows) {
  for (int32_t j = 0; j < count; ++j) {
    float* const row = wide_ + j * kv_.dim;
    __builtin_prefetch(block.rows[first + j + kRowsAhead]);
    kernels_.widen_int8_keys(static_cast<const int8_t*>(block.rows[first + j]),
                             kv_.KeyExponents(kv_head_, PageOf(block.keys[first + j])), 1, kv_.dim,
                             row);
    rows[j] = row;
  }
  std::fill_n(rows + count, kRowsAhead, wide_);
}

}  // namespace longlens
