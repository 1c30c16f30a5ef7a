#include "query_panels.h"

#include <algorithm>
#include <cmath>

#include "../include/longlens.h"

namespace longlens {

QueryPanels::QueryPanels(const Kernels& kernels, const Queries& queries, const int32_t* heads,
                         int32_t head_count, int64_t first_row, int32_t rows,
                         int64_t first_position, Scratch* scratch)
    : width_(kernels.panel),
      dim_(queries.dim),
      rows_(rows),
      stacked_(rows * head_count),
      panels_((stacked_ + width_ - 1) / width_),
      first_position_(first_position) {
  const int64_t lanes = int64_t{panels_} * width_;
  q_ = scratch->Take(lanes * dim_);
  out_ = scratch->Take(lanes * dim_);
  maximum_ = scratch->Take(lanes);
  sum_ = scratch->Take(lanes);
  std::fill_n(out_, lanes * dim_, 0.0f);
  std::fill_n(maximum_, lanes, -INFINITY);
  std::fill_n(sum_, lanes, 0.0f);
  const float factor = static_cast<float>(queries.scale * kLog2E);
  for (int32_t p = 0; p < panels_; ++p) {
    const void* source[kMaxPanel];
    for (int32_t r = 0; r < Used(p); ++r) {
      source[r] = queries.Row(first_row + Row(p, r), heads[Head(p, r)]);
    }
    kernels.pack_panel(source, LL_F32, Used(p), dim_, factor, q_ + p * width_ * dim_);
  }
}

int64_t QueryPanels::Floats(const Kernels& kernels, int64_t stacked_rows, int64_t dim) {
  const int64_t lanes = (stacked_rows + kernels.panel - 1) / kernels.panel * kernels.panel;
  return 2 * Scratch::RoundUp(lanes * dim) + 2 * Scratch::RoundUp(lanes);
}

int32_t QueryPanels::Used(int32_t p) const { return std::min(width_, stacked_ - p * width_); }

int64_t QueryPanels::FirstPosition(int32_t p) const {
  const bool one_head = Head(p, 0) == Head(p, Used(p) - 1);
  return first_position_ + (one_head ? Row(p, 0) : 0);
}

int64_t QueryPanels::LastPosition(int32_t p) const {
  const bool one_head = Head(p, 0) == Head(p, Used(p) - 1);
  return first_position_ + (one_head ? Row(p, Used(p) - 1) : rows_ - 1);
}

void QueryPanels::CausalLimits(int32_t p, int64_t start, int32_t* last) const {
  for (int32_t r = 0; r < width_; ++r) {
    const int32_t row = r < Used(p) ? Row(p, r) : 0;
    last[r] = static_cast<int32_t>(first_position_ + row - start);
  }
}

}  // namespace longlens
