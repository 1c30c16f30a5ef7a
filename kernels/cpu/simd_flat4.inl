// Keys in 4 bits (flat4_layout.h): records of them, and scores from sums of integers. Included by
// simd_kernels.inl.
//
//   q . k[j] ~ q . low + sum_i w[i] level[j][i],   w[i] = q[i] step[i] = scale integer[i] + rest[i]
//            ~ base + scale sum_i integer[i] level[j][i],   base = q . low + 7.5 sum_i rest[i]
// The integers have 8 bits. Their scale is large enough for sums of 16 bits: neither all products
// with positive integers nor all with negative ones can exceed these, whatever the levels. What
// rounding w leaves counts as if all levels were the mean one; else it would be nearly the same
// error for all keys of a record, and another one for the next.

// ---- records ----

// Least and largest of 4 N channels. Adds 0, or NaN where a number is not finite, to `zeros`.
template <int N>
LL_INLINE void ChannelRange(const float* keys, int64_t count, int64_t dim, float* low, float* high,
                            F4& zeros) {
  F4 least[N], largest[N];
  LL_UNROLL for (int n = 0; n < N; ++n) least[n] = largest[n] = Load4(keys + 4 * n);
  for (int64_t j = 0; j < count; ++j) {
    LL_UNROLL for (int n = 0; n < N; ++n) {
      const F4 x = Load4(keys + j * dim + 4 * n);
      least[n] = x < least[n] ? x : least[n];
      largest[n] = x > largest[n] ? x : largest[n];
      zeros += x * 0.0f;
    }
  }
  LL_UNROLL for (int n = 0; n < N; ++n) {
    *(F4u*)(low + 4 * n) = least[n] + 0.0f;  // -0 becomes 0
    *(F4u*)(high + 4 * n) = largest[n] + 0.0f;
  }
}

// Least and largest of each channel; false where a number is not finite.
LL_INLINE bool ChannelRanges(const float* keys, int64_t count, int64_t dim, float* low,
                             float* high) {
  F4 zeros{};
  int64_t i = 0;
  for (; i + 16 <= dim; i += 16) ChannelRange<4>(keys + i, count, dim, low + i, high + i, zeros);
  for (; i < dim; i += 4) ChannelRange<1>(keys + i, count, dim, low + i, high + i, zeros);
  return (zeros[0] + zeros[1]) + (zeros[2] + zeros[3]) == 0.0f;
}

// Channels with smaller steps count as constant: the inverse would be infinite.
constexpr float kLeastStep = 0x1p-120f;

// Nearest levels of four channels, as numbers.
LL_INLINE F4 LevelsOf(F4 x, F4 low, F4 inverse) {
  const float magic = 12582912.0f;  // leaves the nearest integer
  const F4 level = (x - low) * inverse;
  return ((level < 15.0f ? level : F4{} + 15.0f) + magic) - magic;
}

// Four channels of keys 0 .. 3 and, in high nibbles, of 4 .. 7: a byte for each channel.
LL_INLINE void EncodeLevels(const float* const (&keys)[8], F4 low, F4 inverse, uint8_t* out) {
  F4 bytes[4];
  LL_UNROLL for (int r = 0; r < 4; ++r) {
    const F4 high = LevelsOf(Load4(keys[r + 4]), low, inverse);
    bytes[r] = LevelsOf(Load4(keys[r]), low, inverse) + high * 16.0f;
  }
  Transpose4(bytes[0], bytes[1], bytes[2], bytes[3]);
  const I4 first = __builtin_convertvector(bytes[0] + bytes[1] * 256.0f, I4);
  const I4 second = __builtin_convertvector(bytes[2] + bytes[3] * 256.0f, I4);
  const I4 words = first | second << 16;
  memcpy(out, &words, sizeof(words));
}

bool EncodeFlat4(const float* keys, int64_t count, int64_t dim, uint8_t* record) {
  float *const low = (float*)record, *const step = low + dim;
  if (!ChannelRanges(keys, count, dim, low, step)) return false;
  for (int64_t i = 0; i < dim; i += 4) {
    const F4 range = Load4(step + i) - Load4(low + i), most = F4{} + 3.40282347e38f;
    *(F4u*)(step + i) = (range < most ? range : most) / 15.0f;
  }
  uint8_t* out = record + 2 * dim * (int64_t)sizeof(float);
  for (int64_t group = 0; group < LL_FLAT4_KEYS; group += kFlat4Group) {
    for (int64_t i = 0; i < dim; i += 4) {
      const F4 steps = Load4(step + i), inverse = steps > kLeastStep ? 1.0f / steps : F4{};
      for (int64_t j = group; j < group + kFlat4Half; j += 4, out += 16) {
        const float* rows[8];
        for (int64_t r = 0; r < 8; ++r) {
          const int64_t key = j + r % 4 + r / 4 * kFlat4Half;
          rows[r] = (key < count ? keys + key * dim : low) + i;  // the least has level 0
        }
        EncodeLevels(rows, Load4(low + i), inverse, out);
      }
    }
  }
  return true;
}

// ---- queries ----

// Vectors of floats, and the same bits as integers.
struct Wide {
  typedef F Floats;
  typedef U Words;
  LL_INLINE static F Read(const float* p) { return Load(p); }
};
struct Narrow {
  typedef F4 Floats;
  typedef U4 Words;
  LL_INLINE static F4 Read(const float* p) { return Load4(p); }
};

// Sum of all lanes, and the largest.
template <class X>
LL_INLINE float SumOf(const X& x) {
  F4 part[sizeof(X) / 16];
  memcpy(part, &x, sizeof(x));
  LL_UNROLL for (size_t n = 1; n < sizeof(X) / 16; ++n) part[0] += part[n];
  return (part[0][0] + part[0][1]) + (part[0][2] + part[0][3]);
}
template <class X>
LL_INLINE float LargestOf(const X& x) {
  F4 part[sizeof(X) / 16];
  memcpy(part, &x, sizeof(x));
  F4 largest = part[0];
  LL_UNROLL for (size_t n = 1; n < sizeof(X) / 16; ++n) {
    largest = part[n] > largest ? part[n] : largest;
  }
  const float a = largest[0] > largest[1] ? largest[0] : largest[1];
  const float b = largest[2] > largest[3] ? largest[2] : largest[3];
  return a > b ? a : b;
}

// The low bytes of all lanes.
LL_INLINE void WriteBytes(F4 x, int8_t* out) {
#if defined(__AVX2__)
  const int32_t bytes = _mm_cvtsi128_si32(_mm_shuffle_epi8((__m128i)x, _mm_set1_epi32(0x0C080400)));
  memcpy(out, &bytes, sizeof(bytes));
#else
  for (int n = 0; n < 4; ++n) out[n] = (int8_t)(uint8_t)((U4)x)[n];
#endif
}
#if LL_WIDTH > 4
LL_INLINE void WriteBytes(F x, int8_t* out) {
#if defined(__AVX512BW__)
  _mm_storeu_si128((__m128i*)out, _mm512_maskz_cvtepi32_epi8(0xFFFF, (__m512i)x));
#else
  F4 part[kWidth / 4];
  memcpy(part, &x, sizeof(x));
  LL_UNROLL for (int n = 0; n < kWidth / 4; ++n) WriteBytes(part[n], out + 4 * n);
#endif
}
#endif

// Sums of magnitudes of integers up to this, times 15, fit in 16 bits.
constexpr float kMostOfSigns = 2184.0f;

// The least scale that keeps integers in 8 bits and sums in 16, from the largest magnitude of w and
// the sum of its positive elements, or of its negative ones if that is larger. Rounding adds at
// most a half to each of the integers, and at most doubles them. Products below 2^-100 count as 0.
LL_INLINE float LeastScale(float largest, float signs, int64_t dim) {
  if (!(largest >= 0x1p-100f)) return 0;
  const float rounded = kMostOfSigns - 0.5f * (float)dim, doubled = 0.5f * kMostOfSigns;
  const float of_sums = signs / (rounded > doubled ? rounded : doubled);
  const float of_bytes = largest / 127.0f;
  return of_sums > of_bytes ? of_sums : of_bytes;
}

template <class V>
LL_INLINE float ScaleForRecord(const float* q, const float* step, int64_t dim) {
  typedef typename V::Floats X;
  X largest{}, sum{}, magnitudes{};
  for (int64_t i = 0; i < dim; i += sizeof(X) / 4) {
    const X w = V::Read(q + i) * V::Read(step + i);
    const X size = (X)((typename V::Words)w & 0x7FFFFFFFu);
    largest = size > largest ? size : largest;
    sum += w;
    magnitudes += size;
  }
  const float total = SumOf(sum), both = SumOf(magnitudes);
  return LeastScale(LargestOf(largest), 0.5f * (both + __builtin_fabsf(total)), dim);
}

template <class V>
LL_INLINE void RoundForRecord(const uint8_t* record, int64_t dim, Flat4Row* row) {
  typedef typename V::Floats X;
  const float *const q = row->q, *const low = (const float*)record, *const step = low + dim;
  const float magic = 12582912.0f;  // leaves the nearest integer in the low bits
  const float scale = ScaleForRecord<V>(q, step, dim);
  const float inverse = scale > 0 ? 1.0f / scale : 0.0f;
  X base{}, rest{};
  for (int64_t i = 0; i < dim; i += sizeof(X) / 4) {
    const X w = V::Read(q + i) * V::Read(step + i), shifted = w * inverse + magic;
    base += V::Read(q + i) * V::Read(low + i);
    rest += w - (shifted - magic) * scale;
    WriteBytes(shifted, row->integers + i);
  }
  row->scale = scale;
  row->base = SumOf(base + rest * 7.5f);
}

void RoundFlat4(const uint8_t* record, int64_t dim, Flat4Row* row) {
  if (dim % kWidth == 0) return RoundForRecord<Wide>(record, dim, row);
  RoundForRecord<Narrow>(record, dim, row);
}

// ---- sums ----

// Else GCC adds products before it adds them to the sum, for which there are too few registers.
#define LL_IN_ORDER(sum) asm("" : "+v"(sum))

LL_INLINE int32_t QuadOf(const Flat4Row& row, int64_t i) {
  int32_t quad;
  memcpy(&quad, row.integers + i, sizeof(quad));
  return quad;
}

// Vectors of levels, of a quad of channels of some keys, and of a quad of a row as often.
#if defined(__AVX512BW__)
typedef __m512i Levels;
typedef __m512i Quads;
LL_INLINE Levels LoadLevels(const uint8_t* p) { return _mm512_loadu_si512(p); }
LL_INLINE Levels LowNibbles(Levels x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(_mm512_srli_epi16(x, 4)); }
LL_INLINE Quads SpreadQuad(int32_t quad) { return _mm512_set1_epi32(quad); }
LL_INLINE void StoreSums(__m512i sums, int16_t* out) {
  _mm256_storeu_si256((__m256i*)out, _mm512_maskz_cvtepi32_epi16(0xFFFF, sums));
}
#elif defined(__AVX2__)
typedef __m256i Levels;
typedef __m256i Quads;
LL_INLINE Levels LoadLevels(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
LL_INLINE Levels LowNibbles(Levels x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(_mm256_srli_epi16(x, 4)); }
LL_INLINE Quads SpreadQuad(int32_t quad) { return _mm256_set1_epi32(quad); }
#else
typedef uint16_t Levels __attribute__((vector_size(16)));
typedef uint16_t Levelsu __attribute__((vector_size(16), aligned(1), may_alias));
struct Quads {
  Levels even, odd;  // channels 0 and 2 in turn, 1 and 3
};
LL_INLINE Levels LoadLevels(const uint8_t* p) { return *(const Levelsu*)p; }
LL_INLINE Levels LowNibbles(Levels x) { return x & 0x0F0F; }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(x >> 4); }
LL_INLINE Quads SpreadQuad(int32_t quad) {
  typedef int16_t Signed __attribute__((vector_size(16)));
  const Signed both = (Signed)(U4{} + (uint32_t)quad);
  return {(Levels)(both << 8 >> 8), (Levels)(both >> 8)};
}
#endif

// Sums in 16 bits, two for each key, of two products each.
struct PairSums {
  typedef uint16_t Words16 __attribute__((vector_size(sizeof(Levels))));
  LL_INLINE static Levels High(Levels x) { return HighNibbles(x); }
#if defined(__AVX512BW__)
  LL_INLINE static void Add(Levels& sum, Levels levels, Quads quads) {
    sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(levels, quads));
    LL_IN_ORDER(sum);
  }
  LL_INLINE static void Store(Levels sums, int16_t* out) {
    StoreSums(_mm512_madd_epi16(sums, _mm512_set1_epi16(1)), out);
  }
#elif defined(__AVX2__)
  LL_INLINE static void Add(Levels& sum, Levels levels, Quads quads) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(levels, quads));
    LL_IN_ORDER(sum);
  }
  LL_INLINE static void Store(Levels sums, int16_t* out) {
    const __m256i words = _mm256_madd_epi16(sums, _mm256_set1_epi16(1));
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    _mm_storeu_si128((__m128i*)out, _mm_packs_epi32(low, high));
  }
#else
  LL_INLINE static void Add(Levels& sum, Levels levels, const Quads& quads) {
    sum += (levels & 0xFF) * quads.even + (levels >> 8) * quads.odd;
  }
  LL_INLINE static void Store(Levels sums, int16_t* out) {
    for (int j = 0; j < 4; ++j) out[j] = (int16_t)(uint16_t)(sums[2 * j] + sums[2 * j + 1]);
  }
#endif
  LL_INLINE static void StoreBoth(Levels low, Levels high, int16_t* out) {
    Store(low, out);
    Store(high, out + kFlat4Half);
  }
  LL_INLINE static Levels Join(Levels a, Levels b) { return (Levels)((Words16)a + (Words16)b); }
};

#if defined(__AVX512BW__)
// Sums in 32 bits of four products each, by AVX-512-VNNI. High nibbles need not be taken apart:
//   sum high q = (sum x q - sum low q) / 16,   x = low + 16 high
struct QuadSums {
  LL_INLINE static Levels High(Levels x) { return x; }
  // By the intrinsic GCC 12 copies each sum twice.
  LL_INLINE static void Add(Levels& sum, Levels levels, Quads quads) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(levels), "v"(quads));
  }
  LL_INLINE static void StoreBoth(Levels low, Levels all, int16_t* out) {
    StoreSums(low, out);
    const __m512i high = _mm512_maskz_srai_epi32(0xFFFF, _mm512_sub_epi32(all, low), 4);
    StoreSums(high, out + kFlat4Half);
  }
  LL_INLINE static Levels Join(Levels a, Levels b) { return _mm512_add_epi32(a, b); }
};
#endif

// Vectors of a group's levels of four channels, and the keys of a nibble of one.
constexpr int kLevelVectors = kFlat4GroupBytes / (int)sizeof(Levels);
constexpr int kLevelKeys = (int)sizeof(Levels) / 4;

// Bytes of levels that are fetched ahead, beyond a record those of the next one: the core's own
// prefetcher stops at the end of each 4 KB.
constexpr int64_t kLevelsAhead = 12288;

// Sums of T rows over the keys of V vectors of a group, whose levels are read once, in order (two
// groups side by side took 1.5 times as long from memory). Each sum is made of U, so that fewer
// products wait for the one before.
template <class S, int T, int V, int U>
struct LevelSums {
  Levels low[T][V][U] = {}, high[T][V][U] = {};

  LL_INLINE void Add(const uint8_t* levels, const Flat4Row* rows, int64_t i, int u) {
    Levels low_levels[V], high_levels[V];
    LL_UNROLL for (int v = 0; v < V; ++v) {
      const uint8_t* const now = levels + i / 4 * kFlat4GroupBytes + v * sizeof(Levels);
      __builtin_prefetch(now + kLevelsAhead);
      const Levels x = LoadLevels(now);
      low_levels[v] = LowNibbles(x);
      high_levels[v] = S::High(x);
    }
    LL_UNROLL for (int t = 0; t < T; ++t) {
      const Quads quads = SpreadQuad(QuadOf(rows[t], i));
      LL_UNROLL for (int v = 0; v < V; ++v) {
        S::Add(low[t][v][u], low_levels[v], quads);
        S::Add(high[t][v][u], high_levels[v], quads);
      }
    }
  }
  LL_INLINE void Store(Flat4Row* rows, int64_t key) {
    LL_UNROLL for (int x = 0; x < T * V; ++x) {
      const int t = x / V, v = x % V;
      LL_UNROLL for (int u = 1; u < U; ++u) {
        low[t][v][0] = S::Join(low[t][v][0], low[t][v][u]);
        high[t][v][0] = S::Join(high[t][v][0], high[t][v][u]);
      }
      S::StoreBoth(low[t][v][0], high[t][v][0], rows[t].sums + key + v * kLevelKeys);
    }
  }
};

template <class S, int T, int V, int U>
void SumRows(const uint8_t* levels, int64_t dim, Flat4Row* rows) {
  for (int g = 0; g < kFlat4Groups; ++g, levels += dim / 4 * kFlat4GroupBytes) {
    for (int v = 0; v < kLevelVectors; v += V) {
      LevelSums<S, T, V, U> sums;
      const uint8_t* const part = levels + v * sizeof(Levels);
      int64_t i = 0;
      for (; i + 4 * U <= dim; i += 4 * U) {
        LL_UNROLL for (int u = 0; u < U; ++u) sums.Add(part, rows, i + 4 * u, u);
      }
      for (; i < dim; i += 4) sums.Add(part, rows, i, 0);
      sums.Store(rows, g * kFlat4Group + v * kLevelKeys);
    }
  }
}

template <class S>
void ScoreFlat4(const uint8_t* record, int64_t dim, Flat4Row* rows, int64_t count) {
  constexpr int V = kLevelVectors < 2 ? 1 : 2, U = 2 / V;
  for (int64_t t = 0; t < count; ++t) RoundFlat4(record, dim, rows + t);
  const uint8_t* const levels = record + 2 * dim * (int64_t)sizeof(float);
  int64_t t = 0;
  if constexpr (V == 1) {  // there are 32 registers
    for (; t + 8 <= count; t += 8) SumRows<S, 8, 1, 1>(levels, dim, rows + t);
  }
  for (; t + 4 <= count; t += 4) SumRows<S, 4, 1, 1>(levels, dim, rows + t);
  for (; t + 2 <= count; t += 2) SumRows<S, 2, V, U>(levels, dim, rows + t);
  if (t < count) SumRows<S, 1, V, 2 * U>(levels, dim, rows + t);
}

// ---- what sums are for ----

// Which of some sums are above `least`: kSumBits equal bits of a word for each of kSums.
#if defined(__AVX512BW__)
constexpr int kSums = 32, kSumBits = 1;
LL_INLINE uint64_t Above(const int16_t* sums, int16_t least) {
  return _mm512_cmpgt_epi16_mask(_mm512_loadu_si512(sums), _mm512_set1_epi16(least));
}
#elif defined(__AVX2__)
constexpr int kSums = 16, kSumBits = 2;
LL_INLINE uint64_t Above(const int16_t* sums, int16_t least) {
  const __m256i x = _mm256_loadu_si256((const __m256i*)sums);
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi16(x, _mm256_set1_epi16(least)));
}
#else
constexpr int kSums = 4, kSumBits = 16;
LL_INLINE uint64_t Above(const int16_t* sums, int16_t least) {
  typedef int16_t Sums __attribute__((vector_size(8)));
  Sums x;
  memcpy(&x, sums, sizeof(x));
  const Sums above = x > least;
  uint64_t word;
  memcpy(&word, &above, sizeof(word));
  return word;
}
#endif

int32_t FindAbove(const int16_t* sums, int32_t count, int32_t least, int32_t* found) {
  int32_t n = 0;
  for (int32_t first = 0; first < count; first += kSums) {
    for (uint64_t word = Above(sums + first, (int16_t)least); word != 0;) {
      const int lane = __builtin_ctzll(word) / kSumBits;
      found[n++] = first + lane;
      word &= ~(((uint64_t{1} << kSumBits) - 1) << kSumBits * lane);
    }
  }
  while (n > 0 && found[n - 1] >= count) --n;
  return n;
}

LL_INLINE F Load(const int16_t* p) {
#if LL_WIDTH == 8 && defined(__AVX2__)
  return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i*)p)));
#elif LL_WIDTH == 16 && defined(__AVX512F__)
  const __m512i x = _mm512_maskz_cvtepi16_epi32(0xFFFF, _mm256_loadu_si256((const __m256i*)p));
  return _mm512_maskz_cvtepi32_ps(0xFFFF, x);
#else
  typedef int16_t S __attribute__((vector_size(LL_WIDTH * 2)));
  S x;
  memcpy(&x, p, sizeof(x));
  return __builtin_convertvector(x, F);
#endif
}

void ScaleSums(const int16_t* sums, int32_t count, float factor, float base, float* out) {
  int32_t j = 0;
  for (; j + kWidth <= count; j += kWidth) Store(out + j, Load(sums + j) * factor + base);
  for (; j < count; ++j) out[j] = (float)sums[j] * factor + base;
}
