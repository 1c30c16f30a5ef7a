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

typedef uint16_t U16x4u __attribute__((vector_size(8), aligned(2), may_alias));

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

// Four keys of four channels: 16 bits each.
LL_INLINE void EncodeLevels(const float* const (&keys)[4], F4 low, F4 inverse, uint8_t* out) {
  F4 a = LevelsOf(Load4(keys[0]), low, inverse), b = LevelsOf(Load4(keys[1]), low, inverse);
  F4 c = LevelsOf(Load4(keys[2]), low, inverse), d = LevelsOf(Load4(keys[3]), low, inverse);
  Transpose4(a, b, c, d);
  const F4 words = (a + b * 256.0f) + (c * 16.0f + d * 4096.0f);
  *(U16x4u*)out = __builtin_convertvector(__builtin_convertvector(words, I4), H4);
}

bool EncodeFlat4(const float* keys, int64_t count, int64_t dim, uint8_t* record) {
  float *const low = (float*)record, *const step = low + dim;
  if (!ChannelRanges(keys, count, dim, low, step)) return false;
  for (int64_t i = 0; i < dim; i += 4) {
    const F4 range = Load4(step + i) - Load4(low + i), most = F4{} + 3.40282347e38f;
    *(F4u*)(step + i) = (range < most ? range : most) / 15.0f;
  }
  uint8_t* const levels = record + 2 * dim * (int64_t)sizeof(float);
  if (count < LL_FLAT4_KEYS) memset(levels, 0, (size_t)dim * (LL_FLAT4_KEYS / 2));
  for (int64_t j = 0; j < count; j += 4) {
    uint8_t* const out = levels + j / kFlat4Group * kFlat4Group * dim / 2 + j % kFlat4Group * 2;
    for (int64_t i = 0; i < dim; i += 4) {
      const float* rows[4];
      // Behind the last key it is taken again, and cut off.
      for (int64_t r = 0; r < 4; ++r) rows[r] = keys + (j + r < count ? j + r : j) * dim + i;
      uint8_t* const target = out + i / 4 * kFlat4GroupBytes;
      const F4 steps = Load4(step + i), inverse = steps > kLeastStep ? 1.0f / steps : F4{};
      EncodeLevels(rows, Load4(low + i), inverse, target);
      if (j + 4 > count) memset(target + 2 * (count - j), 0, 2 * (j + 4 - count));
    }
  }
  return true;
}

// ---- queries ----

// Vectors of floats, and the same bits as integers.
struct Wide {
  typedef F Floats;
  typedef U Words;
  typedef uint64_t Pairs __attribute__((vector_size(LL_WIDTH * 4)));
  typedef uint64_t Pairsu __attribute__((vector_size(LL_WIDTH * 4), aligned(4), may_alias));
  LL_INLINE static F Read(const float* p) { return Load(p); }
};
struct Narrow {
  typedef F4 Floats;
  typedef U4 Words;
  typedef uint64_t Pairs __attribute__((vector_size(16)));
  typedef uint64_t Pairsu __attribute__((vector_size(16), aligned(4), may_alias));
  LL_INLINE static F4 Read(const float* p) { return Load4(p); }
};

// Sum of all lanes, and the largest.
template <class X>
LL_INLINE float SumOf(const X& x) {
  float sum = 0;
  for (size_t i = 0; i < sizeof(x) / 4; ++i) sum += x[i];
  return sum;
}
template <class X>
LL_INLINE float LargestOf(const X& x) {
  float largest = 0;
  for (size_t i = 0; i < sizeof(x) / 4; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

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
  return LeastScale(LargestOf(largest), 0.5f * (both + (total > 0 ? total : -total)), dim);
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
    const auto bytes = (typename V::Pairs)((typename V::Words)shifted & 0xFFu);
    const auto pairs = (bytes | bytes >> 24) & 0xFFFFu;
    *(typename V::Pairsu*)(row->pairs + i) = pairs | pairs << 16;
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

// Levels of a pair of channels of some keys; sums to which their products with a pair of a row are
// added.
#if defined(__AVX512BW__)
typedef __m512i Levels;
LL_INLINE Levels LoadLevels(const uint8_t* p) { return _mm512_loadu_si512(p); }
LL_INLINE Levels AddDot(Levels sum, Levels levels, uint32_t pair) {
  const Levels pairs = _mm512_set1_epi32((int32_t)pair);
  sum = _mm512_add_epi16(sum, _mm512_maddubs_epi16(levels, pairs));
  LL_IN_ORDER(sum);
  return sum;
}
LL_INLINE Levels LowNibbles(Levels x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(_mm512_srli_epi16(x, 4)); }
#elif defined(__AVX2__)
typedef __m256i Levels;
LL_INLINE Levels LoadLevels(const uint8_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
LL_INLINE Levels AddDot(Levels sum, Levels levels, uint32_t pair) {
  const Levels pairs = _mm256_set1_epi32((int32_t)pair);
  sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(levels, pairs));
  LL_IN_ORDER(sum);
  return sum;
}
LL_INLINE Levels LowNibbles(Levels x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(_mm256_srli_epi16(x, 4)); }
#else
typedef uint16_t Levels __attribute__((vector_size(16)));
typedef uint16_t Levelsu __attribute__((vector_size(16), aligned(1), may_alias));
LL_INLINE Levels LoadLevels(const uint8_t* p) { return *(const Levelsu*)p; }
LL_INLINE Levels AddDot(Levels sum, Levels levels, uint32_t pair) {
  const Levels first = Levels{} + (uint16_t)(int8_t)pair;
  const Levels second = Levels{} + (uint16_t)(int8_t)(pair >> 8);
  return sum + (levels & 0xFF) * first + (levels >> 8) * second;
}
LL_INLINE Levels LowNibbles(Levels x) { return x & 0x0F0F; }
LL_INLINE Levels HighNibbles(Levels x) { return LowNibbles(x >> 4); }
#endif

// Vectors of a group's levels of four channels.
constexpr int kLevelVectors = kFlat4GroupBytes / (int)sizeof(Levels);
// Of these at once, so that sums fill the registers.
constexpr int kLevelsAtOnce = kLevelVectors < 2 ? kLevelVectors : 2;

// Bytes of levels that are fetched ahead, beyond a record those of the next one: the core's own
// prefetcher stops at the end of each 4 KB.
constexpr int64_t kLevelsAhead = 12288;

// Sums of T rows over the keys of kLevelsAtOnce vectors.
template <int T>
LL_INLINE void SumLevels(const uint8_t* levels, int64_t dim, Flat4Row* rows, int64_t first) {
  constexpr int V = kLevelsAtOnce;
  Levels acc[T][V];
  LL_UNROLL for (int x = 0; x < T * V; ++x) acc[x / V][x % V] = Levels{};
  for (int64_t i = 0; i < dim; i += 4, levels += kFlat4GroupBytes) {
    Levels low[V], high[V];
    LL_UNROLL for (int v = 0; v < V; ++v) {
      __builtin_prefetch(levels + v * sizeof(Levels) + kLevelsAhead);
      const Levels x = LoadLevels(levels + v * sizeof(Levels));
      low[v] = LowNibbles(x);
      high[v] = HighNibbles(x);
    }
    LL_UNROLL for (int t = 0; t < T; ++t) {
      const uint32_t* const pair = rows[t].pairs + i;
      LL_UNROLL for (int v = 0; v < V; ++v) acc[t][v] = AddDot(acc[t][v], low[v], pair[0]);
      LL_UNROLL for (int v = 0; v < V; ++v) acc[t][v] = AddDot(acc[t][v], high[v], pair[2]);
    }
  }
  LL_UNROLL for (int x = 0; x < T * V; ++x) {
    const Levels sums = acc[x / V][x % V];
    memcpy(rows[x / V].sums + first + x % V * sizeof(Levels) / 2, &sums, sizeof(sums));
  }
}

template <int T>
void SumRows(const uint8_t* levels, int64_t dim, Flat4Row* rows) {
  constexpr int64_t kBytes = kLevelsAtOnce * (int64_t)sizeof(Levels);
  for (int g = 0; g < kFlat4Groups; ++g, levels += dim / 4 * kFlat4GroupBytes) {
    for (int64_t at = 0; at < kFlat4GroupBytes; at += kBytes) {
      SumLevels<T>(levels + at, dim, rows, g * kFlat4Group + at / 2);
    }
  }
}

void ScoreFlat4(const uint8_t* record, int64_t dim, Flat4Row* rows, int64_t count) {
  for (int64_t t = 0; t < count; ++t) RoundFlat4(record, dim, rows + t);
  const uint8_t* const levels = record + 2 * dim * (int64_t)sizeof(float);
  int64_t t = 0;
  for (; t + 4 <= count; t += 4) SumRows<4>(levels, dim, rows + t);
  for (; t + 2 <= count; t += 2) SumRows<2>(levels, dim, rows + t);
  if (t < count) SumRows<1>(levels, dim, rows + t);
}

// ---- what sums are for ----

typedef int16_t Sums16 __attribute__((vector_size(LL_WIDTH * 4)));

// Lanes of a word that is all ones or all zeros in each of its 16 bits.
constexpr int kWordLanes = 4;

int32_t FindAbove(const int16_t* sums, int32_t count, int32_t least, int32_t* found) {
  constexpr int kWords = sizeof(Sums16) / 8;
  int32_t n = 0;
  for (int32_t first = 0; first < count; first += kWords * kWordLanes) {
    Sums16 x;
    memcpy(&x, sums + first, sizeof(x));
    const Sums16 above = x > (int16_t)least;
    uint64_t words[kWords], any = 0;
    memcpy(words, &above, sizeof(above));
    for (const uint64_t word : words) any |= word;
    if (any == 0) continue;
    for (int w = 0; w < kWords; ++w) {
      for (uint64_t word = words[w]; word != 0;) {
        const int lane = __builtin_ctzll(word) / 16;
        found[n++] = first + w * kWordLanes + lane;
        word &= ~(uint64_t{0xFFFF} << 16 * lane);
      }
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
