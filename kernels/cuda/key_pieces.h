// The work of kernels that read keys for a few query heads: key sets cut into pieces, one for each
// warp, on the host.
//
// A piece is a run of keys, cut at multiples of its size (so at the ends of pages), or a part of a
// list of single keys; runs too short for a warp become single keys. Where the heads of a group
// hold the same keys they share their pieces, so that each key is read once.
#ifndef LONGLENS_CUDA_KEY_PIECES_H_
#define LONGLENS_CUDA_KEY_PIECES_H_

#include <cstdint>
#include <vector>

#include "../common/key_units.h"
#include "../common/page_table.h"

namespace longlens {

// Query heads that read a key together at most.
constexpr int32_t kMostHeads = 8;
// Kernels are made for these numbers of heads, each a class of pieces; fewer heads take the next.
constexpr int32_t kClassHeads[] = {1, 4, kMostHeads};
constexpr int kHeadClasses = 3;

struct KeyPiece {
  int32_t kv_head;
  int32_t first, count;  // key, or place in the list; > 0
  int32_t listed;        // 1 where it is part of the list
  int32_t row;           // of the queries
  int32_t head, heads;   // its heads' first place in the list of query heads, and number
  int32_t unused;
  int64_t slot;  // of its first head's result
};

class KeyPieces {
 public:
  // Keys of a piece such that each multiprocessor has some pieces for each of its warps.
  static int64_t SizeFor(int64_t keys, int multiprocessors);

  void Clear();
  // Cuts the keys of a unit into pieces of at most `size` keys (a multiple of 64). The pieces'
  // results for its heads follow each other. Throws where a page is not entered.
  void Add(const PageTable& table, const KeyUnit& unit, int64_t size);

  // Of a class.
  const std::vector<KeyPiece>& pieces(int number) const { return pieces_[number]; }
  const std::vector<int32_t>& list() const { return list_; }
  // Of all heads of all pieces.
  int64_t slots() const { return slots_; }

 private:
  void AddRuns(const KeyUnit& unit, int64_t size);
  void AddListed(const KeyUnit& unit, int64_t first, int64_t size);
  void AddPiece(const KeyUnit& unit, int64_t first, int64_t count, bool listed);

  std::vector<KeyPiece> pieces_[kHeadClasses];
  std::vector<int32_t> list_;
  int64_t slots_ = 0;
};

}  // namespace longlens

#endif  // LONGLENS_CUDA_KEY_PIECES_H_
