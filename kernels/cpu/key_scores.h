// Scores of keys against a few query rows of one KV head, from pages of any element type.
//
//   s[h][j] = sum_i q[h][i] k[j][i]
// Keys of LL_INT8 are k8[j][i] * scale[page][i]. Where several keys of a page follow each other,
// the scales go into the queries once, sum_i (q[h][i] scale[i]) k8[j][i]; else into the keys. As
// scales are powers of two, both give the same bits.
#ifndef LONGLENS_CPU_KEY_SCORES_H_
#define LONGLENS_CPU_KEY_SCORES_H_

#include <cstdint>

#include "kernels.h"
#include "key_sets.h"
#include "kv.h"
#include "scratch.h"

namespace longlens {

class KeyScores {
 public:
  KeyScores(const Kernels& kernels, const KvView& kv, int64_t kv_head, int64_t heads,
            Scratch* scratch);
  // Floats of scratch that the constructor takes.
  static int64_t Floats(const KvView& kv, int64_t heads);

  // Query row h is q [dim] * factor.
  void SetQuery(int64_t h, const float* q, float factor);
  // Writes s[h * lds + j] for the keys of the block.
  void Score(const KeyBlock& block, float* s, int64_t lds);

 private:
  void ScoreInt8(const KeyBlock& block, float* s, int64_t lds);
  void Fold(int64_t page);
  void Widen(const KeyBlock& block, int32_t first, int32_t count, const void** rows);

  const Kernels& kernels_;
  const KvView& kv_;
  int64_t kv_head_, heads_;
  float* q_;                         // [heads][dim]
  float *folded_ = nullptr, *wide_ = nullptr;  // of LL_INT8: [heads][dim], [kKeyBlock][dim]
  int64_t folded_page_ = -1;
};

}  // namespace longlens

#endif  // LONGLENS_CPU_KEY_SCORES_H_
