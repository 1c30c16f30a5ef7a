// Records of keys in 4 bits.
//
//   k[j][i] ~ low[i] + step[i] level[j][i],   level in 0 .. 15,  j < LL_FLAT4_KEYS
// A record: low [dim] f32, step [dim] f32, then the levels, two in a byte:
//   [group of 32 keys][dim / 4][16][4]: low nibbles of keys 0 .. 15 of the group, high ones of
//   16 .. 31
// So a vector of bytes, masked or shifted, holds quads of channels of some keys, which instructions
// multiply with a quad of the query and add. Levels of keys that a record lacks are 0.
#ifndef LONGLENS_COMMON_FLAT4_LAYOUT_H_
#define LONGLENS_COMMON_FLAT4_LAYOUT_H_

#include <cstdint>

#include "../include/longlens.h"

namespace longlens {

// Keys whose levels of four channels lie side by side, and the bytes of these; keys of a nibble.
constexpr int32_t kFlat4Group = 32;
constexpr int32_t kFlat4GroupBytes = 2 * kFlat4Group;
constexpr int32_t kFlat4Half = kFlat4Group / 2;
constexpr int32_t kFlat4Groups = LL_FLAT4_KEYS / kFlat4Group;

constexpr int64_t Flat4RecordBytes(int64_t dim) {
  return LL_FLAT4_KEYS * dim / 2 + 2 * dim * int64_t{sizeof(float)};
}

constexpr int64_t Flat4Records(int64_t nodes) {
  return (nodes + LL_FLAT4_KEYS - 1) / LL_FLAT4_KEYS;
}

inline const float* Flat4Low(const uint8_t* record) {
  return reinterpret_cast<const float*>(record);
}
inline const float* Flat4Step(const uint8_t* record, int64_t dim) {
  return reinterpret_cast<const float*>(record) + dim;
}
inline const uint8_t* Flat4Levels(const uint8_t* record, int64_t dim) {
  return record + 2 * dim * sizeof(float);
}

}  // namespace longlens

#endif  // LONGLENS_COMMON_FLAT4_LAYOUT_H_
