// Products of rows of x, rounded to integers of 16 bits, with the integers of blocks. Included by
// simd_kernels.inl behind simd_blocks.inl.
//
//   y[t][o] = sum over steps j of x_scale[t][j] scale[o][j] sum_i integer[t][i] integer[o][i]
//                               + x_sum[t][j] (least[o][j] - kOffset scale[o][j])
//
// The sums of products of a step are exact. Rounding x costs 2^-16 of the largest of 32 elements.

typedef int16_t S16 __attribute__((vector_size(32)));
typedef int16_t S8 __attribute__((vector_size(16)));
typedef int16_t S8u __attribute__((vector_size(16), aligned(2), may_alias));

// Where registers suffice, steps of a group are unrolled, and one row of x has two sums: additions
// to one would wait for each other.
#if defined(__AVX2__)
#define LL_UNROLL_STEPS LL_UNROLL
constexpr int kSumsOfOne = 2;
#else
#define LL_UNROLL_STEPS
constexpr int kSumsOfOne = 1;
#endif

// ---- rows of x ----

// Where each quarter of a step stands: AVX2 widens bytes within halves of a vector.
constexpr int kQuarter[4] = {0, 2, 1, 3};

// Sums of 8 numbers.
LL_INLINE float Sum8(const F8& x) {
  F4 half[2];
  memcpy(half, &x, sizeof(x));
  const F4 s = half[0] + half[1];
  return (s[0] + s[1]) + (s[2] + s[3]);
}
LL_INLINE int32_t Sum8(const I8& x) {
  I4 half[2];
  memcpy(half, &x, sizeof(x));
  const I4 s = half[0] + half[1];
  return (s[0] + s[1]) + (s[2] + s[3]);
}

// Bits of the largest magnitude; NaN is above all numbers.
LL_INLINE int32_t LargestBits(const F8* x) {
  I8 m{};
  for (int c = 0; c < kStep / 8; ++c) {
    const I8 bits = (I8)x[c] & 0x7FFFFFFF;
    m = bits > m ? bits : m;
  }
  int32_t largest = 0;
  for (int i = 0; i < 8; ++i) largest = m[i] > largest ? m[i] : largest;
  return largest;
}

// Numbers below 2^-100 count as 0. Where one is no number or infinite, the scale is NaN.
LL_INLINE void RoundStep(const float* x, int j, RoundedGroup* out) {
  const float magic = 12582912.0f;  // leaves the nearest integer in the low bits
  F8 part[kStep / 8];
  for (int c = 0; c < kStep / 8; ++c) part[c] = *(const F8u*)(x + 8 * c);
  const int32_t bits = LargestBits(part);
  float largest;
  memcpy(&largest, &bits, 4);
  const bool is_finite = bits < 0x7F800000, is_zero = is_finite && largest < 0x1p-100f;
  const float factor = is_finite && !is_zero ? 32767.0f / largest : 0.0f;
  const float scale = is_zero ? 0.0f : is_finite ? largest / 32767.0f : NAN;
  int32_t sum[2];
  for (int h = 0; h < 2; ++h) {
    I8 total{};
    for (int c = 0; c < 2; ++c) {
      const F8 shifted = part[2 * h + c] * factor + magic;
      const I8 integers = (I8)shifted - 0x4B400000;
      total += integers;
      int16_t* const at = out->integers + j * kStep + kQuarter[2 * h + c] * 8;
      *(S8u*)at = __builtin_convertvector(integers, S8);
    }
    sum[h] = Sum8(total);
    out->half_sums[2 * j + h] = (float)sum[h] * scale;
  }
  out->scales[j] = scale;
  out->sums[j] = (float)(sum[0] + sum[1]) * scale;
}

void RoundRow(const float* x, int64_t depth, RoundedGroup* out) {
  for (int64_t i = 0; i < depth; i += kGroup, ++out) {
    const int steps = depth - i < kGroup ? (int)(depth - i) / kStep : kSteps;
    if (steps < kSteps) memset(out, 0, sizeof(*out));
    for (int j = 0; j < steps; ++j) RoundStep(x + i + j * kStep, j, out);
  }
}

// ---- products ----

// The integers of a step, in the order of RoundStep.
struct Words {
  S16 half[2];
};

template <class Q>
LL_INLINE Words WordsOf(const B32& integers) {
#if defined(__AVX2__)
  const __m256i x = (__m256i)integers, zero = _mm256_setzero_si256();
  const __m256i high = Q::kSigned ? _mm256_cmpgt_epi8(zero, x) : zero;
  return {{(S16)_mm256_unpacklo_epi8(x, high), (S16)_mm256_unpackhi_epi8(x, high)}};
#else
  uint8_t bytes[kStep];
  memcpy(bytes, &integers, kStep);
  Words w;
  for (int q = 0; q < 4; ++q) {
    int16_t words[8];
    for (int i = 0; i < 8; ++i) words[i] = Q::kSigned ? (int8_t)bytes[8 * q + i] : bytes[8 * q + i];
    memcpy((int16_t*)&w + 8 * kQuarter[q], words, sizeof(words));
  }
  return w;
#endif
}

// Eight sums of two products.
LL_INLINE I8 MultiplyPairs(const S16& a, const int16_t* b) {
#if defined(__AVX2__)
  return (I8)_mm256_madd_epi16((__m256i)a, *(const __m256i*)b);
#elif defined(__SSE2__)
  __m128i w[2], sums[2];
  memcpy(w, &a, sizeof(w));
  for (int h = 0; h < 2; ++h) sums[h] = _mm_madd_epi16(w[h], ((const __m128i*)b)[h]);
  I8 result;
  memcpy(&result, sums, sizeof(sums));
  return result;
#else
  const I8 x = (I8)a, y = *(const I8*)b;
  return (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

// Sums of four products each: lanes 0 .. 3 of the first 16 elements, the others of the last.
LL_INLINE F8 Products(const Words& w, const int16_t* x) {
  const I8 sums = MultiplyPairs(w.half[0], x) + MultiplyPairs(w.half[1], x + 16);
#if defined(__AVX2__)
  return (F8)_mm256_cvtepi32_ps((__m256i)sums);
#else
  return __builtin_convertvector(sums, F8);
#endif
}

// A row of W within a group.
template <bool kHalves>
struct RowScales {
  static constexpr int kCount = kHalves ? 2 * kSteps : kSteps;
  F8 scale[kCount / 8], least[kCount / 8];  // least: of elements whose integer is 0
};

template <class Q>
LL_INLINE RowScales<Q::kHalves> RowScalesOf(const uint8_t* group, int steps) {
  const GroupScales scales = ScalesOf<Q>(group, steps);
  RowScales<Q::kHalves> result;
  for (int h = 0; h < 1 + Q::kHalves; ++h) {
    result.scale[h] = scales.scale[h];
    result.least[h] = Q::kLeast ? scales.least : scales.scale[h] * (float)-Q::kOffset;
  }
  return result;
}

// Scales of W times those of x, one for each lane of a step's sums.
template <bool kHalves>
struct Factors {
  alignas(32) float at[RowScales<kHalves>::kCount];

  LL_INLINE void Set(const RowScales<kHalves>& row, const RoundedGroup& x) {
    const F8 scales = *(const F8u*)x.scales;
    if constexpr (kHalves) {
#if defined(__AVX2__)
      const __m256i first = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
      const __m256i last = _mm256_setr_epi32(4, 4, 5, 5, 6, 6, 7, 7);
      *(F8u*)at = row.scale[0] * (F8)_mm256_permutevar8x32_ps((__m256)scales, first);
      *(F8u*)(at + 8) = row.scale[1] * (F8)_mm256_permutevar8x32_ps((__m256)scales, last);
#else
      for (int i = 0; i < 2 * kSteps; ++i) at[i] = row.scale[i / 8][i % 8] * scales[i / 2];
#endif
    } else {
      *(F8u*)at = row.scale[0] * scales;
    }
    // Reading a number back into all lanes takes less than moving it there.
    asm("" : "+m"(at));
  }

  LL_INLINE F8 Step(int j) const {
    if constexpr (kHalves) {
#if defined(__AVX2__)
      double pair;
      memcpy(&pair, at + 2 * j, 8);
      const __m256i lanes = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
      return (F8)_mm256_permutevar_ps((__m256)_mm256_set1_pd(pair), lanes);
#else
      const float a = at[2 * j], b = at[2 * j + 1];
      return F8{a, a, a, a, b, b, b, b};
#endif
    } else {
      return Splat8(at[j]);
    }
  }
};

// How far ahead of their use rows are fetched, which follow each other.
constexpr int64_t kBytesAhead = 4096;

// The products of one row of blocks with T rows of x.
template <class Q, int T>
struct BlockRow {
  static constexpr bool kHalves = Q::kHalves;
  static constexpr int kSums = T == 1 ? kSumsOfOne : 1;
  typedef F8 Sums[T][kSums];

  const uint8_t* row;
  const RoundedGroup* x[T];

  // Products of what integers of 0 stand for.
  LL_INLINE void Begin(int steps, Factors<kHalves> (&factors)[T], Sums& acc) const {
    const RowScales<kHalves> scales = RowScalesOf<Q>(row, steps);
    LL_UNROLL for (int t = 0; t < T; ++t) {
      factors[t].Set(scales, *x[t]);
      if constexpr (!Q::kLeast && Q::kOffset == 0) continue;
      const float* const sums = kHalves ? x[t]->half_sums : x[t]->sums;
      LL_UNROLL for (int h = 0; h < 1 + kHalves; ++h) {
        acc[t][0] += scales.least[h] * *(const F8u*)(sums + 8 * h);
      }
    }
  }
  LL_INLINE void Step(int j, const Factors<kHalves> (&factors)[T], Sums& acc, int sum) const {
    const Words w = WordsOf<Q>(Q::Integers(row, j));
    LL_UNROLL for (int t = 0; t < T; ++t) {
      acc[t][sum] += Products(w, x[t]->integers + j * kStep) * factors[t].Step(j);
    }
  }
  LL_INLINE void Group(Sums& acc) const {
    LL_UNROLL for (int b = 0; b < kGroupBytes<Q>; b += 64) {
      __builtin_prefetch(row + kBytesAhead + b);
    }
    Steps<kSteps>(acc);
  }
  // The first steps of a group.
  template <int kCount>
  LL_INLINE void Steps(Sums& acc) const {
    Factors<kHalves> factors[T];
    Begin(kCount, factors, acc);
    LL_UNROLL_STEPS for (int j = 0; j < kCount; ++j) Step(j, factors, acc, j % kSums);
  }
  // What is left behind whole groups; rows of models often end with two or four steps.
  LL_INLINE void Last(int steps, Sums& acc) const {
    if constexpr (T == 1 && Q::kElements < kGroup) {
      if (steps == 2) return Steps<2>(acc);
      if (steps == 4) return Steps<4>(acc);
    }
    const Lanes lanes = Rest(*this, steps);
    LL_UNROLL for (int t = 0; t < T; ++t) acc[t][0] += lanes.of[t];
  }
  struct Lanes {
    F8 of[T];
  };
  // Takes and gives copies: what has an address stays in memory, not in registers.
  __attribute__((noinline)) static Lanes Rest(BlockRow at, int steps) {
    Sums acc = {};
    Factors<kHalves> factors[T];
    at.Begin(steps, factors, acc);
    for (int j = 0; j < steps; ++j) at.Step(j, factors, acc, 0);
    Lanes lanes;
    LL_UNROLL for (int t = 0; t < T; ++t) lanes.of[t] = acc[t][0];
    return lanes;
  }
  LL_INLINE void Next() {
    row += kGroupBytes<Q>;
    LL_UNROLL for (int t = 0; t < T; ++t) ++x[t];
  }
};

template <class Q, int T>
LL_INLINE void DotBlockRow(const uint8_t* row, int64_t depth, const RoundedGroup* x, int64_t ldx,
                           float* y, int64_t ldy, bool add) {
  BlockRow<Q, T> at{row, {}};
  LL_UNROLL for (int t = 0; t < T; ++t) at.x[t] = x + t * ldx;
  typename BlockRow<Q, T>::Sums acc = {};
  int64_t i = 0;
  for (; i + kGroup <= depth; i += kGroup) {
    at.Group(acc);
    at.Next();
  }
  if (i < depth) at.Last((int)(depth - i) / kStep, acc);
  LL_UNROLL for (int t = 0; t < T; ++t) {
    F8 lanes = acc[t][0];
    if constexpr (BlockRow<Q, T>::kSums > 1) lanes += acc[t][1];
    const float sum = Sum8(lanes);
    y[t * ldy] = add ? y[t * ldy] + sum : sum;
  }
}

template <class Q>
void DotBlocksOf(const uint8_t* rows, int64_t row_bytes, int64_t count, int64_t depth,
                 const RoundedGroup* x, int64_t ldx, int64_t tokens, float* y, int64_t ldy,
                 bool add) {
  for (int64_t o = 0; o < count; ++o, rows += row_bytes) {
    int64_t t = 0;
    for (; t + 4 <= tokens; t += 4) {
      DotBlockRow<Q, 4>(rows, depth, x + t * ldx, ldx, y + t * ldy + o, ldy, add);
    }
    for (; t + 2 <= tokens; t += 2) {
      DotBlockRow<Q, 2>(rows, depth, x + t * ldx, ldx, y + t * ldy + o, ldy, add);
    }
    if (t < tokens) DotBlockRow<Q, 1>(rows, depth, x + t * ldx, ldx, y + t * ldy + o, ldy, add);
  }
}

void DotBlocks(const void* rows, int32_t dtype, int64_t count, int64_t depth,
               const RoundedGroup* x, int64_t ldx, int64_t tokens, float* y, int64_t ldy,
               bool add) {
  WithType(dtype, [&](auto type) {
    typedef decltype(type) Q;
    const int64_t row_bytes = depth / Q::kElements * Q::kBytes;
    DotBlocksOf<Q>((const uint8_t*)rows, row_bytes, count, depth, x, ldx, tokens, y, ldy, add);
  });
}
