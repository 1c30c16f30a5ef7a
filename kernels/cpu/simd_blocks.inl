// Blocks of quantised weights as GGUF files hold them, in steps of 32 elements. Included by
// simd_kernels.inl.
//
// An element is scale * (integer - kOffset) + least; 32 elements share scale and least, of Q6_K
// 16. A group is 256 elements: one block, or up to 8 of the smaller ones.

typedef uint8_t B32 __attribute__((vector_size(32)));
typedef uint64_t L4 __attribute__((vector_size(32)));
typedef int32_t I8 __attribute__((vector_size(32)));
typedef uint32_t U8 __attribute__((vector_size(32)));
typedef float F8 __attribute__((vector_size(32)));
typedef uint8_t B32u __attribute__((vector_size(32), aligned(1), may_alias));
typedef float F8u __attribute__((vector_size(32), aligned(4), may_alias));

// Elements of a group and steps of it.
constexpr int kGroup = kGroupElements;
constexpr int kStep = 32;
constexpr int kSteps = kGroup / kStep;

LL_INLINE uint32_t Word(const uint8_t* p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return word;
}
LL_INLINE float Half1(const uint8_t* p) {
  Half half;
  memcpy(&half, p, 2);
  return Load1(&half);
}
LL_INLINE F8 Splat8(float x) { return x - F8{}; }

// 16 bytes, twice.
LL_INLINE L4 Twice(const uint8_t* p) {
#if defined(__AVX2__)
  return (L4)_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)p));
#else
  uint64_t half[2];
  memcpy(half, p, 16);
  return L4{half[0], half[1], half[0], half[1]};
#endif
}

// 16 in byte i where bit i is set.
LL_INLINE B32 FifthBits(uint32_t bits) {
#if defined(__AVX2__)
  const __m256i byte_of = _mm256_set_epi64x(0x0303030303030303, 0x0202020202020202,
                                            0x0101010101010101, 0x0000000000000000);
  const __m256i bit_of = _mm256_set1_epi64x((int64_t)0x8040201008040201);
  const __m256i spread = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), byte_of);
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit_of), bit_of);
  return (B32)_mm256_and_si256(set, _mm256_set1_epi8(16));
#else
  uint8_t bytes[32];
  for (int i = 0; i < 32; ++i) bytes[i] = (uint8_t)((bits >> i & 1u) << 4);
  return *(const B32u*)bytes;
#endif
}

// 8 bytes as numbers.
template <class B>
LL_INLINE F8 Floats8(const B* p) {
#if defined(__AVX2__)
  const __m128i bytes = _mm_loadl_epi64((const __m128i*)p);
  const bool is_signed = (B)-1 < (B)0;
  return (F8)_mm256_cvtepi32_ps(is_signed ? _mm256_cvtepi8_epi32(bytes)
                                          : _mm256_cvtepu8_epi32(bytes));
#else
  float x[8];
  for (int i = 0; i < 8; ++i) x[i] = (float)p[i];
  return *(const F8u*)x;
#endif
}

// Scale of each step and least element of it; of Q6_K the scales of 16 elements each.
struct GroupScales {
  F8 scale[2], least;
};

// Small blocks start with a scale as f16, behind which the least element may stand. Steps from
// `steps` on repeat the last one.
LL_INLINE GroupScales ScalesOfBlocks(const uint8_t* blocks, int64_t bytes, int steps) {
  const auto at = [&](int j) { return blocks + (j < steps ? j : steps - 1) * bytes; };
#if defined(__AVX2__)
  const auto pairs = [&](int a, int b, int c, int d) {
    return _mm256_cvtph_ps(_mm_setr_epi32((int32_t)Word(at(a)), (int32_t)Word(at(b)),
                                          (int32_t)Word(at(c)), (int32_t)Word(at(d))));
  };
  const __m256 a = pairs(0, 1, 4, 5), b = pairs(2, 3, 6, 7);
  return {{(F8)_mm256_shuffle_ps(a, b, 0x88), F8{}}, (F8)_mm256_shuffle_ps(a, b, 0xDD)};
#else
  U8 words;
  for (int j = 0; j < kSteps; ++j) words[j] = Word(at(j));
  return {{WidenHalves<F8, U8>(words & 0xFFFFu), F8{}}, WidenHalves<F8, U8>(words >> 16)};
#endif
}

// The two scales of Q4_K and Q5_K times 6 bits for each step: four bytes of the first steps'
// scales, four of their least elements, four of both of the other steps, whose upper two bits are
// those of the first eight bytes.
LL_INLINE GroupScales ScalesOfSixBits(const uint8_t* block) {
  const uint32_t a = Word(block + 4), b = Word(block + 8), c = Word(block + 12);
  const uint32_t low = 0x0F0F0F0Fu, high = 0x30303030u, six = 0x3F3F3F3Fu;
  const uint32_t scale[2] = {a & six, (c & low) | (a >> 2 & high)};
  const uint32_t least[2] = {b & six, (c >> 4 & low) | (b >> 2 & high)};
  return {{Floats8((const uint8_t*)scale) * Half1(block), F8{}},
          Floats8((const uint8_t*)least) * -Half1(block + 2)};
}

// ---- types ----

// Of each: elements and bytes of a block; kOffset; whether there are least elements, and whether 16
// elements have a scale; the scales of a group; the integers of one of its steps.

// Low halves of 16 bytes, then the upper ones.
LL_INLINE B32 Nibbles(const uint8_t* p) { return (B32)(Twice(p) >> L4{0, 0, 4, 4}) & 15; }

struct SmallBlocks {
  static constexpr int kElements = 32;
  static constexpr bool kHalves = false, kSigned = false;
};

struct Q4_0 : SmallBlocks {
  static constexpr int kBytes = 18, kOffset = 8;
  static constexpr bool kLeast = false;
  LL_INLINE static B32 Integers(const uint8_t* group, int j) {
    return Nibbles(group + j * kBytes + 2);
  }
};

struct Q4_1 : SmallBlocks {
  static constexpr int kBytes = 20, kOffset = 0;
  static constexpr bool kLeast = true;
  LL_INLINE static B32 Integers(const uint8_t* group, int j) {
    return Nibbles(group + j * kBytes + 4);
  }
};

struct Q5_0 : SmallBlocks {
  static constexpr int kBytes = 22, kOffset = 16;
  static constexpr bool kLeast = false;
  LL_INLINE static B32 Integers(const uint8_t* group, int j) {
    const uint8_t* const block = group + j * kBytes;
    return Nibbles(block + 6) | FifthBits(Word(block + 2));
  }
};

struct Q5_1 : SmallBlocks {
  static constexpr int kBytes = 24, kOffset = 0;
  static constexpr bool kLeast = true;
  LL_INLINE static B32 Integers(const uint8_t* group, int j) {
    const uint8_t* const block = group + j * kBytes;
    return Nibbles(block + 8) | FifthBits(Word(block + 4));
  }
};

// Its integers have a sign.
struct Q8_0 : SmallBlocks {
  static constexpr int kBytes = 34, kOffset = 0;
  static constexpr bool kLeast = false, kSigned = true;
  LL_INLINE static B32 Integers(const uint8_t* group, int j) {
    return *(const B32u*)(group + j * kBytes + 2);
  }
};

// Low halves of 32 bytes are a step, the upper ones the next.
LL_INLINE B32 NibblesOfPair(const uint8_t* pairs, int j) {
  return (B32)((L4) * (const B32u*)(pairs + j / 2 * 32) >> (uint64_t)(j % 2 * 4)) & 15;
}

struct Q4_K {
  static constexpr int kElements = 256, kBytes = 144, kOffset = 0;
  static constexpr bool kLeast = true, kHalves = false, kSigned = false;
  LL_INLINE static GroupScales Scales(const uint8_t* block) { return ScalesOfSixBits(block); }
  LL_INLINE static B32 Integers(const uint8_t* block, int j) {
    return NibblesOfPair(block + 16, j);
  }
};

// The fifth bits of step j are bits j of 32 bytes.
struct Q5_K {
  static constexpr int kElements = 256, kBytes = 176, kOffset = 0;
  static constexpr bool kLeast = true, kHalves = false, kSigned = false;
  LL_INLINE static GroupScales Scales(const uint8_t* block) { return ScalesOfSixBits(block); }
  LL_INLINE static B32 Integers(const uint8_t* block, int j) {
    const L4 bits = (L4) * (const B32u*)(block + 16);
    const L4 fifth = j < 4 ? bits << (uint64_t)(4 - j) : bits >> (uint64_t)(j - 4);
    return NibblesOfPair(block + 48, j) | ((B32)fifth & 16);
  }
};

// In each half of the block: low halves of 64 bytes are steps 0 and 1, upper ones 2 and 3; 32 bytes
// hold two more bits of each. 16 scales with signs follow, then their common factor.
struct Q6_K {
  static constexpr int kElements = 256, kBytes = 210, kOffset = 32;
  static constexpr bool kLeast = false, kHalves = true, kSigned = false;
  LL_INLINE static GroupScales Scales(const uint8_t* block) {
    const int8_t* const scales = (const int8_t*)block + 192;
    const float factor = Half1(block + 208);
    return {{Floats8(scales) * factor, Floats8(scales + 8) * factor}, F8{}};
  }
  LL_INLINE static B32 Integers(const uint8_t* block, int j) {
    const int k = j % 4;
    const L4 low = (L4) * (const B32u*)(block + j / 4 * 64 + k % 2 * 32);
    const L4 two = (L4) * (const B32u*)(block + 128 + j / 4 * 32);
    const L4 high = k < 3 ? two << (uint64_t)(k < 3 ? 4 - 2 * k : 0) : two >> 2;
    return ((B32)(low >> (uint64_t)(k / 2 * 4)) & 15) | ((B32)high & 48);
  }
};

template <class Q>
LL_INLINE GroupScales ScalesOf(const uint8_t* group, int steps) {
  if constexpr (Q::kElements == kGroup) {
    return Q::Scales(group);
  } else {
    return ScalesOfBlocks(group, Q::kBytes, steps);
  }
}

// Bytes of a group.
template <class Q>
constexpr int kGroupBytes = kGroup / Q::kElements * Q::kBytes;

// Calls body(Q{}) with the type of dtype.
template <class Body>
LL_INLINE void WithType(int32_t dtype, const Body& body) {
  switch (dtype) {
    case LL_Q4_0:
      return body(Q4_0{});
    case LL_Q4_1:
      return body(Q4_1{});
    case LL_Q5_0:
      return body(Q5_0{});
    case LL_Q5_1:
      return body(Q5_1{});
    case LL_Q8_0:
      return body(Q8_0{});
    case LL_Q4_K:
      return body(Q4_K{});
    case LL_Q5_K:
      return body(Q5_K{});
    default:
      return body(Q6_K{});
  }
}

// ---- as f32 ----

// All products of scales and integers are exact but those of Q6_K, so that contraction changes
// nothing.
template <class Q>
LL_INLINE void WidenStep(const uint8_t* group, int j, const float* scales, float least,
                         float* out) {
  int8_t integers[kStep];
  *(B32u*)integers = Q::Integers(group, j) - (uint8_t)Q::kOffset;
  for (int c = 0; c < kStep / 8; ++c) {
    F8 x = Floats8(integers + 8 * c) * (Q::kHalves ? scales[2 * j + c / 2] : scales[j]);
    if constexpr (Q::kLeast) x += least;
    *(F8u*)(out + 8 * c) = x;
  }
}

template <class Q>
void WidenRow(const uint8_t* row, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += kGroup) {
    const uint8_t* const group = row + i / Q::kElements * Q::kBytes;
    const int steps = count - i < kGroup ? (int)(count - i) / kStep : kSteps;
    const GroupScales scales = ScalesOf<Q>(group, steps);
    float scale[2 * kSteps], least[kSteps];
    *(F8u*)scale = scales.scale[0];
    *(F8u*)(scale + kSteps) = scales.scale[1];
    *(F8u*)least = scales.least;
    for (int j = 0; j < steps; ++j) {
      WidenStep<Q>(group, j, scale, least[j], out + i + j * kStep);
    }
  }
}

void WidenBlocks(const void* source, int32_t dtype, int64_t count, float* target) {
  if (dtype == LL_F16) return WidenF16((const uint16_t*)source, target, count);
  WithType(dtype, [&](auto type) {
    WidenRow<decltype(type)>((const uint8_t*)source, count, target);
  });
}
