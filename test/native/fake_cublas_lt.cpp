// cuBLASLt as far as kernels/cuda/cublas_lt.cu uses it, over the host's memory: checks what it is
// told and computes the product column after column.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <atomic>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 7, kNotSupported = 15;
constexpr int kF32 = 0, kBf16 = 14, kComputeF32 = 68, kTransposed = 1;

struct Operation {
  int transposed_a = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;
};
struct Preference {
  uint64_t workspace_bytes = 0;
  uint32_t reductions = 7, alignments[4] = {256, 256, 256, 256};
};
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

constexpr uint64_t kAlgorithm = 0x416C676F;
constexpr size_t kWorkspaceBytes = 1 << 20;
std::atomic<int> products{0};

float Widen(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

template <class T>
int Make(void** made, T value) {
  *made = new T(value);
  return kSuccess;
}

template <class T>
int Free(void* made) {
  delete static_cast<T*>(made);
  return kSuccess;
}

template <class T>
int Set(T& target, const void* value, size_t bytes) {
  if (bytes != sizeof(T)) return kInvalidValue;
  memcpy(&target, value, bytes);
  return kSuccess;
}

bool Fits(const Layout& layout, int type, uint64_t rows, uint64_t columns) {
  return layout.type == type && layout.rows == rows && layout.columns == columns &&
         layout.stride >= int64_t(rows);
}

// Whether A' B may become D.
bool Agree(const Layout& a, const Layout& b, const Layout& d) {
  return Fits(a, kBf16, b.rows, d.rows) && Fits(b, kBf16, a.rows, d.columns) &&
         Fits(d, kF32, a.columns, b.columns);
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int FakeCublasProducts() { return products; }

EXPORT size_t cublasLtGetVersion() { return 130199; }
EXPORT int cublasLtCreate(void** handle) { return Make(handle, 1); }
EXPORT int cublasLtMatmulDescCreate(void** operation, int compute_type, int scale_type) {
  if (compute_type != kComputeF32 || scale_type != kF32) return kNotSupported;
  return Make(operation, Operation());
}
EXPORT int cublasLtMatmulDescSetAttribute(void* operation, int attribute, const void* value,
                                          size_t bytes) {
  if (attribute != 3) return kInvalidValue;
  return Set(static_cast<Operation*>(operation)->transposed_a, value, bytes);
}
EXPORT int cublasLtMatmulDescDestroy(void* operation) { return Free<Operation>(operation); }
EXPORT int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns,
                                      int64_t stride) {
  return Make(layout, Layout{type, rows, columns, stride});
}
EXPORT int cublasLtMatrixLayoutDestroy(void* layout) { return Free<Layout>(layout); }
EXPORT int cublasLtMatmulPreferenceCreate(void** preference) {
  return Make(preference, Preference());
}
EXPORT int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void* value,
                                                size_t bytes) {
  Preference& p = *static_cast<Preference*>(preference);
  if (attribute == 1) return Set(p.workspace_bytes, value, bytes);
  if (attribute == 3) return Set(p.reductions, value, bytes);
  if (attribute >= 5 && attribute <= 8) return Set(p.alignments[attribute - 5], value, bytes);
  return kInvalidValue;
}
EXPORT int cublasLtMatmulPreferenceDestroy(void* preference) {
  return Free<Preference>(preference);
}

EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void* operation, void* a, void* b, void* c,
                                          void* d, void* preference, int wanted, void* found,
                                          int* count) {
  const Preference& p = *static_cast<Preference*>(preference);
  const Layout& result = *static_cast<Layout*>(d);
  *count = 0;
  if (!Agree(*static_cast<Layout*>(a), *static_cast<Layout*>(b), result) ||
      !Fits(*static_cast<Layout*>(c), kF32, result.rows, result.columns)) {
    return kInvalidValue;
  }
  if (static_cast<Operation*>(operation)->transposed_a != kTransposed) return kNotSupported;
  if (wanted < 1 || p.workspace_bytes < kWorkspaceBytes || p.reductions != 2) return kNotSupported;
  for (const uint32_t alignment : p.alignments) {
    if (alignment != 16) return kNotSupported;
  }
  if (result.rows % 3 == 0) return kNotSupported;  // so that callers need another way
  Heuristic chosen{{kAlgorithm}, kWorkspaceBytes, kSuccess, 1, {}};
  memcpy(found, &chosen, sizeof(chosen));
  *count = 1;
  return kSuccess;
}

EXPORT int cublasLtMatmul(void*, void*, const void* alpha, const void* a, void* a_layout,
                          const void* b, void* b_layout, const void* beta, const void* c, void*,
                          void* d, void* d_layout, const void* algorithm, void* workspace,
                          size_t workspace_bytes, void*) {
  const Layout& la = *static_cast<Layout*>(a_layout);
  const Layout& lb = *static_cast<Layout*>(b_layout);
  const Layout& ld = *static_cast<Layout*>(d_layout);
  if (*static_cast<const uint64_t*>(algorithm) != kAlgorithm) return kInvalidValue;
  if (workspace == nullptr || workspace_bytes < kWorkspaceBytes) return kInvalidValue;
  for (const void* const matrix : {a, b, c, static_cast<const void*>(d)}) {
    if (reinterpret_cast<uintptr_t>(matrix) % 16 != 0) return kInvalidValue;
  }
  memset(workspace, 0xA5, workspace_bytes);
  const float scale = *static_cast<const float*>(alpha), keep = *static_cast<const float*>(beta);
  for (uint64_t column = 0; column < ld.columns; ++column) {
    for (uint64_t row = 0; row < ld.rows; ++row) {
      float sum = 0;
      for (uint64_t i = 0; i < la.rows; ++i) {
        sum += Widen(static_cast<const uint16_t*>(a)[row * la.stride + i]) *
               Widen(static_cast<const uint16_t*>(b)[column * lb.stride + i]);
      }
      const uint64_t at = column * ld.stride + row;
      const float old = keep == 0 ? 0 : keep * static_cast<const float*>(c)[at];
      static_cast<float*>(d)[at] = scale * sum + old;
    }
  }
  ++products;
  return kSuccess;
}
