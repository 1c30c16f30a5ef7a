#include "encode_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "../common/element_types.h"

namespace longlens {
namespace {

constexpr int kBlock = 32;

// Round to nearest even. Numbers below 2^-14 are rounded by adding a number whose last place is
// that of the smallest f16.
uint16_t ToF16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000u);
  bits &= 0x7FFFFFFFu;
  if (bits >= 0x477FF000u) return sign | 0x7C00u;  // rounds to infinity
  if (bits < 0x38800000u) {
    const float magic = 0.5f;
    float small;
    memcpy(&small, &bits, 4);
    small += magic;
    memcpy(&bits, &small, 4);
    return sign | static_cast<uint16_t>(bits - 0x3F000000u);
  }
  const uint32_t rounded = bits - 0x38000000u + 0xFFFu + (bits >> 13 & 1u);
  return sign | static_cast<uint16_t>(rounded >> 13);
}

void Put(uint8_t* target, float x) {
  const uint16_t half = ToF16(x);
  memcpy(target, &half, 2);
}

// 1 / scale, or 0 where that is none: of blocks of zeros, and of numbers whose scale is no f16.
float Inverse(float scale) {
  const float inverse = 1.0f / scale;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

void EncodeQ8(const float* x, uint8_t* block) {
  float largest = 0;
  for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float scale = largest / 127.0f, inverse = Inverse(scale);
  Put(block, scale);
  for (int i = 0; i < kBlock; ++i) {
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

void EncodeQ4(const float* x, uint8_t* block) {
  const auto [least, largest] = std::minmax_element(x, x + kBlock);
  const float minimum = *least, scale = (*largest - minimum) / 15.0f + 0.0f;  // not -0
  const float inverse = Inverse(scale);
  Put(block, scale);
  Put(block + 2, minimum);
  const auto level = [&](float value) {
    // The difference may be infinite, and its product with 0 no number.
    const float level = (value - minimum) * inverse + 0.5f;
    return level < 15.0f ? static_cast<int>(level) : 15;
  };
  for (int i = 0; i < kBlock / 2; ++i) {
    block[4 + i] = static_cast<uint8_t>(level(x[i]) | level(x[i + kBlock / 2]) << 4);
  }
}

}  // namespace

bool EncodeBlocks(const float* x, int32_t dtype, int64_t count, uint8_t* target) {
  if (!std::all_of(x, x + count, [](float value) { return std::isfinite(value); })) return false;
  const int64_t bytes = ElementTypeOf(dtype).block_bytes;
  for (int64_t i = 0; i < count; i += kBlock, target += bytes) {
    if (dtype == LL_Q8_0) {
      EncodeQ8(x + i, target);
    } else {
      EncodeQ4(x + i, target);
    }
  }
  return true;
}

}  // namespace longlens
