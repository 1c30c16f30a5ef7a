// Products of bf16 tiles: c[i][j] += a[i] b[j], two tiles by two, a and b loaded from the first-level cache.
#include "ceilings.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bench {
namespace {

// Tiles along the inner dimension: 2 x 8 KB each of a and b.
constexpr int kInner = 8;
constexpr int kTileBytes = 1024;
constexpr int kTileValues = kTileBytes / 2;
constexpr int kRowBytes = 64;

struct __attribute__((packed)) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

struct alignas(64) Panels {
  uint16_t a[2 * kInner][kTileValues];
  uint16_t b[2 * kInner][kTileValues];
};

bool SystemAllowsTiles() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool RunsHere() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  const bool has_tiles = (d >> 24 & 1) != 0 && (d >> 22 & 1) != 0;  // AMX-TILE, AMX-BF16
  return has_tiles && SystemAllowsTiles();
}

void Fill(uint16_t* values, int64_t count, uint64_t seed) {
  for (int64_t i = 0; i < count; ++i) {
    values[i] = Bf16(static_cast<float>(2 * RandomShare(seed, i) - 1));
  }
}

void Step(const Panels& panels) {
  for (int k = 0; k < kInner; ++k) {
    _tile_loadd(4, panels.a[k], kRowBytes);
    _tile_loadd(5, panels.a[kInner + k], kRowBytes);
    _tile_loadd(6, panels.b[k], kRowBytes);
    _tile_loadd(7, panels.b[kInner + k], kRowBytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

double SumOfTiles() {
  alignas(64) float out[4][kTileBytes / 4];
  _tile_stored(0, out[0], kRowBytes);
  _tile_stored(1, out[1], kRowBytes);
  _tile_stored(2, out[2], kRowBytes);
  _tile_stored(3, out[3], kRowBytes);
  double total = 0;
  for (const auto& tile : out) {
    for (const float value : tile) total += value;
  }
  return total;
}

uint64_t Read(const void* data, int64_t bytes) { return kAvx512.read(data, bytes); }

double Multiply(int64_t steps, uint64_t seed) {
  Panels panels;
  Fill(panels.a[0], 2 * kInner * kTileValues, seed);
  Fill(panels.b[0], 2 * kInner * kTileValues, seed + 1);
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.rows[tile] = 16;
    config.row_bytes[tile] = kRowBytes;
  }
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t step = 0; step < steps; ++step) Step(panels);
  const double total = SumOfTiles();
  _tile_release();
  return total;
}

}  // namespace

const Unit kAmx = {"amx", RunsHere, Read, Multiply, int64_t{4} * kInner * 2 * 16 * 16 * 32};

}  // namespace bench
#endif
