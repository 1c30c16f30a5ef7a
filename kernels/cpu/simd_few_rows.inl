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
LL_INLINE void LoadStep(const Half* p, F* w) { w[0] = Load(p); }
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

// Whether `count` rows follow each other in memory; as they are rows of ascending keys or of a
// matrix, the first and the last tell.
LL_INLINE bool InOrder(const void* const* rows, int64_t count, int64_t bytes) {
  return (const char*)rows[count - 1] == (const char*)rows[0] + (count - 1) * bytes;
}

// Rows that follow each other are fetched this far ahead at most: farther ahead would keep the core
// from fetching by itself, which it does faster.
constexpr int64_t kBytesSoon = 1024;

// Integers, and several heads, take longer for a row: it pays to fetch farther ahead.
template <class E>
constexpr bool kFetchSoon = sizeof(E) > 1;

// What is fetched while a row is used: what follows it soon, or the row of a key that comes later.
LL_INLINE const void* RowAhead(const void* const* row, bool in_order) {
  return in_order ? (const char*)row[0] + kBytesSoon : row[kRowsAhead];
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

// Reads the ahead row while `row` is used: a part of it for each part of the other.
template <int64_t kBytes>
LL_INLINE void PrefetchPart(const void* row, int64_t from) {
  LL_UNROLL for (int64_t i = 0; i < kBytes; i += 64) {
    __builtin_prefetch((const char*)row + from + i);
  }
}

// The dot product of one row, as a vector whose sum it is, without elements that fill no vector:
// memory is read in order.
template <class E>
LL_INLINE F DotVector(const E* row, const void* ahead, int64_t depth, const float* q) {
  constexpr int V = kVectorsOf<E>, C = 4;
  F acc[C] = {};
  int64_t i = 0;
  for (; i + C * kWidth <= depth; i += C * kWidth) {
    PrefetchPart<C * kWidth * sizeof(E)>(ahead, i * sizeof(E));
    LL_UNROLL for (int c = 0; c < C; c += V) {
      F w[V];
      LoadStep(row + i + c * kWidth, w);
      LL_UNROLL for (int u = 0; u < V; ++u) acc[c + u] += w[u] * Load(q + i + (c + u) * kWidth);
    }
  }
  for (; i + V * kWidth <= depth; i += V * kWidth) {
    F w[V];
    LoadStep(row + i, w);
    LL_UNROLL for (int u = 0; u < V; ++u) acc[u] += w[u] * Load(q + i + u * kWidth);
  }
  if (V > 1 && i + kWidth <= depth) acc[0] += Load(row + i) * Load(q + i);
  return (acc[0] + acc[1]) + (acc[2] + acc[3]);
}

// Elements behind the last whole vector.
LL_INLINE int64_t TailStart(int64_t depth) { return depth / kWidth * kWidth; }

// With one row of x, rows below this size are read one after the other; of longer ones the core
// follows four at a time.
constexpr int64_t kLongRow = 4096;

// The products of O rows, read one after the other, with one row of x.
template <int O, class E>
LL_INLINE void DotOneAfterOther(const void* const* rows, bool in_order, int64_t depth,
                                const float* x, float* y, bool add) {
  F acc[4] = {};
  LL_UNROLL for (int o = 0; o < O; ++o) {
    acc[o] = DotVector((const E*)rows[o], RowAhead(rows + o, in_order), depth, x);
  }
  const F4 sums = Sums(acc[0], acc[1], acc[2], acc[3]);
  LL_UNROLL for (int o = 0; o < O; ++o) y[o] = add ? y[o] + sums[o] : sums[o];
  const int64_t end = TailStart(depth);
  if (end < depth) DotTail<O, 1, E>(rows, end, depth, x, depth, y, 0);
}

template <class E>
void DotShortRows(const void* const* rows, int64_t count, int64_t depth, const float* x, float* y,
                  bool add) {
  int64_t o = 0;
  for (; o + 4 <= count; o += 4) DotOneAfterOther<4, E>(rows + o, true, depth, x, y + o, add);
  for (; o < count; ++o) DotOneAfterOther<1, E>(rows + o, true, depth, x, y + o, add);
}

// Weights lie one after the other.
constexpr int64_t kAhead = 8;

// While it reads row o, row o + kAhead comes from memory where it is short.
template <class E>
void DotRowsOf(const void* const* rows, int64_t count, int64_t depth, const float* x, int64_t ldx,
               int64_t tokens, float* y, int64_t ldy, bool add) {
  const int64_t bytes = depth * sizeof(E), ahead = bytes < 1024 ? count - kAhead : 0;
  if (tokens == 1 && bytes < kLongRow) return DotShortRows<E>(rows, count, depth, x, y, add);
  int64_t o = 0;
  for (; o + 4 <= count; o += 4) {
    for (int64_t j = o; j < o + 4 && j < ahead; ++j) Prefetch(rows[j + kAhead], bytes);
    DotTokens<4, E>(rows + o, depth, x, ldx, tokens, y + o, ldy, add);
  }
  for (; o < count; ++o) {
    if (o < ahead) Prefetch(rows[o + kAhead], bytes);
    DotTokens<1, E>(rows + o, depth, x, ldx, tokens, y + o, ldy, add);
  }
}

void DotRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* x,
             int64_t ldx, int64_t tokens, float* y, int64_t ldy, bool add) {
  if (dtype == LL_F32) {
    DotRowsOf<float>(rows, count, depth, x, ldx, tokens, y, ldy, add);
  } else if (dtype == LL_F16) {
    DotRowsOf<Half>(rows, count, depth, x, ldx, tokens, y, ldy, add);
  } else {
    DotRowsOf<Bf16>(rows, count, depth, x, ldx, tokens, y, ldy, add);
  }
}

// ---- scores ----

// O * T sums: rows are widened once for T heads. O * T is a multiple of 4, O is 2 or 4.
template <int O, int T, class E>
LL_INLINE void ScoreTile(const void* const* rows, int64_t depth, const float* q, float* s,
                         int64_t lds) {
  constexpr int V = kVectorsOf<E>;
  const E* row[O];
  F acc[T * O];
  LL_UNROLL for (int o = 0; o < O; ++o) row[o] = (const E*)rows[o];
  LL_UNROLL for (int x = 0; x < T * O; ++x) acc[x] = F{};
  int64_t i = 0;
  for (; i + V * kWidth <= depth; i += V * kWidth) {
    F w[O][V];
    LL_UNROLL for (int o = 0; o < O; ++o) LoadStep(row[o] + i, w[o]);
    LL_UNROLL for (int u = 0; u < V; ++u) {
      LL_UNROLL for (int t = 0; t < T; ++t) {
        const F v = Load(q + t * depth + i + u * kWidth);
        LL_UNROLL for (int o = 0; o < O; ++o) acc[t * O + o] += w[o][u] * v;
      }
    }
  }
  if (V > 1 && i + kWidth <= depth) {
    LL_UNROLL for (int t = 0; t < T; ++t) {
      const F v = Load(q + t * depth + i);
      LL_UNROLL for (int o = 0; o < O; ++o) acc[t * O + o] += Load(row[o] + i) * v;
    }
  }
  LL_UNROLL for (int x = 0; x < T * O; x += 4) {
    const F4 sums = Sums(acc[x], acc[x + 1], acc[x + 2], acc[x + 3]);
    LL_UNROLL for (int o = 0; o < 4; o += O) {
      memcpy(s + (x + o) / O * lds, (const float*)&sums + o, O * sizeof(float));
    }
  }
  const int64_t end = TailStart(depth);
  if (end < depth) DotTail<O, T, E>(rows, end, depth, q, depth, s, lds);
}

template <class E>
void ScoreRowsOf(const void* const* rows, int64_t count, int64_t depth, const float* q,
                 int64_t heads, float* s, int64_t lds) {
  const bool in_order = kFetchSoon<E> && InOrder(rows, count, depth * sizeof(E));
  int64_t o = 0;
  for (; o + 4 <= count; o += 4) {
    int64_t h = 0;
    for (; heads > 1 && h < 4; ++h) Prefetch(rows[o + h + kRowsAhead], depth * sizeof(E));
    for (h = 0; h + 4 <= heads; h += 4) {
      ScoreTile<2, 4, E>(rows + o, depth, q + h * depth, s + h * lds + o, lds);
      ScoreTile<2, 4, E>(rows + o + 2, depth, q + h * depth, s + h * lds + o + 2, lds);
    }
    for (; h + 2 <= heads; h += 2) {
      ScoreTile<4, 2, E>(rows + o, depth, q + h * depth, s + h * lds + o, lds);
    }
    if (h < heads) {
      DotOneAfterOther<4, E>(rows + o, in_order, depth, q + h * depth, s + h * lds + o, false);
    }
  }
  for (; o < count; ++o) {
    for (int64_t h = 0; h < heads; ++h) {
      DotOneAfterOther<1, E>(rows + o, in_order, depth, q + h * depth, s + h * lds + o, false);
    }
  }
}

void ScoreRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* q,
               int64_t heads, float* s, int64_t lds) {
  if (dtype == LL_F32) {
    ScoreRowsOf<float>(rows, count, depth, q, heads, s, lds);
  } else if (dtype == LL_BF16) {
    ScoreRowsOf<Bf16Pairs>(rows, count, depth, q, heads, s, lds);
  } else {
    ScoreRowsOf<int8_t>(rows, count, depth, q, heads, s, lds);
  }
}

template <class E>
void SquareRowsOf(const E* rows, int64_t count, int64_t depth, float* out) {
  for (int64_t j = 0; j < count; ++j) {
    const E* const row = rows + j * depth;
    F s0{}, s1{};
    int64_t i = 0;
    for (; i + kPanel <= depth; i += kPanel) {
      const F a = Load(row + i), b = Load(row + i + kWidth);
      s0 += a * a;
      s1 += b * b;
    }
    float sum = Sum(s0 + s1);
    for (; i < depth; ++i) sum += Load1(row + i) * Load1(row + i);
    out[j] = sum;
  }
}

void SquareRows(const void* rows, int32_t dtype, int64_t count, int64_t depth, float* out) {
  if (dtype == LL_F32) return SquareRowsOf((const float*)rows, count, depth, out);
  SquareRowsOf((const Bf16*)rows, count, depth, out);
}

// ---- weighted sums ----

// V * W vectors of the depth, from i on, of T weighted sums.
template <int T, int W, int V, class E>
LL_INLINE void Weigh(const void* const* rows, bool in_order, int64_t count, int64_t i,
                     const float* p, int64_t ldp, const float* keep, float* out, int64_t ldo) {
  constexpr int64_t kBytes = W * V * kWidth * sizeof(E);
  F acc[T][W * V];
  LL_UNROLL for (int t = 0; t < T; ++t) {
    LL_UNROLL for (int c = 0; c < W * V; ++c) acc[t][c] = F{};
  }
  const auto add = [&](int64_t j) __attribute__((always_inline)) {
    const E* const row = (const E*)rows[j] + i;
    PrefetchPart<kBytes>(RowAhead(rows + j, in_order), i * sizeof(E));
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
  };
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) {
    LL_UNROLL for (int u = 0; u < 4; ++u) add(j + u);
  }
  for (; j < count; ++j) add(j);
  LL_UNROLL for (int t = 0; t < T; ++t) {
    LL_UNROLL for (int c = 0; c < W * V; ++c) {
      float* const target = out + t * ldo + i + c * kWidth;
      Store(target, Load(target) * keep[t] + acc[t][c]);
    }
  }
}

template <int T, class E>
void WeighDepth(const void* const* rows, bool in_order, int64_t count, int64_t depth,
                const float* p, int64_t ldp, const float* keep, float* out) {
  constexpr int V = kVectorsOf<E>;
  constexpr int C = T == 1 ? 8 : T == 2 ? 4 : 2;
  int64_t i = 0;
  for (; i + C * kWidth <= depth; i += C * kWidth) {
    Weigh<T, C / V, V, E>(rows, in_order, count, i, p, ldp, keep, out, depth);
  }
  if constexpr (C > V) {
    for (; i + V * kWidth <= depth; i += V * kWidth) {
      Weigh<T, 1, V, E>(rows, in_order, count, i, p, ldp, keep, out, depth);
    }
  }
  if constexpr (V > 1) {
    for (; i + kWidth <= depth; i += kWidth) {
      Weigh<T, 1, 1, E>(rows, in_order, count, i, p, ldp, keep, out, depth);
    }
  }
  for (; i < depth; ++i) {
    for (int t = 0; t < T; ++t) {
      float sum = 0;
      for (int64_t j = 0; j < count; ++j) sum += p[t * ldp + j] * Load1((const E*)rows[j] + i);
      out[t * depth + i] = out[t * depth + i] * keep[t] + sum;
    }
  }
}

// Few rows at a time: while all vectors of their depth are summed, those ahead arrive.
template <int T, class E>
void WeighHeads(const void* const* rows, int64_t count, int64_t depth, const float* p, int64_t ldp,
                const float* keep, float* out) {
  static const float kOnes[4] = {1, 1, 1, 1};
  constexpr bool kSoon = T == 1 && kFetchSoon<E>;
  constexpr int64_t kRows = kSoon ? 4 : kRowsAhead;
  const bool in_order = kSoon && InOrder(rows, count, depth * sizeof(E));
  for (int64_t j = 0; j < count; j += kRows) {
    const int64_t now = count - j < kRows ? count - j : kRows;
    WeighDepth<T, E>(rows + j, in_order, now, depth, p + j, ldp, j == 0 ? keep : kOnes, out);
  }
}

template <class E>
void WeighRowsOf(const void* const* rows, int64_t count, int64_t depth, const float* p, int64_t ldp,
                 int64_t heads, const float* keep, float* out) {
  while (heads > 0) {
    const int64_t now = heads >= 4 ? 4 : heads >= 2 ? 2 : 1;
    if (now == 4) WeighHeads<4, E>(rows, count, depth, p, ldp, keep, out);
    if (now == 2) WeighHeads<2, E>(rows, count, depth, p, ldp, keep, out);
    if (now == 1) WeighHeads<1, E>(rows, count, depth, p, ldp, keep, out);
    heads -= now;
    p += now * ldp;
    keep += now;
    out += now * depth;
  }
}

void WeighRows(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, const float* p,
               int64_t ldp, int64_t heads, const float* keep, float* out) {
  if (dtype == LL_F32) {
    WeighRowsOf<float>(rows, count, depth, p, ldp, heads, keep, out);
  } else if (dtype == LL_BF16) {
    WeighRowsOf<Bf16Pairs>(rows, count, depth, p, ldp, heads, keep, out);
  } else {
    WeighRowsOf<int8_t>(rows, count, depth, p, ldp, heads, keep, out);
  }
}

// Each step of Bf16Pairs: even elements, then odd ones.
void OrderRow(const float* source, int32_t dtype, int64_t depth, bool back, float* target) {
  constexpr int64_t step = 2 * kWidth;
  int64_t i = 0;
  for (; dtype == LL_BF16 && i + step <= depth; i += step) {
    for (int64_t r = 0; r < kWidth; ++r) {
      const int64_t pair = i + 2 * r, low = i + r, high = low + kWidth;
      target[back ? pair : low] = source[back ? low : pair];
      target[back ? pair + 1 : high] = source[back ? high : pair + 1];
    }
  }
  for (; i < depth; ++i) target[i] = source[i];
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
