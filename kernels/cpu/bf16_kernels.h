// The single-threaded primitives of the units that multiply bf16 and add in f32. They trust their
// arguments, throw nothing and allocate nothing.
//
// All products are of blocks of 32 rows, 32 columns and chunks of 32 terms, which stand in memory
// as the tiles that AMX loads, 1 KB each:
//
//   left operand   [row / 16][term / 32][row % 16][term % 32]          pack_left
//   right operand  [term / 32][column / 16][term % 32 / 2][column % 16][term % 2]
//                                                 rows are columns: pack_right; terms: pack_values
#ifndef LONGLENS_CPU_BF16_KERNELS_H_
#define LONGLENS_CPU_BF16_KERNELS_H_

#include <stdint.h>

namespace longlens {

// Rows, columns and terms of a block.
constexpr int kBlock = 32;
// bf16 elements of a block of 32 x 32.
constexpr int kBlockElements = kBlock * kBlock;
// Key blocks of a span: those of a page.
constexpr int kStepBlocks = 8;
constexpr int kStepKeys = kStepBlocks * kBlock;

// One block of query rows and at most a span of keys. The running softmax of the rows is kept in
// maximum (of the scores before `factor`), sum and out.
struct AttendStep {
  const uint16_t* q;       // packed left [32][depth]
  const uint16_t* keys;    // [block] packed right: columns are keys, terms the depth
  const uint16_t* values;  // [block] packed right: columns are the depth, terms are keys
  const uint32_t* words;   // [rows][kStepBlocks]: row sees key j of its block n where bit j of its
                           // word places[n] is set; null: all rows see all keys
  int32_t first, rows;     // lane i is row (first + i) % rows of `words`
  int32_t count;           // key blocks to use
  int32_t blocks[kStepBlocks], places[kStepBlocks];
  float *out, *maximum, *sum;  // [32][depth], [32], [32]
};

// A product of many rows: y[t][o] (+)= factor sum_i x[t][i] w[o][i] for some of the terms i.
struct BlockProduct {
  const uint16_t* x;  // packed left, at its first term
  int64_t x_chunks;   // chunks of a row of x
  const uint16_t* w;  // packed right
  int64_t chunks;     // to multiply
  int64_t rows, columns;
  float* y;
  int64_t ldy;
  bool add;
  float factor = 1;
};

struct Bf16Kernels {
  // Around all calls of attend and multiply of a thread: AMX has state to load and to give back.
  void (*begin)();
  void (*end)();
  // `count` <= 32 rows of f32 times `sign`, or of bf16 as they are; other rows and terms from
  // `depth` on are zero.
  void (*pack_left)(const void* const* rows, int32_t dtype, int64_t count, int64_t depth,
                    float sign, uint16_t* out);
  // `count` <= 32 rows, each a column of the operand; the rest is zero.
  void (*pack_right)(const void* const* rows, int32_t dtype, int64_t count, int64_t depth,
                     uint16_t* out);
  // `count` <= 32 rows of f32, each a term of the operand; the rest is zero.
  void (*pack_values)(const float* const* rows, int64_t count, int64_t depth, uint16_t* out);
  // Does the steps one after the other. depth: a multiple of 32; factor > 0: scores in base 2 are
  // products times it; room: kAttendFloats, aligned to 64.
  void (*attend)(const AttendStep* steps, int64_t count, int64_t depth, float factor, float* room);
  // room: kBlockElements floats, aligned to 64.
  void (*multiply)(const BlockProduct& product, float* room);
};

// Rows of scores are this much longer than a span, so that they do not share cache sets.
constexpr int kScoreLine = kStepKeys + 16;
// What attend works in: scores of three steps and what their earlier sums are multiplied by.
constexpr int kAttendSlot = kBlock * kScoreLine + kBlock;
constexpr int kAttendFloats = 3 * kAttendSlot;

constexpr int64_t PaddedDepth(int64_t depth) { return (depth + kBlock - 1) / kBlock * kBlock; }

// From begin to end, also where a call is cancelled in between.
class InUse {
 public:
  explicit InUse(const Bf16Kernels& bf16) : bf16_(bf16) { bf16_.begin(); }
  ~InUse() { bf16_.end(); }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;

 private:
  const Bf16Kernels& bf16_;
};

// Null where this build lacks the unit.
const Bf16Kernels* Avx512Bf16Kernels();
const Bf16Kernels* AmxKernels();

}  // namespace longlens

#endif  // LONGLENS_CPU_BF16_KERNELS_H_
