// Arrays that are copied to the device together.
#ifndef LONGLENS_CUDA_PACKED_ARRAYS_H_
#define LONGLENS_CUDA_PACKED_ARRAYS_H_

#include <vector>

#include "runtime.h"

namespace longlens {

class PackedArrays {
 public:
  void Clear() { bytes_.clear(); }
  // Adds an array; returns its offset, a multiple of 16.
  template <class T>
  int64_t Add(const std::vector<T>& array) {
    const int64_t offset = static_cast<int64_t>(bytes_.size());
    const char* const from = reinterpret_cast<const char*>(array.data());
    bytes_.insert(bytes_.end(), from, from + array.size() * sizeof(T));
    bytes_.resize((bytes_.size() + 15) / 16 * 16);
    return offset;
  }
  // Address of byte 0 on the device.
  const char* CopyIn(const Call& call) const {
    return call.CopyIn(bytes_.data(), static_cast<int64_t>(bytes_.size()));
  }

 private:
  std::vector<char> bytes_;
};

// The array at `offset`.
template <class T>
const T* ArrayAt(const char* packed, int64_t offset) {
  return reinterpret_cast<const T*>(packed + offset);
}

}  // namespace longlens

#endif  // LONGLENS_CUDA_PACKED_ARRAYS_H_
