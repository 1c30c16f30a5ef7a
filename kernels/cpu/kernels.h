// The single-threaded primitives that every instruction-set unit provides. They trust their
// arguments, throw nothing and allocate nothing. Rows of weights, keys and values are f32 or bf16
// (`dtype`), of weights also f16; all other arrays are f32.
//
// A "panel" is an array [depth][panel] whose last index is a row of a matrix that was transposed by
// pack_panel, so that `panel` rows (two vectors) are computed side by side.
#ifndef LONGLENS_CPU_KERNELS_H_
#define LONGLENS_CPU_KERNELS_H_

#include <stdint.h>

#include "../common/flat4_layout.h"

namespace longlens {

// Largest number of rows of a panel in any unit.
constexpr int kMaxPanel = 32;
// Largest number of keys of a tile.
constexpr int kMaxTileKeys = 64;

// Which keys of a tile each row of a panel sees. Both null: all.
struct PanelMask {
  const int32_t* last;  // [panel] row sees key j where j <= last[row]
  const uint32_t*
      words;  // [keys / 32][panel] row sees key j where bit j % 32 of words[j / 32][row] is set
};

// score_rows and weigh_rows take this many rows behind `count`: those that will be read next. They
// are fetched early and may be any address.
constexpr int kRowsAhead = 16;

// Elements of a RoundedGroup.
constexpr int kGroupElements = 256;
// Elements of a row of x as dot_blocks reads them. For each 32 of them integers, in an order of
// their own, and what these are multiplied by; then sums of what they stand for.
struct alignas(64) RoundedGroup {
  int16_t integers[kGroupElements];
  float scales[8];
  float sums[8];        // of 32 elements
  float half_sums[16];  // of 16
};

// Columns of a BlockPanel.
constexpr int kBlockColumns = 16;
// At most kGroupElements terms of 16 columns as gemm_blocks reads them: pairs of integers.
struct alignas(64) BlockPanel {
  int16_t pairs[kGroupElements / 32][16][kBlockColumns][2];
  float scales[kGroupElements / 32][kBlockColumns];
  float least[kGroupElements / 32][kBlockColumns];
  bool has_least, has_long_integers;
};

// A query and a record of keys in 4 bits (flat4_layout.h): the score of key j is
// base + scale * sums[j].
struct Flat4Row {
  const float* q;    // [dim]
  int8_t* integers;  // [dim]
  float base, scale;
  int16_t sums[LL_FLAT4_KEYS];
};

struct Kernels {
  int32_t panel;      // rows of a panel
  int32_t row_block;  // rows that gemm_slab computes at once

  // ---- elements ----
  void (*widen_bf16)(const uint16_t* source, float* target, int64_t count);
  void (*widen_f16)(const uint16_t* source, float* target, int64_t count);
  void (*narrow_bf16)(const float* source, uint16_t* target, int64_t count);
  // What `count` elements of f16 or of whole blocks stand for.
  void (*widen_blocks)(const void* source, int32_t dtype, int64_t count, float* target);
  // out = x * norm / sqrt(mean(x^2) + eps); out may be x.
  void (*rms_norm)(const float* x, const float* norm, int64_t count, float eps, float* out);
  // (a, b) = (x[i], x[i + half]) -> (a cos - b sin, b cos + a sin)
  void (*rotate)(float* x, const float* cos, const float* sin, int64_t half);
  // gate = act(gate) * up
  void (*gate)(float* gate, const float* up, int64_t count, int32_t activation);
  // natural log sum exp
  double (*log_sum_exp)(const float* x, int64_t count);

  // ---- products ----
  // y[t * ldy + o] (+)= sum_i x[t * ldx + i] rows[o][i],  t < tokens, o < count
  void (*dot_rows)(const void* const* rows, int32_t dtype, int64_t count, int64_t depth,
                   const float* x, int64_t ldx, int64_t tokens, float* y, int64_t ldy, bool add);
  // One row of x, of whole steps of 32 elements; what its last group lacks is zero.
  void (*round_row)(const float* x, int64_t depth, RoundedGroup* out);
  // The products of dot_rows with rows of blocks, which follow each other, and rows of x that are
  // `ldx` groups apart. Memory behind the rows is fetched early and may be any.
  void (*dot_blocks)(const void* rows, int32_t dtype, int64_t count, int64_t depth,
                     const RoundedGroup* x, int64_t ldx, int64_t tokens, float* y, int64_t ldy,
                     bool add);
  // The two products of pack_panel and gemm_slab for rows of blocks and rounded rows of x, `ldx`
  // groups apart; depth <= kGroupElements. Null where products of f32 are as fast.
  void (*pack_blocks)(const void* const* rows, int32_t dtype, int32_t count, int64_t depth,
                      BlockPanel* out);
  void (*gemm_blocks)(const RoundedGroup* x, int64_t ldx, int64_t tokens, const BlockPanel& w,
                      int64_t depth, int32_t columns, float* y, int64_t ldy, bool add);
  // s[h * lds + j] = sum_i q[h][i] keys[j][i],  h < heads, j < count;  q [heads][depth] as order_row
  // leaves it. Keys may be LL_INT8, too, without their scales.
  void (*score_rows)(const void* const* keys, int32_t dtype, int64_t count, int64_t depth,
                     const float* q, int64_t heads, float* s, int64_t lds);
  // out[j] = sum_i rows[j][i]^2,  j < count;  rows of LL_F32 or LL_BF16 that follow each other
  void (*square_rows)(const void* rows, int32_t dtype, int64_t count, int64_t depth, float* out);
  // out[h][i] = out[h][i] * keep[h] + sum_j p[h * ldp + j] values[j][i];  out [heads][depth] is in
  // the order of order_row. Values may be LL_INT8, too, without their scales.
  void (*weigh_rows)(const void* const* values, int32_t dtype, int64_t count, int64_t depth,
                     const float* p, int64_t ldp, int64_t heads, const float* keep, float* out);
  // Copies one row into the order in which the two read rows of dtype, or back.
  void (*order_row)(const float* source, int32_t dtype, int64_t depth, bool back, float* target);
  // out[i] = x[i] * 2^(exponents[i] - 127), or 0 where the exponent is 0: the scales of LL_INT8 keys
  void (*scale_channels)(const float* x, const uint8_t* exponents, int64_t depth, float* out);
  // out[r][i] = rows[r][i] times the scale of exponents[i], or, for values, of exponents[r]
  void (*widen_int8_keys)(const int8_t* rows, const uint8_t* exponents, int64_t count,
                          int64_t depth, float* out);
  void (*widen_int8_values)(const int8_t* rows, const uint8_t* exponents, int64_t count,
                            int64_t depth, float* out);
  // out[i][r] = factor * rows[r][i],  i < depth, r < panel; rows from `count` on are zero
  void (*pack_panel)(const void* const* rows, int32_t dtype, int32_t count, int64_t depth,
                     float factor, float* out);
  // y[t][o] (+)= sum_i x[t][i] w[i][o],  w a panel of which `columns` are stored
  void (*gemm_slab)(const float* x, int64_t ldx, int64_t tokens, const float* w, int64_t depth,
                    int32_t columns, float* y, int64_t ldy, bool add);

  // ---- softmax, base 2 ----
  // One row: s -> 2^(s - max), updates the running maximum and sum; returns what earlier terms are
  // multiplied by.
  float (*softmax_row)(float* s, int64_t count, float* maximum, float* sum);
  // s[j][r] = sum_i keys[j][i] q[i][r];  q a panel
  void (*panel_scores)(const float* q, const float* keys, int32_t count, int64_t depth, float* s);
  // softmax_row for every row of a panel; keep [panel].
  void (*panel_softmax)(float* s, int32_t count, const PanelMask* mask, float* maximum, float* sum,
                        float* keep);
  // s[j][r] -> 2^(s[j][r] - maximum[r]) * inverse_sum[r], zero where masked
  void (*panel_probs)(float* s, int32_t count, const PanelMask* mask, const float* maximum,
                      const float* inverse_sum);
  // a[j][r] = e[j * panel + r] factors[r],  r < lanes <= panel:
  // columns[j] += sum_r a[j][r];  diagonals[r - j] += a[j][r]
  void (*panel_sums)(const float* e, int32_t count, const float* factors, int32_t lanes,
                     float* columns, float* diagonals);
  // out[i][r] = out[i][r] * keep[r] + sum_j p[j][r] values[j][i]
  void (*panel_values)(const float* p, const float* values, int32_t count, int64_t depth,
                       const float* keep, float* out);

  // ---- keys in 4 bits ----
  // Writes the record of keys [count][dim]; false where a number is not finite.
  bool (*encode_flat4)(const float* keys, int64_t count, int64_t dim, uint8_t* record);
  // Fills what rows have beside q.
  void (*score_flat4)(const uint8_t* record, int64_t dim, Flat4Row* rows, int64_t count);
  // Writes the numbers of the first `count` sums that are above `least`, -32768 .. 32767, into
  // found [LL_FLAT4_KEYS]; returns how many they are.
  int32_t (*find_above)(const int16_t* sums, int32_t count, int32_t least, int32_t* found);
  // out[j] = base + factor * sums[j]
  void (*scale_sums)(const int16_t* sums, int32_t count, float factor, float base, float* out);
};

// Null where this build lacks the unit.
const Kernels* PortableKernels();
const Kernels* Avx2Kernels();
const Kernels* Avx512Kernels();
// Those of AVX-512 for machines that have AVX-512-VNNI, too.
const Kernels* Avx512VnniKernels();

}  // namespace longlens

#endif  // LONGLENS_CPU_KERNELS_H_
