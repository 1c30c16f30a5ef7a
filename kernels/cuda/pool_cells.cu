// In two steps, so that each number is added up by one thread in a fixed order: the bins of columns
// of each row, by blocks that own whole bins; then the rows of each bin of rows.
#include "pool_cells.cuh"

#include <algorithm>

#include "launch.cuh"

namespace longlens {
namespace {

// Columns of a block, about.
constexpr int64_t kSpanColumns = 16 * kTile;
constexpr int kPoolThreads = 128;

// Adds up the bins of a row, whose columns come one after the other.
struct BinWalk {
  const Bins& bins;
  int64_t row_at;  // of the row in RowBins
  RowBins target;
  int32_t bin;
  int64_t next;  // column where the next bin starts
  float sum = 0.0f, max = 0.0f;

  __device__ BinWalk(const Bins& all, int64_t row, RowBins into, int32_t first)
      : bins(all), row_at(row), target(into), bin(first), next(all.Start(first + 1)) {}

  __device__ void Add(int64_t column, float prob) {
    if (column == next) {
      Write();
      ++bin;
      next = bins.Start(bin + 1);
      sum = max = 0.0f;
    }
    sum += prob;
    max = max < prob ? prob : max;
  }
  __device__ void Write() const {
    target.sum[row_at + bin] = sum;
    if (target.max != nullptr) target.max[row_at + bin] = max;
  }
};

// Block (span of bins, row tile, place).
__global__ void __launch_bounds__(kTileThreads)
    PoolColumns(Pooling pooling, CellChunk chunk, int32_t span_bins, RowBins target) {
  CellShared& shared = *reinterpret_cast<CellShared*>(SharedMemory());
  const Cells& c = pooling.cells;
  const Bins& bins = pooling.bins;
  const int32_t tile = blockIdx.y, place = blockIdx.z;
  const int32_t head = c.chosen[chunk.first_place + place];
  const int32_t first_row = chunk.first_row + tile * kTile;
  const int32_t rows = min(kTile, chunk.rows - tile * kTile);
  const int32_t first_bin = blockIdx.x * span_bins;
  const int32_t end_bin = min(first_bin + span_bins, bins.count);
  const int64_t first = bins.Start(first_bin);
  const int64_t end = min(bins.Start(end_bin), int64_t{c.Last(first_row + rows - 1)} + 1);
  if (first >= end) return;
  const float2* const softmax =
      chunk.softmax + int64_t{place} * chunk.PaddedRows() + tile * kTile;
  const int32_t row = threadIdx.x;
  const bool has_row = row < rows;
  const int64_t row_number = int64_t{place} * chunk.rows + tile * kTile + row;
  BinWalk walk(bins, row_number * bins.count, target, first_bin);
  for (int64_t column = first; column < end; column += kTile) {
    CellProbs(c, head, first_row, rows, static_cast<int32_t>(column), softmax, shared);
    if (!has_row) continue;
    const int32_t columns = static_cast<int32_t>(min(int64_t{kTile}, end - column));
    for (int32_t j = 0; j < columns; ++j) walk.Add(column + j, shared.probs[row][j]);
  }
  if (has_row) walk.Write();
}

// A thread per bin of rows and of columns.
__global__ void __launch_bounds__(kPoolThreads)
    PoolRows(Pooling pooling, CellChunk chunk, RowBins source, PooledChunk target) {
  const Bins& bins = pooling.bins;
  const int64_t cell = int64_t{blockIdx.x} * kPoolThreads + threadIdx.x;
  if (cell >= int64_t{target.row_bins} * bins.count) return;
  const int32_t place = blockIdx.y, column_bin = static_cast<int32_t>(cell % bins.count);
  const int64_t row_bin = target.first_bin + cell / bins.count;
  const int64_t first = max(bins.Start(row_bin) - pooling.row_offset, int64_t{chunk.first_row});
  const int64_t end = min(bins.Start(row_bin + 1) - pooling.row_offset,
                          int64_t{chunk.first_row} + chunk.rows);
  const int64_t first_column = bins.Start(column_bin);
  float sum = 0.0f, max = 0.0f;
  for (int64_t row = first; row < end; ++row) {
    if (first_column > pooling.cells.Last(static_cast<int32_t>(row))) continue;
    const int64_t at =
        (int64_t{place} * chunk.rows + row - chunk.first_row) * bins.count + column_bin;
    sum += source.sum[at];
    if (source.max != nullptr) max = max < source.max[at] ? source.max[at] : max;
  }
  const int64_t at = place * int64_t{target.row_bins} * bins.count + cell;
  target.sum[at] = sum;
  if (target.max != nullptr) target.max[at] = max;
}

}  // namespace

Pooler::Pooler(const Call& call, const Pooling& pooling, const CellChunks& chunks)
    : call_(call), pooling_(pooling) {
  const auto floats = [&](bool wanted, int64_t rows) {
    return wanted ? call.Scratch<float>(rows * pooling.bins.count) : nullptr;
  };
  const int64_t rows = chunks.most_row_places(), places = rows / chunks.most_rows();
  const int64_t row_bins = places * std::min<int64_t>(chunks.most_rows() + 1, pooling.bins.count);
  rows_ = {floats(true, rows), floats(pooling.has_max, rows)};
  sum_ = floats(true, row_bins);
  max_ = floats(pooling.has_max, row_bins);
}

PooledChunk Pooler::Queue(const CellChunk& chunk) const {
  const char* const name = "pool attention";
  const Bins& bins = pooling_.bins;
  const int32_t first_bin = bins.Of(int64_t{pooling_.row_offset} + chunk.first_row);
  const int32_t end_bin = bins.Of(int64_t{pooling_.row_offset} + chunk.LastRow()) + 1;
  const PooledChunk pooled{first_bin, end_bin - first_bin, sum_, max_};
  const int64_t seen_bins = bins.Of(pooling_.cells.Last(chunk.LastRow())) + 1;
  const int64_t span_bins = std::max<int64_t>(1, kSpanColumns * bins.denominator / bins.numerator);
  Launch(call_, name, PoolColumns,
         dim3(Blocks(seen_bins, span_bins), chunk.Tiles(), chunk.places), kTileThreads,
         sizeof(CellShared), pooling_, chunk, static_cast<int32_t>(span_bins), rows_);
  Launch(call_, name, PoolRows,
         dim3(Blocks(int64_t{pooled.row_bins} * bins.count, kPoolThreads), chunk.places),
         kPoolThreads, 0, pooling_, chunk, rows_, pooled);
  return pooled;
}

}  // namespace longlens
