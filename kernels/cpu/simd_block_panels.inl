// Products of many rounded rows of x with blocks. Included by simd_kernels.inl behind
// simd_block_dots.inl, in the unit of AVX2 only: 16 products of 16-bit integers take little longer
// than 8 of f32, but AVX-512 multiplies 16 of f32 at once.
//
//   y[t][o] = sum over steps j of x_scale[t][j] scale[j][o] sum_p pair[t][p] . pair[p][o]
//                               + x_sum[t][j] least[j][o]
//
// A panel holds pairs of elements of 16 columns, as vpmaddwd multiplies them. Offsets, and the
// scales of 16 elements of Q6_K, are part of its integers: 13 bits with sign, of which 16 products
// fill an int32.

constexpr int kPairs = kStep / 2;

// Rows of 8 pairs become columns.
LL_INLINE void TransposePairs(__m256i (&r)[8]) {
  __m256i a[8], b[8];
  LL_UNROLL for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  LL_UNROLL for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  LL_UNROLL for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(b[i], b[i + 4], 0x31);
  }
}

// The integers of a step without their offset, of Q6_K times their scales.
template <class Q>
LL_INLINE Words PanelWords(const uint8_t* group, int j) {
  Words w = WordsOf<Q>(Q::Integers(group, j));
  if constexpr (Q::kOffset != 0) {
    LL_UNROLL for (int h = 0; h < 2; ++h) w.half[h] -= (int16_t)Q::kOffset;
  }
  if constexpr (Q::kHalves) {
    const int8_t* const scales = (const int8_t*)group + 192 + 2 * j;
    const S16 factor = (S16)_mm256_setr_m128i(_mm_set1_epi16(scales[0]), _mm_set1_epi16(scales[1]));
    LL_UNROLL for (int h = 0; h < 2; ++h) w.half[h] *= factor;
  }
  return w;
}

// 8 columns from `column` on.
template <class Q>
void PackColumns(const void* const* rows, int column, int steps, BlockPanel* out) {
  const uint8_t* const* const groups = (const uint8_t* const*)rows + column;
  for (int j = 0; j < steps; ++j) {
    __m256i pairs[2][8];
    LL_UNROLL for (int c = 0; c < 8; ++c) {
      const Words w = PanelWords<Q>(groups[c], j);
      pairs[0][c] = (__m256i)w.half[0];
      pairs[1][c] = (__m256i)w.half[1];
    }
    LL_UNROLL for (int h = 0; h < 2; ++h) {
      TransposePairs(pairs[h]);
      LL_UNROLL for (int p = 0; p < 8; ++p) {
        *(__m256i*)out->pairs[j][8 * h + p][column] = pairs[h][p];
      }
    }
  }
  for (int c = 0; c < 8; ++c) {
    const GroupScales scales = ScalesOf<Q>(groups[c], steps);
    const F8 scale = Q::kHalves ? Splat8(Half1(groups[c] + 208)) : scales.scale[0];
    for (int j = 0; j < steps; ++j) {
      out->scales[j][column + c] = scale[j];
      out->least[j][column + c] = scales.least[j];
    }
  }
}

void PackBlocks(const void* const* rows, int32_t dtype, int32_t count, int64_t depth,
                BlockPanel* out) {
  const void* all[kBlockColumns];
  for (int c = 0; c < kBlockColumns; ++c) all[c] = rows[c < count ? c : count - 1];
  WithType(dtype, [&](auto type) {
    typedef decltype(type) Q;
    PackColumns<Q>(all, 0, (int)(depth / kStep), out);
    PackColumns<Q>(all, 8, (int)(depth / kStep), out);
    out->has_least = Q::kLeast;
    out->has_long_integers = Q::kHalves;
  });
}

struct BlockPanelRows {
  const RoundedGroup* x;
  int64_t ldx;
  const BlockPanel& w;
  int steps;
  int32_t columns;
  float* y;
  int64_t ldy;
  bool add;

  // sums[m] += pairs of M rows of x with those of the panel.
  template <int M>
  LL_INLINE void SumPairs(const RoundedGroup* const (&row)[M], int j, int first, int count,
                          __m256i (&sums)[M][2]) const {
    LL_UNROLL for (int m = 0; m < M; ++m) sums[m][0] = sums[m][1] = _mm256_setzero_si256();
    LL_UNROLL_4 for (int p = first; p < first + count; ++p) {
      const __m256i w0 = *(const __m256i*)w.pairs[j][p], w1 = *(const __m256i*)w.pairs[j][p][8];
      LL_UNROLL for (int m = 0; m < M; ++m) {
        int32_t pair;
        memcpy(&pair, row[m]->integers + j * kStep + 2 * p, 4);
        const __m256i a = _mm256_set1_epi32(pair);
        sums[m][0] = _mm256_add_epi32(sums[m][0], _mm256_madd_epi16(a, w0));
        sums[m][1] = _mm256_add_epi32(sums[m][1], _mm256_madd_epi16(a, w1));
      }
    }
  }
  template <int M>
  LL_INLINE void AddSums(const RoundedGroup* const (&row)[M], int j, const __m256i (&sums)[M][2],
                         F8 (&acc)[M][2]) const {
    const F8 s0 = *(const F8u*)w.scales[j], s1 = *(const F8u*)(w.scales[j] + 8);
    LL_UNROLL for (int m = 0; m < M; ++m) {
      const F8 scale = Splat8(row[m]->scales[j]);
      acc[m][0] += (F8)_mm256_cvtepi32_ps(sums[m][0]) * (s0 * scale);
      acc[m][1] += (F8)_mm256_cvtepi32_ps(sums[m][1]) * (s1 * scale);
    }
  }
  template <int M>
  LL_INLINE void AddLeast(const RoundedGroup* const (&row)[M], int j, F8 (&acc)[M][2]) const {
    const F8 l0 = *(const F8u*)w.least[j], l1 = *(const F8u*)(w.least[j] + 8);
    LL_UNROLL for (int m = 0; m < M; ++m) {
      const F8 sum = Splat8(row[m]->sums[j]);
      acc[m][0] += sum * l0;
      acc[m][1] += sum * l1;
    }
  }
  template <int M>
  LL_INLINE void Put(int64_t t, const F8 (&acc)[M][2]) const {
    LL_UNROLL for (int m = 0; m < M; ++m) {
      float* const target = y + (t + m) * ldy;
      if (columns == kBlockColumns) {
        *(F8u*)target = add ? *(const F8u*)target + acc[m][0] : acc[m][0];
        *(F8u*)(target + 8) = add ? *(const F8u*)(target + 8) + acc[m][1] : acc[m][1];
        continue;
      }
      float line[kBlockColumns];
      memcpy(line, acc[m], sizeof(line));
      for (int c = 0; c < columns; ++c) target[c] = add ? target[c] + line[c] : line[c];
    }
  }
  template <int M>
  LL_INLINE void Do(int64_t t) const {
    const RoundedGroup* row[M];
    F8 acc[M][2] = {};
    LL_UNROLL for (int m = 0; m < M; ++m) row[m] = x + (t + m) * ldx;
    for (int j = 0; j < steps; ++j) {
      __m256i sums[M][2];
      if (w.has_long_integers) {
        SumPairs(row, j, 0, kPairs / 2, sums);
        AddSums(row, j, sums, acc);
        SumPairs(row, j, kPairs / 2, kPairs / 2, sums);
      } else {
        SumPairs(row, j, 0, kPairs, sums);
      }
      AddSums(row, j, sums, acc);
      if (w.has_least) AddLeast(row, j, acc);
    }
    Put(t, acc);
  }
};

constexpr int kRowsAtOnce = 4;

void GemmBlocks(const RoundedGroup* x, int64_t ldx, int64_t tokens, const BlockPanel& w,
                int64_t depth, int32_t columns, float* y, int64_t ldy, bool add) {
  const BlockPanelRows rows{x, ldx, w, (int)(depth / kStep), columns, y, ldy, add};
  int64_t t = 0;
  for (; t + kRowsAtOnce <= tokens; t += kRowsAtOnce) DoRows<kRowsAtOnce>(rows, t);
  DoLast<kRowsAtOnce - 1>(rows, t, tokens - t);
}
