// The primitives of bf16_kernels.h, written once over Product, the product of two blocks, which
// each unit brings along.
//
// attend works on three steps at a time: rows of one step's scores go through softmax between the
// products of the next step's scores and of the last step's values, so that exponentials and
// products keep different parts of the core busy. Probabilities take the place of their scores.
//
//   s[r][j] = q[r] . k[j];  m' = max(m, max_j s[r][j]);  keep = 2^(factor (m - m'))
//   p[r][j] = 2^(factor (s[r][j] - m'));  l' = l keep + sum_j p[r][j]
//   o'[r] = o[r] keep + sum_j p[r][j] v[j]
namespace longlens {
namespace {

constexpr int kHalf = kBlock / 2;
constexpr int kTile = kBlockElements / 2;

// ---- packing ----

// 32 elements as bf16; those from `count` on are zero.
LL_INLINE void NarrowLine(const float* source, int64_t count, float sign, Bf16* out) {
  float padded[kBlock] = {};
  if (count < kBlock) {
    memcpy(padded, source, count * sizeof(float));
    source = padded;
  }
  StorePairs(out, Load(source) * sign, Load(source + kWidth) * sign);
}

LL_INLINE void CopyLine(const Bf16* source, int64_t count, Bf16* out) {
  if (count >= kBlock) {
    memcpy(out, source, kBlock * sizeof(Bf16));
    return;
  }
  memset(out, 0, kBlock * sizeof(Bf16));
  memcpy(out, source, count * sizeof(Bf16));
}

void PackLeft(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, float sign,
              Bf16* out) {
  const int64_t chunks = PaddedDepth(depth) / kBlock;
  if (count < kBlock) memset(out, 0, chunks * kBlockElements * sizeof(Bf16));
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < chunks; ++c) {
      Bf16* const tile = out + (r / kHalf * chunks + c) * kTile;
      Bf16* const line = tile + r % kHalf * kBlock;
      if (dtype == LL_F32) {
        NarrowLine((const float*)rows[r] + c * kBlock, depth - c * kBlock, sign, line);
      } else {
        CopyLine((const Bf16*)rows[r] + c * kBlock, depth - c * kBlock, line);
      }
    }
  }
}

// tile[i][n] = pair i of lines[n]:  a transposition of 16 x 16 pairs.
LL_INLINE void TransposePairs(const Bf16 (*lines)[kBlock], Bf16* tile) {
  for (int n = 0; n < kHalf; n += 4) {
    for (int i = 0; i < kHalf; i += 4) {
      const int at = 2 * i;
      F4 a = *(const F4u*)(lines[n] + at), b = *(const F4u*)(lines[n + 1] + at),
         c = *(const F4u*)(lines[n + 2] + at), d = *(const F4u*)(lines[n + 3] + at);
      Transpose4(a, b, c, d);
      Bf16* const target = tile + i * kBlock + 2 * n;
      *(F4u*)target = a;
      *(F4u*)(target + kBlock) = b;
      *(F4u*)(target + 2 * kBlock) = c;
      *(F4u*)(target + 3 * kBlock) = d;
    }
  }
}

void PackRight(const void* const* rows, int32_t dtype, int64_t count, int64_t depth, Bf16* out) {
  Bf16 lines[kBlock][kBlock] = {};
  for (int64_t i = 0; i < depth; i += kBlock) {
    for (int64_t n = 0; n < count; ++n) {
      if (dtype == LL_F32) {
        NarrowLine((const float*)rows[n] + i, depth - i, 1.0f, lines[n]);
      } else {
        CopyLine((const Bf16*)rows[n] + i, depth - i, lines[n]);
      }
    }
    TransposePairs(lines, out);
    TransposePairs(lines + kHalf, out + kTile);
    out += kBlockElements;
  }
}

void PackValues(const float* const* rows, int64_t count, int64_t depth, Bf16* out) {
  Bf16 lines[kBlock][kBlock] = {};
  for (int64_t i = 0; i < depth; i += kBlock) {
    for (int64_t j = 0; j < count; ++j) NarrowLine(rows[j] + i, depth - i, 1.0f, lines[j]);
    for (int half = 0; half < 2; ++half) {
      for (int r = 0; r < kHalf; ++r) {
        const U even = __builtin_convertvector((H) * (const Hu*)(lines[2 * r] + half * kHalf), U);
        const U odd = __builtin_convertvector((H) * (const Hu*)(lines[2 * r + 1] + half * kHalf), U);
        *(Uu*)(out + half * kTile + r * kBlock) = even | odd << 16;
      }
    }
    out += kBlockElements;
  }
}

// ---- softmax ----

// 2^x for x <= 0 or NaN, 0 below -126.5; 3e-6 relative, a thousandth of what rounding to bf16
// loses. 2^-127 has no exponent bits, and at r = 0 no others.
LL_INLINE F ShortExp2(F x) {
  const float magic = 12582912.0f;
  x = Max(Splat(-127.0f), x);
  const F t = x + magic;
  const F r = x - (t - magic);
  F p = r * 9.58285e-3f + 5.590642e-2f;
  p = p * r + 2.4024099e-1f;
  p = p * r + 6.9312419e-1f;
  p = p * r + 1.0f;
  return (F)((U)p + ((U)t << 23));
}

// -infinity where a row does not see a key. words: of the row.
LL_INLINE void Hide(float* line, const AttendStep& step, const uint32_t* words) {
  U bit{};
  for (int i = 0; i < kWidth; ++i) bit[i] = 1u << i;
  for (int32_t j = 0; j < step.count; ++j) {
    const uint32_t word = words[step.places[j]];
    if (word == ~0u) continue;
    for (int half = 0; half < 2; ++half) {
      float* const target = line + j * kBlock + half * kWidth;
      const U seen = (bit & (U{} + (word >> half * kWidth))) != 0u;
      Store(target, seen ? Load(target) : Splat(-INFINITY));
    }
  }
}

struct Slot {
  float* s;     // [32][kScoreLine], then [32][2 * kScoreLine] bf16 probabilities
  float* keep;  // [32]

  const Bf16* Probs(int row) const { return (const Bf16*)(s + row * kScoreLine); }
};

// Softmax of one row. Not inlined: it stands between products, whose registers are scarce.
__attribute__((noinline)) void SoftmaxLane(const AttendStep& step, const Slot& slot, int lane,
                                           float factor) {
  float* const line = slot.s + lane * kScoreLine;
  if (step.words != nullptr) {
    Hide(line, step, step.words + (step.first + lane) % step.rows * kStepBlocks);
  }
  const int32_t end = step.count * kBlock;
  const float before = step.maximum[lane];
  F m0 = Splat(before), m1 = m0;
  for (int32_t j = 0; j < end; j += kBlock) {
    m0 = Max(Load(line + j), m0);
    m1 = Max(Load(line + j + kWidth), m1);
  }
  const float largest = TreeLargest(Max(m0, m1));
  // A row without a key so far must not compute -inf - -inf.
  const float base = largest == -INFINITY ? 0 : largest;
  F sum0{}, sum1{};
  for (int32_t j = 0; j < end; j += kBlock) {
    const F p0 = ShortExp2((Load(line + j) - base) * factor);
    const F p1 = ShortExp2((Load(line + j + kWidth) - base) * factor);
    StorePairs((Bf16*)line + j, p0, p1);
    sum0 += p0;
    sum1 += p1;
  }
  const float keep = ShortExp2(Splat((before - base) * factor))[0];
  slot.keep[lane] = keep;
  step.maximum[lane] = largest;
  step.sum[lane] = step.sum[lane] * keep + Sum(sum0 + sum1);
}

// The rows of one step, spread evenly over `calls` calls.
struct SoftmaxRows {
  const AttendStep* step;  // null: nothing to do
  Slot slot;
  float factor;
  int64_t calls;
  int64_t due = 0;
  int lane = 0;

  LL_INLINE void operator()() {
    if (step == nullptr) return;
    for (due += kBlock; due >= calls && lane < kBlock; due -= calls) {
      SoftmaxLane(*step, slot, lane++, factor);
    }
  }
  void Finish() {
    while (step != nullptr && lane < kBlock) SoftmaxLane(*step, slot, lane++, factor);
  }
};

// ---- attention ----

struct Nothing {
  LL_INLINE void operator()() const {}
};

// s[r][j] = q[r] . k[j]
template <class Side>
LL_INLINE void Scores(const AttendStep& step, int64_t chunks, const Slot& slot, Side& side) {
  const Left q{step.q, step.q + chunks * kTile, kTile, kBlock};
  for (int32_t j = 0; j < step.count; ++j) {
    const Bf16* const keys = step.keys + step.blocks[j] * chunks * kBlockElements;
    const auto right = [&](int64_t c) { return keys + c * kBlockElements; };
    Product(q, right, chunks, false, slot.s + j * kBlock, kScoreLine, side);
  }
}

void KeepOut(const AttendStep& step, int64_t depth, const float* keep) {
  for (int r = 0; r < kBlock; ++r) {
    if (keep[r] == 1.0f) continue;
    float* const out = step.out + r * depth;
    for (int64_t i = 0; i < depth; i += kWidth) Store(out + i, Load(out + i) * keep[r]);
  }
}

// o[r] = o[r] keep[r] + sum_j p[r][j] v[j]
template <class Side>
LL_INLINE void Values(const AttendStep& step, int64_t chunks, const Slot& slot, Side& side) {
  const int64_t depth = chunks * kBlock;
  KeepOut(step, depth, slot.keep);
  const Left p{slot.Probs(0), slot.Probs(kHalf), kBlock, 2 * kScoreLine};
  for (int64_t c = 0; c < chunks; ++c) {
    const Bf16* const values = step.values + c * kBlockElements;
    const auto right = [&](int64_t j) {
      return values + step.blocks[j] * chunks * kBlockElements;
    };
    Product(p, right, step.count, true, step.out + c * kBlock, depth, side);
  }
}

void Attend(const AttendStep* steps, int64_t count, int64_t depth, float factor, float* room) {
  const int64_t chunks = depth / kBlock;
  const auto slot = [&](int64_t t) {
    float* const at = room + (t + 3) % 3 * kAttendSlot;
    return Slot{at, at + kBlock * kScoreLine};
  };
  for (int64_t t = -1; t <= count; ++t) {
    const bool has_next = t + 1 < count, has_last = t >= 1;
    const int64_t blocks = (has_next ? steps[t + 1].count : 0) + (has_last ? steps[t - 1].count : 0);
    const bool has_rows = t >= 0 && t < count;
    SoftmaxRows side{has_rows ? steps + t : nullptr, slot(t), factor, blocks * chunks * kSideCalls};
    if (has_next) Scores(steps[t + 1], chunks, slot(t + 1), side);
    if (has_last) Values(steps[t - 1], chunks, slot(t - 1), side);
    side.Finish();
  }
}

// ---- many rows ----

// y[t][o] (+)= factor block[t][o],  t < rows, o < columns
LL_INLINE void AddBlock(const float* block, int64_t rows, const BlockProduct& product,
                        float* y) {
  const bool add = product.add;
  const float factor = product.factor;
  for (int64_t t = 0; t < rows; ++t) {
    const float* const line = block + t * kBlock;
    float* const target = y + t * product.ldy;
    if (product.columns == kBlock) {
      for (int i = 0; i < kBlock; i += kWidth) {
        const F x = Load(line + i) * factor;
        Store(target + i, add ? Load(target + i) + x : x);
      }
    } else {
      for (int64_t o = 0; o < product.columns; ++o) {
        const float x = line[o] * factor;
        target[o] = add ? target[o] + x : x;
      }
    }
  }
}

void Multiply(const BlockProduct& product, float* room) {
  const auto right = [&](int64_t c) { return product.w + c * kBlockElements; };
  Nothing nothing;
  for (int64_t t = 0; t < product.rows; t += kBlock) {
    const Bf16* const x = product.x + t * product.x_chunks * kBlock;
    const Left left{x, x + product.x_chunks * kTile, kTile, kBlock};
    Product(left, right, product.chunks, false, room, kBlock, nothing);
    const int64_t rows = product.rows - t < kBlock ? product.rows - t : kBlock;
    AddBlock(room, rows, product, product.y + t * product.ldy);
  }
}

const Bf16Kernels kKernels = {Begin,      End,    PackLeft, PackRight,
                              PackValues, Attend, Multiply};

}  // namespace
}  // namespace longlens
