#include "packed_kv.h"

#include <algorithm>

#include "key_rows.h"

namespace longlens {
namespace {

// Largest size of the packed keys, and of the packed values, of several KV heads.
constexpr int64_t kBatchElements = 1 << 24;

}  // namespace

static_assert(kStepKeys == LL_PAGE_TOKENS, "a span is a page");

PackedKv::PackedKv(const TileCall& tile_call)
    : c_(tile_call),
      pages_((tile_call.kv_len + kStepKeys - 1) / kStepKeys),
      page_elements_(kStepKeys * PaddedDepth(tile_call.kv.dim)),
      batch_(static_cast<int32_t>(std::clamp<int64_t>(kBatchElements / (pages_ * page_elements_),
                                                      1, tile_call.kv.kv_heads))),
      room_(spare_.Take()) {
  room_->keys.Reserve(Elements());
  room_->values.Reserve(Elements());
}

PackedKv::~PackedKv() {
  // One head of a very long context alone may be more than what is kept.
  if (Elements() <= kBatchElements) spare_.Give(std::move(room_));
}

Spare<PackedKv::Room> PackedKv::spare_;

void PackedKv::Fill(const Bundle* bundles, size_t count) {
  first_head_ = bundles[0].kv_head;
  const std::vector<Page> touched = TouchedPages(bundles, count);
  c_.call.For(touched.size(), [&](int64_t i) { FillPage(touched[i]); });
}

std::vector<PackedKv::Page> PackedKv::TouchedPages(const Bundle* bundles, size_t count) const {
  std::vector<char> is_touched(batch_ * pages_);
  for (const Bundle* bundle = bundles; bundle < bundles + count; ++bundle) {
    const TilePlan& plan = *bundle->plan;
    char* const pages = is_touched.data() + (bundle->kv_head - first_head_) * pages_;
    for (int32_t x = 0; x < plan.row_ptr[plan.row_tiles]; ++x) {
      const int64_t start = plan.key_start[x];
      const int64_t last = std::min<int64_t>(start + plan.tile_k, c_.kv_len) - 1;
      pages[start / kStepKeys] = pages[last / kStepKeys] = 1;
    }
  }
  std::vector<Page> touched;
  for (int64_t i = 0; i < batch_ * pages_; ++i) {
    if (is_touched[i]) touched.push_back({first_head_ + int32_t(i / pages_), i % pages_});
  }
  return touched;
}

void PackedKv::FillPage(const Page& at) const {
  const int64_t dim = c_.kv.dim, block = kBlock * PaddedDepth(dim);
  Scratch& scratch = ThreadScratch();
  scratch.Begin(2 * Scratch::RoundUp(kBlock * dim));
  float* const keys = scratch.Take(kBlock * dim);
  float* const values = scratch.Take(kBlock * dim);
  uint16_t* packed_keys = At(room_->keys, at.kv_head, at.page);
  uint16_t* packed_values = At(room_->values, at.kv_head, at.page);
  const int64_t end = std::min<int64_t>(c_.kv_len, (at.page + 1) * kStepKeys);
  for (int64_t key = at.page * kStepKeys; key < end; key += kBlock) {
    const int64_t count = std::min<int64_t>(kBlock, end - key);
    TileRows(c_.call.kernels(), c_.kv, at.kv_head, key, count, Part::kKeys, keys);
    TileRows(c_.call.kernels(), c_.kv, at.kv_head, key, count, Part::kValues, values);
    PackBlock(*c_.call.bf16(), keys, values, count, dim, packed_keys, packed_values);
    packed_keys += block;
    packed_values += block;
  }
}

void PackBlock(const Bf16Kernels& bf16, const float* keys, const float* values, int64_t count,
               int64_t dim, uint16_t* packed_keys, uint16_t* packed_values) {
  const void* key_rows[kBlock];
  const float* value_rows[kBlock];
  for (int64_t j = 0; j < count; ++j) {
    key_rows[j] = keys + j * dim;
    value_rows[j] = values + j * dim;
  }
  bf16.pack_right(key_rows, LL_F32, count, dim, packed_keys);
  bf16.pack_values(value_rows, count, dim, packed_values);
}

}  // namespace longlens
