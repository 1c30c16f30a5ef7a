// y[t][o] (+)= sum_i x[t][i] W[o][i];  x [rows][in], y [rows][out] f32, W [out][in] of any type of
// weights.
//
// Up to kFewRows rows: W is streamed once against all rows of x, four of its rows at a time
// (dot_rows); bound by memory.
//
// Up to kFewBlockRows rows, W of blocks: the same, one of its rows at a time. Its integers are
// multiplied with those of rounded rows of x (dot_blocks).
//
// More rows: blocks of at most kBlockRows x kBlockDepth of x and panels of kBlockDepth rows of W^T
// are packed and multiplied from the second-level cache (gemm_slab). Packing a panel costs about
// 4 % of its use at kBlockRows rows.
//
// More rows, W of blocks, in units that have it: the same with panels of integers and rounded rows
// of x (gemm_blocks). Packing takes half the time of that of f32, products three quarters.
//
// More rows, W not in f32, products of bf16: x is packed once, then every item packs 32 rows of W
// for all its rows of x.
#include "linear.h"

#include <algorithm>
#include <cstring>

#include "scratch.h"

namespace longlens {
namespace {

constexpr int64_t kFewRows = 40;
constexpr int64_t kFewBlockRows = 8;
constexpr int64_t kBlockRows = 240;
constexpr int64_t kBlockDepth = 256;
// Rows of the packed x are this much longer, so that they do not share cache sets.
constexpr int64_t kPad = 16;
// Outputs per work item.
constexpr int64_t kMaxOut = 256;
// Outputs per work item of few rows.
constexpr int64_t kFewGrain = 64;
// Multiplications below which waking other threads costs more than it saves.
constexpr int64_t kSmall = 1 << 18;

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Part of W for a primitive that reads rows of some types: other rows are widened into `room`.
struct WeightRows {
  const Weights& w;
  bool widen;
  float* room;

  // Rows out .. out + count - 1 from element i on; returns their type.
  int32_t Find(const Kernels& kernels, int64_t out, int64_t count, int64_t i, int64_t depth,
               const void** rows) const {
    for (int64_t o = 0; o < count; ++o) {
      rows[o] = w.Row(out + o, i);
      if (!widen) continue;
      kernels.widen_blocks(rows[o], w.dtype, depth, room + o * depth);
      rows[o] = room + o * depth;
    }
    return widen ? LL_F32 : w.dtype;
  }
};

bool IsBlocks(const Weights& w) { return ElementTypeOf(w.dtype).IsBlocks(); }

// Of a row of x.
int64_t GroupsOf(int64_t in) { return DivideUp(in, kGroupElements); }

// Rows of x for dot_blocks.
void RoundRows(const Call& call, const float* x, int64_t rows, int64_t in, RoundedGroup* out) {
  call.ForIf(rows * in >= kSmall, rows, [&](int64_t t) {
    call.kernels().round_row(x + t * in, in, out + t * GroupsOf(in));
  });
}

// Rows of x, and whether products with them are added.
struct Rows {
  const Call& call;
  const float* x;
  const RoundedGroup* rounded;  // where a matrix is multiplied as integers
  int64_t rows;
  bool add;

  // Outputs first .. first + count - 1 of few rows.
  void Multiply(const Product& product, int64_t first, int64_t count) const {
    const Weights& w = product.w;
    float* const y = product.y + first;
    if (IsBlocks(w)) {
      return call.kernels().dot_blocks(w.Row(first), w.dtype, count, w.in, rounded, GroupsOf(w.in),
                                       rows, y, w.out, add);
    }
    const void* row[kFewGrain];
    for (int64_t o = 0; o < count; ++o) row[o] = w.Row(first + o);
    call.kernels().dot_rows(row, w.dtype, count, w.in, x, w.in, rows, y, w.out, add);
  }
};

// All matrices in one parallel loop: threads need not wake again for each.
void MultiplyFew(const Rows& few, const Product* products, int64_t count) {
  const int64_t in = products[0].w.in;
  int64_t items = 0, outs = 0;
  for (int64_t p = 0; p < count; ++p) {
    items += DivideUp(products[p].w.out, kFewGrain);
    outs += products[p].w.out;
  }
  few.call.ForIf(few.rows * outs * in >= kSmall, items, [&](int64_t item) {
    const Product* product = products;
    for (; item >= DivideUp(product->w.out, kFewGrain); ++product) {
      item -= DivideUp(product->w.out, kFewGrain);
    }
    const int64_t first = item * kFewGrain;
    few.Multiply(*product, first, std::min(kFewGrain, product->w.out - first));
  });
}

struct Block {
  int64_t row, rows, out, outs;
};

// One block of y.
void MultiplyBlock(const Call& call, const float* x, const Weights& w, const Block& block, float* y,
                   bool add) {
  const Kernels& kernels = call.kernels();
  constexpr int64_t ldx = kBlockDepth + kPad;
  Scratch& scratch = ThreadScratch();
  scratch.Begin(Scratch::RoundUp(block.rows * ldx) + 2 * kBlockDepth * kMaxPanel);
  float* const packed_x = scratch.Take(block.rows * ldx);
  float* const panel = scratch.Take(kBlockDepth * kMaxPanel);
  const WeightRows weights{w, IsBlocks(w), scratch.Take(kBlockDepth * kMaxPanel)};
  for (int64_t i = 0; i < w.in; i += kBlockDepth) {
    call.Poll();
    const int64_t depth = std::min(kBlockDepth, w.in - i);
    for (int64_t t = 0; t < block.rows; ++t) {
      memcpy(packed_x + t * ldx, x + (block.row + t) * w.in + i, depth * 4);
    }
    for (int64_t o = 0; o < block.outs; o += kernels.panel) {
      const int32_t columns =
          static_cast<int32_t>(std::min<int64_t>(kernels.panel, block.outs - o));
      const void* row[kMaxPanel];
      const int32_t dtype = weights.Find(kernels, block.out + o, columns, i, depth, row);
      kernels.pack_panel(row, dtype, columns, depth, 1.0f, panel);
      kernels.gemm_slab(packed_x, ldx, block.rows, panel, depth, columns,
                        y + block.row * w.out + block.out + o, w.out, add || i > 0);
    }
  }
}

// Calls body(block) for the blocks of y, which are rows of at most `most`, a multiple of `grain`.
template <class Body>
void ForBlocks(const Call& call, int64_t rows, const Weights& w, int64_t most, int64_t grain,
               int64_t least_out, const Body& body) {
  const int64_t row_blocks = DivideUp(rows, most);
  const int64_t block_rows = DivideUp(DivideUp(rows, row_blocks), grain) * grain;
  // Enough items for an even share of each thread, but wide ones: x is read again for each.
  int64_t block_out = kMaxOut;
  while (block_out > least_out && row_blocks * DivideUp(w.out, block_out) < 4 * call.threads())
    block_out /= 2;
  const int64_t items = row_blocks * DivideUp(w.out, block_out);
  call.ForIf(rows * w.out * w.in >= kSmall, items, [&](int64_t item) {
    Block block;
    block.row = item % row_blocks * block_rows;
    block.rows = std::min(block_rows, rows - block.row);
    block.out = item / row_blocks * block_out;
    block.outs = std::min(block_out, w.out - block.out);
    if (block.rows > 0) body(block);
  });
}

void ManyRows(const Call& call, const float* x, int64_t rows, const Weights& w, float* y,
              bool add) {
  ForBlocks(call, rows, w, kBlockRows, call.kernels().row_block, 64,
            [&](const Block& block) { MultiplyBlock(call, x, w, block, y, add); });
}

// ---- products of integers ----

// One block of y from rounded x.
void MultiplyIntegers(const Call& call, const RoundedGroup* x, const Weights& w, const Block& block,
                      float* y, bool add) {
  const Kernels& kernels = call.kernels();
  const int64_t groups = GroupsOf(w.in);
  Scratch& scratch = ThreadScratch();
  scratch.Begin(sizeof(BlockPanel) / sizeof(float));
  BlockPanel& panel =
      *reinterpret_cast<BlockPanel*>(scratch.Take(sizeof(BlockPanel) / sizeof(float)));
  for (int64_t g = 0; g < groups; ++g) {
    call.Poll();
    const int64_t i = g * kGroupElements, depth = std::min<int64_t>(kGroupElements, w.in - i);
    for (int64_t o = 0; o < block.outs; o += kBlockColumns) {
      const int32_t columns =
          static_cast<int32_t>(std::min<int64_t>(kBlockColumns, block.outs - o));
      const void* row[kBlockColumns];
      for (int32_t c = 0; c < columns; ++c) row[c] = w.Row(block.out + o + c, i);
      kernels.pack_blocks(row, w.dtype, columns, depth, &panel);
      kernels.gemm_blocks(x + block.row * groups + g, groups, block.rows, panel, depth, columns,
                          y + block.row * w.out + block.out + o, w.out, add || g > 0);
    }
  }
}

void ManyIntegerRows(const Call& call, const RoundedGroup* x, int64_t rows, const Weights& w,
                     float* y, bool add) {
  ForBlocks(call, rows, w, kBlockRows, 4, 64,
            [&](const Block& block) { MultiplyIntegers(call, x, w, block, y, add); });
}

// ---- products of bf16 ----

constexpr int64_t kBf16Rows = 1024;
constexpr int64_t kBf16Chunks = 16;

// x as left operand, padded to blocks of rows and chunks.
void PackRows(const Call& call, const float* x, int64_t rows, int64_t in, uint16_t* packed) {
  const int64_t depth = PaddedDepth(in);
  call.ForIf(rows * in >= kSmall, DivideUp(rows, kBlock), [&](int64_t block) {
    const void* row[kBlock];
    const int64_t count = std::min<int64_t>(kBlock, rows - block * kBlock);
    for (int64_t t = 0; t < count; ++t) row[t] = x + (block * kBlock + t) * in;
    call.bf16()->pack_left(row, LL_F32, count, in, 1.0f, packed + block * kBlock * depth);
  });
}

// One block of y from packed x.
void MultiplyBf16Block(const Call& call, const uint16_t* packed, const Weights& w,
                       const Block& block, float* y, bool add) {
  const Bf16Kernels& bf16 = *call.bf16();
  const InUse in_use(bf16);
  const int64_t chunks = PaddedDepth(w.in) / kBlock, panel_elements = kBf16Chunks * kBlockElements;
  Scratch& scratch = ThreadScratch();
  scratch.Begin(Scratch::RoundUp(panel_elements / 2) + kBlockElements + panel_elements);
  uint16_t* const panel = reinterpret_cast<uint16_t*>(scratch.Take(panel_elements / 2));
  float* const room = scratch.Take(kBlockElements);
  const WeightRows weights{w, w.dtype != LL_BF16, scratch.Take(panel_elements)};
  BlockProduct product{nullptr, chunks, panel, 0, block.rows, 0, nullptr, w.out, add};
  for (int64_t c = 0; c < chunks; c += kBf16Chunks) {
    product.chunks = std::min(kBf16Chunks, chunks - c);
    product.x = packed + block.row * chunks * kBlock + c * kBlockElements / 2;
    const int64_t depth = std::min(product.chunks * kBlock, w.in - c * kBlock);
    for (int64_t o = 0; o < block.outs; o += kBlock) {
      call.Poll();
      product.columns = std::min<int64_t>(kBlock, block.outs - o);
      const void* row[kBlock];
      const int32_t dtype =
          weights.Find(call.kernels(), block.out + o, product.columns, c * kBlock, depth, row);
      bf16.pack_right(row, dtype, product.columns, depth, panel);
      product.y = y + block.row * w.out + block.out + o;
      bf16.multiply(product, room);
    }
    product.add = true;
  }
}

void ManyBf16Rows(const Call& call, const float* x, int64_t rows, const Weights& w, float* y,
                  bool add) {
  const Buffer<uint16_t> packed(DivideUp(rows, kBlock) * kBlock * PaddedDepth(w.in));
  PackRows(call, x, rows, w.in, packed.data());
  ForBlocks(call, rows, w, kBf16Rows, kBlock, kBlock, [&](const Block& block) {
    MultiplyBf16Block(call, packed.data(), w, block, y, add);
  });
}

// ---- choice ----

// Whether `rows` rows of x are multiplied with W as integers.
bool UsesIntegers(const Call& call, const Weights& w, int64_t rows) {
  if (!IsBlocks(w) || rows <= kFewBlockRows) return IsBlocks(w);
  return call.kernels().gemm_blocks != nullptr && (call.bf16() == nullptr || rows <= kFewRows);
}

void MultiplyMany(const Rows& x, const Product& product) {
  const Weights& w = product.w;
  if (UsesIntegers(x.call, w, x.rows)) {
    ManyIntegerRows(x.call, x.rounded, x.rows, w, product.y, x.add);
  } else if (!IsBlocks(w) && x.rows <= kFewRows) {
    MultiplyFew(x, &product, 1);
  } else if (x.call.bf16() != nullptr && x.rows > kFewRows && w.dtype != LL_F32) {
    ManyBf16Rows(x.call, x.x, x.rows, w, product.y, x.add);
  } else {
    ManyRows(x.call, x.x, x.rows, w, product.y, x.add);
  }
}

void MultiplyAll(const Call& call, const float* x, int64_t rows, const Product* products,
                 int64_t count, bool add) {
  const int64_t in = products[0].w.in;
  bool uses_integers = false;
  for (int64_t p = 0; p < count; ++p) {
    uses_integers = uses_integers || UsesIntegers(call, products[p].w, rows);
  }
  const int64_t groups = uses_integers ? rows * GroupsOf(in) : 0;
  if (rows <= kFewBlockRows) {
    // The work on few rows needs no other scratch.
    const int64_t floats = groups * sizeof(RoundedGroup) / sizeof(float);
    ThreadScratch().Begin(floats);
    auto* const rounded = reinterpret_cast<RoundedGroup*>(ThreadScratch().Take(floats));
    if (uses_integers) RoundRows(call, x, rows, in, rounded);
    return MultiplyFew({call, x, rounded, rows, add}, products, count);
  }
  const Buffer<RoundedGroup> rounded(groups);
  if (uses_integers) RoundRows(call, x, rows, in, rounded.data());
  for (int64_t p = 0; p < count; ++p) {
    MultiplyMany({call, x, rounded.data(), rows, add}, products[p]);
  }
}

}  // namespace

void Linear(const Call& call, const float* x, int64_t rows, const Weights& w, float* y, bool add) {
  const Product product{w, y};
  MultiplyAll(call, x, rows, &product, 1, add);
}

void LinearEach(const Call& call, const float* x, int64_t rows,
                std::initializer_list<Product> products) {
  MultiplyAll(call, x, rows, products.begin(), products.size(), false);
}

void WidenRow(const Kernels& kernels, const Weights& w, int64_t o, float* out) {
  const void* const row = w.Row(o);
  if (w.dtype == LL_F32) {
    memcpy(out, row, w.in * sizeof(float));
  } else if (w.dtype == LL_BF16) {
    kernels.widen_bf16(static_cast<const uint16_t*>(row), out, w.in);
  } else {
    kernels.widen_blocks(row, w.dtype, w.in, out);
  }
}

}  // namespace longlens
