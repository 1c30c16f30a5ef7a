// The instructions of bf16 units, emulated for machines without them. A library for tests is built
// with LONGLENS_EMULATED and this folder on the include path; it then has the units
// "avx512-emulated", "avx512bf16-emulated" and "amx-emulated", whose code is that of the real ones
// but for these instructions.
//
// Both dot products take pairs of bf16, add in f32, round to nearest even, take inputs too small
// for the exponent as 0 and flush such results to 0, whatever the caller's rounding mode:
//
//   VDPBF16PS   sum = fma(a[1], b[1], sum), then sum = fma(a[0], b[0], sum)
//   TDPBF16PS   even and odd terms of all pairs of a row in chains of their own that start at 0;
//               then sum = sum + (even + odd)
//
// A use that the instructions would refuse (a tile that is not configured, sizes that do not match)
// ends the program.
#ifndef LONGLENS_TEST_EMULATED_BF16_H_
#define LONGLENS_TEST_EMULATED_BF16_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmmintrin.h>

namespace longlens {
namespace {

typedef float Emulated16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t EmulatedBits __attribute__((vector_size(64), aligned(4), may_alias));

// MXCSR as both instructions behave: flush to zero, denormals are zero, all masked, nearest.
class EmulatedRounding {
 public:
  EmulatedRounding() : before_(_mm_getcsr()) { _mm_setcsr(0x9FC0); }
  ~EmulatedRounding() { _mm_setcsr(before_); }
  EmulatedRounding(const EmulatedRounding&) = delete;
  EmulatedRounding& operator=(const EmulatedRounding&) = delete;

 private:
  const uint32_t before_;
};

inline float EmulatedWiden(uint32_t half) {
  const uint32_t bits = half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

// In functions of their own, so that no arithmetic moves over the change of MXCSR.
__attribute__((noinline)) void EmulatedPairs(Emulated16* sum, uint32_t pair, const uint16_t* b) {
  const EmulatedBits bits = *(const EmulatedBits*)b;
  const Emulated16 low = (Emulated16)(bits << 16), high = (Emulated16)(bits & 0xFFFF0000u);
  *sum = high * EmulatedWiden(pair >> 16) + *sum;
  *sum = low * EmulatedWiden(pair & 0xFFFFu) + *sum;
}

// VDPBF16PS with the pair a broadcast.
template <class Vector>
void EmulatedDot(Vector* sum, int32_t pair, const uint16_t* b) {
  const EmulatedRounding rounding;
  EmulatedPairs((Emulated16*)sum, (uint32_t)pair, b);
}

inline uint16_t EmulatedRound(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40u);
  if (magnitude < 0x00800000u) return (uint16_t)(bits >> 16 & 0x8000u);
  return (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

// VCVTNE2PS2BF16
template <class Vector>
void EmulatedNarrow(const Vector* a, const Vector* b, uint16_t* out) {
  float numbers[32];
  memcpy(numbers, a, 64);
  memcpy(numbers + 16, b, 64);
  for (int i = 0; i < 32; ++i) out[i] = EmulatedRound(numbers[i]);
}

// The tile registers of a thread.
class EmulatedTiles {
 public:
  template <class Configuration>
  static void Configure(const Configuration* configuration) {
    const uint8_t* const bytes = (const uint8_t*)configuration;
    Check(bytes[0] == 1, "the palette is 1");
    for (int i = 1; i < 16; ++i) Check(bytes[i] == 0, "start row and reserved bytes are 0");
    State& state = Here();
    for (int t = 0; t < 16; ++t) {
      uint16_t row_bytes;
      memcpy(&row_bytes, bytes + 16 + 2 * t, 2);
      const int rows = bytes[48 + t];
      Check(t < kTiles || (rows == 0 && row_bytes == 0), "there are 8 tiles");
      if (t >= kTiles) continue;
      Check(rows <= kRows && row_bytes <= kRowBytes, "a tile has at most 16 rows of 64 bytes");
      state.tiles[t] = {rows, row_bytes, {}};
    }
    state.configured = true;
  }

  static void Release() { Here().configured = false; }

  static void Zero(int t) { memset(Get(t).data, 0, sizeof(Tile::data)); }

  static void Load(int t, const void* address, int64_t stride) {
    Tile& tile = Get(t);
    memset(tile.data, 0, sizeof(tile.data));
    for (int r = 0; r < tile.rows; ++r) {
      memcpy(tile.data[r], (const char*)address + r * stride, tile.row_bytes);
    }
  }

  static void Store(int t, void* address, int64_t stride) {
    const Tile& tile = Get(t);
    for (int r = 0; r < tile.rows; ++r) {
      memcpy((char*)address + r * stride, tile.data[r], tile.row_bytes);
    }
  }

  static void Dot(int c, int a, int b) {
    Check(c != a && c != b && a != b, "the three tiles differ");
    Tile &sum = Get(c), &left = Get(a), &right = Get(b);
    Check(sum.rows == left.rows && sum.row_bytes == right.row_bytes &&
              left.row_bytes == 4 * right.rows,
          "the sizes of the tiles match");
    const EmulatedRounding rounding;
    for (int r = 0; r < sum.rows; ++r) DotRow(&sum, left, right, r);
  }

 private:
  static constexpr int kTiles = 8, kRows = 16, kRowBytes = 64;
  struct Tile {
    int rows, row_bytes;
    alignas(64) uint8_t data[kRows][kRowBytes];
  };
  struct State {
    bool configured = false;
    Tile tiles[kTiles];
  };

  __attribute__((noinline)) static void DotRow(Tile* sum, const Tile& left, const Tile& right,
                                               int r) {
    Emulated16 even{}, odd{};
    for (int k = 0; k < left.row_bytes / 4; ++k) {
      uint32_t pair;
      memcpy(&pair, left.data[r] + 4 * k, 4);
      const EmulatedBits bits = *(const EmulatedBits*)right.data[k];
      even = (Emulated16)(bits << 16) * EmulatedWiden(pair & 0xFFFFu) + even;
      odd = (Emulated16)(bits & 0xFFFF0000u) * EmulatedWiden(pair >> 16) + odd;
    }
    Emulated16* const target = (Emulated16*)sum->data[r];
    *target = *target + (even + odd);
  }

  static State& Here() {
    static thread_local State state;
    return state;
  }
  static Tile& Get(int t) {
    Check(t >= 0 && t < kTiles, "there are 8 tiles");
    Check(Here().configured, "tiles are configured before they are used");
    return Here().tiles[t];
  }
  static void Check(bool holds, const char* rule) {
    if (holds) return;
    fprintf(stderr, "Cannot emulate a tile instruction unless %s\n", rule);
    abort();
  }
};

}  // namespace
}  // namespace longlens

#endif  // LONGLENS_TEST_EMULATED_BF16_H_
