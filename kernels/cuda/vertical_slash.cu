// Column and diagonal sums of the attention of a few rows, in O(keys) memory.
//
//   vertical[j] = sum_t a[t][j];  slash[x] = sum_t a[t][q_start + t - x]
//
// A block owns a span of columns, so that each sum is added up in a fixed order. Its diagonals
// overlap with those of its neighbours: each span sums them apart, and the parts are added in the
// order of the spans.
#include "../common/estimate_calls.h"
#include "cells.cuh"
#include "launch.cuh"
#include "page_table.h"

namespace longlens {
namespace {

constexpr int32_t kSpan = 16 * kTile;
constexpr int kDiagonals = 2 * kTile - 1;  // of a tile
constexpr int kAddThreads = 128;
// Keys of a unit of progress.
constexpr int32_t kProgressKeys = 2048;
static_assert(kDiagonals <= kTileThreads);

// Sums of some places: vertical [places][keys], parts [places][spans][part]. Entry y of the part of
// a span is the distance FirstDistance(span) + y.
struct Lines {
  float *vertical, *parts;
  int32_t spans;
  int64_t part;
};

__host__ __device__ int64_t FirstDistance(const Cells& c, int64_t span) {
  return c.q_start - (span + 1) * kSpan + 1;
}

// Adds the diagonals of a tile; thread d has row - column = d - (kTile - 1).
__device__ void AddDiagonals(const CellShared& shared, int64_t first, int64_t size, float* part) {
  const int d = threadIdx.x;
  if (d >= kDiagonals) return;
  const int64_t at = first + d - (kTile - 1);
  if (at < 0 || at >= size) return;
  float sum = 0.0f;
  for (int i = 0; i < kTile; ++i) {
    const int j = i - d + kTile - 1;
    if (j >= 0 && j < kTile) sum += shared.probs[i][j];
  }
  part[at] += sum;
}

// Block (span, place): adds the rows of a chunk.
__global__ void __launch_bounds__(kTileThreads)
    AddLines(Cells c, CellChunk chunk, Lines lines) {
  CellShared& shared = *reinterpret_cast<CellShared*>(SharedMemory());
  const int32_t span = blockIdx.x, place = blockIdx.y;
  const int32_t head = c.chosen[chunk.first_place + place];
  const int64_t seen = int64_t{c.Last(chunk.LastRow())} + 1;
  const int32_t end = static_cast<int32_t>(min((int64_t{span} + 1) * kSpan, seen));
  float* const vertical = lines.vertical + int64_t{place} * c.Keys();
  float* const part = lines.parts + (int64_t{place} * lines.spans + span) * lines.part;
  const float2* const softmax = chunk.softmax + int64_t{place} * chunk.PaddedRows();
  for (int32_t column = span * kSpan; column < end; column += kTile) {
    float column_sum = 0.0f;
    for (int32_t tile = 0; tile < chunk.Tiles(); ++tile) {
      const int32_t first_row = chunk.first_row + tile * kTile;
      const int32_t rows = min(kTile, chunk.rows - tile * kTile);
      if (column > c.Last(first_row + rows - 1)) continue;
      CellProbs(c, head, first_row, rows, column, softmax + tile * kTile, shared);
      if (threadIdx.x < kTile) {
        for (int i = 0; i < kTile; ++i) column_sum += shared.probs[i][threadIdx.x];
      }
      const int64_t first = int64_t{c.q_start} + first_row - column - FirstDistance(c, span);
      AddDiagonals(shared, first, lines.part, part);
    }
    if (threadIdx.x < kTile && column + static_cast<int32_t>(threadIdx.x) < end) {
      vertical[column + threadIdx.x] += column_sum;
    }
  }
}

// slash[place][x] = sum of the parts of the spans that have keys at distance x. A thread per x.
__global__ void __launch_bounds__(kAddThreads) AddParts(Cells c, Lines lines, float* slash) {
  const int64_t x = int64_t{blockIdx.x} * kAddThreads + threadIdx.x;
  const int64_t place = blockIdx.y;
  if (x >= c.Keys()) return;
  const int64_t ahead = int64_t{c.q_start} - x;  // of row 0's key at this distance
  const int64_t first = ahead < 0 ? 0 : ahead / kSpan, last = (ahead + c.tokens - 1) / kSpan;
  float sum = 0.0f;
  for (int64_t span = first; span <= last; ++span) {
    const float* const part = lines.parts + (place * lines.spans + span) * lines.part;
    sum += part[x - FirstDistance(c, span)];
  }
  slash[place * c.Keys() + x] = sum;
}

void SumLines(const Call& call, const ChosenQueries& c, const Cells& cells, float* vertical,
              float* slash) {
  const char* const name = "sum columns and diagonals";
  const int64_t keys = c.Keys(), spans = Blocks(keys, kSpan), part = int64_t{kSpan} + c.tokens - 1;
  const int64_t floats = 2 * keys + spans * part;  // of a place
  const CellChunks chunks(call, cells, c.count, kTile, Blocks(floats, c.tokens));
  const int64_t places = chunks.most_row_places() / chunks.most_rows();
  const Lines lines{call.Scratch<float>(places * keys), call.Scratch<float>(places * spans * part),
                    static_cast<int32_t>(spans), part};
  float* const sums = call.Scratch<float>(places * keys);
  const auto clear = [&](float* memory, int64_t count) {
    CheckCuda(cudaMemsetAsync(memory, 0, count * sizeof(float), call.stream()), name);
  };
  chunks.ForEach([&](const CellChunk& chunk) {
    if (chunk.first_row == 0) {
      clear(lines.vertical, chunk.places * keys);
      clear(lines.parts, chunk.places * spans * part);
    }
    const int64_t seen_spans = cells.Last(chunk.LastRow()) / kSpan + 1;
    Launch(call, name, AddLines, dim3(seen_spans, chunk.places), kTileThreads, sizeof(CellShared),
           cells, chunk, lines);
    if (chunk.LastRow() + 1 < cells.Rows()) return;
    Launch(call, name, AddParts, dim3(Blocks(keys, kAddThreads), chunk.places), kAddThreads, 0,
           cells, lines, sums);
    call.CopyOut(vertical + chunk.first_place * keys, lines.vertical, chunk.places * keys);
    call.CopyOut(slash + chunk.first_place * keys, sums, chunk.places * keys);
    call.Progress(chunk.places * Blocks(keys, kProgressKeys));
  });
}

}  // namespace
}  // namespace longlens

using namespace longlens;

extern "C" int32_t ll_vertical_slash(ll_run* run, const float* q, int32_t q_start, int32_t tokens,
                                     int32_t heads, const int32_t* chosen, int32_t count,
                                     int32_t kv_heads, int32_t dim, float scale,
                                     void* const* pages, int32_t stride, int32_t kv_dtype,
                                     float* vertical, float* slash) {
  return Guard(run, [&] {
    const ChosenQueries queries{q,     q_start, tokens, heads, chosen, count,
                                scale, {pages, stride, kv_heads, dim, kv_dtype}};
    if (!CheckVerticalSlash(queries, vertical, slash)) return;
    const Call call(run);
    if (tokens == 0) {
      std::fill_n(vertical, count * queries.Keys(), 0.0f);
      std::fill_n(slash, count * queries.Keys(), 0.0f);
      return;
    }
    SumLines(call, queries, CellsOf(call, queries, 1), vertical, slash);
  });
}
