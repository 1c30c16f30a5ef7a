// The functions of kernels/cuda/wgmma.cuh, emulated. A product reads shared memory and writes its
// result when it is waited for, so that data that is overwritten or used too early is found.
#ifndef LONGLENS_TEST_EMULATED_WGMMA_H_
#define LONGLENS_TEST_EMULATED_WGMMA_H_

#include <deque>
#include <map>
#include <vector>

#include "emulated_ptx.h"

namespace emulated {

struct Descriptor {
  uint32_t address, leading, stride;

  explicit Descriptor(uint64_t bits)
      : address((bits & 0x3FFF) << 4),
        leading((bits >> 16 & 0x3FFF) << 4),
        stride((bits >> 32 & 0x3FFF) << 4) {
    if (bits >> 62 != 1) Fail("a descriptor without the swizzle of 128 bytes");
    if ((bits >> 49 & 7) != 0) Fail("a descriptor with a base offset");
  }
  // The hardware swizzles address bits: bits 4-6 are exclusive-ored with bits 7-9.
  static float At(uint32_t linear) {
    const uint32_t swizzled = linear ^ (linear >> 7 & 7) << 4;
    uint16_t half;
    memcpy(&half, SharedAt(swizzled, 2), 2);
    return Widen(half);
  }
  // Element `k` of row or column `i`, along k: 128 bytes a row, 8 rows a stride.
  float Along(int i, int k) const { return At(address + i / 8 * stride + i % 8 * 128 + 2 * k); }
  // Across k: 64 columns a row of 128 bytes, k by rows.
  float Across(int i, int k) const {
    return At(address + i / 64 * leading + k / 8 * stride + k % 8 * 128 + i % 64 * 2);
  }
};

struct Product {
  float* d;
  int columns;
  bool adds, across, a_in_registers;
  uint64_t a, b;
  float rows[2][16];  // of a in registers
};

struct Products {
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
};
// Of the running thread.
inline Products& ThreadProducts() {
  static std::map<int, Products> all;
  return all[Current().number()];
}

inline void Multiply(const Product& p) {
  const int t = Current().number() % 128, g = 16 * (t / 32) + t % 32 / 4, c = 2 * (t % 4);
  const Descriptor b(p.b);
  float rows[2][16];
  memcpy(rows, p.rows, sizeof(rows));
  if (!p.a_in_registers) {
    const Descriptor a(p.a);
    for (int half = 0; half < 2; ++half) {
      for (int k = 0; k < 16; ++k) rows[half][k] = a.Along(g + 8 * half, k);
    }
  }
  for (int j = 0; j < p.columns / 8; ++j) {
    for (int i = 0; i < 2; ++i) {
      float column[16];
      const int n = 8 * j + c + i;
      for (int k = 0; k < 16; ++k) column[k] = p.across ? b.Across(n, k) : b.Along(n, k);
      for (int half = 0; half < 2; ++half) {
        float& d = p.d[4 * j + 2 * half + i];
        float sum = p.adds ? d : 0;
        for (int k = 0; k < 16; ++k) sum += rows[half][k] * column[k];
        d = sum;
      }
    }
  }
}

// All threads of the warpgroup must issue the same product.
inline void Issue(Product product, const uint32_t* a) {
  struct {
    uint32_t a[4];
    uint64_t descriptors[2];
    int32_t columns;
  } mine{};
  if (a != nullptr) memcpy(mine.a, a, sizeof(mine.a));
  mine.descriptors[0] = product.a;
  mine.descriptors[1] = product.b;
  mine.columns = product.columns;
  const char* const all = ExchangeGroup(&mine, sizeof(mine));
  const int t = Current().number() % 128;
  for (int lane = 0; lane < 128; ++lane) {
    if (memcmp(all + 64 * lane + 16, mine.descriptors, 20) != 0) {
      Fail("threads of a warpgroup that issue different products");
    }
  }
  for (int quad = 0; quad < 4 && a != nullptr; ++quad) {
    uint32_t theirs[4];
    memcpy(theirs, all + 64 * (t / 4 * 4 + quad), sizeof(theirs));
    for (int i = 0; i < 4; ++i) {
      const int half = i % 2, k = 8 * (i / 2) + 2 * quad;
      product.rows[half][k] = Widen(theirs[i] & 0xFFFF);
      product.rows[half][k + 1] = Widen(theirs[i] >> 16);
    }
  }
  ThreadProducts().open.push_back(product);
}

}  // namespace emulated

namespace longlens {

inline void WgmmaFence() {}
inline void WgmmaCommit() {
  emulated::Products& products = emulated::ThreadProducts();
  products.groups.push_back({});
  products.groups.back().swap(products.open);
}
template <int N>
void WgmmaWait() {
  emulated::Products& products = emulated::ThreadProducts();
  while (int(products.groups.size()) > N) {
    for (const emulated::Product& product : products.groups.front()) emulated::Multiply(product);
    products.groups.pop_front();
  }
}
template <class T, int kCount>
void WgmmaHold(T (&)[kCount]) {}
template <int kCount>
void KeepRegisters() {}
template <int kCount>
void TakeRegisters() {}

template <int kCount>
void WgmmaAlong(float (&d)[kCount], uint64_t a, uint64_t b, int adds) {
  emulated::Issue({d, 2 * kCount, adds != 0, false, false, a, b, {}}, nullptr);
}
template <int kCount>
void WgmmaAcross(float (&d)[kCount], const uint32_t (&a)[4], uint64_t b, int adds) {
  emulated::Issue({d, 2 * kCount, adds != 0, true, true, 0, b, {}}, a);
}

}  // namespace longlens

#endif  // LONGLENS_TEST_EMULATED_WGMMA_H_
