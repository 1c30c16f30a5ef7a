// Scores of tiles of keys and the panels of some query rows, in base 2, by products of f32 or,
// where the call asks for them, of bf16.
//
//   s[j][r] = scale log2(e) k[start + j] . q[r]
//
// In bf16 keys are the rows of the product and lanes its columns, so that a page's keys need no
// transposition. Queries are rounded as they are, and the sums are scaled.
#ifndef LONGLENS_CPU_TILE_SCORES_H_
#define LONGLENS_CPU_TILE_SCORES_H_

#include <optional>

#include "dispatch.h"
#include "kv.h"
#include "query_panels.h"

namespace longlens {

// Starts to read memory that will be used next; may be any address.
inline void FetchEarly(const void* memory, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) {
    __builtin_prefetch(static_cast<const char*>(memory) + i);
  }
}

class TileScores {
 public:
  // For rows first_row .. of the heads that the panels hold.
  TileScores(const Call& call, const Queries& queries, const KvView& kv, const QueryPanels& panels,
             const int32_t* heads, int64_t first_row, Scratch* scratch);
  // Floats of scratch that the constructor takes.
  static int64_t Floats(const Call& call, int64_t stacked_rows, int64_t dim);

  // Keys start .. start+count-1 are the tile from now on; count <= kMaxTileKeys.
  void Take(int64_t kv_head, int64_t start, int64_t count);
  // Scores [count][panel] of panel p.
  void Write(int32_t p, float* scores) const;

 private:
  void PackQueries(const Queries& queries, const int32_t* heads, int64_t first_row) const;
  void PackKeys(int64_t kv_head, int64_t start) const;

  const Kernels& kernels_;
  const Bf16Kernels* bf16_;
  const KvView& kv_;
  const QueryPanels& panels_;
  std::optional<InUse> in_use_;
  int64_t depth_, count_ = 0;
  float factor_;
  float *keys_, *room_ = nullptr;
  uint16_t *packed_keys_ = nullptr, *packed_q_ = nullptr;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_TILE_SCORES_H_
