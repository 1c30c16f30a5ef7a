// The primitives of kernels.h, written once with the compiler's vector extensions for vectors of
// LL_WIDTH floats.
//
// The two products of a panel and of gemm_slab are one loop (Multiply): M scalars of the row-major
// operand, broadcast from memory, times two vectors of the packed one, in 2 M accumulators. 6 x 2
// fills the 16 registers of SSE and AVX2 (12 multiply-adds for 8 loads); AVX-512 has 32 and takes
// 12 x 2. Keys and values need no packing that way, so a tile may start at any key, and with query
// rows in the lanes softmax has no horizontal step.
//
// dot_rows and weigh_rows win where there are few rows of queries or tokens: they stream the large
// operand once.
#include "simd_vectors.inl"

namespace longlens {
namespace {

// ---- elements ----

void WidenBf16(const uint16_t* source, float* target, int64_t count) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Store(target + i, Load(source + i));
  for (; i < count; ++i) target[i] = Load1(source + i);
}

void WidenF16(const uint16_t* source, float* target, int64_t count) {
  const Half* const halves = (const Half*)source;
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) Store(target + i, Load(halves + i));
  for (; i < count; ++i) target[i] = Load1(halves + i);
}

// Round to nearest even; a NaN stays one.
void NarrowBf16(const float* source, uint16_t* target, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    memcpy(&bits, source + i, 4);
    const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const bool nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    target[i] = (uint16_t)(nan ? (bits >> 16) | 0x40u : rounded);
  }
}

void RmsNorm(const float* x, const float* norm, int64_t count, float eps, float* out) {
  F s0{}, s1{};
  int64_t i = 0;
  for (; i + kPanel <= count; i += kPanel) {
    const F a = Load(x + i), b = Load(x + i + kWidth);
    s0 += a * a;
    s1 += b * b;
  }
  float sum = Sum(s0 + s1);
  for (; i < count; ++i) sum += x[i] * x[i];
  const float factor = 1.0f / sqrtf(sum / (float)count + eps);
  for (i = 0; i + kWidth <= count; i += kWidth)
    Store(out + i, Load(x + i) * factor * Load(norm + i));
  for (; i < count; ++i) out[i] = x[i] * factor * norm[i];
}

void Rotate(float* x, const float* cos, const float* sin, int64_t half) {
  int64_t i = 0;
  for (; i + kWidth <= half; i += kWidth) {
    const F a = Load(x + i), b = Load(x + i + half), c = Load(cos + i), s = Load(sin + i);
    Store(x + i, a * c - b * s);
    Store(x + i + half, b * c + a * s);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cos[i] - b * sin[i];
    x[i + half] = b * cos[i] + a * sin[i];
  }
}

// silu(x) = x / (1 + e^-x);  gelu_tanh(x) = x (1 + tanh u) / 2 = x / (1 + e^-2u),  u = sqrt(2/pi)
// (x + 0.044715 x^3)
LL_INLINE F Activate(F x, int32_t activation) {
  const F u = activation == LL_SILU ? x : x * (x * x * 0.0713548163f + 1.5957691216f);
  return x / (Exp(-u) + 1.0f);
}

void Gate(float* gate, const float* up, int64_t count, int32_t activation) {
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) {
    Store(gate + i, Activate(Load(gate + i), activation) * Load(up + i));
  }
  if (i == count) return;
  float g[kWidth] = {}, u[kWidth] = {};
  memcpy(g, gate + i, (count - i) * 4);
  memcpy(u, up + i, (count - i) * 4);
  Store(g, Activate(Load(g), activation) * Load(u));
  memcpy(gate + i, g, (count - i) * 4);
}

double LogSumExp(const float* x, int64_t count) {
  float largest = -INFINITY;
  int64_t i = 0;
  F m = Splat(-INFINITY);
  for (; i + kWidth <= count; i += kWidth) m = Max(Load(x + i), m);
  for (; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  const float vector_largest = Largest(m);
  largest = vector_largest > largest ? vector_largest : largest;
  if (largest == -INFINITY) largest = 0;
  double sum = 0;
  for (int64_t start = 0; start < count; start += 1024) {
    const int64_t end = start + 1024 < count ? start + 1024 : count;
    F s{};
    for (i = start; i + kWidth <= end; i += kWidth) s += Exp(Load(x + i) - largest);
    if (i < end) {
      float tail[kWidth];
      Store(tail, Splat(-INFINITY));
      memcpy(tail, x + i, (end - i) * 4);
      s += Exp(Load(tail) - largest);
    }
    sum += Sum(s);
  }
  return (double)largest + log(sum);
}

#include "simd_few_rows.inl"
#include "simd_blocks.inl"
#include "simd_block_dots.inl"
#include "simd_flat4.inl"

// ---- many rows ----

template <class E>
void PackPanelOf(const void* const* rows, int32_t count, int64_t depth, float factor, float* out) {
  for (int r = 0; r < kPanel; r += 4) {
    const int here = count - r < 4 ? (count - r < 0 ? 0 : count - r) : 4;
    int64_t i = 0;
    if (here == 4) {
      const E *a = (const E*)rows[r], *b = (const E*)rows[r + 1], *c = (const E*)rows[r + 2],
              *d = (const E*)rows[r + 3];
      for (; i + 4 <= depth; i += 4) {
        F4 w = Load4(a + i), x = Load4(b + i), y = Load4(c + i), z = Load4(d + i);
        Transpose4(w, x, y, z);
        float* const target = out + i * kPanel + r;
        *(F4u*)target = w * factor;
        *(F4u*)(target + kPanel) = x * factor;
        *(F4u*)(target + 2 * kPanel) = y * factor;
        *(F4u*)(target + 3 * kPanel) = z * factor;
      }
    }
    for (; i < depth; ++i) {
      for (int q = 0; q < 4; ++q) {
        out[i * kPanel + r + q] = q < here ? Load1((const E*)rows[r + q] + i) * factor : 0;
      }
    }
  }
}

void PackPanel(const void* const* rows, int32_t dtype, int32_t count, int64_t depth, float factor,
               float* out) {
  if (dtype == LL_F32) {
    PackPanelOf<float>(rows, count, depth, factor, out);
  } else if (dtype == LL_F16) {
    PackPanelOf<Half>(rows, count, depth, factor, out);
  } else {
    PackPanelOf<Bf16>(rows, count, depth, factor, out);
  }
}

// acc[m][:] = sum_i a[m * row + i * step] b[i][:],  i < n
template <int M>
LL_INLINE void Multiply(const float* a, int64_t row, int64_t step, const float* b, int64_t n,
                        F (&acc)[M][2]) {
  LL_UNROLL for (int m = 0; m < M; ++m) acc[m][0] = acc[m][1] = F{};
  LL_UNROLL_4 for (int64_t i = 0; i < n; ++i) {
    const F b0 = Load(b + i * kPanel), b1 = Load(b + i * kPanel + kWidth);
    LL_UNROLL for (int m = 0; m < M; ++m) {
      const F scalar = Splat(a[m * row + i * step]);
      acc[m][0] += scalar * b0;
      acc[m][1] += scalar * b1;
    }
  }
}

struct GemmRows {
  const float* x;
  int64_t ldx;
  const float* w;
  int64_t depth;
  int32_t columns;
  float* y;
  int64_t ldy;
  bool add;

  template <int M>
  LL_INLINE void Do(int64_t t) const {
    F acc[M][2];
    Multiply<M>(x + t * ldx, ldx, 1, w, depth, acc);
    if (columns == kPanel) {
      LL_UNROLL for (int m = 0; m < M; ++m) {
        float* const target = y + (t + m) * ldy;
        Store(target, add ? Load(target) + acc[m][0] : acc[m][0]);
        Store(target + kWidth, add ? Load(target + kWidth) + acc[m][1] : acc[m][1]);
      }
      return;
    }
    float lines[M][kPanel];
    LL_UNROLL for (int m = 0; m < M; ++m) {
      Store(lines[m], acc[m][0]);
      Store(lines[m] + kWidth, acc[m][1]);
    }
    for (int m = 0; m < M; ++m) {
      float* const target = y + (t + m) * ldy;
      for (int c = 0; c < columns; ++c) target[c] = add ? target[c] + lines[m][c] : lines[m][c];
    }
  }
};

struct PanelScoreRows {
  const float* q;
  const float* keys;
  int64_t depth;
  float* s;

  template <int M>
  LL_INLINE void Do(int64_t j) const {
    F acc[M][2];
    Multiply<M>(keys + j * depth, depth, 1, q, depth, acc);
    LL_UNROLL for (int m = 0; m < M; ++m) {
      Store(s + (j + m) * kPanel, acc[m][0]);
      Store(s + (j + m) * kPanel + kWidth, acc[m][1]);
    }
  }
};

struct ValueRows {
  const float* p;
  const float* values;
  int64_t count, depth;
  const float* keep;
  float* out;

  template <int M>
  LL_INLINE void Do(int64_t i) const {
    F acc[M][2];
    Multiply<M>(values + i, 1, depth, p, count, acc);
    const F keep0 = Load(keep), keep1 = Load(keep + kWidth);
    LL_UNROLL for (int m = 0; m < M; ++m) {
      float* const target = out + (i + m) * kPanel;
      Store(target, Load(target) * keep0 + acc[m][0]);
      Store(target + kWidth, Load(target + kWidth) * keep1 + acc[m][1]);
    }
  }
};

template <int M, class Rows>
__attribute__((noinline)) void DoRows(const Rows& rows, int64_t i) {
  rows.template Do<M>(i);
}

// The last 1 .. M rows.
template <int M, class Rows>
void DoLast(const Rows& rows, int64_t i, int64_t left) {
  if constexpr (M > 0) {
    if (left == M) {
      DoRows<M>(rows, i);
    } else {
      DoLast<M - 1>(rows, i, left);
    }
  }
}

template <class Rows>
LL_INLINE void ForRows(const Rows& rows, int64_t count) {
  int64_t i = 0;
  for (; i + kRowBlock <= count; i += kRowBlock) rows.template Do<kRowBlock>(i);
  DoLast<kRowBlock - 1>(rows, i, count - i);
}

void GemmSlab(const float* x, int64_t ldx, int64_t tokens, const float* w, int64_t depth,
              int32_t columns, float* y, int64_t ldy, bool add) {
  ForRows(GemmRows{x, ldx, w, depth, columns, y, ldy, add}, tokens);
}

#if LL_WIDTH == 8 && defined(__AVX2__)
#include "simd_block_panels.inl"
#else
void (*const PackBlocks)(const void* const*, int32_t, int32_t, int64_t, BlockPanel*) = nullptr;
void (*const GemmBlocks)(const RoundedGroup*, int64_t, int64_t, const BlockPanel&, int64_t, int32_t,
                         float*, int64_t, bool) = nullptr;
#endif

// ---- softmax ----

float SoftmaxRow(float* s, int64_t count, float* maximum, float* sum) {
  float largest = *maximum;
  F m = Splat(largest);
  int64_t i = 0;
  for (; i + kWidth <= count; i += kWidth) m = Max(Load(s + i), m);
  largest = Largest(m);
  for (; i < count; ++i) largest = s[i] > largest ? s[i] : largest;
  const float base = largest == -INFINITY ? 0 : largest;
  F total{};
  for (i = 0; i + kWidth <= count; i += kWidth) {
    const F p = Exp2(Load(s + i) - base);
    Store(s + i, p);
    total += p;
  }
  if (i < count) {
    float tail[kWidth];
    Store(tail, Splat(-INFINITY));
    memcpy(tail, s + i, (count - i) * 4);
    const F p = Exp2(Load(tail) - base);
    Store(tail, p);
    memcpy(s + i, tail, (count - i) * 4);
    total += p;
  }
  const float keep = Exp2(Splat(*maximum - base))[0];
  *maximum = largest;
  *sum = *sum * keep + Sum(total);
  return keep;
}

void PanelScores(const float* q, const float* keys, int32_t count, int64_t depth, float* s) {
  ForRows(PanelScoreRows{q, keys, depth, s}, count);
}

// Scores of key j, vector `half` of the panel, with -infinity where the row does not see it.
LL_INLINE F Masked(const float* s, int32_t j, int half, const PanelMask& mask) {
  const F x = Load(s + j * kPanel + half * kWidth);
  const F hidden = Splat(-INFINITY);
  if (mask.last != nullptr) {
    const I last = *(const Iu*)(mask.last + half * kWidth);
    return last >= j ? x : hidden;
  }
  const U words = *(const Uu*)(mask.words + j / 32 * kPanel + half * kWidth);
  return ((words >> (uint32_t)(j % 32)) & 1u) != 0u ? x : hidden;
}

LL_INLINE void ApplyMask(float* s, int32_t count, PanelMask mask) {
  if (mask.last == nullptr && mask.words == nullptr) return;
  for (int32_t j = 0; j < count; ++j) {
    Store(s + j * kPanel, Masked(s, j, 0, mask));
    Store(s + j * kPanel + kWidth, Masked(s, j, 1, mask));
  }
}

void PanelSoftmax(float* s, int32_t count, const PanelMask* mask, float* maximum, float* sum,
                  float* keep) {
  ApplyMask(s, count, *mask);
  const F old0 = Load(maximum), old1 = Load(maximum + kWidth);
  F m0 = old0, m1 = old1;
  LL_UNROLL_4 for (int32_t j = 0; j < count; ++j) {
    m0 = Max(Load(s + j * kPanel), m0);
    m1 = Max(Load(s + j * kPanel + kWidth), m1);
  }
  // A row without a key so far must not compute -inf - -inf.
  const F base0 = m0 == -INFINITY ? F{} : m0, base1 = m1 == -INFINITY ? F{} : m1;
  F sum0{}, sum1{};
  for (int32_t j = 0; j < count; ++j) {
    const F p0 = Exp2(Load(s + j * kPanel) - base0);
    const F p1 = Exp2(Load(s + j * kPanel + kWidth) - base1);
    Store(s + j * kPanel, p0);
    Store(s + j * kPanel + kWidth, p1);
    sum0 += p0;
    sum1 += p1;
  }
  const F keep0 = Exp2(old0 - base0), keep1 = Exp2(old1 - base1);
  Store(keep, keep0);
  Store(keep + kWidth, keep1);
  Store(maximum, m0);
  Store(maximum + kWidth, m1);
  Store(sum, Load(sum) * keep0 + sum0);
  Store(sum + kWidth, Load(sum + kWidth) * keep1 + sum1);
}

void PanelProbs(float* s, int32_t count, const PanelMask* mask, const float* maximum,
                const float* inverse_sum) {
  ApplyMask(s, count, *mask);
  for (int half = 0; half < 2; ++half) {
    const F m = Load(maximum + half * kWidth), scale = Load(inverse_sum + half * kWidth);
    const F base = m == -INFINITY ? F{} : m;
    for (int32_t j = 0; j < count; ++j) {
      float* const target = s + j * kPanel + half * kWidth;
      Store(target, Exp2(Load(target) - base) * scale);
    }
  }
}

// Adds a row of e to its diagonals; returns its sum.
LL_INLINE float AddRow(const float* e, const float* factors, int32_t lanes, float* diagonals) {
  F total{};
  int32_t r = 0;
  for (; r + kWidth <= lanes; r += kWidth) {
    const F a = Load(e + r) * Load(factors + r);
    Store(diagonals + r, Load(diagonals + r) + a);
    total += a;
  }
  float sum = Sum(total);
  for (; r < lanes; ++r) {
    const float a = e[r] * factors[r];
    diagonals[r] += a;
    sum += a;
  }
  return sum;
}

void PanelSums(const float* e, int32_t count, const float* factors, int32_t lanes, float* columns,
               float* diagonals) {
  // Keys a panel apart touch different diagonals, so that no addition waits for the one before it.
  for (int32_t residue = 0; residue < kPanel; ++residue) {
    for (int32_t j = residue; j < count; j += kPanel) {
      columns[j] += AddRow(e + j * kPanel, factors, lanes, diagonals - j);
    }
  }
}

void PanelValues(const float* p, const float* values, int32_t count, int64_t depth,
                 const float* keep, float* out) {
  ForRows(ValueRows{p, values, count, depth, keep, out}, depth);
}

constexpr Kernels kKernels = {
    kPanel,        kRowBlock,       WidenBf16,    WidenF16,
    NarrowBf16,    WidenBlocks,     RmsNorm,      Rotate,
    Gate,          LogSumExp,       DotRows,      RoundRow,
    DotBlocks,     PackBlocks,      GemmBlocks,   ScoreRows,
    SquareRows,    WeighRows,       OrderRow,     ScaleChannels,
    WidenInt8Keys, WidenInt8Values, PackPanel,    GemmSlab,
    SoftmaxRow,    PanelScores,     PanelSoftmax, PanelProbs,
    PanelSums,     PanelValues,     EncodeFlat4,  ScoreFlat4<PairSums>,
    FindAbove,     ScaleSums};

}  // namespace
}  // namespace longlens
