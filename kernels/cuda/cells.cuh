// The matrix of cells of a call: attention itself where step = 1, else sums along antidiagonals.
//
//   s[I][J] = factor sum_{r < step} q[I step + step - 1 - r] . k[J step + r],  J <= Last(I)
//   p[I]    = softmax of s[I], with powers of 2
// Rows count from the call's first token, columns from key 0; tokens beyond the last count as zeros.
#ifndef LONGLENS_CUDA_CELLS_CUH_
#define LONGLENS_CUDA_CELLS_CUH_

#include <algorithm>

#include "../common/estimate_calls.h"
#include "runtime.h"
#include "score_tiles.cuh"
#include "softmax.cuh"

namespace longlens {

struct Cells {
  const float* q;   // [tokens][heads][dim]
  int32_t is_wide;  // its rows are aligned to 16 bytes
  int32_t heads, group;
  DevicePages pages;
  const int32_t* chosen;  // query heads, by place
  int32_t q_start, tokens, step;
  float factor;

  __host__ __device__ int32_t Keys() const { return q_start + tokens; }
  __host__ __device__ int32_t Rows() const { return (tokens - 1) / step + 1; }
  __host__ __device__ int32_t Columns() const { return (Keys() - 1) / step + 1; }
  // Last column that a row sees: it begins at or before the row's end.
  __host__ __device__ int32_t Last(int32_t row) const {
    const int64_t end = q_start + (int64_t{row} + 1) * step;
    return static_cast<int32_t>(((end < Keys() ? end : Keys()) - 1) / step);
  }
};

// Rows of some places that are worked on together.
struct CellChunk {
  int32_t first_row, rows;
  int32_t first_place, places;
  // Maximum and inverse of the sum of a row: [places][PaddedRows()].
  float2* softmax;

  __host__ __device__ int32_t Tiles() const { return (rows + kTile - 1) / kTile; }
  __host__ __device__ int32_t PaddedRows() const { return Tiles() * kTile; }
  __host__ __device__ int32_t LastRow() const { return first_row + rows - 1; }
};

// Sources of ScoreTile.
struct CellQueries {
  const Cells& c;
  int32_t head, first_row;

  __device__ __forceinline__ void Read(int row, int32_t part, int32_t channel,
                                       ChannelRun& x) const {
    const int64_t token = (int64_t{first_row} + row + 1) * c.step - 1 - part;
    if (token >= c.tokens) return ClearRun(x);
    const int32_t dim = c.pages.layout.dim;
    ReadFloats(c.q + (token * c.heads + head) * dim, dim, channel, c.is_wide != 0, x);
  }
};
struct CellKeys {
  const Cells& c;
  int32_t kv_head, first_column;

  __device__ __forceinline__ void Read(int column, int32_t part, int32_t channel,
                                       ChannelRun& x) const {
    const int64_t token = (int64_t{first_column} + column) * c.step + part;
    if (token >= c.Keys()) return ClearRun(x);
    ReadKeys(c.pages, kv_head, static_cast<int32_t>(token), channel, x);
  }
};

constexpr int kProbsStride = kTile + 1;  // so that columns and rows lie in different banks
struct CellShared {
  TileShared tile;
  float probs[kTile][kProbsStride];
};

// Scores of a tile, with the factor.
__device__ __forceinline__ void ScoreCells(const Cells& c, int32_t head, int32_t first_row,
                                           int32_t first_column, TileShared& shared,
                                           TileScores& s) {
  ScoreTile(CellQueries{c, head, first_row}, CellKeys{c, head / c.group, first_column}, c.step,
            c.pages.layout.dim, shared, s);
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) s[i][j] *= c.factor;
  }
}

// Fills shared.probs with the probabilities of a tile, zeros where a row does not see a column.
// `rows`: of the tile, `softmax`: of its first row. Ends with a barrier.
__device__ __forceinline__ void CellProbs(const Cells& c, int32_t head, int32_t first_row,
                                          int32_t rows, int32_t first_column,
                                          const float2* softmax, CellShared& shared) {
  TileScores s;
  ScoreCells(c, head, first_row, first_column, shared.tile, s);
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
    const int row = TileRow(i);
    const float2 of_row = softmax[row];
    const int32_t last = row < rows ? c.Last(first_row + row) : -1;
#pragma unroll
    for (int j = 0; j < kThreadColumns; ++j) {
      const bool is_seen = first_column + TileColumn(j) <= last;
      shared.probs[row][TileColumn(j)] = is_seen ? Exp2(s[i][j] - of_row.x) * of_row.y : 0.0f;
    }
  }
  __syncthreads();
}

// ---- host ----

// The cells of `step` tokens of the listed heads, whose pages must be entered.
Cells CellsOf(const Call& call, const ChosenQueries& queries, int32_t step);

// The chunks of a call, some milliseconds of work each, and memory for the softmax of one.
class CellChunks {
 public:
  // Chunks have a multiple of `unit` rows, if not all, and for each row and place the caller needs
  // `floats` of memory.
  CellChunks(const Call& call, const Cells& cells, int32_t places, int32_t unit, int64_t floats);

  // Rows of a chunk, and rows of all its places, at most.
  int64_t most_rows() const { return rows_; }
  int64_t most_row_places() const { return int64_t{rows_} * places_; }

  // Calls use(chunk) for all rows and places, with their softmax queued.
  template <class Use>
  void ForEach(const Use& use) const {
    for (int32_t place = 0; place < all_places_; place += places_) {
      for (int32_t row = 0; row < cells_.Rows(); row += rows_) {
        const CellChunk chunk{row, std::min(rows_, cells_.Rows() - row), place,
                              std::min(places_, all_places_ - place), softmax_};
        QueueSoftmax(chunk);
        use(chunk);
        call_.Pace();
      }
    }
  }

 private:
  void QueueSoftmax(const CellChunk& chunk) const;

  const Call& call_;
  const Cells& cells_;
  int32_t all_places_, rows_, places_;
  float2 *parts_, *softmax_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_CELLS_CUH_
