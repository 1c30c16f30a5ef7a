// The query rows of one row tile, for several heads of a KV head, side by side in panels with their
// running softmax.
//
//   q[p][i][r], out[p][i][r], maximum[p][r], sum[p][r]
//   lane r of panel p, n = p * panel + r, is row n % rows of head heads[n / rows]
// Scores are in base 2: q is packed times scale * log2(e).
#ifndef LONGLENS_CPU_QUERY_PANELS_H_
#define LONGLENS_CPU_QUERY_PANELS_H_

#include <cstdint>

#include "kernels.h"
#include "scratch.h"

namespace longlens {

constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

struct Queries {
  const float* q;  // [tokens][heads][dim]
  int64_t heads, dim;
  float scale;

  const float* Row(int64_t token, int64_t head) const { return q + (token * heads + head) * dim; }
};

class QueryPanels {
 public:
  // Rows first_row .. first_row+rows-1 of the listed heads. Their positions start at
  // first_position.
  QueryPanels(const Kernels& kernels, const Queries& queries, const int32_t* heads,
              int32_t head_count, int64_t first_row, int32_t rows, int64_t first_position,
              Scratch* scratch);
  // Floats of scratch that the constructor takes.
  static int64_t Floats(const Kernels& kernels, int64_t stacked_rows, int64_t dim);

  int32_t count() const { return panels_; }
  int32_t rows() const { return rows_; }
  // Stacked rows in panel p; the other lanes hold zeros.
  int32_t Used(int32_t p) const;
  // Row of the tile, and place in the list of heads, of lane r of panel p; r < Used(p).
  int32_t Row(int32_t p, int32_t r) const { return (p * width_ + r) % rows_; }
  int32_t Head(int32_t p, int32_t r) const { return (p * width_ + r) / rows_; }
  // Positions that bound those of a panel.
  int64_t FirstPosition(int32_t p) const;
  int64_t LastPosition(int32_t p) const;

  const float* q(int32_t p) const { return q_ + p * width_ * dim_; }
  float* out(int32_t p) const { return out_ + p * width_ * dim_; }
  float* maximum(int32_t p) const { return maximum_ + p * width_; }
  float* sum(int32_t p) const { return sum_ + p * width_; }

  // last[r] = position of lane r - start: the last key, counted from `start`, that it may see.
  void CausalLimits(int32_t p, int64_t start, int32_t* last) const;

 private:
  int32_t width_;
  int64_t dim_;
  int32_t rows_, stacked_, panels_;
  int64_t first_position_;
  float *q_, *out_, *maximum_, *sum_;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_QUERY_PANELS_H_
