// cuBLASLt's matrices lie column after column: W [out][in] is its in x out matrix A, taken
// transposed; x [rows][in] its in x rows matrix B; y [rows][y_stride] its out x rows matrix C, D.
//
// The interface is declared here, as its header need not be there where this library is built.
#include <dlfcn.h>

#include <map>
#include <memory>
#include <tuple>

#include "cublas_lt.h"
#include "find_cublas.h"
#include "runs.cuh"

namespace longlens {
namespace {

// ---- from cublasLt.h, cublas_api.h and library_types.h; equal in versions 11 to 13 ----

constexpr int kSuccess = 0;
constexpr int kTransposed = 1;               // CUBLAS_OP_T
constexpr int kComputeF32 = 68;              // CUBLAS_COMPUTE_32F
constexpr int kTypeF32 = 0, kTypeBf16 = 14;  // CUDA_R_32F, CUDA_R_16BF
constexpr int kDescTransA = 3;               // CUBLASLT_MATMUL_DESC_TRANSA
constexpr int kPreferenceWorkspace = 1;      // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
constexpr int kPreferenceReductions = 3;     // CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK
constexpr int kPreferenceAlignments[] = {5, 6, 7,
                                         8};  // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_{A,B,C,D}_BYTES
constexpr uint32_t kReductionsInF32 = 2;      // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Heuristic) == 96);

using Opaque = void*;

struct Functions {
  int (*create)(Opaque* handle);
  int (*matmul)(Opaque handle, Opaque operation, const void* alpha, const void* a, Opaque a_layout,
                const void* b, Opaque b_layout, const void* beta, const void* c, Opaque c_layout,
                void* d, Opaque d_layout, const Algorithm* algorithm, void* workspace,
                size_t workspace_bytes, cudaStream_t stream);
  int (*choose)(Opaque handle, Opaque operation, Opaque a_layout, Opaque b_layout, Opaque c_layout,
                Opaque d_layout, Opaque preference, int wanted, Heuristic* found, int* count);
  int (*make_operation)(Opaque* operation, int compute_type, int scale_type);
  int (*set_operation)(Opaque operation, int attribute, const void* value, size_t bytes);
  int (*free_operation)(Opaque operation);
  int (*make_layout)(Opaque* layout, int type, uint64_t rows, uint64_t columns, int64_t stride);
  int (*free_layout)(Opaque layout);
  int (*make_preference)(Opaque* preference);
  int (*set_preference)(Opaque preference, int attribute, const void* value, size_t bytes);
  int (*free_preference)(Opaque preference);
};

template <class Function>
bool Find(void* file, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(file, name));
  return function != nullptr;
}

bool FindAll(void* file, Functions& f) {
  return Find(file, "cublasLtCreate", f.create) &&
         Find(file, "cublasLtMatmul", f.matmul) &&
         Find(file, "cublasLtMatmulAlgoGetHeuristic", f.choose) &&
         Find(file, "cublasLtMatmulDescCreate", f.make_operation) &&
         Find(file, "cublasLtMatmulDescSetAttribute", f.set_operation) &&
         Find(file, "cublasLtMatmulDescDestroy", f.free_operation) &&
         Find(file, "cublasLtMatrixLayoutCreate", f.make_layout) &&
         Find(file, "cublasLtMatrixLayoutDestroy", f.free_layout) &&
         Find(file, "cublasLtMatmulPreferenceCreate", f.make_preference) &&
         Find(file, "cublasLtMatmulPreferenceSetAttribute", f.set_preference) &&
         Find(file, "cublasLtMatmulPreferenceDestroy", f.free_preference);
}

// ---- the library ----

struct Library {
  Functions functions;
  Opaque handle = nullptr;

  bool is_there() const { return handle != nullptr; }
};

bool Open(const std::string& path, Library& library) {
  void* const file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) return false;
  if (!FindAll(file, library.functions) || library.functions.create(&library.handle) != kSuccess) {
    library.handle = nullptr;
    dlclose(file);
    return false;
  }
  return true;
}

Library FindLibrary() {
  Library library;
  for (const std::string& path : CublasFiles()) {
    if (Open(path, library)) break;
  }
  return library;
}

// Found by the first call that asks, which holds the library's lock.
const Library& TheLibrary() {
  static const Library library = FindLibrary();
  return library;
}

// ---- products of one shape ----

using Free = int (*)(Opaque);
using Owned = std::unique_ptr<void, Free>;

constexpr uint64_t kWorkspaceBytes = uint64_t{32} << 20;

struct Plan {
  Owned operation, w, x, y;
  Heuristic chosen{};
  bool is_usable = false;
};

bool IsOk(int status) { return status == kSuccess; }

Owned MakeOperation(const Functions& f) {
  Opaque made = nullptr;
  if (!IsOk(f.make_operation(&made, kComputeF32, kTypeF32))) made = nullptr;
  return Owned(made, f.free_operation);
}

Owned MakeLayout(const Functions& f, int type, int64_t rows, int64_t columns, int64_t stride) {
  Opaque made = nullptr;
  if (!IsOk(f.make_layout(&made, type, rows, columns, stride))) made = nullptr;
  return Owned(made, f.free_layout);
}

// Sums of partial sums only where they are in f32 and in a fixed order.
Owned MakePreference(const Functions& f) {
  Opaque made = nullptr;
  if (!IsOk(f.make_preference(&made))) return Owned(nullptr, f.free_preference);
  Owned preference(made, f.free_preference);
  const uint32_t alignment = 16;
  bool ok = IsOk(f.set_preference(made, kPreferenceWorkspace, &kWorkspaceBytes,
                                  sizeof(kWorkspaceBytes))) &&
            IsOk(f.set_preference(made, kPreferenceReductions, &kReductionsInF32,
                                  sizeof(kReductionsInF32)));
  for (const int attribute : kPreferenceAlignments) {
    ok = ok && IsOk(f.set_preference(made, attribute, &alignment, sizeof(alignment)));
  }
  if (!ok) preference.reset();
  return preference;
}

Plan MakePlan(const Library& library, const Bf16Product& p) {
  const Functions& f = library.functions;
  Plan plan{MakeOperation(f), MakeLayout(f, kTypeBf16, p.in, p.out, p.stride()),
            MakeLayout(f, kTypeBf16, p.in, p.rows, p.stride()),
            MakeLayout(f, kTypeF32, p.out, p.rows, p.y_stride)};
  const Owned preference = MakePreference(f);
  if (!plan.operation || !plan.w || !plan.x || !plan.y || !preference) return plan;
  const int transposed = kTransposed;
  int count = 0;
  plan.is_usable =
      IsOk(f.set_operation(plan.operation.get(), kDescTransA, &transposed, sizeof(transposed))) &&
      IsOk(f.choose(library.handle, plan.operation.get(), plan.w.get(), plan.x.get(), plan.y.get(),
                    plan.y.get(), preference.get(), 1, &plan.chosen, &count)) &&
      count == 1 && IsOk(plan.chosen.state);
  return plan;
}

// Used under the library's lock. Plans are not freed at the end of the program, when cuBLASLt may be
// gone.
Plan& PlanOf(const Library& library, const Bf16Product& p) {
  constexpr size_t kMostPlans = 512;
  static auto& plans = *new std::map<std::tuple<int64_t, int64_t, int64_t, int64_t>, Plan>();
  const std::tuple shape(p.rows, p.out, p.in, p.y_stride);
  const auto found = plans.find(shape);
  if (found != plans.end()) return found->second;
  if (plans.size() >= kMostPlans) plans.clear();
  return plans.emplace(shape, MakePlan(library, p)).first->second;
}

// One for all products, as they run one after the other. Used under the library's lock.
void* Workspace(const Call& call) {
  static void* memory = nullptr;
  if (memory == nullptr) {
    CheckCuda(cudaMallocAsync(&memory, kWorkspaceBytes, call.stream()), "take memory for products");
  }
  return memory;
}

}  // namespace

bool MultiplyWithCublas(const Call& call, const Bf16Product& product) {
  const Library& library = TheLibrary();
  if (!library.is_there() || !IsAligned(product.y, 16)) return false;
  Plan& plan = PlanOf(library, product);
  if (!plan.is_usable) return false;
  const float alpha = 1, beta = product.add ? 1 : 0;
  const size_t bytes = plan.chosen.workspace_bytes;
  void* const workspace = bytes > 0 ? Workspace(call) : nullptr;
  plan.is_usable = IsOk(library.functions.matmul(
      library.handle, plan.operation.get(), &alpha, product.w, plan.w.get(), product.x,
      plan.x.get(), &beta, product.y, plan.y.get(), product.y, plan.y.get(), &plan.chosen.algorithm,
      workspace, bytes, call.stream()));
  if (!plan.is_usable) cudaGetLastError();  // forgets it: our own kernel takes over
  return plan.is_usable;
}

}  // namespace longlens
