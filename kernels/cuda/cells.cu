// The softmax of the rows of cells: maxima and sums of spans of columns, then their joining.
#include "cells.cuh"

#include <algorithm>

#include "launch.cuh"
#include "page_table.h"

namespace longlens {
namespace {

constexpr int32_t kSpanColumns = 16 * kTile;
constexpr int kJoinThreads = 128;
// Products of f32 that a multiprocessor may do in a launch: about 2 ms.
constexpr int64_t kLaunchProducts = int64_t{1} << 27;
constexpr int64_t kChunkFloats = int64_t{1} << 24;
// By the limits of a grid.
constexpr int64_t kMostRows = 1 << 21;
constexpr int32_t kMostPlaces = 1 << 15;

// Block (span, row tile, place): parts[place][span][row] = maximum and sum.
__global__ void __launch_bounds__(kTileThreads)
    SumSpans(Cells c, CellChunk chunk, float2* parts) {
  TileShared& shared = *reinterpret_cast<TileShared*>(SharedMemory());
  const int32_t span = blockIdx.x, tile = blockIdx.y, place = blockIdx.z;
  const int32_t head = c.chosen[chunk.first_place + place];
  const int32_t first_row = chunk.first_row + tile * kTile;
  const int32_t rows = min(kTile, chunk.rows - tile * kTile);
  const int64_t seen = int64_t{c.Last(first_row + rows - 1)} + 1;
  const int32_t end = static_cast<int32_t>(min((int64_t{span} + 1) * kSpanColumns, seen));
  RunningSoftmax softmax[kThreadRows];
  for (int32_t column = span * kSpanColumns; column < end; column += kTile) {
    TileScores s;
    ScoreCells(c, head, first_row, column, shared, s);
#pragma unroll
    for (int i = 0; i < kThreadRows; ++i) {
      const int row = TileRow(i);
      const int32_t last = row < rows ? c.Last(first_row + row) : -1;
      float top = softmax[i].maximum;
#pragma unroll
      for (int j = 0; j < kThreadColumns; ++j) {
        if (column + TileColumn(j) > last) s[i][j] = -INFINITY;
        top = s[i][j] > top ? s[i][j] : top;
      }
      softmax[i].Raise(top);
#pragma unroll
      for (int j = 0; j < kThreadColumns; ++j) {
        softmax[i].sum += Exp2(s[i][j] - softmax[i].Base());
      }
    }
  }
  float2* const target =
      parts + (int64_t{place} * gridDim.x + span) * chunk.PaddedRows() + tile * kTile;
#pragma unroll
  for (int i = 0; i < kThreadRows; ++i) {
    softmax[i].JoinLanes(kThreadsAcross);
    if (threadIdx.x % kThreadsAcross == 0) {
      target[TileRow(i)] = make_float2(softmax[i].maximum, softmax[i].sum);
    }
  }
}

// A thread per row.
__global__ void __launch_bounds__(kJoinThreads)
    JoinSpans(CellChunk chunk, const float2* parts, int32_t spans) {
  const int32_t row = blockIdx.x * kJoinThreads + threadIdx.x, place = blockIdx.y;
  if (row >= chunk.PaddedRows()) return;
  RunningSoftmax softmax;
  for (int32_t span = 0; span < spans; ++span) {
    const float2 part = parts[(int64_t{place} * spans + span) * chunk.PaddedRows() + row];
    softmax.Join(part.x, part.y);
  }
  const float inverse = softmax.sum == 0.0f ? 0.0f : 1.0f / softmax.sum;
  chunk.softmax[int64_t{place} * chunk.PaddedRows() + row] = make_float2(softmax.Base(), inverse);
}

}  // namespace

Cells CellsOf(const Call& call, const ChosenQueries& c, int32_t step) {
  RequirePagesOfChosen(c);
  const bool is_wide = c.table.dim % 4 == 0 && reinterpret_cast<uintptr_t>(c.q) % 16 == 0;
  return {c.q,
          is_wide,
          c.heads,
          c.Group(),
          CopyPagesIn(call, c.table, 0, c.Keys()),
          call.CopyIn(c.chosen, c.count),
          c.q_start,
          c.tokens,
          step,
          static_cast<float>(c.scale * kLog2E / step)};
}

CellChunks::CellChunks(const Call& call, const Cells& cells, int32_t places, int32_t unit,
                       int64_t floats)
    : call_(call), cells_(cells), all_places_(places) {
  const int64_t products = int64_t{cells.Columns()} * cells.step * cells.pages.layout.dim;
  const int64_t spans = Blocks(cells.Columns(), kSpanColumns);
  const int64_t by_work = kLaunchProducts * call.device().multiprocessors() / products;
  const int64_t by_memory = kChunkFloats / (floats + 2 * spans);
  const int64_t most = std::clamp<int64_t>(std::min(by_work, by_memory), kTile, kMostRows);
  while (unit % kTile != 0 && 2 * unit <= most) unit *= 2;
  const int64_t units = std::max<int64_t>(1, most / unit);
  rows_ = static_cast<int32_t>(std::min<int64_t>(cells.Rows(), units * unit));
  const int32_t most_places = std::min(places, kMostPlaces);
  places_ = static_cast<int32_t>(std::clamp<int64_t>(most / rows_, 1, most_places));
  const int64_t padded = int64_t{places_} * CellChunk{0, rows_, 0, 0, nullptr}.PaddedRows();
  parts_ = call.Scratch<float2>(padded * spans);
  softmax_ = call.Scratch<float2>(padded);
}

void CellChunks::QueueSoftmax(const CellChunk& chunk) const {
  const char* const name = "sum rows of attention";
  const int32_t spans = cells_.Last(chunk.LastRow()) / kSpanColumns + 1;
  Launch(call_, name, SumSpans, dim3(spans, chunk.Tiles(), chunk.places), kTileThreads,
         sizeof(TileShared), cells_, chunk, parts_);
  Launch(call_, name, JoinSpans, dim3(Blocks(chunk.PaddedRows(), kJoinThreads), chunk.places),
         kJoinThreads, 0, chunk, parts_, spans);
}

}  // namespace longlens
