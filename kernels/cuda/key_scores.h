// Scores of keys for a few query heads, without their values:
//
//   scores[place][key - start] = factor q[head of place] . k[key]
#ifndef LONGLENS_CUDA_KEY_SCORES_H_
#define LONGLENS_CUDA_KEY_SCORES_H_

#include <vector>

#include "key_pieces.h"
#include "pages.cuh"
#include "runtime.h"

namespace longlens {

struct KeyScoring {
  const float* q;  // [heads][dim]
  // Query heads, and rows of `scores`, by a piece's `head`.
  std::vector<int32_t> heads, places;
  float factor;
  DevicePages pages;
  float* scores;
  int64_t stride;  // of a row of scores
  int32_t start;
};

// Queues the scores of all pieces.
void ScoreKeys(const Call& call, const KeyPieces& pieces, const KeyScoring& scoring);

}  // namespace longlens

#endif  // LONGLENS_CUDA_KEY_SCORES_H_
