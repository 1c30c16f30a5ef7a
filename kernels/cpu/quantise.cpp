#include "quantise.h"

#include <algorithm>
#include <cstring>

namespace longlens {
namespace {

constexpr int32_t kMinExponent = 1, kMaxExponent = 248;

uint32_t Magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits & 0x7FFFFFFFu;
}

// Biased exponent of the scale of a number with these bits; 0 for 0. The addition carries where the
// mantissa is above that of 127.
uint8_t ExponentOf(uint32_t magnitude) {
  if (magnitude == 0) return 0;
  const int32_t exponent = static_cast<int32_t>((magnitude + 0x1FFFFu) >> 23) - 6;
  return static_cast<uint8_t>(std::clamp(exponent, kMinExponent, kMaxExponent));
}

// 1 / scale; 0 where nothing but zeros came.
float InverseOf(uint8_t exponent) { return exponent == 0 ? 0.0f : ScaleOf(254 - exponent); }

// Rounds to nearest even. Adding 1.5 * 2^23 leaves the integer in the low byte.
int8_t Round(float x) {
  const float moved = std::clamp(x, -127.0f, 127.0f) + 12582912.0f;
  uint32_t bits;
  memcpy(&bits, &moved, sizeof(bits));
  return static_cast<int8_t>(bits & 0xFFu);
}

// Rounds the first `slots` keys of a channel to a larger scale.
void Grow(int8_t* channel, int64_t slots, int64_t dim, uint8_t from, uint8_t to) {
  if (from == 0) return;  // zeros
  const float factor = to - from < 127 ? ScaleOf(127 - (to - from)) : 0.0f;
  for (int64_t t = 0; t < slots; ++t) {
    channel[t * dim] = Round(static_cast<float>(channel[t * dim]) * factor);
  }
}

void WriteKey(const float* k, int64_t slot, int64_t dim, int8_t* keys, uint8_t* exponents) {
  if (slot == 0) memset(exponents, 0, dim);
  int8_t* const row = keys + slot * dim;
  for (int64_t i = 0; i < dim; ++i) {
    const uint8_t needed = ExponentOf(Magnitude(k[i]));
    if (needed > exponents[i]) {
      Grow(keys + i, slot, dim, exponents[i], needed);
      exponents[i] = needed;
    }
    row[i] = Round(k[i] * InverseOf(exponents[i]));
  }
}

void WriteValue(const float* v, int64_t dim, int8_t* row, uint8_t* exponent) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < dim; ++i) largest = std::max(largest, Magnitude(v[i]));
  *exponent = ExponentOf(largest);
  const float inverse = InverseOf(*exponent);
  for (int64_t i = 0; i < dim; ++i) row[i] = Round(v[i] * inverse);
}

}  // namespace

bool AllFinite(const float* x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) largest = std::max(largest, Magnitude(x[i]));
  return largest < 0x7F800000u;
}

void AppendInt8(const KvView& kv, const PageTokens& tokens) {
  const int64_t page = tokens.start / LL_PAGE_TOKENS, first = tokens.start % LL_PAGE_TOKENS;
  const auto rows = [&](Part part) {
    return reinterpret_cast<int8_t*>(kv.Row(tokens.head, page * LL_PAGE_TOKENS, part));
  };
  int8_t *const keys = rows(Part::kKeys), *const values = rows(Part::kValues);
  uint8_t* const key_exponents = kv.KeyExponents(tokens.head, page);
  uint8_t* const value_exponents = kv.ValueExponents(tokens.head, page);
  for (int64_t t = 0; t < tokens.count; ++t) {
    const int64_t slot = first + t;
    WriteKey(tokens.k + t * tokens.step, slot, kv.dim, keys, key_exponents);
    WriteValue(tokens.v + t * tokens.step, kv.dim, values + slot * kv.dim, value_exponents + slot);
    *kv.Position(tokens.head, tokens.start + t) = tokens.positions[t];
  }
}

}  // namespace longlens
