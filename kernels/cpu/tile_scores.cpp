#include "tile_scores.h"

#include <algorithm>

#include "key_rows.h"

namespace longlens {
namespace {

static_assert(kMaxPanel == kBlock && kMaxTileKeys % kBlock == 0, "a panel is a block of columns");

// Floats that hold `count` elements of bf16.
int64_t Bf16Floats(int64_t count) { return Scratch::RoundUp((count + 1) / 2); }

int64_t Panels(const Call& call, int64_t stacked_rows) {
  return (stacked_rows + call.kernels().panel - 1) / call.kernels().panel;
}

}  // namespace

TileScores::TileScores(const Call& call, const Queries& queries, const KvView& kv,
                       const QueryPanels& panels, const int32_t* heads, int64_t first_row,
                       Scratch* scratch)
    : kernels_(call.kernels()),
      bf16_(call.bf16()),
      kv_(kv),
      panels_(panels),
      depth_(PaddedDepth(kv.dim)),
      factor_(static_cast<float>(queries.scale * kLog2E)) {
  keys_ = scratch->Take(kMaxTileKeys * kv.dim);
  if (bf16_ == nullptr) return;
  in_use_.emplace(*bf16_);
  room_ = scratch->Take(kBlockElements);
  packed_keys_ = reinterpret_cast<uint16_t*>(scratch->Take(Bf16Floats(kMaxTileKeys * depth_)));
  const int64_t elements = panels.count() * kBlock * depth_;
  packed_q_ = reinterpret_cast<uint16_t*>(scratch->Take(Bf16Floats(elements)));
  PackQueries(queries, heads, first_row);
}

int64_t TileScores::Floats(const Call& call, int64_t stacked_rows, int64_t dim) {
  const int64_t keys = Scratch::RoundUp(kMaxTileKeys * dim), depth = PaddedDepth(dim);
  if (call.bf16() == nullptr) return keys;
  return keys + kBlockElements + Bf16Floats(kMaxTileKeys * depth) +
         Bf16Floats(Panels(call, stacked_rows) * kBlock * depth);
}

void TileScores::PackQueries(const Queries& queries, const int32_t* heads,
                             int64_t first_row) const {
  for (int32_t p = 0; p < panels_.count(); ++p) {
    const void* rows[kBlock];
    const int32_t used = panels_.Used(p);
    for (int32_t r = 0; r < used; ++r) {
      rows[r] = queries.Row(first_row + panels_.Row(p, r), heads[panels_.Head(p, r)]);
    }
    bf16_->pack_right(rows, LL_F32, used, kv_.dim, packed_q_ + p * kBlock * depth_);
  }
}

void TileScores::Take(int64_t kv_head, int64_t start, int64_t count) {
  count_ = count;
  FetchEarly(kv_.Row(kv_head, start + count - 1, Part::kKeys) + kv_.RowBytes(),
             kMaxTileKeys * kv_.RowBytes());
  if (bf16_ == nullptr || kv_.dtype == LL_INT8) {
    TileRows(kernels_, kv_, kv_head, start, count, Part::kKeys, keys_);
  }
  if (bf16_ != nullptr) PackKeys(kv_head, start);
}

void TileScores::PackKeys(int64_t kv_head, int64_t start) const {
  const bool is_widened = kv_.dtype == LL_INT8;
  for (int64_t j = 0; j < count_; j += kBlock) {
    const void* rows[kBlock];
    const int64_t now = std::min<int64_t>(kBlock, count_ - j);
    for (int64_t n = 0; n < now; ++n) {
      if (is_widened) {
        rows[n] = keys_ + (j + n) * kv_.dim;
      } else {
        rows[n] = kv_.Row(kv_head, start + j + n, Part::kKeys);
      }
    }
    const int32_t dtype = is_widened ? LL_F32 : kv_.dtype;
    bf16_->pack_left(rows, dtype, now, kv_.dim, 1.0f, packed_keys_ + j * depth_);
  }
}

void TileScores::Write(int32_t p, float* scores) const {
  if (bf16_ == nullptr) {
    return kernels_.panel_scores(panels_.q(p), keys_, static_cast<int32_t>(count_), kv_.dim,
                                 scores);
  }
  const int64_t chunks = depth_ / kBlock, width = kernels_.panel;
  const uint16_t* const q = packed_q_ + p * kBlock * depth_;
  bf16_->multiply({packed_keys_, chunks, q, chunks, count_, width, scores, width, false, factor_},
                  room_);
}

}  // namespace longlens
