// The products of few rows of x (queries or tokens) with many rows that are read from memory once:
// weights, keys, values. Included by simd_kernels.inl.
//
//   Dot:    y[t][o] = sum_i x[t][i] rows[o][i]        4 rows o at a time, so that a sum is a lane
//   Weigh:  out[t][i] += sum_j p[t][j] rows[j][i]     C vectors of the depth at a time
//
// A bf16 vector of 2 kWidth elements is two of f32: the lower halves of its words shifted up, and
// the upper ones as they stand. That takes half the instructions of widening kWidth at a time, but
// leaves even elements in one vector and odd ones in the other. Keys and values are read so
// (Bf16Pairs); order_row puts the other operand, or the result, into that order.

struct Bf16Pairs {
  Bf16 bits;
};

// Vectors of f32 that one load gives.
template <class E>
constexpr int kVectorsOf = 1;
template <>
constexpr int kVectorsOf<Bf16Pairs> = 2;

LL_INLINE void LoadStep(const float* p, F* w) { w[0] = Load(p); }
LL_INLINE void LoadStep(const Bf16* p, F* w) { w[0] = Load(p); }
LL_INLINE void LoadStep(const int8_t* p, F* w) { w[0] = Load(p); }
LL_INLINE void LoadStep(const Bf16Pairs* p, F* w) {
  const U x = *(const Uu*)p;
  w[0] = (F)(x << 16);
  w[1] = (F)(x & 0xFFFF0000u);
}
LL_INLINE F Load(const Bf16Pairs* p) { return Load(&p->bits); }
LL_INLINE float Load1(const Bf16Pairs* p) { return Load1(&p->bits); }

LL_INLINE void Prefetch(const void* row, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch((const char*)row + i);
}

// ---- dot products ----

// Rows of x at once, so that sums and operands fill the registers.
constexpr int kPairTokens = 2;

// Sums of four vectors. Lanes of 128 bits are added last, so that shuffles work on whole vectors.
LL_INLINE F4 Sums(F a, F b, F c, F d) {
#if LL_WIDTH == 8 && defined(__AVX2__)
  const F ab = (F)_mm256_unpacklo_ps(a, b) + (F)_mm256_unpackhi_ps(a, b);
  const F cd = (F)_mm256_unpacklo_ps(c, d) + (F)_mm256_unpackhi_ps(c, d);
  return Fold((F)_mm256_shuffle_ps(ab, cd, 0x44) + (F)_mm256_shuffle_ps(ab, cd, 0xEE));
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  const auto low = [](F x, F y) { return (F)_mm512_maskz_unpacklo_ps(0xFFFF, x, y); };
  const auto high = [](F x, F y) { return (F)_mm512_maskz_unpackhi_ps(0xFFFF, x, y); };
  const F ab = low(a, b) + high(a, b), cd = low(c, d) + high(c, d);
  return Fold((F)_mm512_maskz_shuffle_ps(0xFFFF, ab, cd, 0x44) +
              (F)_mm512_maskz_shuffle_ps(0xFFFF, ab, cd, 0xEE));
#else
  F4 w = Fold(a), x = Fold(b), y = Fold(c), z = Fold(d);
  Transpose4(w, x, y, z);
  return (w + x) + (y + z);
#endif
}

// Elements `first` .. depth-1, which fill no vector, of the dot products of O rows with T rows of x.
template <int O, int T, class E>
__attribute__((noinline)) void DotTail(const void* const* rows, int64_t first, int64_t depth,
                                       const float* x, int64_t ldx, float* y, int64_t ldy) {
  for (int t = 0; t < T; ++t) {
    for (int o = 0; o < O; ++o) {
      for (int64_t i = first; i < depth; ++i) {
        y[t * ldy + o] += Load1((const E*)rows[o] + i) * x[t * ldx + i];
      }
    }
  }
}

// The dot products of O rows with T rows of x.
template <int O, int T, class E>
LL_INLINE void Dot(const void* const* rows, int64_t depth, const float* x, int64_t ldx, float* y,
                   int64_t ldy, bool add) {
  constexpr int V = kVectorsOf<E>;
  const E* row[O];
  F acc[O][T];
  LL_UNROLL for (int o = 0; o < O; ++o) {
    row[o] = (const E*)rows[o];
    LL_UNROLL for (int t = 0; t < T; ++t) acc[o][t] = F{};
  }
  int64_t i = 0;
  for (; i + V * kWidth <= depth; i += V * kWidth) {
    F v[T][V];
    LL_UNROLL for (int t = 0; t < T; ++t) {
      LL_UNROLL for (int u = 0; u < V; ++u) v[t][u] = Load(x + t * ldx + i + u * kWidth);
    }
    LL_UNROLL for (int o = 0; o < O; ++o) {
      F w[V];
      LoadStep(row[o] + i, w);
      LL_UNROLL for (int u = 0; u < V; ++u) {
        LL_UNROLL for (int t = 0; t < T; ++t) acc[o][t] += w[u] * v[t][u];
      }
    }
  }
  if (V > 1 && i + kWidth <= depth) {
    LL_UNROLL for (int o = 0; o < O; ++o) {
      const F w = Load(row[o] + i);
      LL_UNROLL for (int t = 0; t < T; ++t) acc[o][t] += w * Load(x + t * ldx + i);
    }
    i += kWidth;
  }
  LL_UNROLL for (int t = 0; t < T; ++t) {
    float* const target = y + t * ldy;
    if constexpr (O == 4) {
      const F4 sums = Sums(acc[0][t], acc[1][t], acc[2][t], acc[3][t]);
      *(F4u*)target = add ? Load4(target) + sums : sums;
    } else {
      for (int o = 0; o < O; ++o) target[o] = (add ? target[o] : 0.0f) + Sum(acc[o][t]);
    }
  }
  if (i < depth) DotTail<O, T, E>(rows, i, depth, x, ldx, y, ldy);
}

template <int O, class E>
void DotTokens(const void* const* rows, int64_t depth, const float* x, int64_t ldx, int64_t tokens,
               float* y, int64_t ldy, bool add) {
  constexpr int T = kVectorsOf<E> == 1 ? 3 : kPairTokens;
  int64_t t = 0;
  for (; t + T <= tokens; t += T) {
    Dot<O, T, E>(rows, depth, x + t * ldx, ldx, y + t * ldy, ldy, add);
  }
  if constexpr (T > 2) {
    if (tokens - t == 2) Dot<O, 2, E>(rows, depth, x + t * ldx, ldx, y + t * ldy, ldy, add);
  }
  if (tokens - t == 1) Dot<O, 1, E>(rows, depth, x + t * ldx, ldx, y + t * ldy, ldy, add);
}

// While it reads rows[o], row o of `ahead` comes from memory.
template <class E>
void DotRowsOf(const void* const* rows, int64_t count, int64_t depth, const float* x, int64_t ldx,
               int64_t tokens, float* y, int64_t ldy, bool add, const RowsAhead& ahead) {
  int64_t o = 0;
  for (; o + 4 <= count; o += 4) {
    for (int64_t j = o; j < o + 4 && j < ahead.count; ++j) Prefetch(ahead.rows[j], ahead.bytes);
    DotTokens<4, E>(rows + o, depth, x, ldx, tokens, y + o, ldy, add);
  }
  for (; o < count; ++o) {
    if (o < ahead.count) Prefetch(ahead.rows[o], ahead.bytes);
    DotTokens<1, E>(rows + o, depth, x, ldx, tokens, y + o, ldy, add);
  }
}

// Weights lie one after the other: from kAhead rows on, where rows are short.
constexpr int64_t kAhead = 8;

void DotRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* x,
             int64_t ldx, int64_t tokens, float* y, int64_t ldy, bool add) {
  const int64_t bytes = depth * (dtype == LL_F32 ? 4 : 2);
  const RowsAhead ahead{rows + kAhead, bytes < 1024 ? count - kAhead : 0, bytes};
  if (dtype == LL_F32) {
    DotRowsOf<float>(rows, count, depth, x, ldx, tokens, y, ldy, add, ahead);
  } else {
    DotRowsOf<Bf16>(rows, count, depth, x, ldx, tokens, y, ldy, add, ahead);
  }
}

void ScoreRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* q,
               int64_t heads, float* s, int64_t lds, const RowsAhead* ahead) {
  if (dtype == LL_F32) {
    DotRowsOf<float>(rows, count, depth, q, depth, heads, s, lds, false, *ahead);
  } else if (dtype == LL_BF16) {
    DotRowsOf<Bf16Pairs>(rows, count, depth, q, depth, heads, s, lds, false, *ahead);
  } else {
    DotRowsOf<int8_t>(rows, count, depth, q, depth, heads, s, lds, false, *ahead);
  }
}

// ---- weighted sums ----

// V * W vectors of the depth, from i on, of T weighted sums. While it reads rows[j], row j of
// `ahead` comes from memory.
template <int T, int W, int V, class E>
LL_INLINE void Weigh(const void* const* rows, int64_t count, int64_t i, const float* p, int64_t ldp,
                     const float* keep, float* out, int64_t ldo, const RowsAhead& ahead) {
  F acc[T][W * V];
  LL_UNROLL for (int t = 0; t < T; ++t) {
    LL_UNROLL for (int c = 0; c < W * V; ++c) acc[t][c] = F{};
  }
  for (int64_t j = 0; j < count; ++j) {
    const E* const row = (const E*)rows[j] + i;
    if (j < ahead.count) Prefetch(ahead.rows[j], ahead.bytes);
    F v[W * V];
    LL_UNROLL for (int c = 0; c < W; ++c) {
      if constexpr (V == kVectorsOf<E>) {
        LoadStep(row + c * V * kWidth, v + c * V);
      } else {
        v[c] = Load(row + c * kWidth);
      }
    }
    LL_UNROLL for (int t = 0; t < T; ++t) {
      LL_UNROLL for (int c = 0; c < W * V; ++c) acc[t][c] += p[t * ldp + j] * v[c];
    }
  }
  LL_UNROLL for (int t = 0; t < T; ++t) {
    LL_UNROLL for (int c = 0; c < W * V; ++c) {
      float* const target = out + t * ldo + i + c * kWidth;
      Store(target, Load(target) * keep[t] + acc[t][c]);
    }
  }
}

template <int T, class E>
void WeighDepth(const void* const* rows, int64_t count, int64_t depth, const float* p, int64_t ldp,
                const float* keep, float* out, int64_t ldo, const RowsAhead& ahead) {
  constexpr int V = kVectorsOf<E>;
  constexpr int C = T == 1 ? 8 : T == 2 ? 4 : 2;
  const RowsAhead none{nullptr, 0, 0};
  int64_t i = 0;
  for (; i + C * kWidth <= depth; i += C * kWidth) {
    Weigh<T, C / V, V, E>(rows, count, i, p, ldp, keep, out, ldo, i == 0 ? ahead : none);
  }
  if constexpr (C > V) {
    for (; i + V * kWidth <= depth; i += V * kWidth) {
      Weigh<T, 1, V, E>(rows, count, i, p, ldp, keep, out, ldo, none);
    }
  }
  if constexpr (V > 1) {
    for (; i + kWidth <= depth; i += kWidth) {
      Weigh<T, 1, 1, E>(rows, count, i, p, ldp, keep, out, ldo, none);
    }
  }
  for (; i < depth; ++i) {
    for (int t = 0; t < T; ++t) {
      float sum = 0;
      for (int64_t j = 0; j < count; ++j) sum += p[t * ldp + j] * Load1((const E*)rows[j] + i);
      out[t * ldo + i] = out[t * ldo + i] * keep[t] + sum;
    }
  }
}

template <class E>
void WeighRowsOf(const void* const* rows, int64_t count, int64_t depth, const float* p, int64_t ldp,
                 int64_t heads, const float* keep, float* out, const RowsAhead* ahead) {
  const RowsAhead none{nullptr, 0, 0};
  while (heads > 0) {
    const int64_t now = heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
    if (now == 4) WeighDepth<4, E>(rows, count, depth, p, ldp, keep, out, depth, *ahead);
    if (now == 2) WeighDepth<2, E>(rows, count, depth, p, ldp, keep, out, depth, *ahead);
    if (now == 1) WeighDepth<1, E>(rows, count, depth, p, ldp, keep, out, depth, *ahead);
    ahead = &none;
    heads -= now;
    p += now * ldp;
    keep += now;
    out += now * depth;
  }
}

void WeighRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* p,
               int64_t ldp, int64_t heads, const float* keep, float* out, const RowsAhead* ahead) {
  if (dtype == LL_F32) {
    WeighRowsOf<float>(rows, count, depth, p, ldp, heads, keep, out, ahead);
  } else if (dtype == LL_BF16) {
    WeighRowsOf<Bf16Pairs>(rows, count, depth, p, ldp, heads, keep, out, ahead);
  } else {
    WeighRowsOf<int8_t>(rows, count, depth, p, ldp, heads, keep, out, ahead);
  }
}

// Each step of Bf16Pairs: even elements, then odd ones.
void OrderRow(const float* source, int32_t dtype, int64_t depth, bool back, float* target) {
  constexpr int64_t step = 2 * kWidth;
  const int64_t end = dtype == LL_BF16 ? depth / step * step : 0;
  for (int64_t i = 0; i < depth; ++i) {
    const int64_t r = i % step, from = i < end ? i - r + (r / 2 + r % 2 * kWidth) : i;
    target[back ? i : from] = source[back ? from : i];
  }
}

// A scale of an LL_INT8 page: the power of two with this biased exponent, or 0.
LL_INLINE F Scales(const uint8_t* exponents) {
#if LL_WIDTH == 8 && defined(__AVX2__)
  return (F)((U)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)exponents)) << 23);
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  const __m128i bytes = _mm_loadu_si128((const __m128i*)exponents);
  return (F)((U)_mm512_maskz_cvtepu8_epi32(0xFFFF, bytes) << 23);
#else
  return (F)(__builtin_convertvector(*(const UBu*)exponents, U) << 23);
#endif
}
LL_INLINE float Scale1(uint8_t exponent) {
  const uint32_t bits = (uint32_t)exponent << 23;
  float scale;
  memcpy(&scale, &bits, 4);
  return scale;
}

void ScaleChannels(const float* x, const uint8_t* exponents, int64_t depth, float* out) {
  int64_t i = 0;
  for (; i + kWidth <= depth; i += kWidth) Store(out + i, Load(x + i) * Scales(exponents + i));
  for (; i < depth; ++i) out[i] = x[i] * Scale1(exponents[i]);
}

void WidenInt8Keys(const int8_t* rows, const uint8_t* exponents, int64_t count, int64_t depth,
                   float* out) {
  for (int64_t r = 0; r < count; ++r, rows += depth, out += depth) {
    int64_t i = 0;
    for (; i + kWidth <= depth; i += kWidth) {
      Store(out + i, Load(rows + i) * Scales(exponents + i));
    }
    for (; i < depth; ++i) out[i] = Load1(rows + i) * Scale1(exponents[i]);
  }
}

void WidenInt8Values(const int8_t* rows, const uint8_t* exponents, int64_t count, int64_t depth,
                     float* out) {
  for (int64_t r = 0; r < count; ++r, rows += depth, out += depth) {
    const float scale = Scale1(exponents[r]);
    int64_t i = 0;
    for (; i + kWidth <= depth; i += kWidth) Store(out + i, Load(rows + i) * scale);
    for (; i < depth; ++i) out[i] = Load1(rows + i) * scale;
  }
}
