// Sums and maxima of the probabilities of cells over bins of rows and columns.
#ifndef LONGLENS_CUDA_POOL_CELLS_CUH_
#define LONGLENS_CUDA_POOL_CELLS_CUH_

#include "cells.cuh"

namespace longlens {

// Bin of x: floor(x denominator / numerator).
struct Bins {
  int64_t numerator, denominator;
  int32_t count;

  __host__ __device__ int32_t Of(int64_t x) const {
    return static_cast<int32_t>(x * denominator / numerator);
  }
  // The first x of a bin.
  __host__ __device__ int64_t Start(int64_t bin) const {
    return (bin * numerator + denominator - 1) / denominator;
  }
};

struct Pooling {
  Cells cells;
  Bins bins;           // of rows and of columns
  int32_t row_offset;  // bins of rows take row_offset + row
  bool has_max;
};

// Pooled chunk in device memory: sum, max [places][bins of its rows][bins.count], max null unless
// asked for.
struct PooledChunk {
  int32_t first_bin, row_bins;
  float *sum, *max;
};

// Of each row of a chunk: sum, max [places][rows][bins.count], written where the row sees the first
// column of the bin.
struct RowBins {
  float *sum, *max;
};

// Pools chunk after chunk in the same memory of the call.
class Pooler {
 public:
  Pooler(const Call& call, const Pooling& pooling, const CellChunks& chunks);
  PooledChunk Queue(const CellChunk& chunk) const;

 private:
  const Call& call_;
  const Pooling& pooling_;
  RowBins rows_;
  float *sum_, *max_;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_POOL_CELLS_CUH_
