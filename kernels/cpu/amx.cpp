// The AMX unit: products of bf16 tiles. Compiled with the flags of avx512bf16.cpp and -mamx-tile
// -mamx-bf16; empty elsewhere.
//
// A product holds 2 x 2 tiles of sums (0 .. 3), two of the left (4, 5) and two of the right operand
// (6, 7): four products for four loads.
#include "bf16_kernels.h"

// Older clangs name what a file is compiled for in their own way.
#if defined(LONGLENS_EMULATED) || (defined(__AMX_TILE__) && defined(__AMX_BF16__)) || \
    (defined(__AMXTILE__) && defined(__AMXBF16__))
#define LL_WIDTH 16
#include "bf16_vectors.inl"

// Macros, as the number of a tile must be a literal.
#if defined(LONGLENS_EMULATED)
#define LL_TILE_CONFIGURE(configuration) EmulatedTiles::Configure(configuration)
#define LL_TILE_RELEASE() EmulatedTiles::Release()
#define LL_TILE_ZERO(tile) EmulatedTiles::Zero(tile)
#define LL_TILE_LOAD(tile, address, bytes) EmulatedTiles::Load(tile, address, bytes)
#define LL_TILE_STORE(tile, address, bytes) EmulatedTiles::Store(tile, address, bytes)
#define LL_TILE_DOT(sum, left, right) EmulatedTiles::Dot(sum, left, right)
#else
#define LL_TILE_CONFIGURE(configuration) _tile_loadconfig(configuration)
#define LL_TILE_RELEASE() _tile_release()
#define LL_TILE_ZERO(tile) _tile_zero(tile)
#define LL_TILE_LOAD(tile, address, bytes) _tile_loadd(tile, address, bytes)
#define LL_TILE_STORE(tile, address, bytes) _tile_stored(tile, address, bytes)
#define LL_TILE_DOT(sum, left, right) _tile_dpbf16ps(sum, left, right)
#endif

namespace longlens {
namespace {

constexpr int kSideCalls = 1;

// Operand of LDTILECFG.
struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(Configuration) == 64);
// In memory: compilers believe that the instruction reads its first bytes only.
constexpr Configuration kConfiguration;

void Begin() { LL_TILE_CONFIGURE(&kConfiguration); }

void End() { LL_TILE_RELEASE(); }

// Compilers do not see that a tile is loaded from memory.
LL_INLINE void FinishStores() { asm volatile("" ::: "memory"); }

// c[32][32] (+)= sum_i left_i right(i); side() is called `terms` times in between.
template <class Right, class Side>
LL_INLINE void Product(const Left& left, const Right& right, int64_t terms, bool add, float* c,
                       int64_t ldc, Side& side) {
  float* const low = c + 16 * ldc;
  const int64_t line = ldc * 4, row = left.stride * 2;
  FinishStores();
  if (add) {
    LL_TILE_LOAD(0, c, line);
    LL_TILE_LOAD(1, c + 16, line);
    LL_TILE_LOAD(2, low, line);
    LL_TILE_LOAD(3, low + 16, line);
  } else {
    LL_TILE_ZERO(0);
    LL_TILE_ZERO(1);
    LL_TILE_ZERO(2);
    LL_TILE_ZERO(3);
  }
  for (int64_t i = 0; i < terms; ++i) {
    const Bf16* const columns = right(i);
    LL_TILE_LOAD(4, left.high + i * left.chunk, row);
    LL_TILE_LOAD(6, columns, 64);
    LL_TILE_LOAD(7, columns + 512, 64);
    LL_TILE_LOAD(5, left.low + i * left.chunk, row);
    LL_TILE_DOT(0, 4, 6);
    LL_TILE_DOT(1, 4, 7);
    LL_TILE_DOT(2, 5, 6);
    LL_TILE_DOT(3, 5, 7);
    side();
  }
  LL_TILE_STORE(0, c, line);
  LL_TILE_STORE(1, c + 16, line);
  LL_TILE_STORE(2, low, line);
  LL_TILE_STORE(3, low + 16, line);
  FinishStores();
}

}  // namespace
}  // namespace longlens

#include "bf16_kernels.inl"

namespace longlens {
const Bf16Kernels* AmxKernels() { return &kKernels; }
}  // namespace longlens
#else
namespace longlens {
const Bf16Kernels* AmxKernels() { return nullptr; }
}  // namespace longlens
#endif
